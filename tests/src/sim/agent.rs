//! A model agent: an inbox and an outbox that survive it, tasks that do not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nexus_broker::hub::Traced;
use nexus_wire::admin::AspectAdd;
use nexus_wire::approval::{ApprovalAsk, ApprovalInfo, ApprovalState, ApprovalWithdraw, Asked};
use nexus_wire::budget::Budget;
use nexus_wire::chat::{ChatSend, ReplyMeta, Usage};
use nexus_wire::gather::{Gather, GatherPolicy, GatherState, Gathered};
use nexus_wire::hands::{
    Assignment, Dispatch, DispatchResult, DispatchStopped, DispatchWait, Dispatched, HandSpec, Lease,
    LeaseRenew,
};
use nexus_wire::inbox::{Ack, Decision, InboxClose, Item, ItemBody, Resume};
use nexus_wire::roster::{AspectRole, HeldLease, Register, Registered, SettingsBroken};
use nexus_wire::run::{RunStarted, RunState};
use nexus_wire::session::{SessionOutcome, SessionStuck};
use nexus_wire::thread::InboxTaken;
use nexus_wire::{
    ApprovalId, AspectName, DispatchId, EpochId, FromBroker, GatherId, HandRef, ItemId, LinkId, Ms, Party,
    RequestId, RunId, ToBroker, TraceContext, TurnId, derive,
};

use super::check::Truth;
use super::{Dice, schedule};

/// One Hand of each kind: name, whether idempotent, concurrency.
pub(super) const HANDS: [(&str, bool, u32); 2] = [("check", true, 3), ("paint", false, 1)];

/// A task for an assignment, lost when its process dies.
#[derive(Debug)]
struct Task {
    /// Steps of work left.
    left: usize,
    may_dispatch: bool,
    child: Option<DispatchId>,
    asked: Option<RequestId>,
    waits: u32,
    waiting: bool,
    /// Half of what it may spend: it leaves its child the other half.
    tokens: u64,
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) name: AspectName,
    index: usize,
    /// It starts flows, and writes into the table if it may.
    schedules: bool,
    // On its disk.
    epoch: Option<EpochId>,
    offset: u64,
    last: Option<ItemId>,
    generation: u64,
    seen: BTreeSet<ItemId>,
    todo: VecDeque<Item>,
    outbox: BTreeMap<RequestId, ToBroker>,
    pub(super) taken: BTreeMap<ItemId, u32>,
    /// Gathers whose end it took.
    pub(super) gathered: BTreeMap<GatherId, GatherState>,
    /// What it asked people for whose end it took.
    pub(super) answered: BTreeMap<ApprovalId, ApprovalState>,
    /// Runs whose end it took.
    pub(super) ended: BTreeMap<RunId, RunState>,
    /// What it asked people for last, and may think better of.
    asked: Option<ApprovalId>,
    /// Roots of its own that are not gathered yet.
    roots: Vec<DispatchId>,
    // In its memory.
    link: Option<LinkId>,
    registering: Option<RequestId>,
    sent: BTreeSet<RequestId>,
    tasks: BTreeMap<Lease, Task>,
}

/// One in three is limited.
pub(super) fn some_budget(dice: &mut Dice) -> Budget {
    let tokens = dice.one_in(3).then(|| 1 + dice.below(60) as u64);
    Budget { tokens, cost_microusd: None }
}

pub(super) fn hand_of(aspect: &AspectName, dice: &mut Dice) -> HandRef {
    let (hand, ..) = HANDS[dice.below(HANDS.len())];
    format!("{aspect}/{hand}").parse().expect("a Hand")
}

impl Agent {
    pub(super) fn new(index: usize, schedules: bool) -> Self {
        Self {
            name: format!("agent-{index}").parse().expect("a name"),
            index,
            schedules,
            epoch: None,
            offset: 0,
            last: None,
            generation: 0,
            seen: BTreeSet::new(),
            todo: VecDeque::new(),
            outbox: BTreeMap::new(),
            taken: BTreeMap::new(),
            gathered: BTreeMap::new(),
            answered: BTreeMap::new(),
            ended: BTreeMap::new(),
            asked: None,
            roots: Vec::new(),
            link: None,
            registering: None,
            sent: BTreeSet::new(),
            tasks: BTreeMap::new(),
        }
    }

    pub(super) fn admission(&self) -> AspectAdd {
        // 32 bytes, base64url without padding: 'A' is six zero bits.
        let public_key = format!("{}{}", ["A", "E", "I"][self.index % 3], "A".repeat(42));
        let role = if self.index == 0 { AspectRole::Frame } else { AspectRole::Worker };
        AspectAdd { name: self.name.clone(), role, public_key, share_knowledge: true }
    }

    pub(super) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(super) fn is_idle(&self) -> bool {
        self.todo.is_empty() && self.outbox.is_empty() && self.tasks.is_empty()
    }

    pub(super) fn dial(&mut self, link: LinkId, request: RequestId) -> ToBroker {
        self.link = Some(link);
        self.registering = Some(request);
        self.sent.clear();
        let hands = HANDS.iter().map(|(name, idempotent, concurrency)| HandSpec {
            name: name.parse().expect("a name"),
            description: String::new(),
            input_schema: None,
            // Of one of them, as a hub with schemas takes longer to be built anew after every batch.
            output_schema: (self.index == 0 && *idempotent).then(|| serde_json::json!({"type": "object"})),
            timeout_s: 60,
            concurrency: *concurrency,
            allowed_invokers: None,
            capabilities: vec![(*name).to_owned()],
            idempotent: *idempotent,
        });
        Register {
            hands: hands.collect(),
            slots: 4,
            resume: self.epoch.map(|epoch| Resume { epoch, offset: self.offset, item: self.last }),
            leases: self
                .tasks
                .iter()
                .map(|(lease, task)| HeldLease { lease: *lease, waiting: task.waiting })
                .collect(),
            last_generation: self.generation,
            ..Register::default()
        }
        .into()
    }

    pub(super) fn lost(&mut self, link: LinkId) {
        if self.link == Some(link) {
            self.link = None;
            self.sent.clear();
            // Asked and not answered: the same id is asked again on the next link.
        }
    }

    /// kill -9: what was in memory is gone.
    pub(super) fn die(&mut self) {
        self.tasks.clear();
        self.sent.clear();
        self.link = None;
        // A task that had begun is not begun again; one that had not may be.
        self.outbox.retain(|_, frame| {
            !matches!(frame, ToBroker::Dispatch(Dispatch { parent: Some(_), .. }) | ToBroker::DispatchWait(_))
        });
    }

    /// Returns whether the link is to be kept.
    pub(super) fn receive(
        &mut self,
        seed: u64,
        link: LinkId,
        in_reply_to: Option<RequestId>,
        frame: FromBroker,
        truth: &mut Truth,
        up: &mut Vec<(Option<RequestId>, ToBroker)>,
    ) -> bool {
        if self.link != Some(link) {
            return true;
        }
        match frame {
            FromBroker::Registered(registered) => self.registered(seed, *registered),
            FromBroker::Deliver(deliver) => {
                if deliver.offset > self.offset + 1 {
                    panic!("seed {seed}: {} got {} after {}", self.name, deliver.offset, self.offset);
                }
                if deliver.offset == self.offset + 1 {
                    self.offset = deliver.offset;
                    self.last = Some(deliver.item.id);
                    if self.seen.insert(deliver.item.id) {
                        self.todo.push_back(deliver.item);
                    }
                }
                up.push((None, Ack { offset: self.offset }.into()));
                true
            }
            FromBroker::Ok(result) => {
                let Some(request) = in_reply_to else { return true };
                truth.note_answer(seed, &Party::Aspect(self.name.clone()), request, result.as_str());
                match self.outbox.remove(&request) {
                    Some(ToBroker::Dispatch(dispatch)) => {
                        let accepted: Dispatched = result.parse().expect("the answer of dispatch");
                        truth.note_dispatch(accepted.dispatch, &Party::Aspect(self.name.clone()));
                        if dispatch.parent.is_none() {
                            self.roots.push(accepted.dispatch);
                        }
                        if let Some(task) = dispatch.parent.and_then(|lease| self.tasks.get_mut(&lease)) {
                            task.child = Some(accepted.dispatch);
                        }
                    }
                    Some(ToBroker::DispatchResult(result)) => truth.note_result(result),
                    Some(ToBroker::ApprovalAsk(_)) => {
                        let info: ApprovalInfo = result.parse().expect("the answer of approval.ask");
                        self.asked = Some(info.id);
                        truth.note_approval(&info);
                    }
                    Some(ToBroker::Gather(_)) => {
                        let accepted: Gathered = result.parse().expect("the answer of gather");
                        truth.note_gather(accepted.gather, &self.name);
                    }
                    Some(ToBroker::RunStart(_)) => {
                        let started: RunStarted = result.parse().expect("the answer of run.start");
                        truth.note_run(started.run, &Party::Aspect(self.name.clone()));
                    }
                    Some(ToBroker::RegistryWrite(_)) => {
                        truth.note_written(result.parse().expect("the answer of registry.write"));
                    }
                    _ => {}
                }
                true
            }
            FromBroker::Error(error) => self.refused(seed, in_reply_to, error),
            FromBroker::ChatReacted(_) => true,
            other @ (FromBroker::Gap(_)
            | FromBroker::Log(_)
            | FromBroker::Observe(_)
            | FromBroker::ObserveGap(_)
            | FromBroker::Activity(_)
            | FromBroker::RosterChanged(_)
            | FromBroker::SessionAsk(_)
            | FromBroker::Shutdown(_)
            | FromBroker::SpendingChanged(_)) => panic!("seed {seed}: {} got {other:?}", self.name),
        }
    }

    fn registered(&mut self, seed: u64, registered: Registered) -> bool {
        assert!(registered.generation > self.generation, "seed {seed}: generations grow");
        self.generation = registered.generation;
        self.registering = None;
        if self.epoch != Some(registered.epoch) {
            assert!(
                self.epoch.is_none(),
                "seed {seed}: {}'s history is the broker's, yet a new epoch began",
                self.name
            );
            self.epoch = Some(registered.epoch);
            self.offset = registered.offset;
            self.last = None;
        }
        assert_eq!(
            registered.offset, self.offset,
            "seed {seed}: delivery goes on where {} stopped",
            self.name
        );
        for lease in registered.lost {
            self.tasks.remove(&lease);
        }
        true
    }

    fn refused(&mut self, seed: u64, in_reply_to: Option<RequestId>, error: nexus_wire::ErrorBody) -> bool {
        use nexus_wire::ErrorCode as Code;
        let Some(request) = in_reply_to else { return true };
        if self.registering == Some(request) {
            assert!(
                error.retryable || error.code == Code::Held,
                "seed {seed}: {} cannot register: {error}",
                self.name
            );
            return false;
        }
        if error.retryable || error.code == Code::NotRegistered {
            self.sent.remove(&request);
            return true;
        }
        if error.code == Code::InvalidOutput {
            self.put_right(request, &error);
            return true;
        }
        // A Hand of somebody who never was online is not known.
        let is_dispatch = matches!(self.outbox.get(&request), Some(ToBroker::Dispatch(_)));
        if is_dispatch && error.code == Code::BudgetExceeded {
            // Its task goes on without.
            self.outbox.remove(&request);
            return true;
        }
        assert!(
            is_dispatch && error.code == Code::NotFound
                || matches!(
                    error.code,
                    Code::StaleToken | Code::BadParent | Code::ThreadPaused | Code::Displaced | Code::Invalid
                ),
            "seed {seed}: {} is refused: {error}",
            self.name
        );
        if error.code != Code::Displaced
            && let Some(frame) = self.outbox.remove(&request)
            && let ToBroker::Dispatch(Dispatch { parent: Some(lease), .. })
            | ToBroker::DispatchWait(DispatchWait { lease, .. }) = frame
        {
            self.tasks.remove(&lease);
        }
        true
    }

    /// The output was refused. The first time another one goes out, half of them no better.
    fn put_right(&mut self, request: RequestId, error: &nexus_wire::ErrorBody) {
        let Some(ToBroker::DispatchResult(result)) = self.outbox.remove(&request) else { return };
        if error.details["state"] == "failed" {
            return;
        }
        let again = RequestId(derive::derived(request.0, "again", 0));
        let is_right = request.0.as_u128().is_multiple_of(2);
        let output = Some(if is_right { serde_json::json!({"by": self.name}) } else { "me again".into() });
        self.outbox.insert(again, DispatchResult { output, ..result }.into());
    }

    /// One stretch of work; `calm` ends what is begun instead of starting more.
    pub(super) fn work(
        &mut self,
        now: Ms,
        dice: &mut Dice,
        team: &[AspectName],
        calm: bool,
    ) -> Vec<(Option<RequestId>, ToBroker)> {
        if self.registering.is_some() {
            return Vec::new();
        }
        if let Some(item) = self.todo.pop_front() {
            self.take(item, dice, team);
        }
        self.gather(now, dice);
        if !calm {
            self.ask_people(now, dice);
        }
        let leases: Vec<Lease> = self.tasks.keys().copied().collect();
        for lease in &leases {
            self.advance(*lease, now, dice, team, calm);
        }
        let mut frames: Vec<(Option<RequestId>, ToBroker)> = Vec::new();
        for (request, frame) in &self.outbox {
            if self.sent.insert(*request) {
                frames.push((Some(*request), frame.clone()));
            }
        }
        if !leases.is_empty() {
            let leases = self.tasks.keys().copied().collect();
            frames.push((None, LeaseRenew { leases }.into()));
        }
        frames
    }

    fn take(&mut self, item: Item, dice: &mut Dice, team: &[AspectName]) {
        let derived = |purpose| RequestId(derive::derived(item.id.0, purpose, 0));
        *self.taken.entry(item.id).or_default() += 1;
        match item.body {
            ItemBody::Message(message) => {
                self.outbox.insert(derived("taken"), InboxTaken { message: message.id }.into());
                // Aspects do not answer each other here, or they would never come to rest.
                let reply = message.from.is_operator() && !dice.one_in(3);
                if reply {
                    let send = ChatSend {
                        reply_to: Some(message.id),
                        content: format!("{} heard {}", self.name, message.id),
                        meta: Some(ReplyMeta {
                            turn: TurnId(message.id.0),
                            provider: "scripted".into(),
                            model: "scripted".into(),
                            usage: Usage { output_tokens: 5, ..Usage::default() },
                            cost_microusd: Some(0),
                        }),
                        ..ChatSend::default()
                    };
                    self.outbox.insert(derived("reply"), send.into());
                }
                let decision = if reply { Decision::Replied } else { Decision::Silent };
                let close = InboxClose {
                    item: item.id,
                    decision,
                    reason: None,
                    message: None,
                    outcome: None,
                    spent: None,
                    meta: None,
                };
                self.outbox.insert(derived("close"), close.into());
                if dice.one_in(3) {
                    let hand = hand_of(&team[dice.below(team.len())], dice);
                    let deadline_s = dice.one_in(2).then(|| 1 + dice.below(60) as u32);
                    let root =
                        Dispatch { deadline_s, budget: some_budget(dice), ..Dispatch::to(hand, 2.into()) };
                    self.outbox.insert(derived("dispatch"), root.into());
                }
            }
            ItemBody::Assignment(assignment) => self.begin(assignment, dice),
            ItemBody::Cancel { lease, .. } => {
                self.tasks.remove(&lease);
                self.outbox.insert(
                    derived("stopped"),
                    DispatchStopped {
                        lease,
                        usage: Usage { output_tokens: 7, ..Usage::default() },
                        cost_microusd: None,
                    }
                    .into(),
                );
            }
            ItemBody::Resume { lease, wait } => {
                if let Some(task) = self.tasks.get_mut(&lease)
                    && task.waits == wait
                {
                    task.waiting = false;
                    task.child = None;
                }
            }
            ItemBody::Result(_) => {}
            ItemBody::Session(order) => {
                let outcome = SessionOutcome { session: Some(order.session), ..SessionOutcome::default() };
                let close = InboxClose {
                    item: item.id,
                    decision: Decision::Acted,
                    reason: None,
                    message: None,
                    outcome: Some(outcome),
                    spent: None,
                    meta: None,
                };
                self.outbox.insert(derived("close"), close.into());
            }
            ItemBody::Approval(end) => {
                self.answered.insert(end.approval, end.state);
            }
            ItemBody::Run(end) => {
                self.ended.insert(end.run, end.state);
            }
            ItemBody::Gather(result) => {
                self.gathered.insert(result.gather, result.state);
            }
        }
    }

    /// Takes its own roots together, two or three at a time.
    fn gather(&mut self, now: Ms, dice: &mut Dice) {
        let count = 2 + dice.below(2);
        if self.roots.len() < count {
            return;
        }
        let policy = [GatherPolicy::All, GatherPolicy::First, GatherPolicy::N][dice.below(3)];
        let gather = Gather {
            dispatches: self.roots.drain(..count).collect(),
            policy,
            n: (policy == GatherPolicy::N).then_some(2),
            deadline_s: dice.one_in(2).then(|| 1 + dice.below(300) as u32),
            cancel_rest: [None, Some(true), Some(false)][dice.below(3)],
            lease: None,
        };
        self.outbox.insert(RequestId(dice.id(now)), gather.into());
    }

    /// Wants something of people, thinks better of it, or says that something of its own is wrong.
    fn ask_people(&mut self, now: Ms, dice: &mut Dice) {
        let frame: ToBroker = match dice.below(40) {
            0 | 1 => {
                let asked = if dice.one_in(2) {
                    let (tool, summary) = ("run_command".to_owned(), "run it".to_owned());
                    Asked::Tool { tool, summary, arguments: "{}".to_owned() }
                } else {
                    Asked::Question { question: "which?".to_owned(), choices: Vec::new() }
                };
                let lease = self.tasks.keys().next().copied().filter(|_| dice.one_in(2));
                let deadline_s = [None, Some(30), Some(1_200)][dice.below(3)];
                ApprovalAsk { asked, thread: None, lease, notice: None, trigger: None, deadline_s }.into()
            }
            2 => match self.asked.take() {
                Some(approval) => ApprovalWithdraw { approval, reason: None }.into(),
                None => return,
            },
            3 => {
                let reason = ["too long", "too long, three times"][dice.below(2)].to_owned();
                SessionStuck { session: "global".to_owned(), reason }.into()
            }
            5 if self.schedules => schedule::start(dice).into(),
            6 if self.schedules && self.index == 0 => {
                schedule::write(&Party::Aspect(self.name.clone()), dice).into()
            }
            4 => SettingsBroken { reason: dice.one_in(2).then(|| "line 3".to_owned()) }.into(),
            _ => return,
        };
        self.outbox.insert(RequestId(dice.id(now)), frame);
    }

    fn begin(&mut self, assignment: Assignment, dice: &mut Dice) {
        let task = Task {
            left: dice.below(4),
            may_dispatch: assignment.depth < 4 && dice.one_in(2),
            child: None,
            asked: None,
            waits: 0,
            waiting: false,
            tokens: assignment.budget.tokens.unwrap_or(100) / 2,
        };
        self.tasks.insert(assignment.lease, task);
    }

    fn advance(&mut self, lease: Lease, now: Ms, dice: &mut Dice, team: &[AspectName], calm: bool) {
        let Some(task) = self.tasks.get_mut(&lease) else { return };
        if task.waiting || task.asked.is_some_and(|request| self.outbox.contains_key(&request)) {
            return;
        }
        if let Some(child) = task.child {
            task.waiting = true;
            task.waits += 1;
            self.outbox.insert(RequestId(dice.id(now)), DispatchWait { lease, on: vec![child] }.into());
        } else if task.may_dispatch && !calm {
            task.may_dispatch = false;
            let request = RequestId(dice.id(now));
            task.asked = Some(request);
            let hand = hand_of(&team[dice.below(team.len())], dice);
            let child =
                Dispatch { parent: Some(lease), budget: some_budget(dice), ..Dispatch::to(hand, 1.into()) };
            self.outbox.insert(request, child.into());
        } else if task.left > 0 && !calm {
            task.left -= 1;
        } else {
            let usage =
                Usage { output_tokens: dice.below(task.tokens as usize + 1) as u64, ..Usage::default() };
            self.tasks.remove(&lease);
            let error = dice.one_in(5).then(|| nexus_wire::hands::HandFailure {
                code: "unlucky".into(),
                message: "the die said no".into(),
            });
            // Some say it in a way that their Hand may not have promised.
            let good = !dice.one_in(4);
            let said = || if good { serde_json::json!({"by": self.name}) } else { serde_json::json!("me") };
            let output = error.is_none().then(said);
            let result = DispatchResult { lease, output, error, usage, cost_microusd: None };
            let request = RequestId(derive::derived(lease.dispatch.0, "result", lease.attempt.into()));
            self.outbox.insert(request, result.into());
        }
    }
}

/// Two of three requests are traced. By the id alone, so that what the dice say means the same as ever.
pub(super) fn trace_of(request: Option<RequestId>) -> Option<Box<Traced>> {
    let id = request?.0.as_u128();
    let context = TraceContext::new(id.to_be_bytes(), [1; 8], true)?;
    (!id.is_multiple_of(3)).then(|| Box::new(Traced { context, is_recorded: id.is_multiple_of(2) }))
}
