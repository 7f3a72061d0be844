//! Rows of registries: written and removed, by requests and by steps of runs.

use nexus_wire::limits::{REGISTRY_CHANGES_KEPT, REGISTRY_ROWS_BYTES_MAX, REGISTRY_ROWS_MAX};
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    Registry, RegistryChange, RegistryRemove, RegistryRemoved, RegistryRow, RegistryValues, RegistryWrite,
    RegistryWritten,
};
use nexus_wire::{ErrorBody, ErrorCode, Party, RequestId, derive};
use serde_json::json;
use uuid::Uuid;

use super::check;
use crate::hub::inbox::json_bytes;
use crate::hub::records::{RegistryRecord, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    pub(in crate::hub) fn registry_write(
        &mut self,
        sender: &Party,
        request: RequestId,
        write: RegistryWrite,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &write)? else { return Ok(()) };
        let id = derive::derived(derive::request_key(request, sender), "row", 0);
        let written = self.write_row(sender, id, write)?;
        Ok(self.answer_once(fresh, &written)?)
    }

    /// Changes nothing when it is refused. `id` names the row if it is new and nothing else does.
    pub(in crate::hub) fn write_row(
        &mut self,
        by: &Party,
        id: Uuid,
        write: RegistryWrite,
    ) -> Done<RegistryWritten> {
        let RegistryWrite { registry: name, row, values: given, if_version } = write;
        let (registry, mut record) = self.registry_of(&name)?;
        may_write(by, &registry)?;
        let row = named(&registry, row, &given, id)?;
        let old = self.store.registry_row(&name, &row)?;
        is_version(&name, &row, old.as_ref(), if_version)?;
        if old.is_none() && registry.key.is_none() && row != id.to_string() {
            let message = format!("registry {name} has no row {row}; a new one is written without `row`");
            return refuse(ErrorCode::NotFound, message);
        }
        let mut values = old.as_ref().map(|old| old.values.clone()).unwrap_or_default();
        for (field, value) in given {
            if value.is_null() {
                values.remove(&field);
            } else {
                values.insert(field, value);
            }
        }
        if let Some(key) = &registry.key
            && let Some(field) = registry.fields.iter().find(|field| field.name == *key)
        {
            let value = values.entry(key.clone()).or_insert_with(|| check::of_key(field.kind, &row));
            if let Some(other) = check::key_of(value).filter(|other| *other != row) {
                let message = format!("registry {name}: no row is named {row}; {key} {other} is row {other}");
                return refuse(ErrorCode::Invalid, message);
            }
        }
        let faults = check::row(&registry, &values);
        if !faults.is_empty() {
            return Err(check::told(&format!("registry {name}, row {row}"), &faults).into());
        }
        if let Some(old) = old.as_ref().filter(|old| old.values == values) {
            return Ok(RegistryWritten { registry: name, row, version: old.version, changed: false });
        }
        for value in check::unique(&registry, &values) {
            self.is_free(&name, &row, &value)?;
        }
        let less = old.as_ref().map_or(0, |old| size(&old.row, &old.values));
        let rows = record.rows + u64::from(old.is_none());
        is_room(&name, rows, record.bytes.saturating_sub(less) + size(&row, &values))?;
        let version = self.set_row(by, &registry, &mut record, row.clone(), old, values)?;
        Ok(RegistryWritten { registry: name, row, version, changed: true })
    }

    /// The row as it is from here on; the number of the change.
    pub(super) fn set_row(
        &mut self,
        by: &Party,
        registry: &Registry,
        record: &mut RegistryRecord,
        row: String,
        old: Option<RegistryRow>,
        values: RegistryValues,
    ) -> Stored<u64> {
        record.rows += u64::from(old.is_none());
        record.bytes += size(&row, &values);
        record.bytes = record.bytes.saturating_sub(old.as_ref().map_or(0, |old| size(&old.row, &old.values)));
        let version = record.changes + 1;
        let new =
            RegistryRow { row: row.clone(), values: values.clone(), version, by: by.clone(), at: self.at };
        self.store.put_registry_row(&record.name, &new, &check::unique(registry, &values))?;
        let before = old.map(|old| old.values);
        let (by, at) = (by.clone(), self.at);
        self.note_change(record, RegistryChange { version, row, by, at, before, after: Some(values) })?;
        Ok(version)
    }

    pub(in crate::hub) fn registry_remove(
        &mut self,
        sender: &Party,
        request: RequestId,
        remove: RegistryRemove,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &remove)? else { return Ok(()) };
        let RegistryRemove { registry: name, row, if_version } = remove;
        let (registry, mut record) = self.registry_of(&name)?;
        may_write(sender, &registry)?;
        let old = self.store.registry_row(&name, &row)?;
        is_version(&name, &row, old.as_ref(), if_version)?;
        let removed = old.is_some();
        if let Some(old) = old {
            self.store.remove_registry_row(&name, &row)?;
            record.rows = record.rows.saturating_sub(1);
            record.bytes = record.bytes.saturating_sub(size(&old.row, &old.values));
            let (version, by, at) = (record.changes + 1, sender.clone(), self.at);
            let change =
                RegistryChange { version, row: row.clone(), by, at, before: Some(old.values), after: None };
            self.note_change(&mut record, change)?;
        }
        Ok(self.answer_once(fresh, &RegistryRemoved { registry: name, row, removed })?)
    }

    fn note_change(&mut self, record: &mut RegistryRecord, change: RegistryChange) -> Stored<()> {
        record.changes = change.version;
        self.store.put_registry(record)?;
        self.store.put_registry_change(&record.name, &change)?;
        if let Some(last) = change.version.checked_sub(REGISTRY_CHANGES_KEPT).filter(|last| *last > 0) {
            self.store.drop_registry_changes(&record.name, last)?;
        }
        let subject = format!("{}/{}", record.name, change.row);
        self.log_other(change.by.clone(), "registry.changed", subject, &change)
    }
}

fn may_write(by: &Party, registry: &Registry) -> Done {
    match by {
        Party::Operator(_) | Party::System => Ok(()),
        Party::Aspect(name) if registry.writers.contains(name) => Ok(()),
        Party::Aspect(name) => {
            let message = format!(
                "{name} may read registry {0} and not write it; an operator can name it in the `writers` of \
                 registry {0}",
                registry.name
            );
            refuse(ErrorCode::Forbidden, message)
        }
    }
}

/// What names the row that is written.
fn named(registry: &Registry, row: Option<String>, given: &RegistryValues, id: Uuid) -> Done<String> {
    let name = &registry.name;
    let Some(key) = &registry.key else {
        // Only ids that the broker gave name rows here; a new one comes without.
        return Ok(row.unwrap_or_else(|| id.to_string()));
    };
    let by_value = given.get(key).and_then(check::key_of);
    let row = match (row, by_value) {
        (Some(row), Some(value)) if row != value => {
            let message = format!(
                "registry {name}: row {row} would have {key} {value}, which names another row; write that one, \
                 and remove this"
            );
            return refuse(ErrorCode::Invalid, message);
        }
        (Some(row), _) | (None, Some(row)) => row,
        (None, None) => {
            let message = format!("registry {name}: say which row: a value for {key}, or `row`");
            return refuse(ErrorCode::Invalid, message);
        }
    };
    match check::key(&row) {
        None => Ok(row),
        Some(fault) => Err(check::told(&format!("registry {name}"), &[fault]).into()),
    }
}

fn is_version(name: &RegistryName, row: &str, old: Option<&RegistryRow>, wanted: Option<u64>) -> Done {
    let is = old.map_or(0, |old| old.version);
    let Some(wanted) = wanted.filter(|wanted| *wanted != is) else { return Ok(()) };
    let message = match (is, wanted) {
        (0, _) => format!("registry {name} has no row {row}; it was to be version {wanted}"),
        (_, 0) => format!("registry {name} has a row {row}, version {is}; there was to be none"),
        (_, _) => format!("registry {name}: row {row} is version {is}; it was to be version {wanted}"),
    };
    Err(ErrorBody::new(ErrorCode::Conflict, message).with(json!({"version": is})).into())
}

/// What a row counts.
pub(super) fn size(row: &str, values: &RegistryValues) -> u64 {
    (row.len() + json_bytes(values)) as u64
}

pub(super) fn is_room(name: &RegistryName, rows: u64, bytes: u64) -> Done {
    if rows > REGISTRY_ROWS_MAX {
        let message = format!("registry {name} has {REGISTRY_ROWS_MAX} rows, which is the most; remove some");
        return refuse(ErrorCode::TooLarge, message);
    }
    if bytes > REGISTRY_ROWS_BYTES_MAX {
        let message = format!(
            "the rows of registry {name} would be {bytes} bytes; {REGISTRY_ROWS_BYTES_MAX} is the most"
        );
        return refuse(ErrorCode::TooLarge, message);
    }
    Ok(())
}
