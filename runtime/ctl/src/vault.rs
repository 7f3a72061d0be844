//! `nexctl credential`: what the broker keeps for services outside.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Read};

use nexus_client::Broker;
use nexus_wire::credential::{
    CredentialAdd, CredentialAllow, CredentialInfo, CredentialList, CredentialRotate,
};
use nexus_wire::roster::Team;
use nexus_wire::{AspectName, CredentialName};

use crate::Run;
use crate::cli::CredentialAction;
use crate::failure::Failure;
use crate::near;
use crate::page::Page;
use crate::table;
use crate::ui::{Shape, Tone};

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
            let shown = CredentialAdd { secret: "…".to_owned(), ..add.clone() };
            run.rehearse("POST /api/v1/credentials", &shown)?;
            let info: CredentialInfo = run.within(broker.post_json("/api/v1/credentials", &add)).await??;
            warn_of_unknown(run, &broker, &allowed).await?;
            told(run, &info, "is kept")
        }
        CredentialAction::Allow { name, aspects } => {
            let path = format!("/api/v1/credentials/{name}/allowed");
            warn_of_unknown(run, &broker, &aspects).await?;
            let allow = CredentialAllow { allowed_aspects: aspects };
            run.rehearse(&format!("PUT {path}"), &allow)?;
            let info: CredentialInfo = run.within(broker.put_json(&path, &allow)).await??;
            let names: Vec<&str> = info.allowed_aspects.iter().map(|name| name.as_str()).collect();
            let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            told(run, &info, &format!("may be used by {who}"))
        }
        CredentialAction::List => run.within(list(run, &broker)).await??.print(run),
        CredentialAction::Show { name } => run.within(one(run, &broker, &name)).await??.print(run),
        CredentialAction::Rotate { name, secret_file } => {
            let rotate = CredentialRotate { secret: secret(secret_file.as_deref())? };
            let path = format!("/api/v1/credentials/{name}/secret");
            run.rehearse(&format!("PUT {path}"), &serde_json::json!({"secret": "…"}))?;
            let info: CredentialInfo = run.within(broker.put_json(&path, &rotate)).await??;
            told(run, &info, "has a new secret")
        }
        CredentialAction::Remove { name } => {
            run.rehearse(&format!("DELETE /api/v1/credentials/{name}"), &serde_json::json!({}))?;
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

pub(crate) async fn list(run: &Run, broker: &Broker) -> Result<Page, Failure> {
    let list: CredentialList = broker.get_json("/api/v1/credentials").await?;
    let empty = "no credentials yet; keep one with: nexctl credential add …";
    let rows = || table::credentials(&run.ui, &list.credentials, run.now());
    Page::of(run, &list, list.credentials.is_empty().then_some(empty), rows)
}

pub(crate) async fn one(run: &Run, broker: &Broker, name: &CredentialName) -> Result<Page, Failure> {
    let info: CredentialInfo = broker.get_json(&format!("/api/v1/credentials/{name}")).await?;
    Page::of(run, &info, None, || table::credentials(&run.ui, std::slice::from_ref(&info), run.now()))
}

fn told(run: &Run, info: &CredentialInfo, what: &str) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(info),
        Shape::Text => run.ui.result_line(&format!("credential {} {what}", info.name)),
    }
}

/// From a file, or as [`asked`].
pub(crate) fn secret(file: Option<&std::path::Path>) -> Result<String, Failure> {
    // A secret of several lines, such as a private key, comes whole from standard input.
    let Some(path) = file else {
        return if std::io::stdin().is_terminal() {
            asked("Secret: ")
        } else {
            read(std::io::stdin().lock())
        };
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    read(file)
}

/// Typed unseen, or a line of standard input; never from the command line, which others can see.
pub(crate) fn asked(prompt: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(prompt).map_err(|error| unreadable(&error))?;
        return told_apart(typed);
    }
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(SECRET_BYTES_MAX);
    input.read_line(&mut line).map_err(|error| unreadable(&error))?;
    told_apart(line)
}

fn read(from: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    told_apart(text)
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::Usage(format!("the secret cannot be read: {error}"))
}

fn told_apart(text: String) -> Result<String, Failure> {
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        let text =
            "a secret is wanted and nothing was given; type it, or write it to standard input, a line each";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(secret)
}
