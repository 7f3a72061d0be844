//! Sealed credentials: rows that the hub keeps and cannot open.

use nexus_wire::credential::CredentialInfo;
use nexus_wire::limits::CREDENTIALS_MAX;
use nexus_wire::{CredentialName, ErrorCode, Party};

use crate::hub::records::{CredentialRecord, CredentialTerms, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

impl CredentialRecord {
    pub fn info(&self) -> CredentialInfo {
        let CredentialTerms { kind, mode, base_url, header, prefix, allowed_aspects } = self.terms.clone();
        CredentialInfo {
            name: self.name.clone(),
            kind,
            mode,
            base_url,
            header,
            prefix,
            allowed_aspects,
            created_at: self.created_at,
            rotated_at: self.rotated_at,
        }
    }
}

impl<S: Store> Step<'_, S> {
    fn keep_credential(&mut self, by: &Party, kind: &str, record: CredentialRecord) -> Stored<()> {
        let info = record.info();
        self.store.put_credential(&record)?;
        self.hub.doors.credentials.insert(record.name.clone(), record);
        self.doors_changed();
        self.answer(&info);
        self.log_other(by.clone(), kind, &info.name, &info)
    }

    fn known(&self, name: &CredentialName) -> Done<CredentialRecord> {
        match self.hub.doors.credential(name) {
            Some(record) => Ok(record.clone()),
            None => refuse(ErrorCode::NotFound, format!("there is no credential {name}")),
        }
    }

    pub(super) fn put_credential(
        &mut self,
        by: &Party,
        name: CredentialName,
        terms: CredentialTerms,
        sealed: Vec<u8>,
    ) -> Done {
        let old = self.hub.doors.credential(&name);
        if old.is_none() && self.hub.doors.credentials.len() >= CREDENTIALS_MAX {
            return refuse(
                ErrorCode::Invalid,
                format!("there are {CREDENTIALS_MAX} credentials, as many as there may be; remove one first"),
            );
        }
        let kind = if old.is_some() { "credential.changed" } else { "credential.added" };
        let created_at = old.map_or(self.at, |old| old.created_at);
        self.keep_credential(
            by,
            kind,
            CredentialRecord { name, terms, sealed, created_at, rotated_at: self.at },
        )?;
        Ok(())
    }

    /// The ciphertext came from the record as it was when it was opened. Another one since then may have
    /// another secret, which must not be put back.
    pub(super) fn change_credential(
        &mut self,
        by: &Party,
        name: &CredentialName,
        terms: CredentialTerms,
        sealed: Vec<u8>,
        was: &[u8],
    ) -> Done {
        let old = self.known(name)?;
        if old.sealed != was {
            return changed_meanwhile(name);
        }
        self.keep_credential(by, "credential.changed", CredentialRecord { terms, sealed, ..old })?;
        Ok(())
    }

    /// A secret opens under the terms it was sealed under, and no others.
    pub(super) fn rotate_credential(
        &mut self,
        by: &Party,
        name: &CredentialName,
        terms: &CredentialTerms,
        sealed: Vec<u8>,
    ) -> Done {
        let old = self.known(name)?;
        if old.terms != *terms {
            return changed_meanwhile(name);
        }
        self.keep_credential(
            by,
            "credential.rotated",
            CredentialRecord { sealed, rotated_at: self.at, ..old },
        )?;
        Ok(())
    }

    pub(super) fn remove_credential(&mut self, by: &Party, name: &CredentialName) -> Done {
        let info = self.known(name)?.info();
        self.store.remove_credential(name)?;
        self.hub.doors.credentials.remove(name);
        self.doors_changed();
        self.answer(&info);
        self.log_other(by.clone(), "credential.removed", name, &info)?;
        Ok(())
    }
}

fn changed_meanwhile<T>(name: &CredentialName) -> Done<T> {
    let message =
        format!("somebody else changed credential {name} at the same time; look at it and try again");
    refuse(ErrorCode::Invalid, message)
}
