//! A turn that waits, for its budget or for others: it has no place among those at work meanwhile, and hears of it when
//! it may go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;
use uuid::Uuid;

use super::drive::Outside;
use super::kit::Kit;
use super::worker::Shared;
use crate::turn::Limits;

/// How often to look whether another day has begun.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A turn's place among those at work, and why it would have it again.
pub(super) struct Pause<'a> {
    shared: Arc<Shared>,
    thread: Option<Uuid>,
    place: &'a mut Option<OwnedSemaphorePermit>,
    kits: watch::Receiver<Arc<Kit>>,
    waits: bool,
    /// It has work to do once it has a place.
    wants: bool,
    /// What it is told once it has a place.
    news: Option<News>,
}

enum News {
    /// Its limits may be something else now.
    Limits,
    Granted {
        by: String,
    },
}

impl<'a> Pause<'a> {
    /// `kits` has seen the kit that the turn works with.
    pub(super) fn new(
        shared: Arc<Shared>,
        thread: Option<Uuid>,
        place: &'a mut Option<OwnedSemaphorePermit>,
        kits: watch::Receiver<Arc<Kit>>,
    ) -> Self {
        Self { shared, thread, place, kits, waits: false, wants: false, news: None }
    }

    pub(super) fn set(&mut self, waits: bool) {
        self.waits = waits;
        if waits {
            *self.place = None;
        }
    }

    /// Others may work meanwhile.
    pub(super) fn leave(&mut self) {
        *self.place = None;
    }

    /// Whether it has its place; where not, it is waited for from now on.
    pub(super) fn is_placed(&mut self) -> bool {
        self.wants = self.place.is_none();
        !self.wants
    }

    pub(super) fn granted(&mut self, by: String) {
        self.news = Some(News::Granted { by });
    }

    /// Waits until there is something that may let it go on, and a place for it. Safe to cancel.
    pub(super) async fn over(&mut self) -> Outside {
        loop {
            if self.wants || self.news.is_some() {
                if self.place.is_none() {
                    // They are never closed.
                    *self.place = Arc::clone(&self.shared.turns).acquire_owned().await.ok();
                }
                if std::mem::take(&mut self.wants) {
                    return Outside::Placed;
                }
                match self.news.take() {
                    Some(News::Granted { by }) => return Outside::Granted { by },
                    Some(News::Limits) => return Outside::Limited(self.limits()),
                    None => {}
                }
            }
            if !self.waits {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                Ok(()) = self.kits.changed() => {}
                () = sleep(LOOK_INTERVAL) => {}
            }
            self.news = Some(News::Limits);
        }
    }

    /// By the settings and the day as they are now.
    fn limits(&self) -> Limits {
        let kit = self.shared.kit();
        let budgets = &kit.settings.budgets;
        let day = self.shared.ledger.left(self.thread, budgets.thread, budgets.aspect, true);
        let turn = budgets.turn.into();
        Limits { budget: turn, helping: turn, day }
    }
}
