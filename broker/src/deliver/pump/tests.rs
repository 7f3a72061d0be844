use proptest::prelude::*;

use super::*;

/// An inbox whose first `pruned` items are gone.
#[derive(Debug, Default)]
struct Inbox {
    tail: u64,
    pruned: u64,
}

impl Inbox {
    fn page(&self, after: u64, limit: u32) -> Vec<(u64, Arc<str>)> {
        (after.max(self.pruned) + 1..=self.tail)
            .take(limit as usize)
            .map(|offset| (offset, item(offset)))
            .collect()
    }
}

fn item(offset: u64) -> Arc<str> {
    offset.to_string().into()
}

/// Gives the page that is wanted, if one is, all its items.
fn fetched(pump: &mut Pump) -> Option<Wanted> {
    let wanted = pump.want()?;
    let Wanted { after, limit, .. } = wanted;
    pump.fetched((after + 1..=after + u64::from(limit)).map(|offset| (offset, item(offset))));
    Some(wanted)
}

#[derive(Clone, Debug)]
enum Op {
    /// So many new items are on disk; they are pushed later.
    Arrive {
        count: u64,
    },
    /// So many of them are pushed.
    Push {
        count: u64,
    },
    Ask,
    /// The page under way comes back, or fails.
    Answer {
        ok: bool,
    },
    Drain {
        room: usize,
    },
    /// Of what is in flight, acknowledge this part.
    Ack {
        part: u8,
    },
    Prune {
        part: u8,
    },
    ReadAhead {
        is_ahead: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1_u64..200).prop_map(|count| Op::Arrive { count }),
        4 => (1_u64..200).prop_map(|count| Op::Push { count }),
        3 => Just(Op::Ask),
        3 => any::<bool>().prop_map(|ok| Op::Answer { ok }),
        4 => (0_usize..400).prop_map(|room| Op::Drain { room }),
        4 => any::<u8>().prop_map(|part| Op::Ack { part }),
        1 => any::<u8>().prop_map(|part| Op::Prune { part }),
        1 => any::<bool>().prop_map(|is_ahead| Op::ReadAhead { is_ahead }),
    ]
}

struct World {
    inbox: Inbox,
    pump: Pump,
    pushed: u64,
    asked: Option<Wanted>,
    received: u64,
    acked: u64,
    /// Offsets the client has and has not acknowledged.
    unacked: VecDeque<u64>,
}

impl World {
    fn drain(&mut self, room: usize) {
        for _ in 0..room {
            let Some(step) = self.pump.next() else { return };
            match step {
                Step::Deliver { offset, item } => {
                    assert_eq!(offset, self.received + 1, "no hole and no repeat");
                    assert_eq!(&*item, offset.to_string());
                    self.received = offset;
                    self.unacked.push_back(offset);
                }
                Step::Gap { from, to } => {
                    assert_eq!(from, self.received + 1);
                    assert!(to <= self.inbox.pruned, "a gap hides only what is gone");
                    self.received = to;
                }
            }
            assert!(self.unacked.len() as u64 <= CREDIT_ITEMS, "credit is never exceeded");
        }
    }

    fn ack(&mut self, offset: u64) {
        assert_eq!(self.pump.ack(offset), Ok(offset > self.acked));
        self.acked = self.acked.max(offset);
        self.unacked.retain(|unacked| *unacked > offset);
        assert_eq!(self.pump.in_flight(), self.unacked.len() as u64);
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Arrive { count } => self.inbox.tail += count,
            Op::Push { count } => {
                for offset in self.pushed + 1..=self.inbox.tail.min(self.pushed + count) {
                    self.pump.push(offset, item(offset));
                    self.pushed = offset;
                }
            }
            Op::Ask => {
                if self.asked.is_none() {
                    self.asked = self.pump.want();
                }
            }
            Op::Answer { ok } => match self.asked.take() {
                Some(asked) if *ok => self.pump.fetched(self.inbox.page(asked.after, asked.limit)),
                Some(_) => self.pump.fetch_failed(),
                None => {}
            },
            Op::Drain { room } => self.drain(*room),
            Op::Ack { part } => {
                let offset = self.acked + (self.received - self.acked) * u64::from(*part) / 255;
                self.ack(offset);
            }
            Op::ReadAhead { is_ahead } => self.pump.read_ahead(*is_ahead),
            Op::Prune { part } => {
                self.inbox.pruned += (self.inbox.tail - self.inbox.pruned) * u64::from(*part) / 255;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_item_once_in_order_and_within_credit(
        before in 0_u64..500,
        cursor in 0_u64..500,
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let cursor = cursor.min(before);
        let mut world = World {
            inbox: Inbox { tail: before, pruned: 0 },
            pump: Pump::new(cursor, before),
            pushed: before,
            asked: None,
            received: cursor,
            acked: cursor,
            unacked: VecDeque::new(),
        };
        for op in &ops {
            world.run(op);
        }
        // What is left is pushed, and a willing client gets all of it.
        world.run(&Op::Push { count: u64::MAX / 2 });
        for _ in 0..1_000 {
            world.run(&Op::Ask);
            world.run(&Op::Answer { ok: true });
            world.run(&Op::Drain { room: 1_000 });
            world.run(&Op::Ack { part: 255 });
        }
        prop_assert_eq!(world.received, world.inbox.tail);
        prop_assert_eq!((world.pump.backlog(), world.pump.in_flight(), world.pump.want()), (0, 0, None));
    }
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let mut pump = Pump::new(3, 3);
    pump.push(4, item(4));
    assert_eq!(pump.ack(4), Err(AckBeyondSent { sent: 3 }));
    assert!(pump.next().is_some());
    assert_eq!((pump.ack(4), pump.ack(4), pump.ack(2)), (Ok(true), Ok(false), Ok(false)));
}

#[test]
fn a_pruned_inbox_is_one_gap_and_costs_no_credit() {
    let mut pump = Pump::new(0, 1_000_000);
    assert_eq!(pump.want(), Some(Wanted { after: 0, limit: PAGE, is_last: false }));
    pump.fetched([]);
    assert_eq!(pump.next(), Some(Step::Gap { from: 1, to: 1_000_000 }));
    assert_eq!(pump.in_flight(), 0);
    for offset in 1_000_001..=1_000_300 {
        pump.push(offset, item(offset));
    }
    assert_eq!(std::iter::from_fn(|| pump.next()).count(), 256);
    assert_eq!(pump.ack(500_000), Ok(true), "within the gap");
    assert_eq!((pump.in_flight(), pump.next()), (256, None));
}

#[test]
fn a_link_that_reads_ahead_asks_for_a_page_while_the_one_before_is_sent_and_for_no_third() {
    let tail = 10_000;
    let page = u64::from(PAGE_AHEAD);
    let mut pump = Pump::new(0, tail);
    pump.read_ahead(true);
    assert_eq!(fetched(&mut pump), Some(Wanted { after: 0, limit: PAGE_AHEAD, is_last: false }));
    assert_eq!(pump.want(), None, "all of it is still here");
    assert!(pump.next().is_some());
    assert_eq!(fetched(&mut pump), Some(Wanted { after: page, limit: PAGE_AHEAD, is_last: false }));
    while pump.next().is_some() {}
    assert_eq!((pump.in_flight(), pump.want()), (CREDIT_ITEMS, None), "nothing without acknowledgements");
    let mut last = 0;
    while last < tail {
        last = pump.sent;
        pump.ack(last).unwrap();
        while pump.next().is_some() {}
        if let Some(wanted) = fetched(&mut pump) {
            let left = tail - wanted.after;
            assert_eq!((u64::from(wanted.limit), wanted.is_last), (page.min(left), left <= page));
        }
    }
    assert_eq!((pump.backlog(), pump.want()), (0, None));
}

#[test]
fn a_link_that_does_not_read_ahead_holds_no_more_than_is_sent_next() {
    let mut pump = Pump::new(0, 10_000);
    let mut most = 0;
    while fetched(&mut pump).is_some() {
        while pump.next().is_some() {}
        most = most.max(pump.held.len());
    }
    assert_eq!((pump.in_flight(), most), (CREDIT_ITEMS, PAGE as usize));
    pump.read_ahead(true);
    assert_eq!(pump.want().map(|wanted| wanted.limit), Some(PAGE_AHEAD), "once it may");
}

#[test]
fn a_reader_that_stops_holds_a_bounded_amount() {
    let mut pump = Pump::new(0, 0);
    let big: Arc<str> = "x".repeat(300_000).into();
    for offset in 1..=10_000 {
        pump.push(offset, Arc::clone(&big));
    }
    assert!(pump.held_bytes <= HELD_BYTES_MAX + big.len(), "{}", pump.held_bytes);
    assert_eq!((pump.reached, pump.tail, pump.want()), (4, 10_000, None));
}
