//! What happens to the store as a whole.

use nexus_wire::{AspectName, EpochId, Party};
use serde_json::json;

use super::records::Store;
use super::step::{Done, Step};

impl<S: Store> Step<'_, S> {
    /// The store was put back to an earlier state. What runtimes hold beyond it is of a history that is gone, so
    /// every inbox begins a new one, in which they tell by the items' ids what they have.
    pub(super) fn restored(&mut self, new_epoch: EpochId) -> Done {
        let begun: Vec<AspectName> = self
            .hub
            .roster
            .aspects()
            .filter(|record| !record.epoch.0.is_nil())
            .map(|record| record.name.clone())
            .collect();
        for name in begun {
            let Some(record) = self.hub.roster.aspect_mut(&name) else { continue };
            record.epoch = new_epoch;
            let record = record.clone();
            self.store.put_aspect(&record)?;
        }
        self.log_other(Party::System, "store.restored", new_epoch, &new_epoch)?;
        self.answer(&json!({"epoch": new_epoch}));
        Ok(())
    }
}
