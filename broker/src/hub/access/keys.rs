//! Keys of aspects that overlap for a while, and assertions that are good once.

use nexus_wire::access::KeyRotated;
use nexus_wire::limits::KEY_OVERLAP_MAX;
use nexus_wire::{AspectName, ErrorCode, Ms, Party};
use serde_json::json;

use crate::hub::records::{AspectRecord, Digest, PreviousKey, Store, Stored, UsedAssertion};
use crate::hub::step::{Done, Step, refuse};

/// Assertions that are remembered at once. Beyond it nobody new gets in, rather than an old one twice.
const ASSERTIONS_MAX: usize = 65_536;

impl AspectRecord {
    /// Whether a link that was opened with the key of this generation is good now.
    pub fn accepts(&self, key_generation: u64, at: Ms) -> bool {
        self.is_active()
            && (self.key_generation == key_generation
                || self.previous_key.is_some_and(|it| it.key_generation == key_generation && at < it.until))
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn rotate_key(
        &mut self,
        by: &Party,
        name: &AspectName,
        public_key: [u8; 32],
        overlap_ms: Ms,
    ) -> Done {
        let Some(old) = self.hub.roster.aspect(name).filter(|record| record.is_active()) else {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no aspect {name}, or it was revoked; `nexus aspect add {name}` lets it in"),
            );
        };
        if old.public_key == public_key {
            let rotated = rotated(old);
            self.answer(&rotated);
            return Ok(());
        }
        let max = KEY_OVERLAP_MAX.as_millis() as Ms;
        if !(0..=max).contains(&overlap_ms) {
            return refuse(
                ErrorCode::Invalid,
                format!("the keys may overlap for 0 to {} seconds", KEY_OVERLAP_MAX.as_secs()),
            );
        }
        let previous_key = (overlap_ms > 0).then(|| PreviousKey {
            public_key: Digest(old.public_key),
            key_generation: old.key_generation,
            until: self.at.saturating_add(overlap_ms),
            holds_link: old.link.is_some(),
        });
        let record =
            AspectRecord { public_key, key_generation: old.key_generation + 1, previous_key, ..old.clone() };
        let rotated = rotated(&record);
        // A link of the key before the one that is replaced has no key any more.
        let keeps_link = previous_key.is_some() && !old.previous_key.is_some_and(|it| it.holds_link);
        self.store.put_aspect(&record)?;
        self.hub.roster.put_aspect(record);
        self.doors_changed();
        self.answer(&rotated);
        if !keeps_link {
            self.close_revoked(name)?;
        }
        self.log_other(by.clone(), "aspect.rekeyed", name, &rotated)?;
        Ok(())
    }

    /// Keys whose overlap is over, and with them the links they opened.
    pub(in crate::hub) fn end_overlaps(&mut self) -> Stored<()> {
        let at = self.at;
        let over = |record: &&AspectRecord| record.previous_key.is_some_and(|it| it.until <= at);
        let names: Vec<AspectName> =
            self.hub.roster.aspects().filter(over).map(|record| record.name.clone()).collect();
        for name in names {
            let Some(record) = self.hub.roster.aspect_mut(&name) else { continue };
            let holds_link = record.previous_key.take().is_some_and(|it| it.holds_link);
            self.store.put_aspect(record)?;
            self.doors_changed();
            if holds_link {
                self.close_revoked(&name)?;
            }
            self.log_other(Party::System, "aspect.key_ended", &name, &"")?;
        }
        Ok(())
    }

    pub(super) fn use_assertion(&mut self, used: UsedAssertion) -> Done {
        let at = self.at;
        self.hub.doors.assertions.forget(at);
        self.store.drop_assertions(at)?;
        if self.hub.doors.assertions.contains(&used.digest) {
            return refuse(
                ErrorCode::Unauthorized,
                "the assertion was not accepted: its `jti` was used before",
            );
        }
        if self.hub.doors.assertions.count() >= ASSERTIONS_MAX {
            return refuse(ErrorCode::RateLimited, "too many assertions at once; try again in a minute");
        }
        self.store.put_assertion(&used)?;
        self.hub.doors.assertions.insert(used);
        self.store.put_last_at(at)?;
        self.answer(&json!({}));
        Ok(())
    }
}

fn rotated(record: &AspectRecord) -> KeyRotated {
    KeyRotated {
        name: record.name.clone(),
        key_generation: record.key_generation,
        previous_until: record.previous_key.map(|it| it.until),
    }
}
