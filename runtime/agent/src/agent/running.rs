//! The turns of sessions that are under way, and what operators want of them. The owner is told what is wanted;
//! the workers have the turns.
//!
//! What is wanted is about turns that had begun when it was asked for: those that are under way when its item comes, for
//! items come in their order. Such a turn may also belong to an earlier process and be yet to be gone on with: that is
//! known by whether its first item came before. Offsets do not tell, for a later epoch may begin with lower ones.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_wire::TurnId;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::session::{ItemRef, SessionKey};

/// Wants on their way to one turn; it takes them as fast as they come.
const WANTS_MAX: usize = 8;
/// Cancels that are remembered for turns of an earlier process.
const CANCELS_KEPT: usize = 64;

/// What is wanted of one turn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    Cancel { reason: String },
    GoOn { by: String },
}

/// Which turns are meant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Which {
    pub(crate) thread: Option<Uuid>,
    pub(crate) turn: Option<TurnId>,
}

impl Which {
    fn means(&self, turn: TurnId, thread: Option<Uuid>) -> bool {
        self.turn.is_none_or(|it| it == turn) && self.thread.is_none_or(|it| thread == Some(it))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    turns: BTreeMap<TurnId, UnderWay>,
    /// Begun by an earlier process, and not gone on with yet.
    parked: HashMap<SessionKey, Parked>,
    cancels: VecDeque<Cancel>,
    /// How many of both have come.
    came: u64,
}

#[derive(Clone, Copy, Debug)]
struct Parked {
    turn: TurnId,
    thread: Option<Uuid>,
    /// When its first item came.
    came: u64,
}

#[derive(Debug)]
struct Cancel {
    which: Which,
    reason: String,
    came: u64,
}

#[derive(Debug)]
struct UnderWay {
    /// Of its first item.
    thread: Option<Uuid>,
    tell: mpsc::Sender<Want>,
    /// A budget is used up.
    waits: bool,
}

/// A turn's own end; the turn is under way as long as this is there.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Arc<Running>,
    turn: TurnId,
    wants: mpsc::Receiver<Want>,
}

impl Seat {
    /// Waits until something is wanted. Safe to cancel.
    pub(crate) async fn wanted(&mut self) -> Want {
        match self.wants.recv().await {
            Some(want) => want,
            None => std::future::pending().await,
        }
    }

    /// Whether it waits because a budget is used up.
    pub(crate) fn set_waits(&self, waits: bool) {
        if let Some(turn) = self.running.state().turns.get_mut(&self.turn) {
            turn.waits = waits;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.running.state().turns.remove(&self.turn);
    }
}

impl Running {
    /// An earlier process has taken `first` in this session; the first of them is what its turn began with.
    pub(crate) fn parked(&self, session: SessionKey, turn: TurnId, first: &ItemRef) {
        let mut state = self.state();
        let came = state.next();
        state.parked.entry(session).or_insert(Parked { turn, thread: first.thread, came });
    }

    /// The session turned out to be at nothing.
    pub(crate) fn unparked(&self, session: SessionKey) {
        self.state().parked.remove(&session);
    }

    /// The turn is under way. One of an earlier process hears at once what was wanted of it meanwhile.
    pub(crate) fn begin(self: &Arc<Self>, turn: TurnId, first: &ItemRef, resumed: bool) -> Seat {
        let thread = first.thread;
        let (tell, wants) = mpsc::channel(WANTS_MAX);
        let mut state = self.state();
        let parked = state.parked.values().find(|parked| parked.turn == turn).map(|parked| parked.came);
        state.parked.retain(|_, parked| parked.turn != turn);
        // One that its session alone knows of had begun before anything came.
        let came = parked.or_else(|| resumed.then_some(0));
        let is_meant = |it: &&Cancel| came.is_some_and(|came| came < it.came) && it.which.means(turn, thread);
        if let Some(Cancel { reason, .. }) = state.cancels.iter().find(is_meant) {
            // There is room in a new channel.
            let _ = tell.try_send(Want::Cancel { reason: reason.clone() });
        }
        state.turns.insert(turn, UnderWay { thread, tell, waits: false });
        drop(state);
        Seat { running: Arc::clone(self), turn, wants }
    }

    /// Cancels turns that have begun by now; says which.
    pub(crate) fn cancel(&self, which: Which, reason: &str) -> Vec<TurnId> {
        let mut state = self.state();
        let came = state.next();
        state.cancels.push_back(Cancel { which, reason: reason.to_owned(), came });
        if state.cancels.len() > CANCELS_KEPT {
            state.cancels.pop_front();
        }
        let want = Want::Cancel { reason: reason.to_owned() };
        let parked = state.parked.values().filter(|it| which.means(it.turn, it.thread)).map(|it| it.turn);
        parked.chain(state.tell(which, &want, |_| true)).collect()
    }

    /// Lets turns go on that wait because a budget is used up; says which.
    pub(crate) fn go_on(&self, which: Which, by: &str) -> Vec<TurnId> {
        self.state().tell(which, &Want::GoOn { by: by.to_owned() }, |turn| turn.waits)
    }

    /// Nothing waits for anything while it is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.came += 1;
        self.came
    }

    fn tell(&self, which: Which, want: &Want, when: impl Fn(&UnderWay) -> bool) -> Vec<TurnId> {
        let meant = self.turns.iter().filter(|(turn, it)| which.means(**turn, it.thread) && when(it));
        meant.filter(|(_, it)| it.tell.try_send(want.clone()).is_ok()).map(|(turn, _)| *turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(thread: u128, offset: u64) -> ItemRef {
        ItemRef {
            id: Uuid::from_u128(u128::from(offset)),
            offset: Some(offset),
            kind: "message".into(),
            from: "wren".into(),
            thread: Some(Uuid::from_u128(thread)),
            message: None,
            trace: None,
        }
    }

    fn turn(n: u128) -> TurnId {
        TurnId(Uuid::from_u128(n))
    }

    fn of_thread(n: u128) -> Which {
        Which { thread: Some(Uuid::from_u128(n)), turn: None }
    }

    #[test]
    fn a_cancel_is_about_turns_that_had_begun_and_no_others() {
        let running = Arc::new(Running::default());
        let mut first = running.begin(turn(1), &item(7, 1), false);
        let mut other = running.begin(turn(2), &item(8, 2), false);
        assert_eq!(running.cancel(of_thread(7), "enough"), [turn(1)]);
        assert_eq!(first.wants.try_recv(), Ok(Want::Cancel { reason: "enough".into() }));
        assert!(other.wants.try_recv().is_err());
        drop(first);
        assert_eq!(running.cancel(of_thread(7), "again"), [], "it has ended");
        // Its first item came later than the cancels.
        let mut later = running.begin(turn(3), &item(7, 5), false);
        assert!(later.wants.try_recv().is_err());
        assert_eq!(running.cancel(Which { turn: Some(turn(4)), ..Which::default() }, "x"), []);
        assert!(later.wants.try_recv().is_err(), "it is about another turn");
        assert_eq!(running.cancel(Which::default(), "all"), [turn(2), turn(3)]);
        assert_eq!(running.go_on(Which::default(), "operator/ana"), []);
        later.set_waits(true);
        assert_eq!(running.go_on(Which::default(), "operator/ana"), [turn(3)]);
    }

    #[test]
    fn a_turn_of_an_earlier_process_is_cancelled_before_it_goes_on() {
        let running = Arc::new(Running::default());
        let session = |n| SessionKey::Thread(Uuid::from_u128(n));
        running.parked(session(7), turn(1), &item(7, 1));
        running.parked(session(7), turn(5), &item(7, 2));
        running.parked(session(8), turn(2), &item(8, 2));
        running.unparked(session(8));
        assert_eq!(running.cancel(Which::default(), "enough"), [turn(1)]);
        let mut fresh = running.begin(turn(9), &item(7, 2), false);
        assert!(fresh.wants.try_recv().is_err(), "it had not begun");
        let mut seat = running.begin(turn(1), &item(7, 1), true);
        assert_eq!(seat.wants.try_recv(), Ok(Want::Cancel { reason: "enough".into() }));
    }

    #[test]
    fn a_cancel_of_a_later_epoch_reaches_what_had_begun_in_an_earlier_one() {
        let running = Arc::new(Running::default());
        let session = |n| SessionKey::Thread(Uuid::from_u128(n));
        let mut under_way = running.begin(turn(1), &item(7, 50), false);
        running.parked(session(8), turn(2), &item(8, 60));
        assert_eq!(running.cancel(Which::default(), "enough"), [turn(2), turn(1)]);
        let enough = Ok(Want::Cancel { reason: "enough".into() });
        assert_eq!(under_way.wants.try_recv(), enough);
        let mut parked = running.begin(turn(2), &item(8, 60), true);
        assert_eq!(parked.wants.try_recv(), enough);
        // Without a session a turn begins anew, and is the same one all the same.
        running.parked(session(9), turn(3), &item(9, 40));
        assert_eq!(running.cancel(of_thread(9), "enough"), [turn(3)]);
        let mut anew = running.begin(turn(3), &item(9, 40), false);
        assert_eq!(anew.wants.try_recv(), enough);
        // That it had been taken was not written down any more.
        let mut unknown = running.begin(turn(4), &item(10, 70), true);
        assert_eq!(unknown.wants.try_recv(), enough);
        running.parked(session(11), turn(5), &item(11, 40));
        let mut later = running.begin(turn(5), &item(11, 40), true);
        assert!(later.wants.try_recv().is_err(), "its first item came after the cancels");
    }
}
