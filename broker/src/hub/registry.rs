//! Registries: typed tables, as they are put and deleted. What a definition and its rows have to be like is in `check`,
//! how rows change in `rows`. All of it is in the store: nothing of a registry is kept beside it.

mod check;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::limits::{REGISTRIES_MAX, REGISTRY_ENTRIES_MAX};
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    Registry, RegistryDelete, RegistryDeleted, RegistryPut, RegistryRow, RegistryStored, RegistryValues,
};
use nexus_wire::{ErrorBody, ErrorCode, Party, RequestId};
use serde_json::json;

use super::records::{RegistryRecord, Store, Stored, UniqueValue};
use super::step::{Done, Step, refuse};

/// Rows that are looked at in one go.
const ROWS_AT_ONCE: u32 = 200;

impl<S: Store> Step<'_, S> {
    pub(super) fn registry_put(&mut self, sender: &Party, request: RequestId, put: RegistryPut) -> Done {
        let Some(fresh) = self.first_time(sender, request, &put)? else { return Ok(()) };
        let RegistryPut { registry, entries, if_version } = put;
        let name = registry.name.clone();
        let faults = check::definition(&registry);
        if !faults.is_empty() {
            return Err(check::told(&format!("registry {name} cannot be"), &faults).into());
        }
        let old = self.store.registry(&name)?;
        is_version(&name, old.as_ref(), if_version)?;
        let before = old.as_ref().and_then(|old| old.registry.as_ref());
        if before.is_none() && self.store.registry_count()? >= REGISTRIES_MAX as u64 {
            let message =
                format!("there are {REGISTRIES_MAX} registries, which is the most; delete one first");
            return refuse(ErrorCode::QueueFull, message);
        }
        let changed = before != Some(&registry);
        if changed && let Some(before) = before {
            self.rows_fit(before, &registry)?;
        }
        let is_listed_anew = before.is_some_and(|before| uniques(before) != uniques(&registry));
        let new = self.new_entries(&registry, old.as_ref(), entries)?;
        let (by, at) = (sender.clone(), self.at);
        let mut record = match old {
            Some(old) if !changed => old,
            Some(old) => {
                RegistryRecord { version: old.version + 1, registry: Some(registry.clone()), by, at, ..old }
            }
            None => RegistryRecord {
                name: name.clone(),
                version: 1,
                registry: Some(registry.clone()),
                rows: 0,
                bytes: 0,
                changes: 0,
                by,
                at,
            },
        };
        if changed {
            self.log_other(sender.clone(), "registry.put", &name, &registry)?;
            self.store.put_registry(&record)?;
        }
        if is_listed_anew {
            self.each_row(&name, |step, row| {
                step.store.put_registry_row(&registry.name, row, &check::unique(&registry, &row.values))?;
                Ok(())
            })?;
        }
        let (version, written) = (record.version, u32::try_from(new.len()).unwrap_or(u32::MAX));
        for (row, values) in new {
            self.set_row(sender, &registry, &mut record, row, None, values)?;
        }
        Ok(self.answer_once(fresh, &RegistryStored { registry: name, version, changed, written })?)
    }

    /// The rows that are there have to be what the new definition says.
    fn rows_fit(&mut self, before: &Registry, after: &Registry) -> Done {
        let name = &after.name;
        let kind = |registry: &Registry| {
            let key = registry.key.as_ref()?;
            registry.fields.iter().find(|field| field.name == *key).map(|field| field.kind)
        };
        let is_other_key = before.key != after.key || kind(before) != kind(after);
        let mut held: BTreeMap<UniqueValue, String> = BTreeMap::new();
        let mut misfits = check::Misfits::default();
        self.each_row(name, |_, row| {
            if is_other_key {
                let message = format!("registry {name} has rows, which its key names: it cannot be another one");
                return Err(check::at("key", message).into());
            }
            misfits.add(&row.row, check::row(after, &row.values));
            for value in check::unique(after, &row.values) {
                if let Some(other) = held.get(&value).filter(|_| misfits.is_empty()) {
                    let (field, value) = value;
                    let message = format!(
                        "registry {name} stays as it is: field {field} cannot be unique, as rows {other} and {} \
                         both have {value}",
                        row.row
                    );
                    return Err(check::at(&field, message).into());
                }
                held.insert(value, row.row.clone());
            }
            Ok(())
        })?;
        misfits.told(name).map_or(Ok(()), |error| Err(error.into()))
    }

    fn each_row(
        &mut self,
        name: &RegistryName,
        mut visit: impl FnMut(&mut Self, &RegistryRow) -> Done,
    ) -> Done {
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.registry_rows(name, after.as_deref(), ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.row.clone());
            for row in &rows {
                visit(self, row)?;
            }
        }
    }

    /// The entries that are not there yet, each with what names it.
    fn new_entries(
        &self,
        registry: &Registry,
        old: Option<&RegistryRecord>,
        entries: Vec<RegistryValues>,
    ) -> Done<BTreeMap<String, RegistryValues>> {
        let name = &registry.name;
        let mut new = BTreeMap::new();
        if entries.is_empty() {
            return Ok(new);
        }
        let Some(key) = &registry.key else {
            let message = format!("registry {name} has no `key`, by which entries would be found again");
            return refuse(ErrorCode::Invalid, message);
        };
        if entries.len() > REGISTRY_ENTRIES_MAX {
            let message = format!("{} entries; {REGISTRY_ENTRIES_MAX} is the most", entries.len());
            return refuse(ErrorCode::TooLarge, message);
        }
        let (mut seen, mut held) = (BTreeSet::new(), BTreeSet::new());
        let (mut rows, mut bytes) = old.map_or((0, 0), |old| (old.rows, old.bytes));
        for (place, mut values) in entries.into_iter().enumerate() {
            let what = format!("entries[{place}]");
            values.retain(|_, value| !value.is_null());
            let faults = check::row(registry, &values);
            if !faults.is_empty() {
                return Err(check::told(&what, &faults).into());
            }
            // It is there, and of its type.
            let row = values.get(key).and_then(check::key_of).unwrap_or_default();
            if let Some(fault) = check::key(&row) {
                return Err(check::told(&what, &[fault]).into());
            }
            if !seen.insert(row.clone()) {
                return refuse(ErrorCode::Invalid, format!("{what}: there is an entry {row} before"));
            }
            if self.store.registry_row(name, &row)?.is_some() {
                continue;
            }
            for value in check::unique(registry, &values) {
                self.is_free(name, &row, &value)?;
                let message =
                    format!("{what}: {}: an entry before has {}, and it is unique", value.0, value.1);
                if !held.insert(value) {
                    return refuse(ErrorCode::Invalid, message);
                }
            }
            rows += 1;
            bytes += rows::size(&row, &values);
            rows::is_room(name, rows, bytes)?;
            new.insert(row, values);
        }
        Ok(new)
    }

    pub(super) fn registry_delete(
        &mut self,
        sender: &Party,
        request: RequestId,
        delete: RegistryDelete,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &delete)? else { return Ok(()) };
        let name = delete.registry;
        let old = self.store.registry(&name)?.filter(|old| old.registry.is_some());
        let deleted = old.is_some();
        if let Some(old) = old {
            self.log_other(sender.clone(), "registry.deleted", &name, &old.version)?;
            self.store.clear_registry(&name)?;
            let (by, at) = (sender.clone(), self.at);
            let record = RegistryRecord { registry: None, rows: 0, bytes: 0, by, at, ..old };
            self.store.put_registry(&record)?;
        }
        Ok(self.answer_once(fresh, &RegistryDeleted { registry: name, deleted })?)
    }

    /// The registry as it is kept.
    fn registry_of(&self, name: &RegistryName) -> Done<(Registry, RegistryRecord)> {
        let record = self.store.registry(name)?;
        let found = record.and_then(|record| Some((record.registry.clone()?, record)));
        found.ok_or_else(|| {
            let message =
                format!("there is no registry {name}; `nexctl registry list` shows those there are");
            ErrorBody::new(ErrorCode::NotFound, message).into()
        })
    }

    /// No other row of the registry has that value.
    fn is_free(&self, name: &RegistryName, row: &str, value: &UniqueValue) -> Done {
        let (field, text) = value;
        let holder: Stored<Option<String>> = self.store.registry_holder(name, field, text);
        match holder? {
            Some(other) if other != row => {
                let message = format!("registry {name}: {field}: row {other} has {text}, and it is unique");
                refuse(ErrorCode::Invalid, message)
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn is_version(name: &RegistryName, old: Option<&RegistryRecord>, wanted: Option<u32>) -> Done {
    let is = old.filter(|old| old.registry.is_some()).map_or(0, |old| old.version);
    let Some(wanted) = wanted.filter(|wanted| *wanted != is) else { return Ok(()) };
    let message = match (is, wanted) {
        (0, _) => format!("there is no registry {name}; it was to be version {wanted}"),
        (_, 0) => format!("there is a registry {name}, version {is}; there was to be none"),
        (_, _) => format!("registry {name} is version {is}; it was to be version {wanted}"),
    };
    Err(ErrorBody::new(ErrorCode::Conflict, message).with(json!({"version": is})).into())
}

/// The fields whose values are told apart, and how.
fn uniques(registry: &Registry) -> BTreeMap<&str, &'static str> {
    let fields = registry.fields.iter().filter(|field| field.unique);
    fields.map(|field| (field.name.as_str(), field.kind.as_str())).collect()
}
