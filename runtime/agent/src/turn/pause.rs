//! A turn whose budget is used up waits until there is more of it, or an operator says that it goes on, or cancels it.
//! What it is about stays open meanwhile, also over a restart.

use nexus_wire::budget::Budget;
use serde_json::json;

use super::{Effect, Phase, Post, PostKind, Turn, is_by_operator};
use crate::session::Payload;

/// The kind of the entry that says a turn may spend once more what one may.
const GRANT: &str = "go_on";
/// The same of one that says its limits were raised, or another day has begun.
pub(super) const RELIEF: &str = "relief";

/// What is left of the day for a turn, besides its own budget.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Day {
    /// Of what its thread may spend.
    pub thread: Budget,
    /// Of what all turns and Hands may spend.
    pub all: Budget,
}

/// What a turn may spend, as the settings and the day have it at some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    pub budget: Budget,
    pub helping: Budget,
    pub day: Day,
}

impl Day {
    pub const UNLIMITED: Self = {
        let unlimited = Budget { tokens: None, cost_microusd: None };
        Self { thread: unlimited, all: unlimited }
    };
}

/// With the lower of each limit.
pub(crate) fn least(one: Budget, other: Budget) -> Budget {
    let lower = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    Budget {
        tokens: lower(one.tokens, other.tokens),
        cost_microusd: lower(one.cost_microusd, other.cost_microusd),
    }
}

/// With the higher of each limit, where none is the highest.
fn most_of(one: Budget, other: Budget) -> Budget {
    let higher = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.max(b));
    Budget {
        tokens: higher(one.tokens, other.tokens),
        cost_microusd: higher(one.cost_microusd, other.cost_microusd),
    }
}

impl Turn {
    /// With what is left of the day on top of what it has spent by now, which is counted there already.
    pub(super) fn limit_by_day(&mut self) {
        let own = self.own();
        let more = |left: Budget| Budget {
            tokens: left.tokens.map(|left| left.saturating_add(own.tokens)),
            cost_microusd: left.cost_microusd.map(|left| left.saturating_add(own.cost_microusd)),
        };
        let Day { thread, all } = self.rules.day;
        // An operator has let it go on in spite of that.
        let day = if self.grants > 0 { Day::UNLIMITED } else { Day { thread: more(thread), all: more(all) } };
        self.rules.day = day;
    }

    /// What it may spend in all.
    pub(super) fn most(&self) -> Budget {
        let Day { thread, all } = self.rules.day;
        least(self.rules.budget, least(thread, all))
    }

    /// Of the limits the one that is in the way, in words.
    fn limit(&self) -> (&'static str, Budget) {
        let Day { thread, all } = self.rules.day;
        let spent = self.own().plus(self.below);
        let limits = [
            ("its budget of", self.rules.budget),
            ("what its thread may spend today,", thread),
            ("what all turns and Hands may spend today,", all),
        ];
        let is_in_the_way = |limit: Budget| {
            let left = limit.less(spent);
            left.is_spent() || left.tokens.is_some_and(|left| left <= self.prompt)
        };
        let found = limits.into_iter().find(|(_, limit)| is_in_the_way(*limit));
        found.unwrap_or(("its budget of", self.rules.budget))
    }

    /// Another round would go over the budget. A Hand fails, and whoever dispatched it decides; a conversation asks.
    pub(super) fn over_budget(&mut self) -> Vec<Effect> {
        let ((what, budget), spent) = (self.limit(), self.own().plus(self.below));
        let reason = format!("another round would go over {what} {budget}; spent: {spent}");
        if self.items.is_empty() {
            self.out_of_budget = true;
            return self.fail(&reason);
        }
        self.phase = Phase::Waiting;
        let mut effects = vec![Effect::Wait { reason: reason.clone() }];
        if let Some(answers) = self.items.iter().find(|item| is_by_operator(item)).cloned() {
            let kind = PostKind::Waiting(self.waits());
            // What it has spent is told with its end: told here as well, it would count twice.
            effects.push(Effect::Post(Post { answers, text: reason, kind, meta: None }));
        }
        effects
    }

    pub fn waits_for_budget(&self) -> bool {
        matches!(self.phase, Phase::Waiting)
    }

    pub(super) fn is_over_budget(&self) -> bool {
        self.left().is_spent() || self.room() == Some(0)
    }

    /// A turn that waits goes on where the limits have room for that; what an operator granted stands.
    pub(super) fn limited(&mut self, limits: Limits) -> Vec<Effect> {
        if !self.waits_for_budget() {
            return Vec::new();
        }
        let Limits { budget, helping, day } = limits;
        self.rules.budget = if self.grants > 0 { most_of(self.rules.budget, budget) } else { budget };
        (self.rules.helping, self.rules.day) = (helping, day);
        self.limit_by_day();
        if self.is_over_budget() {
            return Vec::new();
        }
        self.reliefs += 1;
        let mut effects = vec![Effect::Append(Payload::custom(RELIEF, json!({})))];
        effects.extend(self.next_round());
        effects
    }

    /// An operator lets it go on.
    pub(super) fn granted(&mut self, by: &str) -> Vec<Effect> {
        if !self.waits_for_budget() {
            return Vec::new();
        }
        let mut effects = vec![Effect::Append(Payload::custom(GRANT, json!({ "by": by })))];
        self.grant();
        effects.extend(self.next_round());
        effects
    }

    /// It may spend once more what a turn may; without such a limit, whatever its rounds cost.
    fn grant(&mut self) {
        let spent = self.own().plus(self.below);
        let most = self.rules.helping;
        self.rules.budget.tokens = most.tokens.map(|most| most.saturating_add(spent.tokens));
        self.rules.budget.cost_microusd =
            most.cost_microusd.map(|most| most.saturating_add(spent.cost_microusd));
        self.rules.day = Day::UNLIMITED;
        self.grants += 1;
    }

    /// How often it has gone on after a wait.
    pub fn waits(&self) -> u32 {
        self.grants + self.reliefs
    }

    /// Of an interrupted turn, in the order of its session.
    pub(super) fn was_granted(&mut self, kind: &str) {
        match kind.strip_prefix("custom.") {
            Some(GRANT) => self.grant(),
            Some(RELIEF) => self.reliefs += 1,
            Some(_) | None => {}
        }
    }
}
