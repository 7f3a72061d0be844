//! `nexctl get`: lists, as tables or as the broker gives them.

use nexus_client::{CallError, Client};
use nexus_wire::alert::AlertList;
use nexus_wire::approval::ApprovalList;
use nexus_wire::chat::{ChatPage, ChatRead, ChatThreads};
use nexus_wire::hands::{DispatchInfo, DispatchList, DispatchStatus};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::roster::{Team, TeamList};
use nexus_wire::thread::{ChatReceipts, ReceiptPage, ThreadGet};
use nexus_wire::{MessageId, ThreadId};

use crate::Run;
use crate::act::choice_line;
use crate::cli::{Output, What};
use crate::failure::Failure;
use crate::ui::{Tone, printable};
use crate::{approval, table};

pub(crate) async fn get(run: &Run, what: What) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let shown = run.within(show(run, &mut client, what)).await?;
    client.close().await;
    shown
}

async fn show(run: &Run, client: &mut Client, what: What) -> Result<(), Failure> {
    let now = run.now();
    match what {
        What::Alerts { all, before, limit } => {
            let page = client.call(AlertList { all, before, limit }).await?;
            let empty = if all { "no alerts" } else { "no open alerts; --all shows those that are over" };
            let rows = table::alerts(&run.ui, &page.alerts, now);
            run.list(&page, page.alerts.is_empty().then_some(empty), &rows)?;
            if let (true, Some(last)) = (page.more, page.alerts.last()) {
                run.ui.note(Tone::Dim, &format!("there are more; go on with --before {}", last.seq));
            }
            Ok(())
        }
        What::Approvals { id: Some(id), .. } => approval::show(run, client, &id).await,
        What::Approvals { id: None, all, before, limit } => {
            approval::list(run, client, ApprovalList { all, before, limit }).await
        }
        What::Aspects => {
            let team = whole_team(client).await?;
            let empty =
                "nobody is on the team yet; let an aspect in with: nexus aspect add <name> --home <home>";
            let rows = table::aspects(&run.ui, &team.aspects, now);
            run.list(&team, team.aspects.is_empty().then_some(empty), &rows)
        }
        What::Receipts { message } => {
            let page = receipts(client, message).await?;
            let rows = table::receipts(&run.ui, &page.receipts, now);
            run.list(&page, page.receipts.is_empty().then_some("nobody was sent this message"), &rows)
        }
        What::Threads { id: Some(thread), .. } => {
            let info = client.call(ThreadGet { thread }).await?;
            let rows = table::threads(&run.ui, std::slice::from_ref(&info), now);
            run.list(&info, None, &rows)
        }
        What::Threads { id: None, before, participant, unread, limit } => {
            let page = client.call(ChatThreads { before, participant, unread, limit }).await?;
            let empty = "no threads yet; begin one with: nexctl ask \"…\"";
            let rows = table::threads(&run.ui, &page.threads, now);
            run.list(&page, page.threads.is_empty().then_some(empty), &rows)?;
            go_on(run, page.next);
            Ok(())
        }
        What::Dispatches { id: Some(dispatch), .. } => {
            let info = client.call(DispatchStatus { dispatch, without_output: false }).await?;
            match run.output {
                Output::Json => run.ui.json(&info),
                Output::Table => {
                    run.ui.result(&table::dispatches(&run.ui, std::slice::from_ref(&info), now))?;
                    details(run, &info)
                }
            }
        }
        What::Dispatches { id: None, open, dead, tree, before, limit } => {
            let page = client.call(DispatchList { open, dead, root: tree, before, limit }).await?;
            let empty = if tree.is_some() {
                "no such dispatch of that tree; name its root, which has itself as `root` in -o json"
            } else if dead {
                "nothing has come to nothing: no dispatch failed or timed out that was not tried again"
            } else if open {
                "no open dispatches; `nexctl get dispatches` shows those that have ended"
            } else {
                "no dispatches yet; send one with: nexctl dispatch <aspect>/<hand> '<json>'"
            };
            let rows = table::dispatches(&run.ui, &page.dispatches, now);
            run.list(&page, page.dispatches.is_empty().then_some(empty), &rows)?;
            go_on(run, page.next);
            Ok(())
        }
        What::Messages { thread, after, limit } => {
            let page = messages(client, thread, after, limit).await?;
            let empty = if after > 0 { "no messages after that one" } else { "no messages in this thread" };
            let text = table::messages(&page.messages, &run.zone);
            run.list(&page, page.messages.is_empty().then_some(empty), &text)?;
            if let Some(gap) = &page.gap {
                run.ui.note(Tone::Dim, &printable(&gap.reason));
            }
            if let (true, Some(last)) = (page.more, page.messages.last()) {
                run.ui.note(Tone::Dim, &format!("there are more; go on with --after {}", last.seq));
            }
            Ok(())
        }
    }
}

/// The team, however many pages it takes.
pub(crate) async fn whole_team(client: &mut Client) -> Result<Team, CallError> {
    let mut team = client.call(TeamList::default()).await?;
    while team.more
        && let Some(last) = team.aspects.last()
    {
        let after = Some(last.name.clone());
        let page = client.call(TeamList { after, limit: None }).await?;
        team.more = page.more && !page.aspects.is_empty();
        team.aspects.extend(page.aspects);
    }
    Ok(team)
}

/// All of them, however many pages they take.
async fn receipts(client: &mut Client, message: MessageId) -> Result<ReceiptPage, CallError> {
    let mut all = client.call(ChatReceipts { message, after: None, limit: Some(PAGE_MAX) }).await?;
    while all.more
        && let Some(last) = all.receipts.last()
    {
        let after = Some(last.party.clone());
        let page = client.call(ChatReceipts { message, after, limit: Some(PAGE_MAX) }).await?;
        all.more = page.more && !page.receipts.is_empty();
        all.receipts.extend(page.receipts);
    }
    Ok(all)
}

/// Says how the next page is asked for, if there is one.
fn go_on(run: &Run, next: Option<impl std::fmt::Display>) {
    if let Some(next) = next {
        run.ui.note(Tone::Dim, &format!("there are more; go on with --before {next}"));
    }
}

/// All of a thread, or as much as was asked for.
async fn messages(
    client: &mut Client,
    thread: ThreadId,
    mut after: u64,
    limit: Option<u32>,
) -> Result<ChatPage, Failure> {
    let mut left = limit.unwrap_or(u32::MAX);
    let mut all: Option<ChatPage> = None;
    loop {
        let read =
            ChatRead { thread: Some(thread), after, limit: Some(left.min(PAGE_MAX)), ..ChatRead::default() };
        let page = client.call(read).await?;
        let got = u32::try_from(page.messages.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(got);
        let more = page.more && got > 0;
        after = page.messages.last().map_or(after, |message| message.seq);
        let whole = match all.take() {
            None => page,
            Some(mut whole) => {
                whole.messages.extend(page.messages);
                let gap = whole.gap.or(page.gap);
                ChatPage { thread: page.thread, messages: whole.messages, more: page.more, gap }
            }
        };
        if !more || left == 0 {
            return Ok(whole);
        }
        all = Some(whole);
    }
}

fn details(run: &Run, info: &DispatchInfo) -> Result<(), Failure> {
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    for (what, id) in [("again of", info.retry_of), ("tried again as", info.retried_as)] {
        if let Some(id) = id {
            run.ui.result_line(&format!("{what} {id}"))?;
        }
    }
    if let Some(waiting) = info.waiting_for {
        run.ui.result_line(&format!("waiting for {}", waiting.as_str()))?;
    }
    for candidate in &info.why {
        run.ui.result_line(&printable(&choice_line(candidate)))?;
    }
    let budget = info.granted.or(info.budget);
    if !budget.is_unlimited() {
        let spent = info.spent.map(|spent| format!(", of which it has spent {spent}")).unwrap_or_default();
        run.ui.result_line(&format!("budget {budget}{spent}"))?;
    }
    if let Some(stop) = info.stop {
        let confirmed = if stop.confirmed_at.is_some() { "has stopped" } else { "has not confirmed yet" };
        run.ui.result_line(&format!(
            "the worker of attempt {} was told to stop and {confirmed}",
            stop.attempt
        ))?;
    }
    run.ui.result_line(&format!("\ninput\n{}", printable(&pretty(&info.input))))?;
    if info.input_left_out {
        run.ui.note(Tone::Dim, "the input is left out: with the output it is larger than a frame");
    }
    if let Some(output) = &info.output {
        run.ui.result_line(&format!("\noutput\n{}", printable(&pretty(output))))?;
    }
    if let Some(error) = &info.error {
        run.ui.result_line(&format!("\n{}\n{}", printable(&error.code), printable(&error.message)))?;
    }
    Ok(())
}
