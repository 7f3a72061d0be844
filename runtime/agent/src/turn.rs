//! One turn as a state machine: rounds with a provider, calls of tools, and an end with a decision for every item
//! it took. No clock, no file, no socket, no task.
//!
//! Give an [`Input`], carry out the [`Effect`]s in their order, and each [`Effect::Append`] to its end (on disk)
//! before the next. A turn that was interrupted between any two of them goes on from what the session holds:
//! [`Turn::resume`]. After [`Effect::End`] nothing has an effect any more.
//!
//! - every call of a tool gets exactly one result, whatever happens;
//! - what arrives while the turn runs joins its next round, or is left in [`Turn::into_waiting`];
//! - a call that may have run and is not repeatable is never run again;
//! - a call that people have to allow runs when they have, and not before.

use std::collections::{BTreeMap, VecDeque};

use nexus_wire::TurnId;
use nexus_wire::budget::{Budget, Spending};
use nexus_wire::chat::{ReplyMeta, Usage};
use nexus_wire::inbox::Decision;
use nexus_wire::observe::TurnEvent;
use serde_json::Value;

use crate::conversation::{Block, ModelReply, StopReason};
use crate::provider::{Charge, RoundFailed};
use crate::session::{ApprovalMark, AssistantTurn, ItemRef, Payload, ToolResults, ToolStarted, UserTurn};
use leave::Marks;

mod compact;
mod halt;
pub(crate) mod judging;
mod leave;
mod nature;
mod past;
mod pause;
mod spend;
mod words;

use words::{calls_of, shortened, text_of, texts, with_distinct_ids};

pub use halt::Halt;
pub use judging::Ruling;
pub(crate) use pause::least;
pub use pause::{Day, Limits};

pub use compact::{Compacted, Why};
pub use nature::{Nature, Natures};

/// Calls of one round that are carried out; a model that makes more is told so.
const CALLS_PER_ROUND_MAX: usize = 64;
/// The beginning of a result that is shown to whoever watches.
const PREVIEW_CHARS: usize = 200;

/// What the machine has to know of its surroundings.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Rounds with the provider.
    pub rounds_max: u32,
    /// What each tool is to a turn.
    pub natures: Natures,
    /// What it may spend, with everything that is done for it elsewhere.
    pub budget: Budget,
    /// What an operator lets it spend besides, each time that is used up.
    pub helping: Budget,
    /// What is left of the day when it begins, or goes on.
    pub day: Day,
    /// How often an answer is written once more; `None`: nobody looks at it before it is posted.
    pub revisions_max: Option<u32>,
}

/// A provider's reply, with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub reply: ModelReply,
    pub provider: String,
    /// `None` when no price is known.
    pub cost_microusd: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Answered(Answer),
    RoundFailed(RoundFailed),
    /// In the place of an answer: the conversation is longer than it should be, so the provider was not asked.
    TooLong,
    /// What came of [`Effect::Compact`].
    Compacted(Compacted),
    /// `below`: what was spent of the turn's budget elsewhere.
    ToolDone {
        call: String,
        content: String,
        is_error: bool,
        below: Spending,
    },
    /// The sandbox stopped a call; `content` is what it brought all the same.
    Blocked {
        call: String,
        content: String,
    },
    /// What people said to a call they were asked about.
    Decided(ApprovalMark),
    Arrived(UserTurn),
    /// What becomes of the answer; `entry` is for the record.
    Judged {
        ruling: Ruling,
        entry: Payload,
        charge: Charge,
    },
    /// It may go on although its budget is used up.
    Granted {
        by: String,
    },
    /// Why no model may be asked now; `None`: one may.
    Halted(Option<Halt>),
    /// What it may spend is something else now, or may be.
    Limited(Limits),
    Cancelled {
        reason: String,
    },
    OutOfTime {
        reason: String,
    },
}

/// A call of a tool. `ordinal` counts the calls of the turn, and is the same when the call is made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub id: String,
    pub name: String,
    pub input: Value,
    pub ordinal: u64,
    /// People have allowed it.
    pub allowed: bool,
    /// They have allowed it to run without the sandbox.
    pub free: bool,
}

#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Put this at the end of the session and wait for the disk.
    Append(Payload),
    /// Ask the provider what the session now says.
    Ask,
    /// Let a summary stand for the beginning of the session.
    Compact(Why),
    Run(Call),
    /// Ask people whether it may run; `blocked`: again, without the sandbox.
    AskPeople {
        call: Call,
        blocked: bool,
    },
    /// Give up the round or the calls that are out. Their outcomes are not wanted.
    Abandon,
    Observe(TurnEvent),
    /// Have a look at this answer before it is posted.
    Judge(String),
    /// Nothing is done before an operator says so: a budget is used up.
    Wait {
        reason: String,
    },
    Post(Post),
    /// Tell operators that the session is stuck, and why.
    Alert(String),
    /// Record the decision on an item, and tell it.
    Close(Closing),
    End(Ending),
}

impl Effect {
    /// Whether it is for those who have a place among the turns at work.
    pub fn is_work(&self) -> bool {
        match self {
            Self::Ask | Self::Compact(_) | Self::Judge(_) | Self::Run(_) => true,
            Self::Abandon
            | Self::Alert(_)
            | Self::Append(_)
            | Self::AskPeople { .. }
            | Self::Close(_)
            | Self::End(_)
            | Self::Observe(_)
            | Self::Post(_)
            | Self::Wait { .. } => false,
        }
    }
}

/// What is said to whoever wrote the first item.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub answers: ItemRef,
    pub text: String,
    pub kind: PostKind,
    pub meta: Option<ReplyMeta>,
}

/// A turn that fails and is then begun again may post one of each; neither stands in the way of the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PostKind {
    Reply,
    /// That there is no reply, and why.
    Notice,
    /// That nothing is to be spent at the moment, after it had waited and gone on so many times before.
    Halted(u32),
    /// The same where it waits for an operator.
    Waiting(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    pub item: ItemRef,
    pub decision: Decision,
    pub reason: Option<String>,
    /// The post it was answered with.
    pub post: Option<PostKind>,
    /// The item the post's id derives from: the one it answers.
    pub first: ItemRef,
    /// What the turn has spent, with one of its items where no post says so; by what, if a round is on record.
    pub spent: Option<Spending>,
    pub meta: Option<ReplyMeta>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub decision: Decision,
    /// Why, unless it replied.
    pub reason: Option<String>,
    /// What the last round said.
    pub text: String,
    pub spent: Spent,
    /// It was the budget that did not allow for another round.
    pub out_of_budget: bool,
}

/// What the rounds have cost together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    pub usage: Usage,
    /// `None` once a round's price was not known.
    pub cost_microusd: Option<u64>,
    pub rounds: u32,
}

#[derive(Debug)]
pub struct Turn {
    id: TurnId,
    rules: Rules,
    /// Taken into the session, the one that began the turn first. Empty for a Hand.
    items: Vec<ItemRef>,
    waiting: VecDeque<UserTurn>,
    phase: Phase,
    spent: Spent,
    /// Calls made in all rounds: the ordinal of the next one.
    calls: u64,
    acted: bool,
    /// Calls that people are asked about, with what they brought when the sandbox stopped them.
    asked_people: BTreeMap<String, Option<String>>,
    /// Texts of the user that this turn has taken.
    asked: usize,
    /// Provider and model of the last round.
    source: Option<(String, String)>,
    /// Tokens of the last round's prompt: the next one's is at least as long.
    prompt: u64,
    /// What the round that is out has cost so far.
    pending: Charge,
    below: Spending,
    /// How often an operator has let it go on.
    grants: u32,
    /// How often it went on because its limits were something else.
    reliefs: u32,
    judging: judging::State,
    out_of_budget: bool,
    compaction: compact::State,
    halt: halt::State,
}

#[derive(Debug)]
enum Phase {
    /// The provider is asked.
    Asking,
    /// A summary is being made, so that the provider can be asked.
    Compacting(Why),
    /// Calls that have no result yet, by id.
    Calling(BTreeMap<String, Call>),
    /// Somebody looks at the answer.
    Judging(String),
    /// The budget is used up.
    Waiting,
    Ended,
}

impl Turn {
    /// Begins with what somebody said; `opening` without an item is a Hand's input.
    pub fn start(id: TurnId, rules: Rules, opening: UserTurn) -> (Self, Vec<Effect>) {
        Self::start_after(id, rules, opening, Charge::default())
    }

    /// The same where finding out that it is worth a turn has cost something.
    pub fn start_after(id: TurnId, rules: Rules, opening: UserTurn, prior: Charge) -> (Self, Vec<Effect>) {
        let mut turn = Self::blank(id, rules);
        turn.spend(prior);
        turn.limit_by_day();
        turn.waiting.push_back(opening);
        let effects = turn.next_round();
        (turn, effects)
    }

    /// A turn that has ended goes on with one more thing said to it.
    pub fn again(mut self, amendment: UserTurn) -> (Self, Vec<Effect>) {
        self.waiting.push_front(amendment);
        let effects = self.next_round();
        (self, effects)
    }

    fn blank(id: TurnId, rules: Rules) -> Self {
        let spent = Spent { cost_microusd: Some(0), ..Spent::default() };
        Self {
            id,
            rules,
            items: Vec::new(),
            waiting: VecDeque::new(),
            phase: Phase::Asking,
            spent,
            calls: 0,
            acted: false,
            asked_people: BTreeMap::new(),
            asked: 0,
            source: None,
            prompt: 0,
            pending: Charge::default(),
            below: Spending::default(),
            grants: 0,
            reliefs: 0,
            judging: judging::State::default(),
            out_of_budget: false,
            compaction: compact::State::default(),
            halt: halt::State::default(),
        }
    }

    pub fn id(&self) -> TurnId {
        self.id
    }

    /// How many texts it has taken: what was said before them belongs to earlier turns.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// Rounds with the provider so far.
    pub fn rounds(&self) -> u64 {
        self.spent.rounds.into()
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// What arrived and was not taken: it is for a turn of its own.
    pub fn into_waiting(self) -> VecDeque<UserTurn> {
        self.waiting
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.hear(input);
        self.hold_back(effects)
    }

    fn hear(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Arrived(said) => {
                self.waiting.push_back(said);
                Vec::new()
            }
            Input::Answered(answer) => self.answered(answer),
            Input::RoundFailed(error) => match self.phase {
                Phase::Asking => self.round_failed(&error),
                Phase::Compacting(_)
                | Phase::Calling(_)
                | Phase::Judging(_)
                | Phase::Waiting
                | Phase::Ended => Vec::new(),
            },
            Input::TooLong => self.too_long(),
            Input::Compacted(compacted) => self.compacted(compacted),
            Input::Judged { ruling, entry, charge } => self.judged(ruling, entry, charge),
            Input::Granted { by } => self.granted(&by),
            Input::Halted(why) => self.halted(why),
            Input::Limited(limits) => self.limited(limits),
            Input::ToolDone { call, content, is_error, below } => {
                self.below = self.below.plus(below);
                self.tool_done(&call, content, is_error)
            }
            Input::Blocked { call, content } => self.blocked(&call, content),
            Input::Decided(mark) => self.decided(mark),
            Input::Cancelled { reason } | Input::OutOfTime { reason } => match self.phase {
                Phase::Asking
                | Phase::Compacting(_)
                | Phase::Calling(_)
                | Phase::Judging(_)
                | Phase::Waiting => self.fail(&reason),
                Phase::Ended => Vec::new(),
            },
        }
    }

    fn answered(&mut self, answer: Answer) -> Vec<Effect> {
        let Phase::Asking = self.phase else { return Vec::new() };
        self.pending = Charge::default();
        self.compaction.round_is_over();
        let Answer { reply: ModelReply { content, stop, usage, model }, provider, cost_microusd } = answer;
        let content = with_distinct_ids(content, self.calls);
        let round = AssistantTurn { content, stop, usage, model, provider, cost_microusd, turn: self.id.0 };
        self.note_round(&round);
        let mut effects = vec![Effect::Append(Payload::Assistant(round.clone()))];
        effects.extend(self.go_on(&round, &[], &Marks::new()));
        effects
    }

    /// After a round that is on record, with the results in `done` and what is known of others as well.
    fn go_on(&mut self, round: &AssistantTurn, done: &[String], marks: &Marks) -> Vec<Effect> {
        let first = self.calls;
        let calls: Vec<Call> = calls_of(&round.content, first).collect();
        self.calls += calls.len() as u64;
        let open: Vec<Call> = calls.into_iter().filter(|call| !done.contains(&call.id)).collect();
        if round.stop == StopReason::Refusal {
            self.phase = Phase::Calling(open.into_iter().map(|call| (call.id.clone(), call)).collect());
            let said = text_of(&round.content);
            let colon = if said.is_empty() { "" } else { ": " };
            return self.fail(&format!("the model refused to answer{colon}{said}"));
        }
        if first == self.calls {
            return self.conclude(round);
        }
        let most = first + CALLS_PER_ROUND_MAX as u64;
        let (open, beyond): (Vec<Call>, Vec<Call>) = open.into_iter().partition(|call| call.ordinal < most);
        let not_run = |call: &Call| {
            let why =
                format!("not run: {CALLS_PER_ROUND_MAX} calls of one round are carried out, and no more");
            result(call, why, true)
        };
        let mut effects: Vec<Effect> = beyond.iter().flat_map(not_run).collect();
        if open.is_empty() {
            effects.extend(self.next_round());
            return effects;
        }
        self.phase = Phase::Calling(open.iter().map(|call| (call.id.clone(), call.clone())).collect());
        effects.extend(open.iter().flat_map(|call| self.begin(call, marks.get(&call.id))));
        effects
    }

    fn run(&self, call: &Call) -> Vec<Effect> {
        self.started(call).into_iter().chain([shown_call(call), Effect::Run(call.clone())]).collect()
    }

    /// What has to be on record before a call runs that must not run twice.
    fn started(&self, call: &Call) -> Option<Effect> {
        let started = || Payload::ToolStarted(ToolStarted { tool_use_id: call.id.clone() });
        (!self.rules.natures.of(&call.name).repeatable).then(|| Effect::Append(started()))
    }

    fn tool_done(&mut self, id: &str, content: String, is_error: bool) -> Vec<Effect> {
        let Phase::Calling(open) = &mut self.phase else { return Vec::new() };
        let Some(call) = open.remove(id) else { return Vec::new() };
        let last = open.is_empty();
        self.acted |= !is_error && self.rules.natures.of(&call.name).acts;
        let mut effects = result(&call, content, is_error);
        if last {
            effects.extend(self.next_round());
        }
        effects
    }

    /// Takes what has arrived and asks the provider, if that is still allowed.
    fn next_round(&mut self) -> Vec<Effect> {
        self.phase = Phase::Asking;
        let mut effects = self.take_in();
        let allowed = self.rules.rounds_max;
        if self.spent.rounds >= allowed {
            effects.extend(self.fail(&format!("{allowed} rounds were not enough, and more are not allowed")));
        } else if self.is_over_budget() {
            effects.extend(self.over_budget());
        } else {
            effects.push(Effect::Ask);
        }
        effects
    }

    /// What has arrived is part of the turn from here on.
    fn take_in(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(said) = self.waiting.pop_front() {
            self.items.extend(said.item.clone());
            self.asked += texts(&said.content).count();
            effects.push(Effect::Append(Payload::User(said)));
        }
        effects
    }

    fn conclude(&mut self, round: &AssistantTurn) -> Vec<Effect> {
        let mut text = text_of(&round.content);
        if round.stop == StopReason::MaxTokens {
            if text.is_empty() {
                return self.fail("the reply reached the provider's limit of tokens before it said anything");
            }
            text.push_str("\n\n[The reply reached the provider's limit of tokens and ends here.]");
        }
        if !text.is_empty() {
            return self.answer(text);
        }
        let (decision, reason) = match self.acted {
            true => (Decision::Acted, Some("its tools did what there was to do".to_owned())),
            false => (Decision::Silent, Some("there was nothing to say to it".to_owned())),
        };
        self.end(decision, reason, text, None)
    }

    /// Ends without an answer. An operator is told so; an aspect is not, which could answer that, and so on.
    fn fail(&mut self, reason: &str) -> Vec<Effect> {
        self.asked_people.clear();
        let mut effects = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Asking | Phase::Compacting(_) | Phase::Judging(_) => {
                let given_up = std::mem::take(&mut self.pending);
                self.spend(given_up);
                vec![Effect::Abandon]
            }
            Phase::Waiting => Vec::new(),
            Phase::Calling(open) => {
                let not_run = |call: &Call| result(call, format!("not finished: {reason}"), true);
                let results: Vec<Effect> = open.values().flat_map(not_run).collect();
                [vec![Effect::Abandon], results].concat()
            }
            Phase::Ended => Vec::new(),
        };
        let by_operator = self.items.iter().any(is_by_operator);
        let text = if by_operator { format!("I could not answer this: {reason}") } else { String::new() };
        let post = by_operator.then_some(PostKind::Notice);
        effects.extend(self.end(Decision::Failed, Some(reason.to_owned()), text, post));
        effects
    }

    fn end(
        &mut self,
        decision: Decision,
        reason: Option<String>,
        text: String,
        post: Option<PostKind>,
    ) -> Vec<Effect> {
        self.phase = Phase::Ended;
        self.end_halt();
        let mut effects = Vec::new();
        // A notice is for the operator, also when an aspect began the turn that they joined.
        let answered = match post {
            Some(PostKind::Notice) => self.items.iter().find(|item| is_by_operator(item)),
            Some(PostKind::Reply | PostKind::Halted(_) | PostKind::Waiting(_)) | None => self.items.first(),
        };
        if let (Some(answers), Some(kind)) = (answered.cloned(), post) {
            let meta = self.meta();
            effects.push(Effect::Post(Post { answers, text: shortened(&text), kind, meta }));
        }
        // The first item last: as long as it is open, what derives from it is found again after a crash.
        for item in self.items.iter().rev() {
            let (item, reason) = (item.clone(), reason.clone());
            let first = answered.unwrap_or(&item).clone();
            let is_last = self.items.first() == Some(&item);
            let is_told = post.is_some() && self.source.is_some();
            let is_due = is_last && !is_told && !self.own().is_nothing();
            let meta = self.meta().filter(|_| is_due);
            let spent = Some(self.own()).filter(|_| is_due && meta.is_none());
            effects.push(Effect::Close(Closing { item, decision, reason, post, first, spent, meta }));
        }
        let (spent, out_of_budget) = (self.spent, self.out_of_budget);
        effects.push(Effect::End(Ending { decision, reason, text, spent, out_of_budget }));
        effects
    }
}

fn is_by_operator(item: &ItemRef) -> bool {
    item.from.starts_with("operator/")
}

fn shown_call(call: &Call) -> Effect {
    let (id, name, input) = (call.id.clone(), call.name.clone(), call.input.clone());
    Effect::Observe(TurnEvent::ToolCall { call: id, name, input })
}

fn result(call: &Call, content: String, is_error: bool) -> Vec<Effect> {
    let preview = content.chars().take(PREVIEW_CHARS).collect();
    let (tool_use_id, name) = (call.id.clone(), call.name.clone());
    let shown = TurnEvent::ToolResult { call: call.id.clone(), name, is_error, preview };
    let content = vec![Block::ToolResult { tool_use_id, content, is_error }];
    vec![Effect::Append(Payload::ToolResult(ToolResults { content })), Effect::Observe(shown)]
}

#[cfg(test)]
mod tests;
