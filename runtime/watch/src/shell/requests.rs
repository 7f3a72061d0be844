//! Effects that are requests: made on the link that is there, or the next one, and their answers made into events.

use nexus_client::{CallError, Caller, Request, new_request_id};
use nexus_operator::failure::Failure;
use nexus_wire::alert::AlertList;
use nexus_wire::approval::{ApprovalAnswer, ApprovalList, ApprovalState, Verdict};
use nexus_wire::audit::{UsageBy, UsageRead};
use nexus_wire::chat::{ChatRead, ChatSend, ChatThreads};
use nexus_wire::hands::{DispatchCancel, DispatchInfo, DispatchList, DispatchState, DispatchStatus};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::roster::{AspectInfo, TeamList};
use nexus_wire::thread::ChatMark;
use nexus_wire::{DispatchId, ErrorCode, Ms};

use super::wall;
use crate::app::{Act, Asked, Event, List, Load, Loaded, short};

const DAY: Ms = 24 * 60 * 60 * 1_000;
/// Pages of the team, which has no limit of its own.
const TEAM_PAGES_MAX: usize = 32;
/// Of dispatches that wait, so many are asked why.
const WHY_MAX: usize = 24;
const ENDED_MAX: u32 = 50;
const MESSAGES_PAGE: u32 = 60;
/// No message has a `seq` as large, so a page before it is the last one.
const SEQ_MAX: u64 = 1 << 52;

async fn call<R: Request>(caller: &Caller, request: R) -> Result<R::Reply, CallError> {
    caller.call_as(new_request_id(), request).await
}

/// The answer, as an event.
pub(crate) async fn load(caller: &Caller, load: Load) -> Event {
    let loaded = match load {
        Load::List(List::Team) => team(caller).await.map(Loaded::Team),
        Load::List(List::Threads) => {
            let threads = ChatThreads { limit: Some(PAGE_MAX), ..ChatThreads::default() };
            call(caller, threads).await.map(|page| Loaded::Threads(page.threads))
        }
        Load::List(List::Dispatches) => dispatches(caller).await.map(Loaded::Dispatches),
        Load::List(List::Approvals) => {
            let list = ApprovalList { limit: Some(PAGE_MAX), ..ApprovalList::default() };
            call(caller, list).await.map(|page| Loaded::Approvals(page.approvals))
        }
        Load::List(List::Alerts) => {
            let list = AlertList { limit: Some(PAGE_MAX), ..AlertList::default() };
            call(caller, list).await.map(|page| Loaded::Alerts(page.alerts))
        }
        Load::List(List::Usage) => {
            let since = Some(wall() / DAY * DAY);
            call(caller, UsageRead { by: UsageBy::Aspect, since, until: None }).await.map(Loaded::Usage)
        }
        Load::Messages { thread, before } => {
            let end = Some(before.unwrap_or(SEQ_MAX));
            let read = ChatRead {
                thread: Some(thread),
                before: end,
                limit: Some(MESSAGES_PAGE),
                ..ChatRead::default()
            };
            call(caller, read).await.map(|page| Loaded::Messages { page, older: before.is_some() })
        }
        Load::Dispatch(id) => dispatch(caller, id).await.map(|info| Loaded::Dispatch(Box::new(info))),
    };
    match loaded {
        Ok(loaded) => Event::Loaded(Box::new(loaded)),
        Err(error) => Event::NotLoaded { load, why: Failure::from(error).to_string() },
    }
}

async fn team(caller: &Caller) -> Result<Vec<AspectInfo>, CallError> {
    let mut aspects: Vec<AspectInfo> = Vec::new();
    for _ in 0..TEAM_PAGES_MAX {
        let after = aspects.last().map(|aspect| aspect.name.clone());
        let page = call(caller, TeamList { after, limit: None }).await?;
        let is_last = !page.more || page.aspects.is_empty();
        aspects.extend(page.aspects);
        if is_last {
            break;
        }
    }
    Ok(aspects)
}

/// Those that are open, then the latest, each once; and of those that wait, what for.
async fn dispatches(caller: &Caller) -> Result<Vec<DispatchInfo>, CallError> {
    let list = |open, limit| DispatchList { open, limit: Some(limit), ..DispatchList::default() };
    let mut all = call(caller, list(true, PAGE_MAX)).await?.dispatches;
    let latest = call(caller, list(false, ENDED_MAX)).await?.dispatches;
    for info in latest {
        match all.iter_mut().find(|other| other.id == info.id) {
            Some(known) => *known = info,
            None => all.push(info),
        }
    }
    let waiting = all.iter_mut().filter(|info| info.state == DispatchState::Pending).take(WHY_MAX);
    for info in waiting {
        let status = DispatchStatus { dispatch: info.id, without_output: true };
        match call(caller, status).await {
            Ok(known) => info.waiting_for = known.waiting_for,
            // It may have gone meanwhile.
            Err(CallError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

async fn dispatch(caller: &Caller, dispatch: DispatchId) -> Result<DispatchInfo, CallError> {
    call(caller, DispatchStatus { dispatch, without_output: false }).await
}

/// What is said of it, if anything.
pub(crate) async fn act(caller: &Caller, asked: Asked) -> Option<Event> {
    let Asked { act, what } = asked;
    let done = match act {
        Act::Ack(ack) => call(caller, ack).await.map(|alert| format!("{} has been seen", alert.key)),
        Act::Answer(answer) => return Some(answered(caller, answer, &what).await),
        Act::Cancel(cancel) => cancelled(caller, cancel).await,
        Act::GoOn(go_on) => call(caller, go_on).await.map(|_| format!("asked to {what}")),
        Act::Mark(thread) => {
            // Whoever may not mark it can read it all the same.
            let _ = call(caller, ChatMark { thread, seq: None }).await;
            return None;
        }
        Act::Retry(retry) => {
            call(caller, retry).await.map(|new| format!("tried again as …{}", short(new.dispatch)))
        }
        Act::Say(message) => said(caller, *message).await,
        Act::Stop(stop) => call(caller, stop).await.map(|_| format!("asked to {what}")),
    };
    Some(done.map_or_else(|error| Event::Refused(refusal(&what, error)), Event::Done))
}

/// What was not done, and why; what the broker says stands for itself.
fn refusal(what: &str, error: CallError) -> String {
    let may_not = matches!(&error, CallError::Refused(body) if body.code == ErrorCode::Forbidden);
    let why = Failure::from(error);
    let next = if may_not { "; it takes an operator's token (--token, --context)" } else { "" };
    format!("could not {what}: {why}{next}")
}

async fn answered(caller: &Caller, answer: ApprovalAnswer, what: &str) -> Event {
    let meant = match answer.verdict {
        Verdict::Approve => ApprovalState::Approved,
        Verdict::Deny => ApprovalState::Denied,
        Verdict::Answer => ApprovalState::Answered,
    };
    match call(caller, answer).await {
        Err(error) => Event::Refused(refusal(what, error)),
        Ok(info) => {
            let by = info.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let said = format!("{}{by}: {}", info.state.as_str(), info.asked.summary());
            if info.state == meant {
                Event::Done(said)
            } else {
                Event::Refused(format!("it was {said} before"))
            }
        }
    }
}

async fn cancelled(caller: &Caller, cancel: DispatchCancel) -> Result<String, CallError> {
    let receipt = call(caller, cancel).await?;
    let count = receipt.cancelled.len();
    if count == 0 {
        return Ok("it had ended before".to_owned());
    }
    let still = receipt.unconfirmed.len() + receipt.unreachable.len();
    let workers = if still > 0 { format!("; {still} workers are told to stop") } else { String::new() };
    Ok(format!("cancelled {count}{workers}"))
}

async fn said(caller: &Caller, message: ChatSend) -> Result<String, CallError> {
    let sent = call(caller, message).await?;
    let to: Vec<String> = sent.recipients.iter().map(ToString::to_string).collect();
    let to = if to.is_empty() { "nobody: no lead is on the team".to_owned() } else { to.join(", ") };
    let unknown = if sent.unknown.is_empty() {
        String::new()
    } else {
        format!("; nobody is called {}", sent.unknown.join(", "))
    };
    Ok(format!("sent to {to}{unknown}"))
}
