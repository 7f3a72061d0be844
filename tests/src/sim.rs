//! A seeded world: the real hub on a real store, model agents and operators, links that break in the middle,
//! a broker and agents that are killed at any point, commits that fail, a clock that jumps ahead, by weeks in some.
//!
//! One number decides everything that happens, so a failure's seed is its report. Within a link frames keep
//! their order, as on a TCP connection; what is lost is always the rest of a link. What must hold is in
//! `check`, asserted after every batch, and at the end when everybody is up again and the dust has settled.

use std::collections::{BTreeMap, VecDeque};

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Command, CommandBody, Effect, Hub, HubConfig, Origin};
use nexus_wire::limits::CREDIT_ITEMS;
use nexus_wire::{AspectName, EpochId, FromBroker, LinkId, Ms, Party, RequestId, ToBroker, envelope};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

mod agent;
mod check;
mod clock;
mod commands;
mod ends;
mod operator;
mod schedule;
mod slots;

pub use check::Truth;

use agent::Agent;
use commands::{brings_back, may_come_again};
use operator::Operator;

const START: Ms = 1_760_000_000_000;

/// One socket: what is under way in each direction.
#[derive(Debug)]
struct Link {
    who: Party,
    up: VecDeque<(Option<RequestId>, ToBroker)>,
    down: VecDeque<(Option<RequestId>, FromBroker)>,
    pump: Option<Pump>,
    generation: u64,
}

/// How far an aspect's link has been sent its inbox.
#[derive(Debug)]
struct Pump {
    aspect: AspectName,
    sent: u64,
    acked: u64,
}

/// Draws everything random of a world.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A time-ordered id, as a client would make it.
    fn id(&mut self, now: Ms) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(now.unsigned_abs(), &self.0.random()).into_uuid()
    }
}

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub agents: usize,
    pub operators: usize,
    pub steps: usize,
    /// Every so many commits what the broker knows is held against what is on disk, which takes longer than the commit.
    pub look_every: usize,
    /// Beside what chance does: the broker is killed around this commit, counted from 1.
    pub crash: Option<(usize, CrashPoint)>,
}

/// On which side of a commit the broker dies. Before it nothing of the batch has happened; after it everything
/// has, and nobody was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CrashPoint {
    Before,
    After,
}

pub struct Sim<S> {
    seed: u64,
    dice: Dice,
    now: Ms,
    store: S,
    /// Makes of the store a killed broker leaves behind one that a new broker has opened.
    reopen: Box<dyn FnMut(&mut S)>,
    hub: Hub,
    waiting: Vec<Command>,
    /// Applied lately; some come again.
    recent: VecDeque<CommandBody>,
    commits: usize,
    look_every: usize,
    crash: Option<(usize, CrashPoint)>,
    links: BTreeMap<LinkId, Link>,
    /// Ends of links that the broker has not noticed yet.
    late: Vec<CommandBody>,
    agents: Vec<Agent>,
    operators: Vec<Operator>,
    truth: Truth,
}

impl<S> std::fmt::Debug for Sim<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("seed", &self.seed).field("now", &self.now).finish_non_exhaustive()
    }
}

impl<S: Transaction> Sim<S> {
    pub fn new(plan: Plan, store: S, reopen: impl FnMut(&mut S) + 'static) -> Self {
        let hub = Hub::rebuild(&store, HubConfig::default()).expect("an empty store opens");
        let schedules = schedule::is_part_of(plan.seed);
        let mut sim = Self {
            seed: plan.seed,
            dice: Dice(StdRng::seed_from_u64(plan.seed)),
            now: START,
            store,
            reopen: Box::new(reopen),
            hub,
            waiting: Vec::new(),
            recent: VecDeque::new(),
            commits: 0,
            look_every: plan.look_every.max(1),
            crash: plan.crash,
            links: BTreeMap::new(),
            late: Vec::new(),
            agents: (0..plan.agents).map(|index| Agent::new(index, schedules)).collect(),
            operators: (0..plan.operators)
                .map(|index| Operator::new(index, schedule::names(plan.seed).collect()))
                .collect(),
            truth: Truth::default(),
        };
        sim.tell(CommandBody::BrokerStarted(HubConfig::default()));
        for index in 0..plan.agents {
            let add = sim.agents[index].admission();
            sim.tell(CommandBody::AddAspect { by: Party::System, add });
        }
        for index in 0..plan.operators {
            let add = sim.operators[index].admission();
            sim.tell(CommandBody::AddOperator { by: Party::System, add });
        }
        if schedules {
            let by = sim.operators[0].who.clone();
            for change in schedule::set_up(plan.seed, START) {
                let request = RequestId(sim.dice.id(sim.now));
                sim.tell(schedule::asked(&by, request, change));
            }
        }
        sim.commit(false);
        for name in schedule::names(plan.seed) {
            let record = sim.store.trigger(&name.parse().expect("a name")).expect("the store reads");
            sim.truth.triggers.push(record.expect("the trigger was put").info);
        }
        sim
    }

    /// Runs the plan, then brings everybody back and lets all work end.
    pub fn run(mut self, plan: Plan) -> Truth {
        for _ in 0..plan.steps {
            self.step();
        }
        self.settle();
        check::after_batch(self.seed, &self.hub, &self.store);
        check::at_rest(self.seed, &self.truth, &self.store, &self.agents);
        if schedule::is_part_of(self.seed) {
            self.truth.slots = ends::at_rest(self.seed, self.now, &self.truth, &self.store, &self.agents);
        }
        self.truth
    }

    fn tell(&mut self, body: CommandBody) {
        self.waiting.push(Command { at: self.now, origin: Origin::Broker, trace: None, body });
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..30 => self.receive_up(),
            30..60 => self.receive_down(),
            60..74 => self.commit(true),
            74..80 => self.act_agent(),
            80..86 => self.act_operator(),
            86..92 => self.redial(),
            92..95 => self.pass_time(),
            95..97 => self.break_link(),
            97 => self.kill_agent(),
            98 => self.kill_broker(),
            _ => self.notice_late(),
        }
    }

    /// Everybody redials and works on, nothing breaks, and time goes on past every deadline.
    fn settle(&mut self) {
        let names: Vec<AspectName> = self.agents.iter().map(|agent| agent.name.clone()).collect();
        for round in 0..400 {
            if round == 0 || round == 2 {
                // A request that was still under way may have held somebody again.
                for operator in &mut self.operators {
                    operator.release_all(self.now, &mut self.dice, &names);
                }
            }
            self.notice_late();
            for index in 0..self.agents.len() + self.operators.len() {
                self.redial_one(index);
            }
            for _ in 0..12 {
                self.commit(false);
                while self.links.values().any(|link| !link.up.is_empty() || !link.down.is_empty()) {
                    self.receive_up();
                    self.receive_down();
                    self.commit(false);
                }
                for index in 0..self.agents.len() {
                    self.work_agent(index, true);
                }
                for index in 0..self.operators.len() {
                    self.resend(index);
                }
            }
            self.let_go(round);
            self.tell(CommandBody::Tick);
            self.commit(false);
            if round > 8 && self.is_quiet() {
                return;
            }
        }
        panic!("seed {}, {:?}: work is still open after everybody came back", self.seed, self.crash);
    }

    fn is_quiet(&self) -> bool {
        // A broker that died in this very round has not begun again, or has not caught up.
        self.waiting.is_empty()
            && self.hub.next_timer().is_none_or(|due| due > self.now)
            && self.links.values().all(|link| link.up.is_empty() && link.down.is_empty())
            && self.agents.iter().all(Agent::is_idle)
            && self.operators.iter().all(Operator::is_idle)
            && self.is_done()
    }

    fn is_done(&self) -> bool {
        let snapshot = self.store.snapshot().expect("the store reads");
        snapshot.open_dispatches.is_empty() && snapshot.open_runs.is_empty() && snapshot.open_slots.is_empty()
    }

    fn pick_link(&mut self, wanted: impl Fn(&Link) -> bool) -> Option<LinkId> {
        let found: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| wanted(link)).map(|(id, _)| *id).collect();
        (!found.is_empty()).then(|| found[self.dice.below(found.len())])
    }

    /// One frame reaches the broker and becomes a command.
    fn receive_up(&mut self) {
        let Some(id) = self.pick_link(|link| !link.up.is_empty()) else { return };
        let Some((request, frame)) = self.links.get_mut(&id).and_then(|link| link.up.pop_front()) else {
            return;
        };
        let who = self.links[&id].who.clone();
        if let (ToBroker::Ack(ack), Some(pump)) =
            (&frame, self.links.get_mut(&id).and_then(|link| link.pump.as_mut()))
        {
            pump.acked = pump.acked.max(ack.offset);
        }
        let new_epoch = EpochId(self.dice.id(self.now));
        let minted = RequestId(self.dice.id(self.now));
        let body = commands::command(who, id, request.unwrap_or(minted), frame, new_epoch);
        let (trace, origin) = (agent::trace_of(request), Origin::Link { link: id, request });
        self.waiting.push(Command { at: self.now, origin, trace, body });
    }

    /// One frame reaches an agent or an operator.
    fn receive_down(&mut self) {
        let Some(id) = self.pick_link(|link| !link.down.is_empty()) else { return };
        let Some((in_reply_to, frame)) = self.links.get_mut(&id).and_then(|link| link.down.pop_front())
        else {
            return;
        };
        let who = self.links[&id].who.clone();
        let mut up = Vec::new();
        let keep = match who.aspect() {
            Some(name) => match self.agents.iter_mut().find(|agent| agent.name == *name) {
                Some(agent) => agent.receive(self.seed, id, in_reply_to, frame, &mut self.truth, &mut up),
                None => false,
            },
            None => {
                if let Some(operator) = self.operators.iter_mut().find(|operator| operator.who == who) {
                    operator.receive(self.seed, in_reply_to, frame, &mut self.truth);
                }
                true
            }
        };
        if !keep {
            self.lose(id);
        } else if let Some(link) = self.links.get_mut(&id) {
            link.up.extend(up);
        }
    }

    /// Applies what waits as one batch. With `faults`, the commit may fail or the broker die around it.
    fn commit(&mut self, faults: bool) {
        if self.waiting.is_empty() {
            return;
        }
        if faults {
            self.repeat_some();
        }
        let batch = std::mem::take(&mut self.waiting);
        self.commits += 1;
        self.truth.commits = self.commits;
        self.store.begin().expect("the store begins");
        let mut effects = Vec::new();
        for command in batch.clone() {
            let returns = brings_back(&command.body);
            let before = self.hub.queue().active();
            effects.extend(self.hub.apply(&mut self.store, command).expect("the store writes"));
            if !returns {
                check::ceiling(self.seed, before, &self.hub, &HubConfig::default());
            }
        }
        if faults && self.dice.one_in(40) {
            // The disk said no: nothing happened, everybody who asked is told so.
            self.store.rollback().expect("the store rolls back");
            self.hub = Hub::rebuild(&self.store, HubConfig::default()).expect("the store reads");
            self.refuse(batch);
            return;
        }
        let crash = self.crash.filter(|(commit, _)| *commit == self.commits).map(|(_, point)| point);
        if crash == Some(CrashPoint::Before) || (faults && self.dice.one_in(120)) {
            self.store.rollback().expect("the store rolls back");
            self.kill_broker();
            return;
        }
        self.store.commit().expect("the store commits");
        if self.commits.is_multiple_of(self.look_every) {
            check::after_batch(self.seed, &self.hub, &self.store);
        }
        self.truth.note_log(self.seed, &effects, &self.store);
        self.remember(batch);
        if crash == Some(CrashPoint::After) || (faults && self.dice.one_in(120)) {
            self.kill_broker();
            return;
        }
        for effect in effects {
            self.carry_out(effect);
        }
        self.store.settle();
        self.check_seats();
        self.pump();
    }

    fn remember(&mut self, batch: Vec<Command>) {
        for command in &batch {
            if let CommandBody::Hook(call) = &command.body {
                self.truth.hooks.insert(call.delivery.clone());
            }
        }
        self.recent.extend(batch.into_iter().map(|command| command.body).filter(may_come_again));
        while self.recent.len() > 64 {
            self.recent.pop_front();
        }
    }

    /// A command of some time ago comes a second time, as from a network that sends twice. Nobody waits for
    /// what it is answered.
    fn repeat_some(&mut self) {
        if !self.recent.is_empty() && self.dice.one_in(12) {
            let body = self.recent[self.dice.below(self.recent.len())].clone();
            self.tell(body);
        }
    }

    fn refuse(&mut self, batch: Vec<Command>) {
        for command in batch {
            let Origin::Link { link, request: Some(request) } = command.origin else {
                // What nobody waits for is said again, as a driver would.
                if !matches!(command.origin, Origin::Link { .. }) {
                    self.waiting.push(command);
                }
                continue;
            };
            let body = nexus_wire::ErrorBody::new(nexus_wire::ErrorCode::StorageUnavailable, "disk full");
            if let Some(link) = self.links.get_mut(&link) {
                link.down.push_back((Some(request), body.into()));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { origin: Origin::Link { link, request: Some(request) }, answer } => {
                if let Some(link) = self.links.get_mut(&link) {
                    if let Ok(FromBroker::Registered(registered)) = &answer {
                        link.generation = registered.generation;
                    }
                    link.down.push_back((Some(request), answer.unwrap_or_else(FromBroker::Error)));
                }
            }
            Effect::Attach { link, aspect, cursor, .. } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.pump = Some(Pump { aspect, sent: cursor, acked: cursor });
                }
            }
            Effect::Push { link, offset, item, trace: _ } => {
                if let Some(pump) = self.links.get(&link).and_then(|link| link.pump.as_ref()) {
                    let stored = self.store.inbox(&pump.aspect, offset - 1, 1).expect("the store reads");
                    let stored = stored.first().map(|record| (record.offset, record.json.clone()));
                    assert_eq!(
                        stored,
                        Some((offset, item)),
                        "seed {}: a push is what a replay sends",
                        self.seed
                    );
                }
            }
            Effect::Close { link, .. } => self.lose(link),
            Effect::Answer { .. }
            | Effect::Insist { .. }
            | Effect::Tell { .. }
            | Effect::RosterChanged { .. }
            | Effect::AtWork { .. }
            | Effect::DoorsChanged
            | Effect::HooksChanged
            | Effect::PushesChanged
            | Effect::WatchesChanged
            | Effect::Logged(_)
            | Effect::Passed(_) => {}
        }
    }

    /// Whoever registered and is still connected speaks for their aspect, whatever ended late.
    fn check_seats(&self) {
        for (id, link) in &self.links {
            let Some(pump) = &link.pump else { continue };
            let seated = self.hub.roster().aspect(&pump.aspect).and_then(|record| record.link);
            assert_eq!(seated, Some(*id), "seed {}: {} lost its seat", self.seed, pump.aspect);
        }
    }

    /// Sends each attached link what its credit allows.
    fn pump(&mut self) {
        for link in self.links.values_mut() {
            let Some(pump) = link.pump.as_mut() else { continue };
            let credit = CREDIT_ITEMS.saturating_sub(pump.sent - pump.acked) as u32;
            for record in self.store.inbox(&pump.aspect, pump.sent, credit).expect("the store reads") {
                pump.sent = record.offset;
                let text = envelope::deliver_text(record.offset, &record.json);
                let frame = envelope::decode::<FromBroker>(&text).expect("what is stored is a frame").frame;
                link.down.push_back((None, frame));
            }
        }
    }

    fn act_agent(&mut self) {
        let index = self.dice.below(self.agents.len());
        self.work_agent(index, false);
    }

    fn work_agent(&mut self, index: usize, calm: bool) {
        let names: Vec<AspectName> = self.agents.iter().map(|agent| agent.name.clone()).collect();
        let agent = &mut self.agents[index];
        let Some(link) = agent.link() else { return };
        let frames = agent.work(self.now, &mut self.dice, &names, calm);
        if let Some(link) = self.links.get_mut(&link) {
            link.up.extend(frames);
        }
    }

    fn act_operator(&mut self) {
        if schedule::is_part_of(self.seed) && self.dice.one_in(6) {
            let hook = self.truth.triggers.iter().find(|info| info.hook.is_some()).cloned();
            let call = hook.map(|hook| schedule::call(&hook, &mut self.dice));
            return call.into_iter().for_each(|call| self.tell(call));
        }
        let index = self.dice.below(self.operators.len());
        let names: Vec<AspectName> = self.agents.iter().map(|agent| agent.name.clone()).collect();
        let asked = self.truth.asked();
        self.operators[index].act(self.now, &mut self.dice, &names, &asked);
        self.resend(index);
    }

    fn resend(&mut self, index: usize) {
        let operator = &mut self.operators[index];
        let frames = operator.unsent();
        if let Some(link) = operator.link.and_then(|id| self.links.get_mut(&id)) {
            link.up.extend(frames);
        }
    }

    fn redial(&mut self) {
        let index = self.dice.below(self.agents.len() + self.operators.len());
        self.redial_one(index);
    }

    fn redial_one(&mut self, index: usize) {
        let id = LinkId(self.dice.id(self.now));
        let mut link = Link {
            who: Party::System,
            up: VecDeque::new(),
            down: VecDeque::new(),
            pump: None,
            generation: 0,
        };
        if let Some(agent) = self.agents.get_mut(index) {
            if agent.link().is_some_and(|old| self.links.contains_key(&old)) {
                return;
            }
            let request = RequestId(self.dice.id(self.now));
            link.who = Party::Aspect(agent.name.clone());
            link.up.push_back((Some(request), agent.dial(id, request)));
        } else {
            let operator = &mut self.operators[index - self.agents.len()];
            if operator.link.is_some_and(|old| self.links.contains_key(&old)) {
                return;
            }
            link.who = operator.who.clone();
            operator.dial(id);
        }
        self.links.insert(id, link);
    }

    fn break_link(&mut self) {
        if let Some(id) = self.pick_link(|_| true) {
            self.lose(id);
        }
    }

    /// The socket is gone; both sides notice, the broker by a command.
    fn lose(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        if let Some(name) = link.who.aspect()
            && let Some(agent) = self.agents.iter_mut().find(|agent| agent.name == *name)
        {
            agent.lost(id);
            let (aspect, generation) = (name.clone(), link.generation);
            let down = CommandBody::LinkDown { aspect, link: id, generation };
            // A broker may notice only when the aspect is long back on another link.
            if self.dice.one_in(3) { self.late.push(down) } else { self.tell(down) }
        }
    }

    fn notice_late(&mut self) {
        for down in std::mem::take(&mut self.late) {
            self.tell(down);
        }
        self.commit(false);
    }

    fn kill_agent(&mut self) {
        let index = self.dice.below(self.agents.len());
        let link = self.agents[index].link();
        self.agents[index].die();
        if let Some(link) = link {
            self.lose(link);
        }
    }
}
