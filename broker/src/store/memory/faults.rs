//! What the store in memory is told to refuse, as if the disk were full or a part of the file damaged.

use nexus_wire::AspectName;

use super::MemoryStore;
use crate::hub::records::{StoreError, Stored};

#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Made or refused so far.
    writes: u64,
    /// The one of them that is refused.
    write: Option<u64>,
    commit: bool,
    damaged: Option<AspectName>,
}

impl MemoryStore {
    /// The next commit fails as if the disk were full.
    pub fn fail_next_commit(&mut self) {
        self.faults.commit = true;
    }

    /// Of the writes from now on the `n`th fails as if the disk were full, and changes nothing; the next one is the first.
    pub fn fail_nth_write(&mut self, n: u64) {
        self.faults.write = Some(self.faults.writes + n);
    }

    /// From now on whatever moves this inbox meets damage, until there is none any more.
    pub fn damage_inbox(&mut self, aspect: Option<AspectName>) {
        self.faults.damaged = aspect;
    }

    /// How many writes there were so far, those that were refused or taken back included.
    pub fn writes(&self) -> u64 {
        self.faults.writes
    }

    /// Stands before each write.
    pub(super) fn begin_write(&mut self) -> Stored<()> {
        self.faults.writes += 1;
        let is_refused = self.faults.write.take_if(|write| *write == self.faults.writes).is_some();
        refuse(is_refused, "the write was told to fail")
    }

    /// Stands before each write to an inbox.
    pub(super) fn begin_inbox_write(&mut self, aspect: &AspectName) -> Stored<()> {
        self.begin_write()?;
        match self.faults.damaged.as_ref() == Some(aspect) {
            true => Err(StoreError::Corrupt(format!("the inbox of {aspect} was told to be damaged"))),
            false => Ok(()),
        }
    }

    pub(super) fn begin_commit(&mut self) -> Stored<()> {
        refuse(std::mem::take(&mut self.faults.commit), "the commit was told to fail")
    }
}

fn refuse(is_refused: bool, why: &str) -> Stored<()> {
    match is_refused {
        true => Err(StoreError::Unavailable(why.to_owned())),
        false => Ok(()),
    }
}
