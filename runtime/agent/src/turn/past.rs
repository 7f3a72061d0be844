//! Going on with a turn that a crash has interrupted, from what its session holds of it.

use std::collections::HashSet;

use nexus_wire::TurnId;

use super::leave::Marks;
use super::words::{calls_of, texts};
use super::{Call, Effect, Phase, Rules, Turn, result};
use crate::conversation::{Block, StopReason};
use crate::provider::Charge;
use crate::session::{ApprovalMark, AssistantTurn, Compaction, Entry, ItemRef, Payload};

const INTERRUPTED: &str = "interrupted; not run again, because it may already have had its effect";

impl Turn {
    /// Goes on with the turn whose items are `open`, the first of them first. `branch` is the active one of the
    /// session, from the root to its head, and takes those items.
    pub fn resume(id: TurnId, rules: Rules, branch: &[&Entry], open: Vec<ItemRef>) -> (Self, Vec<Effect>) {
        let mut turn = Self::blank(id, rules);
        let begin = open.first().and_then(|first| branch.iter().position(|entry| takes(entry, first)));
        turn.items = open;
        let since = begin.and_then(|begin| branch.get(begin..)).unwrap_or_default();
        let mut last: Option<&AssistantTurn> = None;
        let mut answered: Vec<String> = Vec::new();
        let mut started: HashSet<String> = HashSet::new();
        let mut marks = Marks::new();
        let mut said_since = false;
        for entry in since {
            match &entry.payload {
                Payload::Assistant(round) => {
                    turn.was_followed();
                    // The calls of the round before this one are all answered.
                    turn.calls += last.map_or(0, |last| calls_of(&last.content, 0).count() as u64);
                    turn.note_round(round);
                    (last, said_since) = (Some(round), false);
                    answered.clear();
                    started.clear();
                    marks.clear();
                }
                Payload::ToolResult(_) => {
                    for block in entry.payload.content() {
                        if let Block::ToolResult { tool_use_id, is_error, .. } = block {
                            turn.acted |=
                                !is_error && last.is_some_and(|last| acts(last, tool_use_id, &turn.rules));
                            answered.push(tool_use_id.clone());
                        }
                    }
                }
                Payload::ToolStarted(call) => {
                    started.insert(call.tool_use_id.clone());
                }
                // One that an operator asked for is no part of the turn.
                Payload::Compaction(Compaction { by: Some(by), item: None, .. }) => {
                    turn.spend(Charge { usage: by.usage, cost_microusd: by.cost_microusd });
                }
                Payload::User(said) => {
                    turn.was_followed();
                    turn.asked += texts(&said.content).count();
                    said_since = true;
                }
                Payload::Other { kind, payload } => {
                    turn.was_granted(kind);
                    turn.was_judged(kind, payload);
                    if let Some(mark) = ApprovalMark::of(&entry.payload) {
                        // What was started before has come back, stopped by the sandbox.
                        started.remove(mark.tool_use_id.as_str());
                        marks.insert(mark.tool_use_id.clone(), mark);
                    }
                }
                Payload::SystemPrompt(_)
                | Payload::Compaction(_)
                | Payload::BranchSummary(_)
                | Payload::Situation(_)
                | Payload::Decision(_)
                | Payload::Head(_) => {}
            }
        }
        turn.limit_by_day();
        let effects = match last {
            None => turn.next_round(),
            Some(round) if said_since => {
                turn.calls += calls_of(&round.content, 0).count() as u64;
                turn.next_round()
            }
            Some(round) => turn.take_up(round, &answered, &started, &marks),
        };
        (turn, effects)
    }

    /// After the last round on record; what was `started`, as is written of what may not be repeated alone, gets its
    /// result here. Whether it may be repeated is not asked again: its tool may be gone by now.
    fn take_up(
        &mut self,
        round: &AssistantTurn,
        answered: &[String],
        started: &HashSet<String>,
        marks: &Marks,
    ) -> Vec<Effect> {
        let lost = |call: &Call| {
            round.stop != StopReason::Refusal
                && !answered.contains(&call.id)
                && started.contains(call.id.as_str())
        };
        let lost: Vec<Call> = calls_of(&round.content, self.calls).filter(lost).collect();
        let mut effects: Vec<Effect> =
            lost.iter().flat_map(|call| result(call, INTERRUPTED.to_owned(), true)).collect();
        let done: Vec<String> =
            answered.iter().cloned().chain(lost.into_iter().map(|call| call.id)).collect();
        self.phase = Phase::Asking;
        effects.extend(self.go_on(round, &done, marks));
        effects
    }
}

fn takes(entry: &Entry, item: &ItemRef) -> bool {
    match &entry.payload {
        Payload::User(said) => said.item.as_ref().is_some_and(|taken| taken.id == item.id),
        Payload::Assistant(_)
        | Payload::ToolResult(_)
        | Payload::SystemPrompt(_)
        | Payload::Compaction(_)
        | Payload::BranchSummary(_)
        | Payload::Situation(_)
        | Payload::Decision(_)
        | Payload::Head(_)
        | Payload::ToolStarted(_)
        | Payload::Other { .. } => false,
    }
}

fn acts(round: &AssistantTurn, id: &str, rules: &Rules) -> bool {
    calls_of(&round.content, 0).any(|call| call.id == id && rules.natures.of(&call.name).acts)
}
