//! The largest ids of a table, so that most that are not in it are known to be new without looking: ids have their
//! time in front, and what comes is nearly always later than what is there.

use std::collections::BTreeSet;

use uuid::Uuid;

/// Ids kept.
const KEEP: usize = 4096;

/// Every id there is that is not smaller than the smallest kept is among those kept.
#[derive(Debug, Default)]
pub(super) struct Newest {
    ids: BTreeSet<Uuid>,
}

impl Newest {
    /// Of a table whose largest id is this; `None`: it is empty.
    pub(super) fn of(largest: Option<Uuid>) -> Self {
        Self { ids: largest.into_iter().collect() }
    }

    /// `false`: it is not there for sure.
    pub(super) fn may_hold(&self, id: Uuid) -> bool {
        self.ids.first().is_some_and(|smallest| id < *smallest) || self.ids.contains(&id)
    }

    pub(super) fn add(&mut self, id: Uuid) {
        if self.ids.first().is_some_and(|smallest| id < *smallest) {
            return;
        }
        self.ids.insert(id);
        if self.ids.len() > KEEP {
            self.ids.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_later_than_all_is_new_and_the_rest_has_to_be_looked_for() {
        let id = Uuid::from_u128;
        let mut newest = Newest::of(None);
        assert!(!newest.may_hold(id(5)));
        newest.add(id(5));
        assert_eq!([4, 5, 6].map(|it| newest.may_hold(id(it))), [true, true, false]);
        newest = Newest::of(Some(id(9)));
        assert_eq!([8, 9, 10].map(|it| newest.may_hold(id(it))), [true, true, false]);
    }

    proptest! {
        #[test]
        fn whatever_is_there_may_be_there(ids in prop::collection::vec(0_u128..20_000, 1..9_000)) {
            let mut newest = Newest::default();
            for id in &ids {
                newest.add(Uuid::from_u128(*id));
            }
            prop_assert!(newest.ids.len() <= KEEP);
            prop_assert!(ids.iter().all(|id| newest.may_hold(Uuid::from_u128(*id))));
        }
    }
}
