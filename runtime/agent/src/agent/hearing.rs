//! What reaches a turn of a session while it runs.

use std::collections::VecDeque;

use nexus_wire::DispatchId;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::drive::{Outside, Surroundings};
use super::pause::Pause;
use super::running::{Seat, Want};
use super::worker::Arrival;
use crate::session::UserTurn;

/// What a turn in a session hears: messages of its own thread. Others are for later turns, and so is what comes
/// behind an order.
pub(super) struct Conversation<'a> {
    pub(super) arrivals: &'a mut mpsc::Receiver<Arrival>,
    pub(super) seat: Seat,
    pub(super) pause: Pause<'a>,
    pub(super) thread: Option<Uuid>,
    /// What begins no turn joins none.
    pub(super) passes_over: Box<dyn Fn(&UserTurn) -> bool + Send>,
    pub(super) later: &'a mut VecDeque<Arrival>,
    pub(super) received: &'a mut u64,
}

impl Surroundings for Conversation<'_> {
    async fn next(&mut self) -> Outside {
        loop {
            let arrival = tokio::select! {
                want = self.seat.wanted() => match want {
                    Want::Cancel { reason } => return Outside::Cancelled { reason },
                    Want::GoOn { by } => {
                        self.pause.granted(by);
                        continue;
                    }
                },
                news = self.pause.over() => return news,
                Some(arrival) = self.arrivals.recv() => arrival,
            };
            *self.received += 1;
            let is_free = !self.later.iter().any(|it| matches!(it, Arrival::Order(_)));
            match arrival {
                Arrival::Said(said) if is_free && said.is_of(self.thread) && !(self.passes_over)(&said) => {
                    return Outside::Arrived(said);
                }
                Arrival::Said(_) | Arrival::Order(_) => self.later.push_back(arrival),
            }
        }
    }

    /// Only Hands have a place to yield.
    fn yield_for(&mut self, _on: Vec<DispatchId>) {}

    fn set_waits(&mut self, waits: bool) {
        self.seat.set_waits(waits);
        self.pause.set(waits);
    }

    fn leave_place(&mut self) {
        self.pause.leave();
    }

    fn has_place(&mut self) -> bool {
        self.pause.is_placed()
    }
}
