//! `agent session diff`, `expand`, `compact` and `summarise-branch`: branches side by side, and summaries.

use jiff::Timestamp;
use nexus_client::{Broker, KeyFile, install_crypto};
use nexus_wire::RequestId;
use nexus_wire::session::SessionAct;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

use super::draw::{short, summary};
use super::sessions::{Said, Which, find_entry, show_entries};
use super::{Context, Format};
use crate::agent::{Compactor, job};
use crate::home::Home;
use crate::provider::{Meter, Provider, Via};
use crate::session::{Entry, Parting, Payload, Tree, behind};

pub(super) fn diff(
    context: &mut Context<'_>,
    which: &Which,
    one: &str,
    other: Option<&str>,
    format: Format,
) -> Said<()> {
    let tree = which.load()?;
    let one = find_entry(&tree, one)?;
    let other = match other {
        Some(other) => Some(find_entry(&tree, other)?),
        None => tree.head(),
    };
    let parting = Parting::of(&tree, Some(one), other);
    if format == Format::Json {
        let side = |leaf: Option<Uuid>, entries: &[&Entry]| {
            let entries: Vec<Value> = entries.iter().map(|entry| line_of(entry)).collect();
            json!({"leaf": leaf, "entries": entries})
        };
        let told = json!({
            "common": parting.common, "one": side(Some(one), &parting.one), "other": side(other, &parting.other),
        });
        writeln!(context.out, "{told:#}")?;
        return Ok(());
    }
    match parting.common {
        Some(common) => writeln!(context.out, "both have everything up to {}", short(common))?,
        None => writeln!(context.out, "they have nothing in common")?,
    }
    for (mark, leaf, entries) in [('-', Some(one), &parting.one), ('+', other, &parting.other)] {
        let leaf = leaf.map_or_else(|| "the start".to_owned(), short);
        let active = if mark == '+' && other == tree.head() { ", the active branch" } else { "" };
        writeln!(context.out, "\n{} more up to {leaf}{active}", entries.len())?;
        for entry in entries.iter().filter(|entry| !entry.payload.is_rewind()) {
            let (id, kind) = (short(entry.id), entry.payload.kind());
            writeln!(context.out, "{mark} {id} {kind}  {}", summary(&entry.payload))?;
        }
    }
    Ok(())
}

fn line_of(entry: &Entry) -> Value {
    json!({
        "id": entry.id, "kind": entry.payload.kind(), "ts": entry.ts, "summary": summary(&entry.payload),
    })
}

/// The originals behind a summary: the one that is named, else the last one of the active branch.
pub(super) fn expand(
    context: &mut Context<'_>,
    which: &Which,
    entry: Option<&str>,
    format: Format,
) -> Said<()> {
    let tree = which.load()?;
    let is_summary = |entry: &Entry| match entry.payload {
        Payload::Compaction(_) | Payload::BranchSummary(_) => true,
        Payload::User(_)
        | Payload::Assistant(_)
        | Payload::ToolResult(_)
        | Payload::SystemPrompt(_)
        | Payload::Situation(_)
        | Payload::Decision(_)
        | Payload::Head(_)
        | Payload::ToolStarted(_)
        | Payload::Other { .. } => false,
    };
    let summary = match entry {
        Some(entry) => {
            let id = find_entry(&tree, entry)?;
            let found = tree.entry(id).filter(|entry| is_summary(entry));
            found.ok_or_else(|| format!("entry {id} is no summary; agent session tree shows which are"))?
        }
        None => {
            let branch = tree.branch(tree.head());
            let last = branch.into_iter().rev().find(|entry| is_summary(entry));
            last.ok_or("there is no summary on the active branch")?
        }
    };
    show_entries(context, &behind(&tree, summary), format)
}

pub(super) fn compact(context: &mut Context<'_>, which: &Which, format: Format) -> Said<()> {
    summarise(context, which, |_| Ok(SessionAct::Compact), format)
}

pub(super) fn summarise_branch(
    context: &mut Context<'_>,
    which: &Which,
    entry: &str,
    format: Format,
) -> Said<()> {
    let act = |tree: &Tree| Ok(SessionAct::Summarise { entry: find_entry(tree, entry)? });
    summarise(context, which, act, format)
}

/// Has the aspect's own provider write the summary, as its process would.
fn summarise(
    context: &mut Context<'_>,
    which: &Which,
    act: impl FnOnce(&Tree) -> Said<SessionAct>,
    format: Format,
) -> Said<()> {
    let (mut session, _held) = which.to_change(context)?;
    let Home { dir, settings, .. } = Home::load(&which.home, context.env)?;
    install_crypto();
    let all = std::iter::once(&settings.provider).chain(&settings.failover);
    let via = match all.into_iter().any(|it| it.credential.is_some()) {
        true => {
            let keyfile = KeyFile::load(&KeyFile::path_in(&dir))?;
            Some(Via::of(&keyfile, Broker::of_keyfile(keyfile.clone())?))
        }
        false => None,
    };
    let (first, others) = (settings.provider.clone(), settings.failover.clone());
    let provider = Provider::with_stand_ins(first, others, &dir, via.as_ref())?;
    let compactor = Compactor {
        provider: Arc::new(provider),
        max_tokens: settings.provider.max_tokens,
        window: settings.provider.context_window,
        line: None,
        aspect: settings.name.to_string(),
    };
    let act = act(session.tree())?;
    let job = job(&compactor, session.tree(), &act, None).map_err(|refused| refused.message)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let written =
        runtime.block_on(compactor.write(job, RequestId(Uuid::nil()), None, Meter::default(), None));
    let written = written.map_err(|reason| format!("no summary was made: {reason}"))?;
    let ids = session.append_all(written.into_payloads(None), Timestamp::now())?;
    let made = ids.first().and_then(|id| session.tree().entry(*id));
    match format {
        Format::Json => {
            let (entry, head) = (made.map(line_of), session.tree().head());
            writeln!(context.out, "{:#}", json!({"entry": entry, "head": head, "path": session.path()}))?;
        }
        Format::Text => {
            let Some(entry) = made else { return Ok(()) };
            let (id, kind) = (short(entry.id), entry.payload.kind());
            writeln!(context.out, "{id} {kind}  {}", summary(&entry.payload))?;
        }
    }
    Ok(())
}
