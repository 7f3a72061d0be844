//! When to draw: at once after a quiet time, and at most thirty times a second however much happens. Pure.

use std::time::Duration;

/// The least time between two frames.
pub const FRAME: Duration = Duration::from_millis(34);

/// Times are counted from a beginning of the caller's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    drawn: Option<Duration>,
    is_dirty: bool,
}

impl Pace {
    /// Something changed.
    pub fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// When the next frame is to be drawn; `None` while nothing has changed.
    pub fn next(&self) -> Option<Duration> {
        self.is_dirty.then(|| self.drawn.map_or(Duration::ZERO, |drawn| drawn + FRAME))
    }

    /// Whether to draw now; then it counts as drawn.
    pub fn draws(&mut self, now: Duration) -> bool {
        let is_due = self.next().is_some_and(|next| next <= now);
        if is_due {
            *self = Self { drawn: Some(now), is_dirty: false };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_changes_and_never_come_faster_than_they_may() {
        let mut pace = Pace::default();
        let ms = Duration::from_millis;
        assert!(!pace.draws(ms(0)), "nothing has changed");
        pace.touch();
        assert_eq!((pace.next(), pace.draws(ms(5))), (Some(ms(0)), true));
        pace.touch();
        assert_eq!((pace.draws(ms(6)), pace.next()), (false, Some(ms(5) + FRAME)));
        assert!(pace.draws(ms(5) + FRAME) && pace.next().is_none());
        pace.touch();
        assert!(pace.draws(ms(10_000)), "after a quiet time at once");
    }
}
