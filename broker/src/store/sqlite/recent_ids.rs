//! Ids that came last, so that most that come are known to be there or to be new without looking into the table: ids
//! have their time in front, and what comes is nearly always later than what is there.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use uuid::Uuid;

/// At least so many of the ids that came last are kept, and at most twice as many. The clocks of those who make them may
/// differ by as long as it takes that many to come.
const KEEP: usize = 16 * 1024;

/// Each with what is to be known of it.
#[derive(Debug)]
pub(super) struct RecentIds<V = ()> {
    keep: usize,
    now: Part<V>,
    before: Part<V>,
    /// Every id that is larger than this is among those kept.
    floor: Uuid,
}

#[derive(Debug)]
struct Part<V> {
    ids: HashMap<Uuid, V, RandomState>,
    largest: Uuid,
}

impl<V> Default for Part<V> {
    fn default() -> Self {
        Self { ids: HashMap::default(), largest: Uuid::nil() }
    }
}

impl<V: Copy> Default for RecentIds<V> {
    fn default() -> Self {
        Self::of(None)
    }
}

impl<V: Copy> RecentIds<V> {
    /// Of a table whose largest id is this; `None`: it is empty.
    pub(super) fn of(largest: Option<Uuid>) -> Self {
        let floor = largest.unwrap_or_default();
        Self { keep: KEEP, now: Part::default(), before: Part::default(), floor }
    }

    pub(super) fn get(&self, id: Uuid) -> Option<V> {
        self.now.ids.get(&id).or_else(|| self.before.ids.get(&id)).copied()
    }

    /// `false`: it is not there for sure.
    pub(super) fn may_hold(&self, id: Uuid) -> bool {
        self.may_be_older(id) || self.get(id).is_some()
    }

    /// Whether one that is not kept may be there all the same.
    pub(super) fn may_be_older(&self, id: Uuid) -> bool {
        id <= self.floor
    }

    pub(super) fn add(&mut self, id: Uuid, of_it: V) {
        if self.now.ids.len() == self.keep {
            self.floor = self.floor.max(self.before.largest);
            std::mem::swap(&mut self.now, &mut self.before);
            // Its room is used again.
            self.now.ids.clear();
            self.now.largest = Uuid::nil();
        }
        self.now.ids.insert(id, of_it);
        self.now.largest = self.now.largest.max(id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_later_than_all_is_new_and_the_rest_has_to_be_looked_for() {
        let id = Uuid::from_u128;
        let mut recent = RecentIds::of(Some(id(5)));
        assert_eq!([4, 5, 6].map(|it| recent.may_be_older(id(it))), [true, true, false]);
        recent.add(id(8), 1);
        recent.add(id(2), 2);
        assert_eq!([2, 5, 7, 8].map(|it| recent.get(id(it))), [Some(2), None, None, Some(1)]);
        assert_eq!([5, 7].map(|it| recent.may_be_older(id(it))), [true, false]);
        assert_eq!([4, 5, 7, 8].map(|it| recent.may_hold(id(it))), [true, true, false, true]);
        assert!(!RecentIds::<()>::default().may_hold(id(1)), "an empty table holds nothing");
    }

    proptest! {
        #[test]
        fn of_what_is_there_the_newest_are_kept_and_none_is_taken_for_new(
            ids in prop::collection::vec(0_u128..300, 1..200),
            keep in 1_usize..20,
        ) {
            let mut recent = RecentIds { keep, ..RecentIds::default() };
            let mut there = HashMap::new();
            for (seq, id) in ids.iter().map(|id| Uuid::from_u128(*id)).enumerate() {
                recent.add(id, seq as u64);
                there.insert(id, seq as u64);
            }
            prop_assert!(recent.now.ids.len() + recent.before.ids.len() <= 2 * keep);
            for (id, seq) in there {
                let is_new = seq as usize + keep >= ids.len();
                match recent.get(id) {
                    Some(found) => prop_assert_eq!(found, seq),
                    None => prop_assert!(!is_new && recent.may_be_older(id)),
                }
            }
        }
    }
}
