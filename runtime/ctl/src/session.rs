//! `nexctl session`: looks into the sessions of an aspect that is online, and has them changed. `nexctl stop` and
//! `nexctl go-on`: the same for the turns it is at.

use std::time::Duration;

use nexus_client::{CallError, Client, Followed, Request};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::log::{LogBody, LogEntry, Subscribe};
use nexus_wire::session::{
    SessionAct, SessionBranch, SessionCommandInfo, SessionCommandState, SessionCompact, SessionDiff,
    SessionEntry, SessionExpand, SessionExpanded, SessionFork, SessionList, SessionOrdered, SessionOutcome,
    SessionPage, SessionRewind, SessionStatus, SessionSummarise, SessionTree, SessionTreePage,
};
use nexus_wire::turn::{TurnCancel, TurnGoOn};
use nexus_wire::{AspectName, ItemId};
use uuid::Uuid;

use crate::cli::{GoOn, Patience, SessionAction, Stop};
use crate::failure::Failure;
use crate::ids::Short;
use crate::page::Page;
use crate::ui::{Shape, Tone, printable};
use crate::{Run, ids, table};

pub(crate) async fn session(run: &Run, action: SessionAction) -> Result<(), Failure> {
    match action {
        SessionAction::Compact { of, session, patience } => {
            let mut client = run.connect().await?;
            let session = run.within(ids::session(&mut client, &of, &session)).await??;
            order(run, client, SessionCompact { of, session }, patience).await
        }
        SessionAction::Fork { of, session, entry, say, patience } => {
            let mut client = run.connect().await?;
            let (session, entry) = place(run, &mut client, &of, &session, entry.as_ref()).await?;
            order(run, client, SessionFork { of, session, entry, say }, patience).await
        }
        SessionAction::Rewind { of, session, entry, patience } => {
            let mut client = run.connect().await?;
            let (session, entry) = place(run, &mut client, &of, &session, entry.0.as_ref()).await?;
            order(run, client, SessionRewind { of, session, entry }, patience).await
        }
        SessionAction::Summarise { of, session, entry, patience } => {
            let mut client = run.connect().await?;
            let session = run.within(ids::session(&mut client, &of, &session)).await??;
            let entry = run.within(ids::entry(&mut client, &of, &session, &entry)).await??;
            order(run, client, SessionSummarise { of, session, entry }, patience).await
        }
        action @ (SessionAction::Diff { .. }
        | SessionAction::Expand { .. }
        | SessionAction::List { .. }
        | SessionAction::Show { .. }
        | SessionAction::Status { .. }
        | SessionAction::Tree { .. }) => {
            let mut client = run.connect().await?;
            let done = run.within(look(run, &mut client, action)).await?;
            client.close().await;
            done
        }
    }
}

pub(crate) async fn stop(run: &Run, stop: Stop) -> Result<(), Failure> {
    let Stop { aspect: of, thread, turn, reason, patience } = stop;
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, thread.as_ref(), ids::thread)).await??;
    order(run, client, TurnCancel { of, thread, turn, reason }, patience).await
}

pub(crate) async fn go_on(run: &Run, go_on: GoOn) -> Result<(), Failure> {
    let GoOn { aspect: of, thread, patience } = go_on;
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, thread.as_ref(), ids::thread)).await??;
    order(run, client, TurnGoOn { of, thread }, patience).await
}

/// A session, and an entry of it if one is named.
async fn place(
    run: &Run,
    client: &mut Client,
    of: &AspectName,
    session: &str,
    entry: Option<&Short<Uuid>>,
) -> Result<(String, Option<Uuid>), Failure> {
    let session = run.within(ids::session(client, of, session)).await??;
    let entry = match entry {
        Some(entry) => Some(run.within(ids::entry(client, of, &session, entry)).await??),
        None => None,
    };
    Ok((session, entry))
}

/// Puts a command into the aspect's inbox and waits for what comes of it.
async fn order(
    run: &Run,
    mut client: Client,
    command: impl Request<Reply = SessionOrdered>,
    patience: Patience,
) -> Result<(), Failure> {
    let kinds = vec!["item_closed".to_owned()];
    // Before it is sent, so that its end cannot be missed.
    let mut follow = run.connect().await?.follow(Subscribe { kinds, ..Subscribe::default() }).await?;
    let SessionOrdered { command } = run.change(&mut client, command).await?;
    let mut ended = async || loop {
        match follow.next().await? {
            Followed::Log(entry) if closes(&entry, command) => return Ok::<(), CallError>(()),
            // What came between was not filtered by us.
            Followed::Activity(_)
            | Followed::Gap(_)
            | Followed::Log(_)
            | Followed::Lost { .. }
            | Followed::ObserveGap(_)
            | Followed::Observed(_)
            | Followed::Reconnected
            | Followed::Roster(_) => {}
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(patience.wait), ended()).await;
    if let Ok(ended) = waited {
        ended?;
    }
    let info = run.within(client.call(SessionStatus { command })).await??;
    client.close().await;
    show(run, &info)
}

fn closes(entry: &LogEntry, command: ItemId) -> bool {
    match &entry.body {
        LogBody::ItemClosed(close) => close.item == command,
        LogBody::Alert(_)
        | LogBody::DispatchAccepted(_)
        | LogBody::DispatchAssigned { .. }
        | LogBody::DispatchEnded(_)
        | LogBody::ItemTaken(_)
        | LogBody::Message(_)
        | LogBody::Other { .. }
        | LogBody::Reacted(_) => false,
    }
}

fn show(run: &Run, info: &SessionCommandInfo) -> Result<(), Failure> {
    if run.ui.shape() == Shape::Data {
        run.ui.data(info)?;
    }
    let outcome = info.outcome.clone().unwrap_or_default();
    let command = info.command;
    match info.state {
        SessionCommandState::Pending => {
            let of = &info.of;
            let line = format!(
                "it is in {of}'s inbox, and done when {of} gets to it: nexctl session status {command}"
            );
            run.ui.note(Tone::Warning, &line);
            Ok(())
        }
        SessionCommandState::Done if run.ui.shape() == Shape::Data => Ok(()),
        SessionCommandState::Done => run.ui.result_line(&printable(&done(info, &outcome))),
        SessionCommandState::Failed => {
            let error = outcome.error.map_or_else(|| "no reason was given".to_owned(), |it| it.message);
            Err(Failure::Failed(format!("{} did not do it: {}", info.of, printable(&error))))
        }
    }
}

/// What came of it, in a line.
fn done(info: &SessionCommandInfo, outcome: &SessionOutcome) -> String {
    let of = &info.of;
    let turns: Vec<String> = outcome.turns.iter().map(ToString::to_string).collect();
    match &info.act {
        SessionAct::CancelTurns { .. } if turns.is_empty() => format!("{of} was at no such turn"),
        SessionAct::CancelTurns { .. } => format!("cancelled: turn {}", turns.join(", turn ")),
        SessionAct::GoOn { .. } if turns.is_empty() => format!("no turn of {of} waits for its budget"),
        SessionAct::GoOn { .. } => format!("goes on: turn {}", turns.join(", turn ")),
        SessionAct::Compact
        | SessionAct::Fork { .. }
        | SessionAct::Rewind { .. }
        | SessionAct::Summarise { .. } => {
            let head = outcome.head.map_or_else(|| "the start".to_owned(), |head| head.to_string());
            format!("session {} goes on after {head}", outcome.session.as_deref().unwrap_or_default())
        }
    }
}

async fn look(run: &Run, client: &mut Client, action: SessionAction) -> Result<(), Failure> {
    match action {
        // Done where it is known for how long to wait.
        SessionAction::Compact { .. }
        | SessionAction::Fork { .. }
        | SessionAction::Rewind { .. }
        | SessionAction::Summarise { .. } => Ok(()),
        SessionAction::Diff { of, session, one, other } => {
            let session = ids::session(client, &of, &session).await?;
            let one = ids::entry(client, &of, &session, &one).await?;
            let other = match other {
                Some(other) => Some(ids::entry(client, &of, &session, &other).await?),
                None => None,
            };
            let found = client.call(SessionDiff { of, session, one, other }).await?;
            let table = |branch: &SessionBranch| {
                let tree = SessionTreePage {
                    session: found.session.clone(),
                    head: branch.leaf,
                    entries: branch.entries.clone(),
                    cursor: None,
                };
                table::session_tree(&run.ui, &tree, run.now())
            };
            if run.ui.shape() == Shape::Data {
                return run.ui.data(&found);
            }
            let common = found.common.map_or_else(|| "the start".to_owned(), |id| id.to_string());
            let left_out = |branch: &SessionBranch| match branch.left_out {
                0 => String::new(),
                more => format!("\n… and {more} more"),
            };
            run.ui.result_line(&format!(
                "they part after {common}\n\none:\n{}{}\n\nother:\n{}{}",
                table(&found.one),
                left_out(&found.one),
                table(&found.other),
                left_out(&found.other)
            ))
        }
        SessionAction::Expand { of, session, entry } => {
            let session = ids::session(client, &of, &session).await?;
            let entry = ids::entry(client, &of, &session, &entry).await?;
            let mut all = SessionExpanded { session, entry, entries: Vec::new(), cursor: None };
            loop {
                let (limit, cursor) = (Some(PAGE_MAX), all.cursor.take());
                let ask =
                    SessionExpand { of: of.clone(), session: all.session.clone(), entry, limit, cursor };
                let page = client.call(ask).await?;
                all.entries.extend(page.entries);
                all.cursor = page.cursor;
                if all.cursor.is_none() {
                    break;
                }
            }
            let tree = SessionTreePage {
                session: all.session.clone(),
                head: None,
                entries: all.entries.clone(),
                cursor: None,
            };
            let rows = table::session_tree(&run.ui, &tree, run.now());
            run.list(&all, all.entries.is_empty().then_some("it stands for nothing that is there"), &rows)
        }
        SessionAction::Status { command } => {
            let command = ids::item(client, &command).await?;
            let info = client.call(SessionStatus { command }).await?;
            show(run, &info)
        }
        SessionAction::List { of, limit } => sessions(run, client, of, limit).await?.print(run),
        SessionAction::Tree { of, session } => {
            let session = ids::session(client, &of, &session).await?;
            tree(run, client, of, session).await?.print(run)
        }
        SessionAction::Show { of, session, entry } => {
            let session = ids::session(client, &of, &session).await?;
            let entry = ids::entry(client, &of, &session, &entry).await?;
            let shown = client.call(SessionEntry { of, session, entry }).await?;
            match run.ui.shape() {
                Shape::Data => run.ui.data(&shown),
                Shape::Text => {
                    let text = serde_json::to_string_pretty(&shown.entry).unwrap_or_default();
                    run.ui.result_line(&printable(&text))
                }
            }
        }
    }
}

pub(crate) async fn sessions(
    run: &Run,
    client: &mut Client,
    of: AspectName,
    limit: Option<u32>,
) -> Result<Page, Failure> {
    let mut left = limit.unwrap_or(u32::MAX);
    let mut all = SessionPage { sessions: Vec::new(), cursor: None };
    loop {
        let (limit, cursor) = (Some(left.min(PAGE_MAX)), all.cursor.take());
        let page = client.call(SessionList { of: of.clone(), limit, cursor }).await?;
        left = left.saturating_sub(u32::try_from(page.sessions.len()).unwrap_or(u32::MAX));
        all.sessions.extend(page.sessions);
        all.cursor = page.cursor;
        if all.cursor.is_none() || left == 0 {
            break;
        }
    }
    let empty = all.sessions.is_empty().then_some("no sessions yet");
    Page::of(run, &all, empty, || table::sessions(&run.ui, &all.sessions, run.now()))
}

/// Every entry of a session, however many pages they take.
pub(crate) async fn whole_tree(
    client: &mut Client,
    of: &AspectName,
    session: &str,
) -> Result<SessionTreePage, CallError> {
    let ask =
        |cursor| SessionTree { of: of.clone(), session: session.to_owned(), limit: Some(PAGE_MAX), cursor };
    let mut all = client.call(ask(None)).await?;
    while let Some(cursor) = all.cursor.take() {
        let page = client.call(ask(Some(cursor))).await?;
        all.entries.extend(page.entries);
        all.cursor = page.cursor;
    }
    Ok(all)
}

pub(crate) async fn tree(
    run: &Run,
    client: &mut Client,
    of: AspectName,
    session: String,
) -> Result<Page, Failure> {
    let tree = whole_tree(client, &of, &session).await?;
    let empty = tree.entries.is_empty().then_some("no entries yet");
    Page::of(run, &tree, empty, || table::session_tree(&run.ui, &tree, run.now()))
}
