//! Says something to an aspect for somebody who speaks another protocol, and follows what becomes of it: a link
//! within this process, which goes the way of every link. What the caller may not do on a link of their own is
//! refused here, too.

mod sight;

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::log::Subscribe;
use nexus_wire::turn::TurnCancel;
use nexus_wire::{
    AspectName, ErrorBody, ErrorCode, MessageId, RequestId, ThreadId, ToBroker, TurnId, derive,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::link;
use super::problem::Problem;
use crate::admit::Admitted;
use crate::deliver::Peer;
use crate::deliver::outbox::{Out, Work};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::relay::Starts;
use crate::task;
use sight::Sight;
pub(super) use sight::{Ended, Event};

/// Events that wait for whoever follows. What streams beyond that waits in the link's outbox, which has a bound.
const EVENTS_WAITING: usize = 64;
/// How long a question that nobody waits for any more is watched, so that its turn is cancelled once it begins.
const ABANDONED_WATCHED: Duration = Duration::from_secs(600);
/// The decision follows the answer within moments; without it the answer stands all the same.
const DECISION_TIMEOUT: Duration = Duration::from_secs(2);
/// What is looked at in the log.
const KINDS: [&str; 5] = ["message", "item_taken", "item_closed", "approval.asked", "aspect.revoked"];

/// What becomes of a question whose follower goes before it is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leave {
    /// Its turn is cancelled, at once or when it begins.
    Cancel,
    /// It goes on, and its answer will be in the thread.
    GoOn,
}

/// Something that was said to an aspect.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) to: AspectName,
    pub(super) message: MessageId,
    pub(super) thread: ThreadId,
    /// Of the message in the log.
    pub(super) seq: u64,
}

/// A question and what becomes of it. Dropped before the end, it is left.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    events: mpsc::Receiver<Event>,
}

impl Asked {
    /// `None` after [`Event::Ended`]; never before it.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// Where what streams is followed from.
enum Since {
    Marks(BTreeMap<AspectName, u64>),
    /// All that is kept.
    Kept,
}

/// Says `send` to `to`, whoever else it names, and follows it. A repeat of `request` asks nothing again and follows
/// what became of the first. `bytes`: of the request as it came.
pub(super) async fn ask(
    edge: &Arc<Edge>,
    caller: &Identity,
    request: RequestId,
    to: AspectName,
    send: ChatSend,
    bytes: usize,
    leave: Leave,
) -> Result<Asked, Problem> {
    // Before anything is said: what cannot be followed is not asked.
    let permit = link::room(edge)?;
    let subscribe = subscription(edge, caller, 0)?;
    let marks = edge.relay.marks();
    let head = *edge.published.head.borrow();
    let mut send = send;
    if !send.to.iter().any(|name| name == to.as_str()) {
        send.to.push(to.to_string());
    }
    let answer = edge.request(caller, request, ToBroker::ChatSend(send), bytes).await?;
    let sent: ChatSent = answer.parse().map_err(|error| internal(&error))?;
    let is_repeat = sent.seq <= head;
    let since = if is_repeat { Since::Kept } else { Since::Marks(marks) };
    let question = Question { to, message: sent.message, thread: sent.thread, seq: sent.seq };
    let subscribe = Subscribe { from_seq: Some(before(sent.seq)), ..subscribe };
    Ok(join(edge, caller, question, &subscribe, since, leave, permit))
}

/// Follows what was asked earlier, by anybody: what is kept of it comes first.
pub(super) fn follow(
    edge: &Arc<Edge>,
    caller: &Identity,
    question: Question,
    leave: Leave,
) -> Result<Asked, Problem> {
    let permit = link::room(edge)?;
    let subscribe = subscription(edge, caller, before(question.seq))?;
    Ok(join(edge, caller, question, &subscribe, Since::Kept, leave, permit))
}

/// Ends a turn that is about `question`, as an operator may.
pub(super) async fn cancel(
    edge: &Edge,
    caller: &Identity,
    question: &Question,
    turn: Option<TurnId>,
    reason: &str,
) -> Result<(), ErrorBody> {
    let cancel = TurnCancel {
        of: question.to.clone(),
        thread: Some(question.thread),
        turn,
        reason: Some(reason.to_owned()),
    };
    let request = RequestId(Uuid::now_v7());
    edge.request(caller, request, ToBroker::TurnCancel(cancel), 0).await.map(drop)
}

/// Where the log is read from. The answer to a message comes a moment before the log has it: from there on nothing is
/// missed either way.
fn before(seq: u64) -> u64 {
    seq.saturating_sub(1)
}

fn subscription(edge: &Edge, caller: &Identity, from: u64) -> Result<Subscribe, Problem> {
    let kinds = KINDS.map(str::to_owned).to_vec();
    let wanted = Subscribe { from_seq: Some(from), kinds, observe: true, ..Subscribe::default() };
    let Admitted::Subscribe(subscribe) = edge.admit(caller, ToBroker::Subscribe(wanted), 0)? else {
        return Err(ErrorBody::new(ErrorCode::Internal, "a subscription became something else").into());
    };
    Ok(subscribe)
}

fn internal(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "the answer to a message cannot be read");
    ErrorBody::new(ErrorCode::Internal, "the answer to the message could not be read").into()
}

fn join(
    edge: &Arc<Edge>,
    caller: &Identity,
    question: Question,
    subscribe: &Subscribe,
    since: Since,
    leave: Leave,
    permit: OwnedSemaphorePermit,
) -> Asked {
    let peer = link::join(edge, caller.clone());
    edge.published.deliver.follow(&peer, None, subscribe, BTreeMap::new());
    // A decision belongs to an inbox and to no thread, so all of the log is followed; of what streams, the thread.
    let starts = match since {
        Since::Marks(marks) => Starts { from: None, marks },
        Since::Kept => Starts { from: Some(BTreeMap::new()), marks: BTreeMap::new() },
    };
    edge.relay.watch(&peer, Some(question.thread), &starts);
    let (sender, events) = mpsc::channel(EVENTS_WAITING);
    let item = derive::message_item(question.message, &question.to);
    let sight = Sight::new(question.clone(), item);
    let following = Following { edge: Arc::clone(edge), peer, sight, events: sender, leave };
    task::spawn(following.run(permit));
    Asked { question, events }
}

struct Following {
    edge: Arc<Edge>,
    peer: Arc<Peer>,
    sight: Sight,
    events: mpsc::Sender<Event>,
    leave: Leave,
}

impl Following {
    /// As a link runs; `permit` is given back when it is over.
    async fn run(mut self, permit: OwnedSemaphorePermit) {
        let (edge, peer) = (Arc::clone(&self.edge), Arc::clone(&self.peer));
        tokio::select! {
            biased;
            never = link::fetch(&edge, &peer) => match never {},
            () = self.watch() => {}
        }
        link::leave(&edge, &peer).await;
        drop(permit);
    }

    /// Until the question has ended, or its follower has gone and nothing is left to be done about it.
    async fn watch(&mut self) {
        let mut frames = VecDeque::new();
        let mut abandoned: Option<Instant> = None;
        let mut answered: Option<Instant> = None;
        loop {
            let (peer, events) = (&self.peer, &self.events);
            let work = tokio::select! {
                biased;
                () = events.closed(), if abandoned.is_none() => None,
                work = poll_fn(|cx| peer.outbox.poll_take(cx, &mut frames)) => Some(work),
                () = until(answered) => {
                    let ended = self.sight.answered().map(Event::Ended);
                    self.tell(ended.into_iter().collect()).await;
                    return;
                }
                () = until(abandoned) => return,
            };
            let ended = match work {
                None => {
                    abandoned = Some(Instant::now() + ABANDONED_WATCHED);
                    false
                }
                Some(Work::Frames) => {
                    let seen = self.see(&mut frames);
                    self.tell(seen).await
                }
                Some(Work::Roster(_) | Work::Active(_)) => false,
                Some(Work::Close(close)) => {
                    let lost = Ended::Lost { code: close.code, reason: close.reason };
                    let ended = self.sight.answered().unwrap_or(lost);
                    self.tell(vec![Event::Ended(ended)]).await
                }
            };
            if ended || (abandoned.is_some() && self.is_left().await) {
                return;
            }
            if answered.is_none() && self.sight.is_answered() {
                answered = Some(Instant::now() + DECISION_TIMEOUT);
            }
        }
    }

    fn see(&mut self, frames: &mut VecDeque<Out>) -> Vec<Event> {
        let mut seen = Vec::new();
        for out in frames.drain(..) {
            self.edge.published.meter.sent(out.kind(), out.refusal());
            self.sight.take(&out, &mut seen);
        }
        seen
    }

    /// Whether the last of them ends it. A follower who has gone is noticed by [`Self::watch`].
    async fn tell(&self, seen: Vec<Event>) -> bool {
        let mut ended = false;
        for event in seen {
            ended = matches!(event, Event::Ended(_));
            let _ = self.events.send(event).await;
            if ended {
                break;
            }
        }
        ended
    }

    /// Nobody follows: whether that is all.
    async fn is_left(&self) -> bool {
        match (self.leave, self.sight.turn()) {
            (Leave::GoOn, _) => true,
            (Leave::Cancel, None) => false,
            (Leave::Cancel, Some(turn)) => {
                let (question, caller) = (self.sight.question(), &self.peer.identity);
                let why = "whoever asked has gone";
                if let Err(error) = cancel(&self.edge, caller, question, Some(turn), why).await {
                    tracing::debug!(%error, thread = %question.thread, "cannot cancel what nobody waits for");
                }
                true
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
