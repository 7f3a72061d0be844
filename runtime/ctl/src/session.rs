//! `nexctl session`: looks into the sessions of an aspect that is online.

use nexus_client::Client;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::session::{SessionEntry, SessionList, SessionPage, SessionTree, SessionTreePage};

use crate::cli::{Output, SessionAction};
use crate::failure::Failure;
use crate::ui::printable;
use crate::{Run, table};

pub(crate) async fn session(run: &Run, action: SessionAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let done = run.within(carry_out(run, &mut client, action)).await?;
    client.close().await;
    done
}

async fn carry_out(run: &Run, client: &mut Client, action: SessionAction) -> Result<(), Failure> {
    match action {
        SessionAction::List { of, limit } => {
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
            let rows = table::sessions(&run.ui, &all.sessions, run.now());
            run.list(&all, all.sessions.is_empty().then_some("no sessions yet"), &rows)
        }
        SessionAction::Tree { of, session } => {
            let mut all: Option<SessionTreePage> = None;
            loop {
                let cursor = all.as_mut().and_then(|page| page.cursor.take());
                let tree =
                    SessionTree { of: of.clone(), session: session.clone(), limit: Some(PAGE_MAX), cursor };
                let page = client.call(tree).await?;
                let entries = all.take().map(|page| page.entries).unwrap_or_default();
                let whole =
                    SessionTreePage { entries: entries.into_iter().chain(page.entries).collect(), ..page };
                let more = whole.cursor.is_some();
                all = Some(whole);
                if !more {
                    break;
                }
            }
            let Some(tree) = all else { return Ok(()) };
            let rows = table::session_tree(&run.ui, &tree, run.now());
            run.list(&tree, tree.entries.is_empty().then_some("no entries yet"), &rows)
        }
        SessionAction::Show { of, session, entry } => {
            let shown = client.call(SessionEntry { of, session, entry }).await?;
            match run.output {
                Output::Json => run.ui.json(&shown),
                Output::Table => {
                    let text = serde_json::to_string_pretty(&shown.entry).unwrap_or_default();
                    run.ui.result_line(&printable(&text))
                }
            }
        }
    }
}
