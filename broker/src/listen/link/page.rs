//! A page of an inbox, as a link asks for it that has fallen behind.

use nexus_wire::AspectName;

use crate::hub::records::{InboxRecord, Reads, Stored};
use crate::observe::Library;

/// A page of so many items or more is read in two halves side by side.
const HALVES: u32 = 512;

/// The items after `after`, `limit` at most; none only if there are no more.
pub(super) async fn inbox(
    library: &Library,
    aspect: &AspectName,
    after: u64,
    limit: u32,
) -> Stored<Vec<InboxRecord>> {
    let read = |after, limit| {
        let aspect = aspect.clone();
        library.read(move |store| store.inbox(&aspect, after, limit))
    };
    if limit < HALVES {
        return read(after, limit).await;
    }
    let half = limit / 2;
    let middle = after + u64::from(half);
    let (first, second) = tokio::try_join!(read(after, half), read(middle, limit - half))?;
    Ok(joined(first, second, middle))
}

/// `second` is what was found after `middle`. It is left out where `first` does not reach so far, because its text has
/// filled it: it will be asked for again.
fn joined(mut first: Vec<InboxRecord>, second: Vec<InboxRecord>, middle: u64) -> Vec<InboxRecord> {
    if let Some(last) = first.last().map(|item| item.offset)
        && last >= middle
    {
        // Where some are kept no longer, the first half has reached into the second.
        first.extend(second.into_iter().skip_while(|item| item.offset <= last));
    }
    first
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nexus_wire::ItemId;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// What a store gives of an inbox that has these offsets, where text fills a page after `fits` items.
    fn page(kept: &BTreeSet<u64>, after: u64, limit: usize, fits: usize) -> Vec<InboxRecord> {
        let found = kept.range(after + 1..).take(limit.min(fits));
        found
            .map(|offset| {
                let id = ItemId(Uuid::from_u128(u128::from(*offset)));
                InboxRecord { offset: *offset, id, json: "{}".into() }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn two_halves_are_the_beginning_of_what_is_kept_and_never_less_than_the_first(
            kept in prop::collection::btree_set(0_u64..60, 0..60),
            appended in prop::collection::btree_set(60_u64..90, 0..30),
            after in 0_u64..60,
            half in 1_usize..20,
            fits in [1_usize..30, 1..30],
        ) {
            // The second half may be read later.
            let later: BTreeSet<u64> = kept.union(&appended).copied().collect();
            let middle = after + half as u64;
            let first = page(&kept, after, half, fits[0]);
            let least = first.len();
            let read = joined(first, page(&later, middle, half, fits[1]), middle);
            prop_assert_eq!(&read, &page(&later, after, read.len(), usize::MAX));
            prop_assert!(read.len() >= least);
        }

        #[test]
        fn two_full_halves_are_the_whole_page(after in 0_u64..60, half in 1_usize..20) {
            let kept = (1..=100).collect();
            let middle = after + half as u64;
            let read = joined(
                page(&kept, after, half, usize::MAX),
                page(&kept, middle, half, usize::MAX),
                middle,
            );
            prop_assert_eq!(read, page(&kept, after, 2 * half, usize::MAX));
        }
    }
}
