//! What happens to the store as a whole.

use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::{AspectName, EpochId, Ms, Party};
use serde_json::json;

use super::Hub;
use super::command::CommandBody;
use super::records::{Store, StoreError, Stored};
use super::step::{Done, Step};

/// The subjects of the alerts about storage.
const DAMAGE: &str = "damage";
const WRITES: &str = "writes";
const NO_WRITES: &str = "changes could not be written; look at the space and the rights of the data directory, and at \
                         the broker's log for the error";

/// The alert about changes that cannot be written, which therefore cannot be either. `head`: the newest entry of the
/// log.
pub(crate) fn unwritten_alert(since: Ms, head: u64) -> Alert {
    Alert {
        key: Alert::key_of(AlertKind::Storage, WRITES),
        kind: AlertKind::Storage,
        severity: AlertKind::Storage.severity(),
        nature: AlertKind::Storage.nature(),
        subject: WRITES.to_owned(),
        message: NO_WRITES.to_owned(),
        seq: head + 1,
        raised_at: since,
        times: 1,
        cleared_at: None,
        acked_at: None,
        acked_by: None,
    }
}

impl Hub {
    /// What is wrong with the database, as it was met.
    pub(crate) fn storage_trouble(&self) -> Option<&str> {
        self.alerts.first(AlertKind::Storage)
    }
}

impl CommandBody {
    /// One message for each cause, whichever page or file it was: the alert is raised once, not at each of the
    /// requests that meet it. What exactly was wrong stands in the broker's own log.
    pub fn storage_failed(error: &StoreError) -> Self {
        let (subject, message) = match error {
            StoreError::Unavailable(_) => (WRITES, NO_WRITES),
            StoreError::Corrupt(_) => (
                DAMAGE,
                "a part of the database is damaged; requests that need it fail, others go on; look at the broker's \
                 log for the error, run `nexus verify`, and restore a backup",
            ),
        };
        Self::RaiseAlert {
            kind: AlertKind::Storage,
            subject: subject.to_owned(),
            message: message.to_owned(),
        }
    }

    pub fn storage_is_back() -> Self {
        Self::ClearAlert { kind: AlertKind::Storage, subject: WRITES.to_owned() }
    }
}

impl<S: Store> Step<'_, S> {
    /// A new process has met nothing yet; what is still wrong it finds again.
    pub(super) fn storage_anew(&mut self) -> Stored<()> {
        for subject in self.hub.alerts.subjects(AlertKind::Storage) {
            self.clear_alert(AlertKind::Storage, &subject)?;
        }
        Ok(())
    }

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
        self.uninvite_all()?;
        self.log_other(Party::System, "store.restored", new_epoch, &new_epoch)?;
        self.answer(&json!({"epoch": new_epoch}));
        Ok(())
    }
}
