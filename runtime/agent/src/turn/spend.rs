//! What a turn has spent, and what it may spend yet.

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::chat::ReplyMeta;

use super::{Phase, Spent, Turn};
use crate::provider::Charge;
use crate::session::AssistantTurn;

impl Turn {
    /// Spent by its own rounds.
    pub fn own(&self) -> Spending {
        Spending::of(&self.spent.usage, self.spent.cost_microusd)
    }

    /// The round that is out has cost this so far: it counts should the round be given up.
    pub fn runs_up(&mut self, charge: Charge) {
        match self.phase {
            Phase::Asking | Phase::Compacting(_) | Phase::Judging(_) => self.pending = charge,
            Phase::Calling(_) | Phase::Waiting | Phase::Ended => {}
        }
    }

    /// What may be spent yet.
    pub fn left(&self) -> Budget {
        self.most().less(self.own().plus(self.below))
    }

    /// Tokens that another round may put out; `None`: as many as it likes.
    pub fn room(&self) -> Option<u64> {
        self.left().tokens.map(|left| left.saturating_sub(self.prompt))
    }

    /// The same as a message tells it.
    pub(super) fn meta(&self) -> Option<ReplyMeta> {
        let (provider, model) = self.source.clone()?;
        let (turn, Spent { usage, cost_microusd, .. }) = (self.id, self.spent);
        Some(ReplyMeta { turn, provider, model, usage, cost_microusd })
    }

    pub(super) fn note_round(&mut self, round: &AssistantTurn) {
        self.spent.rounds += 1;
        let cached = round.usage.cache_read_tokens.saturating_add(round.usage.cache_write_tokens);
        self.prompt = round.usage.input_tokens.saturating_add(cached);
        self.spend(Charge { usage: round.usage, cost_microusd: round.cost_microusd });
        self.source = Some((round.provider.clone(), round.model.clone()));
    }

    pub(super) fn spend(&mut self, more: Charge) {
        let (sum, usage) = (&mut self.spent.usage, more.usage);
        sum.input_tokens = sum.input_tokens.saturating_add(usage.input_tokens);
        sum.output_tokens = sum.output_tokens.saturating_add(usage.output_tokens);
        sum.cache_read_tokens = sum.cache_read_tokens.saturating_add(usage.cache_read_tokens);
        sum.cache_write_tokens = sum.cache_write_tokens.saturating_add(usage.cache_write_tokens);
        let cost = self.spent.cost_microusd.zip(more.cost_microusd);
        self.spent.cost_microusd = cost.map(|(sum, more)| sum.saturating_add(more));
    }
}
