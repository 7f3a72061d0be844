//! A conversation that became too long for its model: a summary takes the place of its beginning, and the round is
//! tried again. Every way through here ends: one compaction for one overflow, and three failures are enough.

use super::{Effect, Phase, Turn};
use crate::conversation::ProviderErrorKind;
use crate::provider::{Charge, RoundFailed};

/// After that many failures in a turn nobody tries again.
const FAILURES_MAX: u32 = 3;

/// Why a summary is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// The conversation comes close to the end of the window.
    Due,
    /// The provider says that it does not fit.
    Overflow,
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Compacted {
    /// It is on disk. What the summary has cost counts for the turn.
    Done(Charge),
    /// There is nothing that a summary could stand for.
    Nothing,
    Failed {
        reason: String,
        charge: Charge,
    },
}

#[derive(Debug, Default)]
pub(super) struct State {
    failures: u32,
    /// The provider's own words, once it said that the conversation does not fit.
    overflow: Option<String>,
}

impl State {
    /// The next round may overflow anew.
    pub(super) fn round_is_over(&mut self) {
        self.overflow = None;
    }
}

impl Turn {
    pub(super) fn round_failed(&mut self, failed: &RoundFailed) -> Vec<Effect> {
        let overflows = matches!(failed.error.kind, ProviderErrorKind::ContextWindow(_));
        if overflows && self.compaction.overflow.is_none() {
            self.spend(failed.charge);
            self.compaction.overflow = Some(failed.to_string());
            return self.compact(Why::Overflow);
        }
        if let ProviderErrorKind::Stopped(why) = &failed.error.kind {
            self.pending = Charge::default();
            self.spend(failed.charge);
            return self.not_asked(why);
        }
        self.pending = failed.charge;
        self.fail(&failed.to_string())
    }

    pub(super) fn too_long(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Asking => self.compact(Why::Due),
            Phase::Compacting(_) | Phase::Calling(_) | Phase::Judging(_) | Phase::Waiting | Phase::Ended => {
                Vec::new()
            }
        }
    }

    pub(super) fn compacted(&mut self, compacted: Compacted) -> Vec<Effect> {
        let Phase::Compacting(why) = self.phase else { return Vec::new() };
        self.pending = Charge::default();
        match (compacted, why) {
            (Compacted::Done(charge), _) => {
                self.spend(charge);
                self.ask_again()
            }
            (Compacted::Nothing, Why::Due) => self.ask_again(),
            (Compacted::Nothing, Why::Overflow) => {
                let said = self.compaction.overflow.clone().unwrap_or_default();
                self.fail(&format!("{said}; and there is nothing left that a summary could stand for"))
            }
            (Compacted::Failed { reason, charge }, why) => {
                self.spend(charge);
                self.compaction.failures += 1;
                if self.compaction.failures < FAILURES_MAX {
                    return self.compact(why);
                }
                let reason = format!(
                    "its conversation has become too long, and making a summary of it failed {FAILURES_MAX} times: \
                     {reason}"
                );
                let mut effects = vec![Effect::Alert(reason.clone())];
                effects.extend(self.fail(&reason));
                effects
            }
        }
    }

    fn compact(&mut self, why: Why) -> Vec<Effect> {
        self.phase = Phase::Compacting(why);
        vec![Effect::Compact(why)]
    }

    fn ask_again(&mut self) -> Vec<Effect> {
        self.phase = Phase::Asking;
        // A summary costs something, too.
        if self.left().is_spent() {
            return self.over_budget();
        }
        vec![Effect::Ask]
    }
}
