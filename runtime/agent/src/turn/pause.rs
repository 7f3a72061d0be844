//! A turn whose budget is used up waits until an operator says that it goes on, or cancels it. What it is about
//! stays open meanwhile, also over a restart.

use serde_json::json;

use super::{Effect, Phase, Post, PostKind, Turn, is_by_operator};
use crate::session::Payload;

/// The kind of the entry that says a turn may spend once more what one may.
const GRANT: &str = "go_on";

impl Turn {
    /// Another round would go over the budget. A Hand fails, and whoever dispatched it decides; a conversation asks.
    pub(super) fn over_budget(&mut self) -> Vec<Effect> {
        let (budget, spent) = (self.rules.budget, self.own().plus(self.below));
        let reason = format!("another round would go over its budget of {budget}; spent: {spent}");
        if self.items.is_empty() {
            self.out_of_budget = true;
            return self.fail(&reason);
        }
        self.phase = Phase::Waiting;
        let mut effects = vec![Effect::Wait { reason: reason.clone() }];
        if let Some(answers) = self.items.iter().find(|item| is_by_operator(item)).cloned() {
            let kind = PostKind::Waiting(self.grants);
            effects.push(Effect::Post(Post { answers, text: reason, kind, meta: self.meta() }));
        }
        effects
    }

    pub fn waits_for_budget(&self) -> bool {
        matches!(self.phase, Phase::Waiting)
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
        self.grants += 1;
    }

    /// Of an interrupted turn, in the order of its session.
    pub(super) fn was_granted(&mut self, kind: &str) {
        if kind.strip_prefix("custom.") == Some(GRANT) {
            self.grant();
        }
    }
}
