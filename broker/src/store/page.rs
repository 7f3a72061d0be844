//! How many rows one read gives: as many as asked for, or as `PAGE_BYTES` allows, and never none. And at how many it
//! looks for them.

use crate::hub::records::{PAGE_BYTES, Stored};

/// Entries of the log that one read looks at, at most, whether it finds anything or not.
pub(super) const SCAN_MAX: u64 = 100_000;

/// Messages with the words of a search that one read looks at, at most. They lie apart, so that each costs more.
pub(super) const MATCHES_MAX: u64 = 20_000;

/// A message counts once more for each of so many bytes: with it its text is read.
const SCAN_BYTES: usize = 1024;

/// As how many entries, or matches, a message counts that is looked at.
pub(super) fn looked_at(bytes: usize) -> u64 {
    (1 + bytes / SCAN_BYTES) as u64
}

/// The first from `low` to `high` that is not before what is looked for; all behind it are not either.
pub(super) fn first_not(
    mut low: u64,
    mut high: u64,
    mut is_before: impl FnMut(u64) -> Stored<bool>,
) -> Stored<u64> {
    while low < high {
        let middle = low + (high - low) / 2;
        match is_before(middle)? {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

#[derive(Debug)]
pub(super) struct Page {
    rows_left: u32,
    bytes: usize,
}

impl Page {
    pub(super) fn new(limit: u32) -> Self {
        Self { rows_left: limit, bytes: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows_left == 0 || self.bytes >= PAGE_BYTES
    }

    /// Whether a row of so many bytes still belongs to it.
    pub(super) fn takes(&mut self, bytes: usize) -> bool {
        if self.rows_left == 0 || (self.bytes > 0 && self.bytes + bytes > PAGE_BYTES) {
            self.rows_left = 0;
            return false;
        }
        self.rows_left -= 1;
        self.bytes += bytes.max(1);
        true
    }
}
