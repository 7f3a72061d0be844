//! Time, which goes on by itself, jumps, is slept over, and passes while there is no broker.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{CommandBody, Hub, HubConfig};
use nexus_wire::{Ms, RequestId};

use super::{Sim, schedule};

/// From this round of the end on time goes on,
const GOES_ON: usize = 5;
/// and until this one there is work that never ends by itself.
const STOPS: usize = 8;

impl<S: Transaction> Sim<S> {
    pub(super) fn pass_time(&mut self) {
        let jump = match self.dice.below(12) {
            0 => 3_600_000,
            1..4 => 40_000,
            _ => 1 + self.dice.below(5_000) as Ms,
        };
        self.now += jump;
        if schedule::sleeps(self.seed) && self.dice.one_in(8) {
            let before = self.now;
            self.sleep();
            // Where only the time of the commands has jumped, nobody says so.
            if self.dice.one_in(2) {
                self.tell(CommandBody::MachineWoke { slept_ms: self.now - before });
            }
        }
        if self.hub.next_timer().is_some_and(|due| due <= self.now) {
            self.tell(CommandBody::Tick);
        }
    }

    /// What was missed meanwhile takes several ticks, and so all that happens in a world happens in between.
    fn sleep(&mut self) {
        self.truth.sleeps += 1;
        self.now += schedule::sleep(&mut self.dice);
    }

    /// A round of the end: past every deadline, once by a long sleep.
    pub(super) fn let_go(&mut self, round: usize) {
        if round >= GOES_ON {
            self.now += 10 * 60 * 1000;
        }
        if !schedule::sleeps(self.seed) {
            return;
        }
        if round == GOES_ON {
            self.sleep();
        }
        // Said again, because the broker may have died before it was answered.
        if round == STOPS || round == STOPS + 1 {
            let by = self.operators[0].who.clone();
            for change in schedule::stop_restless() {
                let request = RequestId(self.dice.id(self.now));
                self.tell(schedule::asked(&by, request, change));
            }
        }
    }

    /// kill -9 of the broker: what was not committed and what was not yet written to a socket is gone.
    pub(super) fn kill_broker(&mut self) {
        if self.hub.next_timer().is_some_and(|due| due <= self.now) {
            self.truth.killed_behind += 1;
        }
        self.waiting.clear();
        self.late.clear();
        for (id, link) in std::mem::take(&mut self.links) {
            if let Some(agent) = self.agents.iter_mut().find(|agent| link.who.aspect() == Some(&agent.name)) {
                agent.lost(id);
            }
        }
        (self.reopen)(&mut self.store);
        // The wall clock may have been set while it was down; the time of commands never runs back.
        let set_by = [-3_600_000, 3_600_000, 0, 0, 0, 0][self.dice.below(6)];
        let last_at = self.store.snapshot().expect("the store reads").last_at;
        self.now = last_at.max(self.now + set_by);
        if schedule::sleeps(self.seed) && self.dice.one_in(3) {
            self.sleep();
        }
        self.hub = Hub::rebuild(&self.store, HubConfig::default()).expect("the store reads");
        self.tell(CommandBody::BrokerStarted(HubConfig::default()));
        self.commit(false);
    }
}
