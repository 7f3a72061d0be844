//! How far one subscriber has got in the log. No sockets, no store, no clock.
//!
//! As the pump of an inbox, but a filter may leave entries out and nothing is acknowledged: room in the
//! socket's queue is what holds it back.

use nexus_wire::log::LogEntry;

use crate::hub::filter::LogFilter;

pub(crate) const PAGE: u32 = 256;

#[derive(Debug)]
pub(crate) struct Follow {
    filter: LogFilter,
    /// Everything up to here was sent or did not match.
    sent: u64,
    /// The newest entry there is.
    head: u64,
    /// The head when the page under way was asked for.
    fetching: Option<u64>,
}

impl Follow {
    pub(crate) fn new(filter: LogFilter, after: u64, head: u64) -> Self {
        Self { filter, sent: after.min(head), head, fetching: None }
    }

    pub(crate) fn filter(&self) -> &LogFilter {
        &self.filter
    }

    /// Entries up to `pruned` are not kept any more; those of them that are missed.
    pub(crate) fn missed(&mut self, pruned: u64) -> Option<(u64, u64)> {
        if self.fetching.is_none() || pruned <= self.sent {
            return None;
        }
        let gap = (self.sent + 1, pruned);
        self.sent = pruned;
        self.head = self.head.max(pruned);
        Some(gap)
    }

    /// A new entry; `true`: send it. Without room, or behind, it is fetched in its turn; a page may also have
    /// brought it already, because it was on disk before it was told of.
    pub(crate) fn live(&mut self, entry: &LogEntry, room: bool) -> bool {
        if entry.seq <= self.sent {
            return false;
        }
        let next = self.sent == self.head && self.fetching.is_none();
        self.head = self.head.max(entry.seq);
        let matches = self.filter.matches(entry);
        if !next || (matches && !room) {
            return false;
        }
        self.sent = entry.seq;
        matches
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.sent < self.head && self.fetching.is_none()
    }

    /// The seq a page has to start after. Counts as under way until [`Self::fetched`] or
    /// [`Self::fetch_failed`].
    pub(crate) fn want(&mut self) -> Option<u64> {
        if !self.is_behind() {
            return None;
        }
        self.fetching = Some(self.head);
        Some(self.sent)
    }

    /// The page that was wanted; every entry for which this returns `true` is to be sent. `next`: it was looked no
    /// further than up to there.
    pub(crate) fn fetched(&mut self, seqs: &[u64], next: Option<u64>) -> Vec<bool> {
        let Some(head) = self.fetching.take() else { return vec![false; seqs.len()] };
        let mut fresh = Vec::with_capacity(seqs.len());
        for seq in seqs {
            fresh.push(*seq > self.sent);
            self.sent = self.sent.max(*seq);
        }
        // Of what was looked at, nothing else matches.
        self.sent = self.sent.max(next.unwrap_or(head));
        self.head = self.head.max(self.sent);
        fresh
    }

    pub(crate) fn fetch_failed(&mut self) {
        self.fetching = None;
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::log::LogBody;
    use nexus_wire::{Party, ThreadId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn entry(seq: u64) -> LogEntry {
        let thread = (seq.is_multiple_of(3)).then(|| ThreadId(Uuid::from_u128(7)));
        let body = LogBody::Other { kind: "x".into(), subject: String::new() };
        LogEntry { seq, at: 0, actor: Party::System, thread, body }
    }

    fn matching(thread: Option<ThreadId>, seqs: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
        seqs.filter(move |seq| thread.is_none() || entry(*seq).thread == thread)
    }

    /// A page for which so many entries are looked at, and where it ended before the last.
    fn page(
        thread: Option<ThreadId>,
        after: u64,
        tail: u64,
        limit: usize,
        scan: u64,
    ) -> (Vec<u64>, Option<u64>) {
        let end = tail.min(after + scan);
        let seqs: Vec<u64> = matching(thread, after + 1..=end).take(limit).collect();
        let end = seqs.last().filter(|_| seqs.len() == limit).copied().unwrap_or(end);
        (seqs, (end < tail).then_some(end))
    }

    #[derive(Clone, Debug)]
    enum Op {
        /// An entry is on disk; it is told of later.
        Append,
        Tell {
            room: bool,
        },
        Ask,
        /// The page comes back, with at most so many entries of at most so many, or fails.
        Answer {
            limit: usize,
            scan: u64,
            ok: bool,
        },
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => Just(Op::Append),
            4 => any::<bool>().prop_map(|room| Op::Tell { room }),
            2 => Just(Op::Ask),
            2 => (1_usize..9, 1_u64..20, any::<bool>())
                .prop_map(|(limit, scan, ok)| Op::Answer { limit, scan, ok }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_matching_entry_once_and_in_order(
            before in 0_u64..40,
            after in 0_u64..40,
            filtered in any::<bool>(),
            ops in proptest::collection::vec(op(), 1..200),
        ) {
            let thread = filtered.then(|| ThreadId(Uuid::from_u128(7)));
            let after = after.min(before);
            let (mut follow, mut tail) = (Follow::new(thread.into(), after, before), before);
            let (mut asked, mut sent, mut told) = (None, Vec::new(), tail);
            let finish = (0..300).flat_map(|_| {
                [Op::Tell { room: true }, Op::Ask, Op::Answer { limit: 9, scan: 9, ok: true }]
            });
            for op in ops.into_iter().chain(finish) {
                match op {
                    Op::Append => tail += 1,
                    Op::Tell { room } if told < tail => {
                        told += 1;
                        if follow.live(&entry(told), room) {
                            sent.push(told);
                        }
                    }
                    Op::Tell { .. } => {}
                    Op::Ask => asked = asked.or_else(|| follow.want()),
                    Op::Answer { limit, scan, ok } => match asked.take() {
                        Some(after) if ok => {
                            let (seqs, next) = page(thread, after, tail, limit, scan);
                            let fresh = follow.fetched(&seqs, next);
                            sent.extend(seqs.into_iter().zip(fresh).filter(|it| it.1).map(|it| it.0));
                        }
                        Some(_) => follow.fetch_failed(),
                        None => {}
                    },
                }
            }
            prop_assert_eq!(sent, matching(thread, after + 1..=tail).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_page_that_ended_early_is_gone_on_from_where_it_ended() {
        let mut follow = Follow::new(LogFilter::default(), 0, 500);
        assert_eq!(follow.want(), Some(0));
        assert!(follow.fetched(&[], Some(200)).is_empty());
        assert_eq!(follow.want(), Some(200), "not all there is was looked at");
        assert_eq!(follow.fetched(&[201], Some(400)), [true]);
        assert!(!follow.live(&entry(501), true), "it comes in its turn");
        assert_eq!(follow.want(), Some(400));
        assert_eq!(follow.fetched(&[501], None), [true]);
        assert!(!follow.is_behind());
    }

    #[test]
    fn what_is_not_kept_any_more_is_missed_once() {
        let mut follow = Follow::new(LogFilter::default(), 3, 20);
        assert_eq!(follow.missed(9), None, "nothing was asked for");
        assert_eq!(follow.want(), Some(3));
        assert_eq!(follow.missed(9), Some((4, 9)));
        assert_eq!(follow.missed(9), None);
        assert_eq!(follow.fetched(&[9, 10, 11], Some(11)), [false, true, true]);
        assert_eq!(follow.want(), Some(11));
    }
}
