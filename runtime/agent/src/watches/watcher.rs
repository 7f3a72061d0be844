//! Looks at one folder for as long as its settings stay what they are: hears that something has happened, looks, waits
//! until what has changed rests, and tells the broker.

use std::time::Duration;

use nexus_wire::RequestId;
use nexus_wire::files::WatchFailing;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::ear::{Ear, listen};
use super::look::{Identity, Seen, look};
use super::report::report;
use super::state::{About, Pending, Shelf, State};
use super::tracker::Tracker;
use crate::runner::Watch;
use crate::tools::Roots;
use crate::uplink::{Line, LineError};

/// Between something heard and the look: much happens at once.
const PAUSE: Duration = Duration::from_millis(100);
/// A look takes at most this part of the time.
const LOOKING_PART: u32 = 10;
/// How often to look although nothing was heard: folders that other machines write in tell nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The same where the system tells nothing at all, or the last look came to nothing.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A report that the broker will not take now is offered again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Watcher {
    pub(super) watch: Watch,
    pub(super) roots: Roots,
    pub(super) shelf: Shelf,
    pub(super) line: Line,
    /// Changes with every registration.
    pub(super) generation: watch::Receiver<u64>,
}

/// Why a round does not come to its end.
enum Trouble {
    /// The process ends.
    Over,
    /// Nothing is seen, or nothing can be kept.
    Failed(String),
}

type Round<T = ()> = Result<T, Trouble>;

/// What it goes by from one round to the next.
struct Course {
    /// `None`: nothing is known yet, and the first look only notes what is there.
    tracker: Option<Tracker>,
    pending: Option<Pending>,
    /// By which folder it hears; without an ear, the system does not tell.
    ear: Option<(Identity, Option<Ear>)>,
    heard: mpsc::Receiver<()>,
    tell: mpsc::Sender<()>,
    standing: watch::Sender<Option<Standing>>,
}

/// Whether the files are seen, for whoever looks at the triggers that wait for them.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Standing {
    Seen,
    Failing(String),
}

impl Watcher {
    /// Until the process ends, or it is aborted.
    pub(super) async fn run(self) {
        let (standing, stands) = watch::channel(None);
        // Beside each other: while no broker hears how it stands, changes are found all the same.
        tokio::select! {
            () = self.look_on(standing) => {}
            () = self.say(stands) => {}
        }
    }

    async fn look_on(&self, standing: watch::Sender<Option<Standing>>) {
        let mut course = self.start(standing).await;
        loop {
            match self.round(&mut course).await {
                Ok(()) => {}
                Err(Trouble::Over) => return,
                Err(Trouble::Failed(why)) => {
                    course.ear = None;
                    self.stands(&course, Standing::Failing(why));
                    sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }

    /// Goes on from what an earlier process has left.
    async fn start(&self, standing: watch::Sender<Option<Standing>>) -> Course {
        let (tell, heard) = mpsc::channel(1);
        let shelf = self.shelf.clone();
        let read = tokio::task::spawn_blocking(move || shelf.read()).await;
        let left = match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(left) => left,
            Err(error) => {
                let (watch, file) = (self.watch.name(), self.shelf.path().display());
                tracing::error!(%watch, %error, "{file} cannot be read; what is there now counts as told");
                None
            }
        };
        let (known, pending) = match left {
            Some(State { about, told, pending }) => {
                ((about == About::of(&self.watch)).then_some(told), pending)
            }
            None => (None, None),
        };
        Course { tracker: known.map(Tracker::new), pending, ear: None, heard, tell, standing }
    }

    /// Tells what is to be told, looks, and waits until there may be more.
    async fn round(&self, course: &mut Course) -> Round {
        if let Some(pending) = course.pending.clone() {
            self.tell(&pending).await?;
            course.pending = None;
            if let Some(tracker) = &mut course.tracker {
                tracker.took(&pending.changes);
            }
            self.keep(course).await?;
            sleep(REPORT_INTERVAL).await;
        }
        // What was heard until now is seen by the look that follows.
        let _ = course.heard.try_recv();
        let began = Instant::now();
        let seen = self.see(course).await?;
        let now = Instant::now();
        let (changes, next) = match &mut course.tracker {
            Some(tracker) => tracker.look(&seen.files, self.watch.settle, now),
            None => {
                course.tracker = Some(Tracker::new(seen.files));
                self.keep(course).await?;
                (Vec::new(), None)
            }
        };
        if changes.is_empty() {
            self.stands(course, Standing::Seen);
            self.wait(course, next, now - began).await;
            return Ok(());
        }
        let report = report(self.watch.name(), &seen.place.shown, &changes);
        course.pending = Some(Pending { id: RequestId(Uuid::now_v7()), report, changes });
        let kept = self.keep(course).await;
        if kept.is_err() {
            // Nothing is told that a process after this one would not know of.
            course.pending = None;
        }
        kept
    }

    /// Until the broker has it on disk.
    async fn tell(&self, pending: &Pending) -> Round {
        loop {
            match self.line.ask(pending.id, pending.report.clone().into()).await {
                Ok(_) => return Ok(()),
                Err(LineError::Closed) => return Err(Trouble::Over),
                Err(error @ (LineError::Refused(_) | LineError::Answer(_))) => {
                    let (watch, seconds) = (self.watch.name(), REFUSED_INTERVAL.as_secs());
                    tracing::error!(%watch, %error, "changes are not taken; they are reported again in {seconds} s");
                }
            }
            sleep(REFUSED_INTERVAL).await;
        }
    }

    /// Looks, and hears from the folder it has looked at.
    async fn see(&self, course: &mut Course) -> Round<Seen> {
        let (watch, roots, tell) = (self.watch.clone(), self.roots.clone(), course.tell.clone());
        let by = course.ear.as_ref().map(|(identity, _)| *identity);
        let looking = move || -> Result<(Seen, Option<notify::Result<Ear>>), String> {
            let seen = look(&watch, &roots)?;
            if by == Some(seen.identity) {
                return Ok((seen, None));
            }
            let is_deep = watch.depth() != Some(1);
            let ear = listen(&seen.place.real, is_deep, tell);
            // What has happened before it could be heard.
            Ok((look(&watch, &roots)?, Some(ear)))
        };
        let looked = tokio::task::spawn_blocking(looking).await;
        let looked = looked.unwrap_or_else(|error| Err(format!("the look broke down: {error}")));
        let (seen, ear) = looked.map_err(Trouble::Failed)?;
        if let Some(ear) = ear {
            if let Err(error) = &ear {
                let (watch, seconds) = (self.watch.name(), RETRY_INTERVAL.as_secs());
                tracing::warn!(%watch, %error, "the system does not tell of changes; looking every {seconds} s");
            }
            course.ear = Some((seen.identity, ear.ok()));
        }
        Ok(seen)
    }

    async fn keep(&self, course: &Course) -> Round {
        let Some(tracker) = &course.tracker else { return Ok(()) };
        let (about, told) = (About::of(&self.watch), tracker.told().clone());
        let state = State { about, told, pending: course.pending.clone() };
        let shelf = self.shelf.clone();
        let kept = tokio::task::spawn_blocking(move || shelf.write(&state)).await;
        kept.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
            Trouble::Failed(format!("{} cannot be written: {error}", self.shelf.path().display()))
        })
    }

    /// Notes how it stands, and has it said if that is new.
    fn stands(&self, course: &Course, now: Standing) {
        let watch = self.watch.name();
        course.standing.send_if_modified(|before| {
            if before.as_ref() == Some(&now) {
                return false;
            }
            match (&now, &before) {
                (Standing::Failing(why), _) => tracing::warn!(%watch, "its files are not seen: {why}"),
                (Standing::Seen, Some(Standing::Failing(_))) => {
                    tracing::info!(%watch, "its files are seen again");
                }
                (Standing::Seen, Some(Standing::Seen) | None) => {}
            }
            *before = Some(now);
            true
        });
    }

    /// Tells the broker how it stands, as often as that changes, and that it is failing with every registration: at
    /// its first one with a new watch the broker may have heard it too early. Until the process ends.
    async fn say(&self, mut stands: watch::Receiver<Option<Standing>>) {
        let (watch, mut generation) = (self.watch.name(), self.generation.clone());
        loop {
            generation.mark_unchanged();
            let standing = stands.borrow_and_update().clone();
            let is_failing = matches!(standing, Some(Standing::Failing(_)));
            if let Some(standing) = standing {
                let reason = match standing {
                    Standing::Seen => None,
                    Standing::Failing(why) => Some(why),
                };
                let said = WatchFailing { watch: watch.clone(), reason };
                match self.line.ask(RequestId(Uuid::now_v7()), said.into()).await {
                    Ok(_) => {}
                    Err(LineError::Closed) => return,
                    Err(error @ (LineError::Refused(_) | LineError::Answer(_))) => {
                        tracing::warn!(%watch, %error, "the broker does not know whether the files are seen");
                    }
                }
            }
            tokio::select! {
                changed = stands.changed() => match changed {
                    Ok(()) => {}
                    Err(_) => return,
                },
                Ok(()) = generation.changed(), if is_failing => {}
            }
        }
    }

    /// Until something was heard, a change may have rested for long enough, or it is time to look anyway.
    async fn wait(&self, course: &mut Course, next: Option<Instant>, looking: Duration) {
        let is_heard = course.ear.as_ref().is_some_and(|(_, ear)| ear.is_some());
        let idle = Instant::now() + if is_heard { LOOK_INTERVAL } else { RETRY_INTERVAL };
        tokio::select! {
            Some(()) = course.heard.recv() => sleep(PAUSE.max(looking * LOOKING_PART)).await,
            () = sleep_until(next.map_or(idle, |next| next.min(idle))) => {}
        }
    }
}
