//! `nexctl get`: lists, as tables or as the broker gives them.

use nexus_client::{CallError, Client};
use nexus_wire::alert::AlertList;
use nexus_wire::approval::{ApprovalGet, ApprovalList};
use nexus_wire::budget::BudgetList;
use nexus_wire::chat::{ChatPage, ChatRead, ChatThreads};
use nexus_wire::gather::{GatherList, GatherStatus};
use nexus_wire::hands::{DispatchInfo, DispatchList, DispatchStatus, Stop};
use nexus_wire::knowledge::KnowledgeGet;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::roster::{AspectInfo, Team, TeamList};
use nexus_wire::thread::{ChatReceipts, ReceiptPage, ThreadGet};
use nexus_wire::trigger::TriggerList;
use nexus_wire::{AspectName, DispatchId, MessageId};
use serde_json::{Value, json};

use crate::act::choice_line;
use crate::cli::{self, What};
use crate::failure::Failure;
use crate::ids::Short;
use crate::page::Page;
use crate::ui::{Tone, printable};
use crate::{
    Run, approval, flow, ids, knowledge, near, operator, registry, session, skill, table, trigger, vault,
    watch,
};

pub(crate) async fn get(run: &Run, get: cli::Get) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    if get.watch {
        return watch::watch(run, watch::SLOW, async || page(run, &mut client, get.what.clone()).await).await;
    }
    let page = run.within(page(run, &mut client, get.what)).await?;
    client.close().await;
    page?.print(run)
}

async fn page(run: &Run, client: &mut Client, what: What) -> Result<Page, Failure> {
    match what {
        What::Alerts { all, before, limit } => alerts(run, client, AlertList { all, before, limit }).await,
        What::Approvals { id: Some(id), .. } => {
            let approval = ids::approval(client, &id).await?;
            let info = client.call(ApprovalGet { approval }).await?;
            Page::of(run, &info, None, || {
                table::approvals(&run.ui, std::slice::from_ref(&info), run.now())
                    + &approval::details(&info, &run.zone)
            })
        }
        What::Approvals { id: None, all, before, limit } => {
            approvals(run, client, ApprovalList { all, before, limit }).await
        }
        What::Aspects { names } => aspects(run, client, &names).await,
        What::Budgets => {
            let all = client.call(BudgetList {}).await?;
            let empty = "nothing is limited; see: nexctl budget set --help";
            let rows = || table::budgets(&run.ui, &all.budgets, run.now());
            Page::of(run, &all, all.budgets.is_empty().then_some(empty), rows)
        }
        What::Credentials { name: None } => vault::list(run, &run.broker()?).await,
        What::Credentials { name: Some(name) } => vault::one(run, &run.broker()?, &name).await,
        What::Dispatches { id: Some(id), .. } => dispatch(run, client, &id).await,
        What::Dispatches { id: None, open, dead, tree, before, limit } => {
            let root = ids::optional(client, tree.as_ref(), ids::dispatch).await?;
            dispatches(run, client, DispatchList { open, dead, root, before, limit }).await
        }
        What::Flows { name: Some(name) } => flow::one(run, client, name).await,
        What::Flows { name: None } => flow::list(run, client).await,
        What::Gathers { id: Some(id), .. } => {
            let gather = ids::gather(client, &id).await?;
            let info = client.call(GatherStatus { gather }).await?;
            let rows =
                || table::gathers(&run.ui, std::slice::from_ref(&info), run.now()) + &table::members(&info);
            Page::of(run, &info, None, rows)
        }
        What::Gathers { id: None, before, limit } => gathers(run, client, GatherList { before, limit }).await,
        What::Hands { of } => {
            let team = team_of(client, &of).await?;
            let hands: Vec<_> = team.aspects.iter().flat_map(offered).collect();
            let empty = "nobody on the team offers a Hand; what is one: nexctl dispatch --help";
            let rows = || table::hands(&run.ui, &team.aspects);
            Page::of(run, &json!({"hands": hands}), hands.is_empty().then_some(empty), rows)
        }
        What::Knowledge { topic: Some(topic), whose, .. } => {
            let entry = client.call(KnowledgeGet { topic, of: whose.of, version: None }).await?;
            let about = knowledge::about(&entry.head, run);
            let page = Page::of(run, &entry, None, || printable(&entry.content) + "\n")?;
            Ok(page.noting(Tone::Dim, Some(about)))
        }
        What::Knowledge { topic: None, whose, prefix, limit } => {
            knowledge::list(run, client, whose, &prefix, limit).await
        }
        What::Messages { thread, after, before, limit } => {
            if let Some(before) = before.filter(|before| after > 0 && *before <= after) {
                let message =
                    format!("--before {before} is not behind --after {after}: nothing lies between");
                return Err(Failure::Usage(message));
            }
            let thread = Some(ids::thread(client, &thread).await?);
            messages(run, client, ChatRead { thread, message: None, after, before, limit }).await
        }
        What::Operators { name } => operator::list(run, &run.broker()?, name.as_ref()).await,
        What::Receipts { message } => {
            let message = ids::message(client, &message).await?;
            let page = receipts(client, message).await?;
            let rows = || table::receipts(&run.ui, &page.receipts, run.now());
            Page::of(run, &page, page.receipts.is_empty().then_some("nobody was sent this message"), rows)
        }
        What::Registries { name: Some(name) } => registry::one(run, client, name).await,
        What::Registries { name: None } => registry::list(run, client).await,
        What::Runs { id: Some(id), .. } => flow::one_run(run, client, &id).await,
        What::Runs { id: None, flow, all, limit } => {
            flow::list_runs(run, client, cli::RunsOf { flow, all, limit }).await
        }
        What::Sessions { of, session: None, limit } => session::sessions(run, client, of, limit).await,
        What::Sessions { of, session: Some(session), .. } => {
            let session = ids::session(client, &of, &session).await?;
            session::tree(run, client, of, session).await
        }
        What::Skills => skill::list(run, &run.broker()?).await,
        What::Threads { id: Some(id), .. } => {
            let thread = ids::thread(client, &id).await?;
            let info = client.call(ThreadGet { thread }).await?;
            Page::of(run, &info, None, || table::threads(&run.ui, std::slice::from_ref(&info), run.now()))
        }
        What::Threads { id: None, before, participant, unread, limit } => {
            threads(run, client, ChatThreads { before, participant, unread, limit }).await
        }
        What::Triggers { name: Some(name), .. } => trigger::one(run, client, name).await,
        What::Triggers { name: None, after, limit } => {
            trigger::list(run, client, TriggerList { after, limit }).await
        }
    }
}

async fn alerts(run: &Run, client: &mut Client, list: AlertList) -> Result<Page, Failure> {
    let empty = if list.all { "no alerts" } else { "no open alerts; --all shows those that are over" };
    let page = client.call(list).await?;
    let rows = || table::alerts(&run.ui, &page.alerts, run.now());
    let next = page.alerts.last().map(|alert| alert.seq).filter(|_| page.more);
    Ok(Page::of(run, &page, page.alerts.is_empty().then_some(empty), rows)?.going_on("--before", next))
}

async fn approvals(run: &Run, client: &mut Client, list: ApprovalList) -> Result<Page, Failure> {
    let empty = match list.all {
        true => "nothing was asked of people yet",
        false => "nothing waits for people; --all shows what has ended",
    };
    let page = client.call(list).await?;
    let rows = || table::approvals(&run.ui, &page.approvals, run.now());
    let next = page.approvals.last().map(|info| info.id).filter(|_| page.more);
    Ok(Page::of(run, &page, page.approvals.is_empty().then_some(empty), rows)?.going_on("--before", next))
}

async fn dispatch(run: &Run, client: &mut Client, id: &Short<DispatchId>) -> Result<Page, Failure> {
    let dispatch = ids::dispatch(client, id).await?;
    let info = client.call(DispatchStatus { dispatch, without_output: false }).await?;
    let note = "the input is left out: with the output it is larger than a frame";
    let note = info.input_left_out.then(|| note.to_owned());
    let rows = || table::dispatches(&run.ui, std::slice::from_ref(&info), run.now()) + &details(&info);
    Ok(Page::of(run, &info, None, rows)?.noting(Tone::Dim, note))
}

async fn dispatches(run: &Run, client: &mut Client, list: DispatchList) -> Result<Page, Failure> {
    let empty = if list.root.is_some() {
        "no such dispatch of that tree; name its root, which has itself as `root` in -o json"
    } else if list.dead {
        "nothing has come to nothing: no dispatch failed or timed out that was not tried again"
    } else if list.open {
        "no open dispatches; `nexctl get dispatches` shows those that have ended"
    } else {
        "no dispatches yet; send one with: nexctl dispatch <aspect>/<hand> '<json>'"
    };
    let page = client.call(list).await?;
    let rows = || table::dispatches(&run.ui, &page.dispatches, run.now());
    let empty = page.dispatches.is_empty().then_some(empty);
    Ok(Page::of(run, &page, empty, rows)?.going_on("--before", page.next))
}

async fn gathers(run: &Run, client: &mut Client, list: GatherList) -> Result<Page, Failure> {
    let page = client.call(list).await?;
    let rows = || table::gathers(&run.ui, &page.gathers, run.now());
    let next = page.gathers.last().map(|info| info.id).filter(|_| page.more);
    let empty = page.gathers.is_empty().then_some("no open gathers");
    Ok(Page::of(run, &page, empty, rows)?.going_on("--before", next))
}

async fn messages(run: &Run, client: &mut Client, wanted: ChatRead) -> Result<Page, Failure> {
    let page = read(client, &wanted).await?;
    let empty = match (wanted.after, wanted.before) {
        (0, None) => "no messages in this thread",
        (_, None) => "no messages after that one",
        (0, Some(_)) => "no messages before that one",
        (_, Some(_)) => "no messages between those two",
    };
    let rows = || table::messages(&page.messages, &run.zone);
    let (flag, far) = match wanted.before {
        None => ("--after", page.messages.last()),
        Some(_) => ("--before", page.messages.first()),
    };
    let next = far.map(|message| message.seq).filter(|_| page.more);
    let gap = page.gap.as_ref().map(|gap| printable(&gap.reason));
    let shown = Page::of(run, &page, page.messages.is_empty().then_some(empty), rows)?;
    Ok(shown.noting(Tone::Dim, gap).going_on(flag, next))
}

async fn threads(run: &Run, client: &mut Client, list: ChatThreads) -> Result<Page, Failure> {
    let page = client.call(list).await?;
    let empty = "no threads yet; begin one with: nexctl ask \"…\"";
    let rows = || table::threads(&run.ui, &page.threads, run.now());
    let empty = page.threads.is_empty().then_some(empty);
    Ok(Page::of(run, &page, empty, rows)?.going_on("--before", page.next))
}

async fn aspects(run: &Run, client: &mut Client, names: &[AspectName]) -> Result<Page, Failure> {
    let team = team_of(client, names).await?;
    let empty = "nobody is on the team yet; let an aspect in with: nexus aspect add <name> --home <home>";
    let rows = || table::aspects(&run.ui, &team.aspects, run.now());
    Page::of(run, &team, team.aspects.is_empty().then_some(empty), rows)
}

/// The Hands of an aspect as programs are told them: by whom, and everything that is declared.
fn offered(aspect: &AspectInfo) -> impl Iterator<Item = Value> {
    aspect.hands.iter().map(|hand| json!({"aspect": aspect.name, "state": aspect.state, "hand": hand}))
}

/// The team, or those of it who are named.
async fn team_of(client: &mut Client, names: &[AspectName]) -> Result<Team, Failure> {
    let mut team = whole_team(client).await?;
    let there = || team.aspects.iter().map(|aspect| aspect.name.as_str()).collect();
    if let Some(missing) = names.iter().find(|name| team.aspects.iter().all(|aspect| aspect.name != **name)) {
        let hint = near::hint(missing.as_str(), there());
        return Err(Failure::Failed(format!("there is no aspect named {:?}; {hint}", missing.as_str())));
    }
    team.aspects.retain(|aspect| names.is_empty() || names.contains(&aspect.name));
    Ok(team)
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
pub(crate) async fn receipts(client: &mut Client, message: MessageId) -> Result<ReceiptPage, CallError> {
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

/// All of a thread, or as much as was asked for.
pub(crate) async fn read(client: &mut Client, wanted: &ChatRead) -> Result<ChatPage, CallError> {
    let (mut after, mut before) = (wanted.after, wanted.before);
    let mut left = wanted.limit.unwrap_or(u32::MAX);
    let mut all: Option<ChatPage> = None;
    loop {
        let ask = ChatRead { after, before, limit: Some(left.min(PAGE_MAX)), ..wanted.clone() };
        let page = client.call(ask).await?;
        let got = u32::try_from(page.messages.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(got);
        let more = page.more && got > 0;
        // With `before` pages are counted from the end, each ahead of the one that came last.
        match before {
            None => after = page.messages.last().map_or(after, |message| message.seq),
            Some(_) => before = page.messages.first().map(|message| message.seq).or(before),
        }
        let whole = match all.take() {
            None => page,
            Some(whole) => {
                let (mut messages, rest) = match before {
                    None => (whole.messages, page.messages),
                    Some(_) => (page.messages, whole.messages),
                };
                messages.extend(rest);
                let gap = whole.gap.or(page.gap);
                ChatPage { thread: page.thread, messages, more: page.more, gap }
            }
        };
        if !more || left == 0 {
            return Ok(whole);
        }
        all = Some(whole);
    }
}

/// What one line has no room for.
pub(crate) fn details(info: &DispatchInfo) -> String {
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let mut lines = Vec::new();
    for (what, id) in [("again of", info.retry_of), ("tried again as", info.retried_as)] {
        lines.extend(id.map(|id| format!("{what} {id}")));
    }
    lines.extend(info.waiting_for.map(|waiting| format!("waiting for {}", waiting.as_str())));
    if let Some(wanted) = &info.capability {
        lines.push(printable(&format!("asked of whoever can {}", wanted.needs.join(", "))));
        let first = info.why.first().filter(|first| first.lost.is_none() && first.hand != info.hand);
        lines.extend(first.map(|first| format!("moved from {} to {}", first.hand, info.hand)));
    }
    lines.extend(info.why.iter().map(|candidate| printable(&choice_line(candidate))));
    let budget = info.granted.or(info.budget);
    if !budget.is_unlimited() {
        let spent = info.spent.map(|spent| format!(", of which it has spent {spent}")).unwrap_or_default();
        lines.push(format!("budget {budget}{spent}"));
    }
    let confirmed = |stop: &Stop| match stop.confirmed_at {
        Some(_) => "was told to stop and has stopped",
        None => "was told to stop and has not confirmed yet",
    };
    lines.extend(info.earlier.iter().map(|worker| {
        let stopped = worker.stop.as_ref().map(|stop| format!(" and {}", confirmed(stop)));
        format!("{} had it before{}", worker.aspect, stopped.unwrap_or_default())
    }));
    if let Some(stop) = &info.stop {
        lines.push(format!("the worker of attempt {} {}", stop.attempt, confirmed(stop)));
    }
    lines.push(format!("\ninput\n{}", printable(&pretty(&info.input))));
    lines.extend(info.output.as_ref().map(|output| format!("\noutput\n{}", printable(&pretty(output)))));
    lines.extend(
        info.error
            .as_ref()
            .map(|error| format!("\n{}\n{}", printable(&error.code), printable(&error.message))),
    );
    lines.join("\n") + "\n"
}
