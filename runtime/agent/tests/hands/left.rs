//! Assignments that came when an agent was about to end, and so are left to the next one: whoever wanted them may have
//! been told since that they have ended.

use nexus_agent::inbox::{Delivery, Inbox};
use nexus_agent::journal::Durability;
use nexus_wire::chat::Usage;
use nexus_wire::hands::{Assignment, DispatchStopped, Lease};
use nexus_wire::inbox::{Decision, ItemBody};
use nexus_wire::limits::SLOTS_MAX;
use nexus_wire::roster::HeldLease;
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, Json};
use serde_json::{Value, json};
use uuid::Uuid;

use super::broker::{Agent, Broker, EPOCH, LONG, Link, item};

fn lease(n: u64) -> Lease {
    Lease { dispatch: DispatchId(Uuid::from_u128(n.into())), attempt: 1 }
}

fn held(leases: impl IntoIterator<Item = u64>) -> Vec<HeldLease> {
    leases.into_iter().map(|n| HeldLease { lease: lease(n), waiting: false }).collect()
}

fn assignment(n: u64, input: Value) -> ItemBody {
    ItemBody::Assignment(Assignment {
        lease: lease(n),
        hand: "webhook".parse().expect("a name"),
        input,
        invoker: "wren".parse().expect("a party"),
        thread: None,
        depth: 1,
        timeout_s: 600,
        deadline_at: 0,
        budget: Default::default(),
    })
}

fn cancel(n: u64) -> ItemBody {
    ItemBody::Cancel { lease: lease(n), reason: "not needed".to_owned() }
}

/// What a worker says that had nothing to stop.
fn nothing_of(n: u64) -> DispatchStopped {
    DispatchStopped { lease: lease(n), usage: Usage::default(), cost_microusd: None }
}

fn answered(name: &str) -> Option<Value> {
    let body = json!({"name": name});
    Some(json!({"status": 200, "content_type": "application/json", "truncated": false, "body": body}))
}

impl Broker {
    /// An agent that was told to end while it is at work on assignment 1, and its link.
    fn closing(&mut self) -> (Agent, Link) {
        let mut agent = self.start();
        let (mut link, id, register) = self.link();
        assert_eq!(register.leases, []);
        link.accept(id, 0, 1, Vec::new());
        link.deliver(1, assignment(1, self.input(LONG)));
        link.acked(1);
        assert_eq!(self.call(), LONG);
        agent.terminate();
        agent.says("stopping: turns at work may end");
        (agent, link)
    }

    /// Items, each with the decision that is on disk. Nobody may be at the home.
    fn decisions(&self, offsets: impl IntoIterator<Item = u64>) -> Vec<Option<Decision>> {
        let inbox = Inbox::open(self.home.path(), Durability::Fsync).expect("an inbox");
        offsets.into_iter().map(|offset| inbox.decision(Uuid::from_u128(offset.into()))).collect()
    }
}

#[test]
fn what_was_left_begins_once_the_broker_has_said_that_it_is_still_wanted() {
    let mut broker = Broker::new();
    let (agent, mut link) = broker.closing();
    for (n, name) in [(2, "wanted"), (3, "lost")] {
        link.deliver(n, assignment(n, broker.input(name)));
        link.acked(n);
    }
    agent.kill();

    // One that ends before the broker knows it leaves all of it to the next.
    let agent = broker.start();
    let (link, _, register) = broker.link();
    assert_eq!(register.leases, held([2, 3]), "what had begun is lost with its process");
    agent.terminate();
    assert_eq!(agent.ended(), Some(0));
    drop(link);

    let agent = broker.start();
    let (mut link, id, register) = broker.link();
    assert_eq!(register.leases, held([2, 3]));
    link.refuse(id, ErrorBody::new(ErrorCode::StorageUnavailable, "the disk is full"));
    let (mut link, id, register) = broker.link();
    assert_eq!(register.leases, held([2, 3]));
    assert_eq!(broker.calls(), [LONG], "before the broker has said anything");
    link.accept(id, 3, 2, vec![lease(3)]);
    let result = link.handed_in();
    assert_eq!((result.lease, result.output), (lease(2), answered("wanted")));
    // The broker may yet tell of its end, too.
    link.deliver(4, cancel(3));
    link.acked(4);
    assert_eq!(link.stopped(), nothing_of(3));
    link.deliver(5, assignment(5, broker.input("another")));
    link.acked(5);
    let result = link.handed_in();
    assert_eq!((result.lease, result.output), (lease(5), answered("another")));
    assert_eq!(broker.calls(), [LONG, "wanted", "another"]);
    agent.kill();
    let (failed, acted) = (Some(Decision::Failed), Some(Decision::Acted));
    assert_eq!(broker.decisions(1..=4), [failed, acted, failed, acted]);
}

#[test]
fn what_is_cancelled_before_it_has_begun_never_begins() {
    let mut broker = Broker::new();
    let (agent, mut link) = broker.closing();
    for (n, name) in [(2, "at-once"), (3, "later")] {
        link.deliver(n, assignment(n, broker.input(name)));
        link.acked(n);
    }
    link.deliver(4, cancel(2));
    link.acked(4);
    assert_eq!(link.stopped(), nothing_of(2));
    broker.release();
    assert_eq!(link.handed_in().output, answered(LONG));
    link.left();
    assert_eq!(agent.ended(), Some(0));

    let agent = broker.start();
    let (mut link, id, register) = broker.link();
    assert_eq!(register.leases, held([3]));
    // Taken up together with the answer.
    link.deliver(5, cancel(3));
    link.accept(id, 4, 2, Vec::new());
    link.acked(5);
    assert_eq!(link.stopped(), nothing_of(3));
    link.deliver(6, assignment(6, broker.input("another")));
    link.acked(6);
    assert_eq!(link.handed_in().lease, lease(6));
    assert_eq!(broker.calls(), [LONG, "another"]);
    agent.kill();
    let (failed, acted) = (Some(Decision::Failed), Some(Decision::Acted));
    assert_eq!(broker.decisions(1..=5), [acted, failed, failed, acted, acted]);
}

/// A registration that names more is refused, and without one nothing goes on at all.
#[test]
fn as_much_is_kept_as_a_registration_may_name() {
    let mut broker = Broker::new();
    let last = u64::from(SLOTS_MAX) + 1;
    let mut inbox = Inbox::open(broker.home.path(), Durability::Fsync).expect("an inbox");
    inbox.new_epoch(EPOCH.0, 0).expect("written");
    let deliveries = (1..=last).map(|offset| {
        let item = item(offset, assignment(offset, json!({})));
        Delivery { epoch: EPOCH.0, offset, id: item.id.0, body: Json::of(&item) }
    });
    inbox.append_batch(deliveries).expect("written");
    drop(inbox);
    let agent = broker.start();
    let (_link, _, register) = broker.link();
    assert_eq!(register.leases, held(2..=last));
    agent.kill();
    assert_eq!(broker.decisions([1, 2]), [Some(Decision::Failed), None]);
}
