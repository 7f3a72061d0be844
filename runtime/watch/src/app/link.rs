//! Whether there is a connection, since when, and what was missed while there was none.

use nexus_wire::Ms;

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    Up,
    /// Since then; the next attempt is at `retry_at`.
    Down {
        since: Ms,
        retry_at: Ms,
        why: String,
    },
    /// There will be none.
    Over {
        since: Ms,
        why: String,
    },
}

#[derive(Debug)]
pub struct Link {
    /// How people call the broker.
    pub broker: String,
    pub standing: Standing,
    /// How often it was lost.
    pub losses: u32,
}

impl Link {
    pub(super) fn new(broker: String) -> Self {
        Self { broker, standing: Standing::Up, losses: 0 }
    }

    pub fn is_up(&self) -> bool {
        self.standing == Standing::Up
    }

    /// When what is shown was true, if that is not now.
    pub fn stale_since(&self) -> Option<Ms> {
        match self.standing {
            Standing::Up => None,
            Standing::Down { since, .. } | Standing::Over { since, .. } => Some(since),
        }
    }

    pub(super) fn lost(&mut self, why: String, retry_in: Ms, now: Ms) {
        let since = self.stale_since().unwrap_or(now);
        self.losses = self.losses.saturating_add(u32::from(self.is_up()));
        self.standing = Standing::Down { since, retry_at: now.saturating_add(retry_in.max(0)), why };
    }

    /// Since when it had been lost.
    pub(super) fn back(&mut self) -> Option<Ms> {
        let since = self.stale_since();
        self.standing = Standing::Up;
        since
    }

    pub(super) fn over(&mut self, why: String, now: Ms) {
        self.standing = Standing::Over { since: self.stale_since().unwrap_or(now), why };
    }
}
