//! `nexctl credential` and `nexctl audit`: what the broker keeps for services outside, and who did what.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read};

use nexus_client::Broker;
use nexus_client::blob::escaped;
use nexus_wire::AspectName;
use nexus_wire::audit::{AuditEntry, AuditPage};
use nexus_wire::credential::{
    CredentialAdd, CredentialAllow, CredentialInfo, CredentialList, CredentialRotate,
};
use nexus_wire::roster::Team;

use crate::Run;
use crate::cli::{Audit, CredentialAction, Output};
use crate::failure::Failure;
use crate::near;
use crate::table;
use crate::ui::{Tone, printable};

const SECRET_BYTES_MAX: u64 = nexus_wire::limits::SECRET_BYTES_MAX as u64 + 1;

pub(crate) async fn credential(run: &Run, action: CredentialAction) -> Result<(), Failure> {
    let broker = run.broker()?;
    match action {
        CredentialAction::Add { name, kind, mode, base_url, header, prefix, allow, secret_file } => {
            let secret = secret(secret_file.as_deref())?;
            let allowed = allow.clone();
            let add = CredentialAdd {
                name,
                kind: kind.into(),
                mode: mode.into(),
                base_url,
                header,
                prefix,
                allowed_aspects: allow,
                secret,
            };
            let info: CredentialInfo = run.within(broker.post_json("/api/v1/credentials", &add)).await??;
            warn_of_unknown(run, &broker, &allowed).await?;
            told(run, &info, "is kept")
        }
        CredentialAction::Allow { name, aspects } => {
            let path = format!("/api/v1/credentials/{name}/allowed");
            warn_of_unknown(run, &broker, &aspects).await?;
            let allow = CredentialAllow { allowed_aspects: aspects };
            let info: CredentialInfo = run.within(broker.put_json(&path, &allow)).await??;
            let names: Vec<&str> = info.allowed_aspects.iter().map(|name| name.as_str()).collect();
            let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            told(run, &info, &format!("may be used by {who}"))
        }
        CredentialAction::List => {
            let list: CredentialList = run.within(broker.get_json("/api/v1/credentials")).await??;
            match run.output {
                Output::Json => run.ui.json(&list),
                Output::Table if list.credentials.is_empty() => {
                    run.ui.note(Tone::Dim, "no credentials yet; keep one with: nexctl credential add …");
                    Ok(())
                }
                Output::Table => run.ui.result(&table::credentials(&run.ui, &list.credentials, run.now())),
            }
        }
        CredentialAction::Show { name } => {
            let info: CredentialInfo =
                run.within(broker.get_json(&format!("/api/v1/credentials/{name}"))).await??;
            match run.output {
                Output::Json => run.ui.json(&info),
                Output::Table => {
                    run.ui.result(&table::credentials(&run.ui, std::slice::from_ref(&info), run.now()))
                }
            }
        }
        CredentialAction::Rotate { name, secret_file } => {
            let rotate = CredentialRotate { secret: secret(secret_file.as_deref())? };
            let path = format!("/api/v1/credentials/{name}/secret");
            let info: CredentialInfo = run.within(broker.put_json(&path, &rotate)).await??;
            told(run, &info, "has a new secret")
        }
        CredentialAction::Remove { name } => {
            let info: CredentialInfo =
                run.within(broker.delete_json(&format!("/api/v1/credentials/{name}"))).await??;
            told(run, &info, "is forgotten")
        }
    }
}

async fn warn_of_unknown(run: &Run, broker: &Broker, allowed: &[AspectName]) -> Result<(), Failure> {
    let team: Team = run.within(broker.get_json("/api/v1/aspects")).await??;
    let names: BTreeSet<&str> = team.aspects.iter().map(|aspect| aspect.name.as_str()).collect();
    for name in allowed.iter().filter(|name| !names.contains(name.as_str())) {
        let hint = near::hint(name.as_str(), names.clone());
        run.ui.note(Tone::Warning, &format!("there is no aspect {name} to use it yet; {hint}"));
    }
    Ok(())
}

fn told(run: &Run, info: &CredentialInfo, what: &str) -> Result<(), Failure> {
    match run.output {
        Output::Json => run.ui.json(info),
        Output::Table => run.ui.result_line(&format!("credential {} {what}", info.name)),
    }
}

/// From a file, typed unseen, or from standard input; never from the command line, which others can see.
fn secret(file: Option<&std::path::Path>) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(format!("the secret cannot be read: {error}"));
    let text = match file {
        Some(path) => {
            let mut text = String::new();
            let file = std::fs::File::open(path).map_err(unreadable)?;
            file.take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
            text
        }
        None if std::io::stdin().is_terminal() => {
            rpassword::prompt_password("Secret: ").map_err(unreadable)?
        }
        None => {
            let mut text = String::new();
            std::io::stdin().lock().take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
            text
        }
    };
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        return Err(Failure::Usage("the secret is empty".to_owned()));
    }
    Ok(secret)
}

pub(crate) async fn audit(run: &Run, audit: Audit) -> Result<(), Failure> {
    let broker = run.broker()?;
    let mut path = format!("/api/v1/audit?limit={}", audit.limit);
    for (name, value) in [
        ("kind", audit.kind),
        ("by", audit.by.map(|it| it.to_string())),
        ("before", audit.before.map(|it| it.to_string())),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escaped(&value)));
        }
    }
    let page: AuditPage = run.within(broker.get_json(&path)).await??;
    if run.output == Output::Json {
        return run.ui.json(&page);
    }
    if page.entries.is_empty() {
        run.ui.note(Tone::Dim, "nothing of that kind is in the audit trail");
        return Ok(());
    }
    for AuditEntry { seq, at, actor, kind, subject, .. } in &page.entries {
        let at = jiff::Timestamp::from_millisecond(*at)
            .map_or_else(|_| String::new(), |at| at.to_zoned(run.zone.clone()).strftime("%F %T").to_string());
        run.ui.result_line(&format!("{seq:>8}  {at}  {actor:<20}  {kind:<26}  {}", printable(subject)))?;
    }
    if let (true, Some(last)) = (page.more, page.entries.last()) {
        run.ui.note(Tone::Dim, &format!("there are more; go on with --before {}", last.seq));
    }
    Ok(())
}
