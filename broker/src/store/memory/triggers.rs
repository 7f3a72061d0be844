//! Triggers and their slots.

use std::collections::BTreeMap;
use std::ops::Bound;

use nexus_wire::{TriggerId, TriggerName};

use super::MemoryStore;
use super::undo::Undo;
use crate::hub::records::{SlotRecord, TriggerRecord};

#[derive(Debug, Default)]
pub(super) struct Triggers {
    pub(super) by_name: BTreeMap<TriggerName, TriggerRecord>,
    pub(super) slots: BTreeMap<(TriggerId, u64), SlotRecord>,
    /// Which slot the request of a service outside led to.
    pub(super) deliveries: BTreeMap<(TriggerId, String), u64>,
}

impl Triggers {
    pub(super) fn page(&self, after: Option<&TriggerName>, limit: u32) -> Vec<TriggerRecord> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.by_name.range::<TriggerName, _>((from, Bound::Unbounded));
        page.take(limit as usize).map(|(_, record)| record.clone()).collect()
    }

    pub(super) fn slots(&self, trigger: TriggerId, before: u64, limit: u32) -> Vec<SlotRecord> {
        let page = self.slots.range((trigger, 0)..(trigger, before)).rev();
        page.take(limit as usize).map(|(_, record)| record.clone()).collect()
    }

    pub(super) fn open_slots(&self) -> Vec<SlotRecord> {
        self.slots.values().filter(|record| record.is_open()).cloned().collect()
    }
}

impl MemoryStore {
    pub(super) fn put_trigger_record(&mut self, record: &TriggerRecord) {
        let old = self.triggers.by_name.insert(record.name().clone(), record.clone());
        self.undo.push(Undo::Trigger(record.name().clone(), old.map(Box::new)));
    }

    pub(super) fn remove_trigger_record(&mut self, name: &TriggerName, id: TriggerId) {
        let old = self.triggers.by_name.remove(name);
        self.undo.push(Undo::Trigger(name.clone(), old.map(Box::new)));
        self.drop_slot_records(id, |_| true);
        self.drop_delivery_records(id, u64::MAX);
    }

    pub(super) fn drop_delivery_records(&mut self, trigger: TriggerId, up_to: u64) {
        let of_it = self.triggers.deliveries.range((trigger, String::new())..);
        let of_it = of_it.take_while(|((of, _), _)| *of == trigger).filter(|(_, no)| **no <= up_to);
        let keys: Vec<_> = of_it.map(|(key, _)| key.clone()).collect();
        for key in keys {
            let old = self.triggers.deliveries.remove(&key);
            self.undo.push(Undo::Delivery(key, old));
        }
    }

    pub(super) fn put_slot_record(&mut self, record: &SlotRecord) {
        let key = (record.trigger, record.slot.no);
        let old = self.triggers.slots.insert(key, record.clone());
        self.undo.push(Undo::Slot(key, old.map(Box::new)));
    }

    pub(super) fn drop_slot_records(&mut self, trigger: TriggerId, gone: impl Fn(&SlotRecord) -> bool) {
        let all = self.triggers.slots.range((trigger, 0)..=(trigger, u64::MAX));
        let keys: Vec<_> = all.filter(|(_, record)| gone(record)).map(|(key, _)| *key).collect();
        for key in keys {
            let old = self.triggers.slots.remove(&key);
            self.undo.push(Undo::Slot(key, old.map(Box::new)));
        }
    }
}
