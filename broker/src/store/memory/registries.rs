//! Registries, their rows and what became of them, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use nexus_wire::name::RegistryName;
use nexus_wire::registry::{RegistryChange, RegistryRow};

use super::MemoryStore;
use super::undo::Undo;
use crate::hub::records::{RegistryRecord, UniqueValue};

pub(super) type RowKey = (RegistryName, String);
/// A row with the values that no other has.
pub(super) type HeldRow = (RegistryRow, Vec<UniqueValue>);

#[derive(Clone, Debug, Default)]
pub(super) struct Registries {
    pub(super) by_name: BTreeMap<RegistryName, RegistryRecord>,
    pub(super) rows: BTreeMap<RowKey, HeldRow>,
    pub(super) changes: BTreeMap<(RegistryName, u64), RegistryChange>,
}

impl Registries {
    pub(super) fn kept(&self) -> impl Iterator<Item = &RegistryRecord> {
        self.by_name.values().filter(|record| record.registry.is_some())
    }

    fn rows_of<'a>(
        &'a self,
        name: &'a RegistryName,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a RowKey, &'a HeldRow)> {
        let from = match after {
            Some(after) => Bound::Excluded((name.clone(), after.to_owned())),
            None => Bound::Included((name.clone(), String::new())),
        };
        self.rows.range((from, Bound::Unbounded)).take_while(move |((of, _), _)| of == name)
    }

    pub(super) fn page(&self, name: &RegistryName, after: Option<&str>, limit: u32) -> Vec<RegistryRow> {
        self.rows_of(name, after).take(limit as usize).map(|(_, (row, _))| row.clone()).collect()
    }

    pub(super) fn holder(&self, name: &RegistryName, field: &str, value: &str) -> Option<String> {
        let has = |unique: &[UniqueValue]| unique.iter().any(|(of, it)| of == field && it == value);
        self.rows_of(name, None).find(|(_, (_, unique))| has(unique)).map(|((_, row), _)| row.clone())
    }

    pub(super) fn history(
        &self,
        name: &RegistryName,
        row: Option<&str>,
        before: u64,
        limit: u32,
    ) -> Vec<RegistryChange> {
        let changes = self.changes.range((name.clone(), 0)..(name.clone(), before)).rev();
        let wanted = changes.filter(|(_, change)| row.is_none_or(|row| change.row == row));
        wanted.take(limit as usize).map(|(_, change)| change.clone()).collect()
    }
}

impl MemoryStore {
    pub(super) fn set_registry(&mut self, record: &RegistryRecord) {
        let old = self.registries.by_name.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Registry(record.name.clone(), old.map(Box::new)));
    }

    pub(super) fn set_registry_row(
        &mut self,
        name: &RegistryName,
        row: &RegistryRow,
        unique: &[UniqueValue],
    ) {
        let key = (name.clone(), row.row.clone());
        let old = self.registries.rows.insert(key.clone(), (row.clone(), unique.to_vec()));
        self.undo.push(Undo::RegistryRow(key, old.map(Box::new)));
    }

    pub(super) fn drop_registry_row(&mut self, key: RowKey) {
        let old = self.registries.rows.remove(&key);
        self.undo.push(Undo::RegistryRow(key, old.map(Box::new)));
    }

    pub(super) fn add_registry_change(&mut self, name: &RegistryName, change: &RegistryChange) {
        let key = (name.clone(), change.version);
        let old = self.registries.changes.insert(key.clone(), change.clone());
        self.undo.push(Undo::RegistryChange(key, old.map(Box::new)));
    }

    pub(super) fn forget_registry_changes(&mut self, name: &RegistryName, up_to: u64) {
        let gone = self.registries.changes.range((name.clone(), 0)..=(name.clone(), up_to));
        let keys: Vec<_> = gone.map(|(key, _)| key.clone()).collect();
        for key in keys {
            let old = self.registries.changes.remove(&key);
            self.undo.push(Undo::RegistryChange(key, old.map(Box::new)));
        }
    }

    pub(super) fn forget_registry(&mut self, name: &RegistryName) {
        let keys: Vec<RowKey> = self.registries.rows_of(name, None).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.drop_registry_row(key);
        }
        self.forget_registry_changes(name, u64::MAX);
    }
}
