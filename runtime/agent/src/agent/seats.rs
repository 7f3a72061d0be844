//! The sessions that are in use, each with its worker. A session that rests for long is let go of.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::worker::{Arrival, Shared, Worker, WorkerNews};
use crate::session::SessionKey;

/// Messages on their way to one worker; more wait here.
const ARRIVALS_MAX: usize = 64;
const REST_MAX: Duration = Duration::from_secs(30 * 60);

#[derive(Debug)]
pub(crate) struct Seats {
    shared: Arc<Shared>,
    news: mpsc::Sender<WorkerNews>,
    seats: HashMap<SessionKey, Seat>,
    /// Let go of, and perhaps not yet out of their file.
    leaving: HashMap<SessionKey, oneshot::Receiver<()>>,
    /// For whom there is no worker yet: none starts before we know the team.
    early: HashMap<SessionKey, Vec<Arrival>>,
    is_open: bool,
    is_closed: bool,
    workers: JoinSet<()>,
}

#[derive(Debug)]
struct Seat {
    arrivals: mpsc::Sender<Arrival>,
    backlog: VecDeque<Arrival>,
    sent: u64,
    /// Since when it has nothing to do.
    rests: Option<Instant>,
    gone: oneshot::Receiver<()>,
}

impl Seats {
    pub(crate) fn new(shared: Arc<Shared>, news: mpsc::Sender<WorkerNews>) -> Self {
        Self {
            shared,
            news,
            seats: HashMap::new(),
            leaving: HashMap::new(),
            early: HashMap::new(),
            is_open: false,
            is_closed: false,
            workers: JoinSet::new(),
        }
    }

    pub(crate) fn give(&mut self, key: SessionKey, arrival: Arrival) {
        if self.is_closed {
            return;
        }
        if !self.is_open {
            self.early.entry(key).or_default().push(arrival);
            return;
        }
        match self.seats.get_mut(&key) {
            Some(seat) => {
                seat.rests = None;
                seat.backlog.push_back(arrival);
                seat.pass_on();
            }
            None => self.start(key, vec![arrival]),
        }
    }

    /// Starts the workers of what has come so far, and says for which sessions.
    pub(crate) fn open(&mut self) -> Vec<SessionKey> {
        self.is_open = true;
        let early = std::mem::take(&mut self.early);
        let keys = early.keys().copied().collect();
        for (key, initial) in early {
            self.start(key, initial);
        }
        keys
    }

    fn start(&mut self, key: SessionKey, initial: Vec<Arrival>) {
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_MAX);
        let (leaves, gone) = oneshot::channel();
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            key,
            arrivals: arriving,
            news: self.news.clone(),
            before: self.leaving.remove(&key),
            received: 0,
            place: None,
        };
        self.workers.spawn(async move {
            worker.run(initial).await;
            // Nobody may be waiting for it.
            let _ = leaves.send(());
        });
        let seat = Seat { arrivals, backlog: VecDeque::new(), sent: 0, rests: None, gone };
        self.seats.insert(key, seat);
    }

    /// The worker has nothing left to do of what it had `received`.
    pub(crate) fn rests(&mut self, key: SessionKey, received: u64) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        seat.pass_on();
        if seat.sent == received && seat.backlog.is_empty() {
            seat.rests = Some(Instant::now());
        }
    }

    /// Lets go of what has rested for long.
    pub(crate) fn sweep(&mut self) {
        let idle = |seat: &Seat| seat.rests.is_some_and(|since| since.elapsed() >= REST_MAX);
        let keys: Vec<SessionKey> =
            self.seats.iter().filter(|(_, seat)| idle(seat)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(seat) = self.seats.remove(&key) {
                // Dropping the sender is what ends the worker.
                self.leaving.insert(key, seat.gone);
            }
        }
        self.leaving.retain(|_, gone| matches!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    }

    /// No worker begins anything any more. What has not begun is on disk, for the next process.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.is_closed = true;
        self.early.clear();
        // Dropping the senders is what ends the workers.
        self.seats.clear();
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.workers.is_empty()
    }

    /// The next worker to end; `None` while there is none. Safe to cancel.
    pub(crate) async fn ended(&mut self) -> Option<()> {
        // A worker that broke down has said so, and there is nothing to be had from it.
        self.workers.join_next().await.map(drop)
    }
}

impl Seat {
    fn pass_on(&mut self) {
        while let Some(arrival) = self.backlog.pop_front() {
            match self.arrivals.try_send(arrival) {
                Ok(()) => self.sent += 1,
                Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => {
                    self.backlog.push_front(back);
                    return;
                }
            }
        }
    }
}
