//! A small world around the queue: aspects whose processes take work, dispatch children, wait, answer, crash
//! and lose their link, over inboxes that deliver late, and a broker that is killed. Everything is drawn from
//! one seed.

use std::collections::BTreeMap;

use nexus_wire::budget::{Budget, BudgetPer};
use nexus_wire::hands::{DispatchState, Lease};
use nexus_wire::{DispatchId, Ms};

use super::super::{Event, Verdict};
use super::harness::{Ask, Harness, aspect, failure, offer};

/// SplitMix64: the same numbers for a seed, whatever library is in use.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }

    fn ms(&mut self, most: u64) -> Ms {
        self.below(most) as Ms
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let n = self.below(all.len() as u64) as usize;
        all.get(n).cloned()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Work(Ms),
    Dispatch,
    Wait,
    Answer,
}

/// What a runtime does for one assignment; the next step is the last.
#[derive(Debug)]
struct Task {
    plan: Vec<Step>,
    children: Vec<DispatchId>,
    waits: u32,
    parked: bool,
}

#[derive(Debug, Default)]
struct Host {
    slots: u32,
    hands: Vec<(&'static str, u32)>,
    link: Option<u64>,
    /// Counts crashes; what an earlier process was to do is not done.
    process: u64,
    tasks: BTreeMap<Lease, Task>,
    inbox: Vec<Event>,
    cursor: usize,
}

#[derive(Clone, Debug)]
enum Happening {
    Arrival,
    Delivery {
        host: &'static str,
        link: u64,
    },
    Progress {
        host: &'static str,
        process: u64,
        lease: Lease,
    },
    Renewal {
        host: &'static str,
        link: u64,
    },
    LinkUp {
        host: &'static str,
    },
    Fault,
    /// An operator lets more be spent.
    Raise,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) it: Harness,
    pub(super) dice: Dice,
    hosts: BTreeMap<&'static str, Host>,
    agenda: BTreeMap<(Ms, u64), Happening>,
    serial: u64,
    arrivals: u32,
    pub(super) faults: u32,
    pub(super) roots: Vec<DispatchId>,
    /// Whose answer was taken.
    pub(super) answered: Vec<DispatchId>,
    pub(super) timed_out: Vec<DispatchId>,
    /// What may be spent a day, while that is limited.
    tokens: Option<u64>,
}

const KEYS: [&str; 5] = ["wren", "forge", "operator/ana", "operator/bo", "operator/cy"];
const WORK: [&str; 5] = ["wren/read", "wren/check", "forge/draw", "forge/read", "keel/read"];

impl World {
    pub(super) fn new(seed: u64, arrivals: u32, faults: u32) -> Self {
        let mut dice = Dice(seed);
        let it = Harness::new(1 + dice.below(3) as u32);
        let mut hosts = BTreeMap::new();
        for (name, hands) in
            [("wren", &["read", "check"][..]), ("forge", &["draw", "read"]), ("keel", &["read"])]
        {
            let hands = hands.iter().map(|hand| (*hand, 1 + dice.below(3) as u32)).collect();
            hosts.insert(name, Host { slots: 1 + dice.below(3) as u32, hands, ..Host::default() });
        }
        let (agenda, serial, roots) = (BTreeMap::new(), 0, Vec::new());
        let (answered, timed_out) = (Vec::new(), Vec::new());
        let mut world = Self {
            it,
            dice,
            hosts,
            agenda,
            serial,
            arrivals,
            faults,
            roots,
            answered,
            timed_out,
            tokens: None,
        };
        world.it.fault = format!("SEED={seed}");
        for host in ["wren", "forge", "keel"] {
            world.after(1_000, Happening::LinkUp { host });
        }
        world.after(100, Happening::Arrival);
        if faults > 0 {
            world.after(5_000, Happening::Fault);
        }
        world
    }

    /// Everybody together, and one of them, may spend little, and then and again a little more.
    pub(super) fn frugal(mut self) -> Self {
        self.tokens = Some(0);
        self.raise();
        self
    }

    fn raise(&mut self) {
        let Some(tokens) = self.tokens.map(|tokens| tokens + 600) else { return };
        self.tokens = Some(tokens);
        let limit = |tokens| Budget { tokens: Some(tokens), cost_microusd: None };
        self.it.set_purse(None, BudgetPer::Day, limit(tokens), limit(100));
        self.carry();
        self.it.set_purse(Some("wren"), BudgetPer::Month, limit(tokens / 3), limit(150));
        self.at_once(60_000, Happening::Raise);
    }

    /// Until everything has arrived and ended. Returns how many calls that took.
    pub(super) fn run(&mut self) -> u32 {
        let fault = self.it.fault.clone();
        for step in 0..100_000 {
            if self.arrivals == 0 && self.it.queue.is_empty() {
                return step;
            }
            let Some(((at, _), happening)) = self.agenda.pop_first() else { break };
            self.it.fault = format!("{fault}: step {step}, {happening:?}");
            self.it.pass((at - self.it.now).max(0));
            self.carry();
            self.happen(happening);
            self.carry();
        }
        panic!("{fault}: never ends; open are {:#?}", self.it.oracle.open);
    }

    /// At a random moment within `within`.
    fn after(&mut self, within: u64, happening: Happening) {
        self.serial += 1;
        let at = self.it.now + self.dice.ms(within);
        self.agenda.insert((at, self.serial), happening);
    }

    fn at_once(&mut self, delay: Ms, happening: Happening) {
        self.serial += 1;
        self.agenda.insert((self.it.now + delay, self.serial), happening);
    }

    /// Puts what the queue said into the inboxes.
    fn carry(&mut self) {
        for event in std::mem::take(&mut self.it.events) {
            let host = match &event {
                Event::Assigned { host, .. }
                | Event::Resumed { host, .. }
                | Event::CancelWork { host, .. } => host.as_str().to_owned(),
                Event::Ended { id, state, .. } => {
                    if *state == DispatchState::TimedOut {
                        self.timed_out.push(*id);
                    }
                    continue;
                }
            };
            let Some((name, host)) = self.hosts.iter_mut().find(|(name, _)| **name == host) else { continue };
            host.inbox.push(event);
            let name = *name;
            if let Some(link) = host.link {
                self.after(300, Happening::Delivery { host: name, link });
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival => self.arrive(),
            Happening::Delivery { host, link } => {
                if self.hosts[host].link == Some(link) {
                    self.deliver(host);
                }
            }
            Happening::Progress { host, process, lease } => {
                if self.hosts[host].process == process {
                    self.progress(host, lease);
                }
            }
            Happening::Renewal { host, link } => {
                if self.hosts[host].link == Some(link) {
                    let leases: Vec<_> = self.hosts[host].tasks.keys().copied().collect();
                    let lost = self.it.renew(host, &leases);
                    self.host(host).tasks.retain(|lease, _| !lost.contains(lease));
                    self.at_once(10_000, Happening::Renewal { host, link });
                }
            }
            Happening::LinkUp { host } => self.link_up(host),
            Happening::Fault => self.go_wrong(),
            Happening::Raise => self.raise(),
        }
    }

    fn host(&mut self, name: &'static str) -> &mut Host {
        self.hosts.entry(name).or_default()
    }

    fn arrive(&mut self) {
        // Bursts, so that there is something to queue for.
        for _ in 0..1 + self.dice.below(4) {
            let (Some(key), Some(to)) = (self.dice.pick(&KEYS), self.dice.pick(&WORK)) else { return };
            if self.arrivals > 0 {
                self.arrivals -= 1;
                let ask = self.sized(Ask::root(key, to));
                let id = self.it.give(ask);
                self.roots.push(id);
                self.carry();
            }
        }
        if self.arrivals > 0 {
            self.after(6_000, Happening::Arrival);
        }
    }

    fn sized(&mut self, ask: Ask) -> Ask {
        let ask = ask.timeout(600_000).deadline(7_200_000);
        let tokens = self.dice.one_in(3).then(|| 1 + self.dice.below(150));
        let ask =
            ask.budget(Budget { tokens: tokens.filter(|_| self.tokens.is_some()), cost_microusd: None });
        if self.dice.one_in(2) { ask.idempotent() } else { ask }
    }

    fn deliver(&mut self, host: &'static str) {
        let Some(event) = self.hosts[host].inbox.get(self.hosts[host].cursor).cloned() else { return };
        self.host(host).cursor += 1;
        let process = self.hosts[host].process;
        match event {
            Event::Assigned { lease, .. } => {
                let task = Task { plan: self.plan(lease), children: Vec::new(), waits: 0, parked: false };
                self.host(host).tasks.insert(lease, task);
                self.after(100, Happening::Progress { host, process, lease });
            }
            Event::Resumed { lease, wait, .. } => {
                let Some(task) = self.host(host).tasks.get_mut(&lease) else { return };
                assert!(task.parked && task.waits == wait, "resumed {wait} while at {}", task.waits);
                task.parked = false;
                self.after(100, Happening::Progress { host, process, lease });
            }
            Event::CancelWork { lease, .. } => drop(self.host(host).tasks.remove(&lease)),
            Event::Ended { .. } => {}
        }
    }

    /// Trees get narrower with depth; a few parents do not wait for what they began.
    fn plan(&mut self, lease: Lease) -> Vec<Step> {
        let depth = self.it.oracle.facts(lease.dispatch).map_or(4, |facts| facts.depth);
        let mut plan = vec![Step::Answer, Step::Work(self.dice.ms(4_000))];
        for _ in 0..1 + self.dice.below(2) {
            let children = self.dice.below(u64::from(5 - depth.min(4)));
            if !self.dice.one_in(10) {
                plan.push(Step::Wait);
            }
            plan.extend((0..children).map(|_| Step::Dispatch));
            plan.push(Step::Work(self.dice.ms(3_000)));
        }
        plan
    }

    fn progress(&mut self, host: &'static str, lease: Lease) {
        let (process, link) = (self.hosts[host].process, self.hosts[host].link);
        let Some(task) = self.host(host).tasks.get_mut(&lease).filter(|task| !task.parked) else { return };
        let again = Happening::Progress { host, process, lease };
        let Some(step) = task.plan.pop() else { return };
        if let Step::Work(ms) = step {
            return self.at_once(ms, again);
        }
        if link.is_none() {
            task.plan.push(step);
            return self.at_once(1_000, again);
        }
        let children = task.children.clone();
        let good = match step {
            Step::Work(_) => true,
            Step::Dispatch => {
                let to = self.dice.pick(&WORK).unwrap_or(WORK[0]);
                let (id, tenths) = (lease.dispatch, self.dice.below(3));
                let used = self.it.within(id, tenths);
                let ask = self.sized(Ask::child(lease, host, to)).after(used);
                let accepted = self.it.accept(ask).ok();
                if let (Some(child), Some(task)) = (accepted, self.host(host).tasks.get_mut(&lease)) {
                    task.children.push(child);
                }
                true
            }
            Step::Wait => self.it.wait(lease, &children).is_ok(),
            Step::Answer => {
                let verdict = if self.faults > 0 && self.dice.one_in(9) {
                    Verdict::Failed(failure("no_idea"))
                } else {
                    Verdict::Done
                };
                let used = self.it.within(lease.dispatch, self.dice.below(11));
                let by = aspect(host);
                if self.it.result_using(lease, &by, verdict, used).is_ok() {
                    self.answered.push(lease.dispatch);
                }
                false
            }
        };
        let Some(task) = self.host(host).tasks.get_mut(&lease) else { return };
        match (good, step) {
            (false, _) => drop(self.host(host).tasks.remove(&lease)),
            (true, Step::Wait) => {
                task.parked = true;
                task.waits += 1;
            }
            (true, Step::Work(_) | Step::Dispatch | Step::Answer) => self.after(200, again),
        }
    }

    /// Names what the process works on and what its inbox has not brought it yet.
    fn link_up(&mut self, host: &'static str) {
        self.serial += 1;
        let link = self.serial;
        let it = self.host(host);
        it.link = Some(link);
        let mut named: Vec<Lease> = it.tasks.keys().copied().collect();
        named.extend(it.inbox[it.cursor..].iter().filter_map(|event| match event {
            Event::Assigned { lease, .. } => Some(*lease),
            Event::Resumed { .. } | Event::CancelWork { .. } | Event::Ended { .. } => None,
        }));
        let (offer, waiting) = (offer(it.slots, &it.hands), it.inbox.len() - it.cursor);
        let lost = self.it.register(host, offer, &named);
        self.host(host).tasks.retain(|lease, _| !lost.contains(lease));
        for _ in 0..waiting {
            self.after(300, Happening::Delivery { host, link });
        }
        self.at_once(10_000, Happening::Renewal { host, link });
    }

    fn go_wrong(&mut self) {
        self.faults -= 1;
        let host = self.dice.pick(&["wren", "forge", "keel"]).unwrap_or("wren");
        match self.dice.below(6) {
            0 | 1 => self.link_down(host),
            2 => {
                self.link_down(host);
                self.host(host).process += 1;
                self.host(host).tasks.clear();
            }
            3 => {
                let down = self.dice.ms(120_000);
                self.it.restart(down);
                for host in ["wren", "forge", "keel"] {
                    self.host(host).link = None;
                    self.after(40_000, Happening::LinkUp { host });
                }
            }
            4 => {
                let open: Vec<_> = self.it.oracle.open.iter().map(|facts| facts.id).collect();
                if let Some(id) = self.dice.pick(&open) {
                    self.it.cancel(id);
                }
            }
            _ => {
                let soft_cap = self.dice.below(6) as u32;
                self.it.set_soft_cap(soft_cap);
            }
        }
        if self.faults > 0 {
            self.after(12_000, Happening::Fault);
        }
    }

    fn link_down(&mut self, host: &'static str) {
        if self.host(host).link.take().is_some() {
            self.it.offline(host);
            self.after(60_000, Happening::LinkUp { host });
        }
    }
}
