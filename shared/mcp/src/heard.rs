//! Waiting for something: it is looked for, and looked for again when something about it is heard or a moment has
//! passed, until it is there, the client wants it no more, or the time is up.

use std::pin::pin;
use std::time::Duration;

use nexus_wire::hands::{DispatchCancel, DispatchInfo, DispatchState, DispatchStatus};
use nexus_wire::inbox::ItemBody;
use nexus_wire::log::{LogBody, Subscribe};
use nexus_wire::observe::{Observed, ObservedWhat, TurnEvent};
use nexus_wire::{DispatchId, ErrorBody, FromBroker, ThreadId};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::bus::{Bus, Heard};
use crate::server::{Call, TeamServer};

/// The longest a tool waits, whatever it was asked for.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(600);
/// How often it is looked where nothing is heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pieces of text for which one word of progress is said.
const PIECES_TOLD: u64 = 24;

/// How waiting ended.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Got(T),
    /// The client does not want it any more.
    Cancelled,
    Late,
}

/// What something heard means to whoever waits.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    Nothing,
    /// Somebody watching would like to know.
    Note(String),
    /// What is waited for may be there.
    Look,
}

pub(crate) async fn wait<T, L>(
    mut ear: broadcast::Receiver<Heard>,
    call: &Call,
    within: Duration,
    mut look: impl FnMut() -> L + Send,
    mut means: impl FnMut(&FromBroker) -> Meaning + Send,
) -> Result<Waited<T>, ErrorBody>
where
    L: Future<Output = Result<Option<T>, ErrorBody>> + Send,
{
    let mut late = pin!(sleep(within));
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hears = true;
    loop {
        tokio::select! {
            biased;
            () = call.cancelled() => return Ok(Waited::Cancelled),
            found = look() => if let Some(found) = found? {
                return Ok(Waited::Got(found));
            },
        }
        ticks.reset();
        loop {
            let heard = tokio::select! {
                biased;
                () = call.cancelled() => return Ok(Waited::Cancelled),
                () = &mut late => return Ok(Waited::Late),
                heard = ear.recv(), if hears => heard,
                _ = ticks.tick() => break,
            };
            match heard {
                Ok(Heard::Frame(frame)) => match means(&frame) {
                    Meaning::Nothing => {}
                    Meaning::Note(note) => call.progress(note).await,
                    Meaning::Look => break,
                },
                Ok(Heard::Anew) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => hears = false,
            }
        }
    }
}

impl<B: Bus> TeamServer<B> {
    /// What comes from now on, of a conversation or of everything.
    pub(crate) fn ear(&self, thread: Option<ThreadId>) -> broadcast::Receiver<Heard> {
        self.bus().hear(Subscribe { thread, observe: true, ..Subscribe::default() })
    }

    pub(crate) async fn status(&self, dispatch: DispatchId) -> Result<DispatchInfo, ErrorBody> {
        self.look(DispatchStatus { dispatch, without_output: false }).await
    }

    /// Waits for the end of a dispatch, and tells on the way what is seen of it.
    pub(crate) async fn ended(
        &self,
        dispatch: DispatchId,
        ear: broadcast::Receiver<Heard>,
        within: Duration,
        call: &Call,
    ) -> Result<Waited<Box<DispatchInfo>>, ErrorBody> {
        let told = std::sync::Mutex::new(None);
        let look = || async {
            let info = self.status(dispatch).await?;
            if info.state.is_end() {
                return Ok(Some(Box::new(info)));
            }
            let standing = standing(&info);
            let is_news = {
                let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                told.replace(standing.clone()).as_ref() != Some(&standing)
            };
            if is_news {
                call.progress(standing).await;
            }
            Ok(None)
        };
        let mut pieces = 0;
        let waited = wait(ear, call, within, look, |frame| about(frame, dispatch, &mut pieces)).await;
        waited.map_err(|body| {
            let message =
                format!("{}; the work goes on as dispatch {dispatch}, see dispatch_status", body.message);
            ErrorBody { message, ..body }
        })
    }

    /// Nobody wants the result any more.
    pub(crate) async fn give_up(&self, dispatch: DispatchId, call: &Call) {
        let reason = Some("cancelled by the MCP client".to_owned());
        let cancelled: Result<serde_json::Value, _> =
            self.ask(call.derived("give-up"), DispatchCancel { dispatch, reason }).await;
        if let Err(error) = cancelled {
            tracing::warn!(%dispatch, %error, "not cancelled");
        }
    }
}

/// Where it stands, in words.
fn standing(info: &DispatchInfo) -> String {
    let hand = &info.hand;
    match (info.state, info.waiting_for) {
        (DispatchState::Pending, Some(waits)) => format!("{hand} is pending: waits for {}", waits.as_str()),
        (state, _) => format!("{hand} is {}", state.as_str()),
    }
}

fn about(frame: &FromBroker, dispatch: DispatchId, pieces: &mut u64) -> Meaning {
    match frame {
        FromBroker::Log(entry) => match &entry.body {
            LogBody::DispatchEnded(outcome) if outcome.dispatch == dispatch => Meaning::Look,
            LogBody::DispatchAssigned { dispatch: it, .. } if *it == dispatch => Meaning::Look,
            LogBody::DispatchEnded(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::DispatchAccepted(_)
            | LogBody::Message(_)
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => Meaning::Nothing,
        },
        FromBroker::Deliver(deliver) => match &deliver.item.body {
            ItemBody::Result(outcome) if outcome.dispatch == dispatch => Meaning::Look,
            ItemBody::Result(_)
            | ItemBody::Message(_)
            | ItemBody::Assignment(_)
            | ItemBody::Gather(_)
            | ItemBody::Approval(_)
            | ItemBody::Run(_)
            | ItemBody::Cancel { .. }
            | ItemBody::Resume { .. }
            | ItemBody::Session(_) => Meaning::Nothing,
        },
        FromBroker::Observe(observed) if observed.dispatch == Some(dispatch) => seen(observed, pieces),
        FromBroker::Observe(_)
        | FromBroker::Activity(_)
        | FromBroker::ChatReacted(_)
        | FromBroker::Error(_)
        | FromBroker::Gap(_)
        | FromBroker::ObserveGap(_)
        | FromBroker::Ok(_)
        | FromBroker::Registered(_)
        | FromBroker::RosterChanged(_)
        | FromBroker::SessionAsk(_)
        | FromBroker::Shutdown(_)
        | FromBroker::SpendingChanged(_) => Meaning::Nothing,
    }
}

/// What a step of a turn says to whoever waits for the end of it.
pub(crate) fn seen(observed: &Observed, pieces: &mut u64) -> Meaning {
    let aspect = &observed.aspect;
    match &observed.what {
        ObservedWhat::Progress { note } => Meaning::Note(note.clone()),
        ObservedWhat::Begin(_) => Meaning::Note(format!("{aspect} has begun")),
        ObservedWhat::End(_) => Meaning::Look,
        ObservedWhat::Event(event) => match &event.event {
            TurnEvent::ToolCall { name, .. } => Meaning::Note(format!("{aspect} uses {name}")),
            TurnEvent::ToolResult { name, is_error: true, .. } => Meaning::Note(format!("{name} has failed")),
            TurnEvent::Restarted { reason } => Meaning::Note(format!("{aspect} begins again: {reason}")),
            TurnEvent::Text { .. } => {
                *pieces += 1;
                if *pieces % PIECES_TOLD == 1 {
                    Meaning::Note(format!("{aspect} is writing"))
                } else {
                    Meaning::Nothing
                }
            }
            TurnEvent::Thinking { .. } | TurnEvent::ToolResult { .. } => Meaning::Nothing,
        },
    }
}
