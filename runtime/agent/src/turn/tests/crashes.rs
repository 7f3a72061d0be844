//! A process that dies at every effect of a turn, one after the other and also twice: what the session and the
//! thread hold in the end is what they hold when nothing died.

use super::*;

/// A provider, tools and senders whose doings follow from a seed and from what is on record, so that they are the
/// same again after a crash.
#[derive(Clone, Copy)]
struct Script(u64);

impl Script {
    fn roll(self, what: u64, sides: u64) -> u64 {
        // SplitMix64: any two of them are as good as unrelated.
        let mut z = self.0.wrapping_add(what.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// Some have a budget of which not every round is paid.
    fn rules(self) -> Rules {
        let tokens = (self.roll(60, 2) == 0).then_some(15);
        let budget = Budget { tokens, cost_microusd: None };
        let revisions_max = (self.roll(61, 2) == 0).then_some(1);
        Rules { budget, helping: budget, revisions_max, ..RULES }
    }

    fn reply(self, round: u64) -> Input {
        let names = ["look", "fire", "send"];
        let calls = if round < 3 { self.roll(10 + round, 4) } else { 0 };
        let mut content: Vec<Block> = (0..calls)
            .map(|n| tool(&format!("r{round}c{n}"), names[self.roll(100 + 10 * round + n, 3) as usize]))
            .collect();
        if calls == 0 && self.roll(20, 5) > 0 {
            content.push(text("the answer"));
        }
        let stop = if calls == 0 { StopReason::EndTurn } else { StopReason::ToolUse };
        answer(content, stop)
    }

    fn verdict(self, number: u64) -> Input {
        judged(match self.roll(70 + number, 4) {
            0 => Ruling::Silent("no".into()),
            1 => Ruling::Post,
            _ => Ruling::Revise("better".into()),
        })
    }

    fn result(self, call: &Call) -> Input {
        let is_error = self.roll(1000 + call.ordinal, 4) == 0;
        Input::ToolDone {
            call: call.id.clone(),
            content: format!("result of {}", call.id),
            is_error,
            below: Spending::default(),
        }
    }

    /// Messages that have come by the time the session has so many entries.
    fn come(self, entries: usize) -> Vec<UserTurn> {
        let others = (2..2 + self.roll(30, 3) as u128)
            .filter(|n| entries as u64 > self.roll(40 + *n as u64, 9))
            .map(|n| said(n, if n == 2 { "wren" } else { "operator/ana" }));
        others.collect()
    }

    fn cancels(self, entries: usize) -> bool {
        self.roll(50, 3) == 0 && entries as u64 > 2 + self.roll(51, 6)
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Also {
    Nothing,
    MessagesAndCancel,
}

struct Run {
    script: Script,
    also: Also,
    world: World,
    /// Effects that are carried out before the process dies, for each of its lives.
    deaths: VecDeque<usize>,
    left: Option<usize>,
    carried_out: usize,
    /// A call that has an effect was cut off.
    lost: bool,
}

impl Run {
    fn new(script: Script, also: Also, deaths: &[usize]) -> Self {
        let mut deaths: VecDeque<usize> = deaths.iter().copied().collect();
        let left = deaths.pop_front();
        Self { script, also, world: World::default(), deaths, left, carried_out: 0, lost: false }
    }

    /// Carries them out; `false`: died before the end.
    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        for effect in effects {
            if self.left == Some(0) {
                return false;
            }
            self.left = self.left.map(|left| left - 1);
            self.carried_out += 1;
            self.world.carry_out(vec![effect]);
        }
        true
    }

    /// What the next process finds; `None` when there is nothing left to do.
    fn revive(&mut self) -> Option<(Turn, Vec<Effect>)> {
        self.world.check_results(false);
        self.lost |= self.world.is_cut_off();
        (self.world.asking, self.world.judging, self.world.ended) = (false, false, None);
        self.world.running.clear();
        let open = self.world.open();
        if !open.is_empty() {
            let branch: Vec<&Entry> = self.world.session.iter().collect();
            return Some(Turn::resume(turn_id(), self.script.rules(), &branch, open));
        }
        let next = self.unread().into_iter().next()?;
        // Calls are counted within a turn.
        self.world.fired.clear();
        Some(Turn::start(turn_id(), self.script.rules(), next))
    }

    /// What the inbox holds that no session has taken.
    fn unread(&self) -> Vec<UserTurn> {
        let taken = self.world.taken();
        let come = self.come();
        let fresh = |said: &UserTurn| said.item.as_ref().is_some_and(|item| !taken.contains(&item.id));
        [said(1, "operator/ana")].into_iter().chain(come).filter(fresh).collect()
    }

    fn come(&self) -> Vec<UserTurn> {
        match self.also {
            Also::Nothing => Vec::new(),
            Also::MessagesAndCancel => self.script.come(self.world.session.len()),
        }
    }

    fn next_input(&mut self, turn: &Turn, told: &mut BTreeSet<Uuid>) -> Input {
        let fresh = self
            .unread()
            .into_iter()
            .find(|said| said.item.as_ref().is_some_and(|item| told.insert(item.id)));
        if let Some(said) = fresh {
            return Input::Arrived(said);
        }
        if self.also == Also::MessagesAndCancel && self.script.cancels(self.world.session.len()) {
            return Input::Cancelled { reason: "enough".into() };
        }
        if turn.waits_for_budget() {
            return Input::Granted { by: "operator/ana".into() };
        }
        if self.world.judging {
            self.world.judging = false;
            let verdicts = self.world.session.iter().filter(|it| it.payload.kind() == "custom.verdict");
            return self.script.verdict(verdicts.count() as u64);
        }
        if self.world.asking {
            self.world.asking = false;
            let rounds = self.world.session.iter().filter(|it| matches!(it.payload, Payload::Assistant(_)));
            return self.script.reply(rounds.count() as u64);
        }
        let call = self.world.running.remove(0);
        self.script.result(&call)
    }

    /// Until every item has its decision.
    fn live(mut self) -> Self {
        while let Some((mut turn, effects)) = self.revive() {
            let mut told: BTreeSet<Uuid> = self.world.taken();
            told.extend(beginning(&effects));
            let mut alive = self.carry_out(effects);
            while alive && !turn.has_ended() {
                let input = self.next_input(&turn, &mut told);
                alive = self.carry_out(turn.handle(input));
            }
            if alive {
                self.world.check_results(true);
            } else {
                self.left = self.deaths.pop_front();
            }
        }
        self
    }
}

impl World {
    fn is_cut_off(&self) -> bool {
        let mut started: BTreeSet<&str> = BTreeSet::new();
        for entry in &self.session {
            if let Payload::ToolStarted(call) = &entry.payload {
                started.insert(&call.tool_use_id);
            }
            for block in entry.payload.content() {
                if let Block::ToolResult { tool_use_id, .. } = block {
                    started.remove(tool_use_id.as_str());
                }
            }
        }
        !started.is_empty()
    }

    fn payloads(&self) -> Vec<&Payload> {
        self.session.iter().map(|entry| &entry.payload).collect()
    }
}

/// Items that these effects take.
fn beginning(effects: &[Effect]) -> Vec<Uuid> {
    let item = |effect: &Effect| match effect {
        Effect::Append(Payload::User(said)) => said.item.as_ref().map(|item| item.id),
        _ => None,
    };
    effects.iter().filter_map(item).collect()
}

fn check(run: &Run, what: &str) {
    let closed: BTreeSet<Uuid> = run.world.closed.keys().copied().collect();
    assert_eq!(closed, run.world.taken(), "{what}: a decision for each item and for no other");
    let come = run.come().len() + 1;
    assert_eq!(closed.len(), come, "{what}: nothing that came is left");
}

#[test]
fn a_death_at_any_effect_changes_nothing_of_what_is_on_record() {
    let mut points = 0;
    for seed in 0..150 {
        let whole = Run::new(Script(seed), Also::Nothing, &[]).live();
        check(&whole, "undisturbed");
        points += whole.carried_out;
        for at in 0..whole.carried_out {
            for again in [None, Some(0), Some(at / 2)] {
                let deaths: Vec<usize> = [at].into_iter().chain(again).collect();
                let run = Run::new(Script(seed), Also::Nothing, &deaths).live();
                let what = format!("seed {seed}, died after {deaths:?}");
                check(&run, &what);
                if !run.lost {
                    assert_eq!(run.world.payloads(), whole.world.payloads(), "{what}");
                    assert_eq!(run.world.posts, whole.world.posts, "{what}");
                    assert_eq!(run.world.closed, whole.world.closed, "{what}");
                }
            }
        }
    }
    assert!(points > 1500, "{points}: the scripts do more than that");
}

#[test]
fn with_messages_and_a_cancel_in_between_every_item_is_still_closed_once() {
    for seed in 0..150 {
        let whole = Run::new(Script(seed), Also::MessagesAndCancel, &[]).live();
        check(&whole, "undisturbed");
        for at in 0..whole.carried_out {
            for again in [None, Some(at % 3), Some(at / 2)] {
                let deaths: Vec<usize> = [at].into_iter().chain(again).collect();
                let run = Run::new(Script(seed), Also::MessagesAndCancel, &deaths).live();
                check(&run, &format!("seed {seed}, died after {deaths:?}"));
            }
        }
    }
}
