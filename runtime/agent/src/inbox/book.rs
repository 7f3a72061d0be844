//! What the inbox file adds up to. Pure: records in, state out, the same on reading a file as while running.
//!
//! The cursor moves by one step at a time, so it never stands behind something that is missing: after a hole,
//! later items are known by their ids and the broker is asked again from before the hole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use nexus_wire::Json;
use nexus_wire::inbox::Decision;
use uuid::Uuid;

use super::record::Record;

/// Closed items remembered, so that a broker with an older history cannot have them done again.
pub(super) const CLOSED_KEPT: usize = 4096;

/// Where this home's copy of its inbox ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResumePoint {
    pub epoch: Uuid,
    pub offset: u64,
    /// The item at `offset`; absent where an epoch began and after a gap.
    pub item: Option<Uuid>,
}

/// What the broker delivers.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub epoch: Uuid,
    pub offset: u64,
    pub id: Uuid,
    pub body: Json,
}

/// What became of a delivery. The cursor tells what may be acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accept {
    Stored,
    /// Known already; there is nothing to do for it.
    Duplicate,
    /// Not the next one. It was not stored: what is missing comes first.
    Gap {
        expected: u64,
    },
    /// Of another history than the one this link resumed.
    WrongEpoch {
        current: Option<Uuid>,
    },
}

/// An item that has no decision yet.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxItem {
    pub id: Uuid,
    pub epoch: Uuid,
    pub offset: u64,
    pub body: Json,
    /// A session has it.
    pub taken: bool,
}

/// Epochs in the order they appeared, then offsets.
type Position = (usize, u64, Uuid);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Book {
    epochs: Vec<Uuid>,
    cursor: Option<ResumePoint>,
    open: BTreeMap<Position, InboxItem>,
    positions: HashMap<Uuid, Position>,
    /// Taken, while the line that held them is lost.
    taken_unseen: BTreeSet<Uuid>,
    closed: HashMap<Uuid, Decision>,
    /// The oldest first.
    closed_order: VecDeque<Uuid>,
    generation: u64,
}

/// Deliveries judged one after the other, before any of them is written.
pub(super) struct Judge<'a> {
    book: &'a Book,
    cursor: Option<ResumePoint>,
    fresh: HashSet<Uuid>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(book: &'a Book) -> Self {
        Self { book, cursor: book.cursor, fresh: HashSet::new() }
    }

    /// The verdict, and the record that carries it out.
    pub(super) fn deliver(&mut self, delivery: Delivery) -> (Accept, Option<Record>) {
        let Delivery { epoch, offset, id, body } = delivery;
        let cursor = match &mut self.cursor {
            Some(cursor) if cursor.epoch == epoch => cursor,
            other => {
                let current = other.as_ref().map(|cursor| cursor.epoch);
                return (Accept::WrongEpoch { current }, None);
            }
        };
        let expected = cursor.offset.saturating_add(1);
        if offset < expected {
            return (Accept::Duplicate, None);
        }
        if offset > expected {
            return (Accept::Gap { expected }, None);
        }
        *cursor = ResumePoint { epoch, offset, item: Some(id) };
        if self.book.knows(id) || !self.fresh.insert(id) {
            (Accept::Duplicate, Some(Record::Again { epoch, offset, id }))
        } else {
            (Accept::Stored, Some(Record::Item { epoch, offset, id, body }))
        }
    }
}

impl Book {
    /// Carries a record out. Says what was expected when the record leaves a hole before it.
    pub(super) fn apply(&mut self, record: Record) -> Option<u64> {
        match record {
            Record::Epoch { epoch, offset, item } => {
                self.epoch_index(epoch);
                self.cursor = Some(ResumePoint { epoch, offset, item });
                None
            }
            Record::Item { epoch, offset, id, body } => {
                if !self.knows(id) {
                    let position = (self.epoch_index(epoch), offset, id);
                    let taken = self.taken_unseen.remove(&id);
                    self.open.insert(position, InboxItem { id, epoch, offset, body, taken });
                    self.positions.insert(id, position);
                }
                self.advance(epoch, offset, offset, Some(id))
            }
            Record::Again { epoch, offset, id } => self.advance(epoch, offset, offset, Some(id)),
            Record::Gap { epoch, from, to, reason: _ } => self.advance(epoch, from, to, None),
            Record::Taken { id } => {
                match self.positions.get(&id).and_then(|position| self.open.get_mut(position)) {
                    Some(item) => item.taken = true,
                    None => {
                        self.taken_unseen.insert(id);
                    }
                }
                None
            }
            Record::Closed { id, decision } => {
                self.close(id, decision);
                None
            }
            Record::Generation { generation } => {
                self.generation = self.generation.max(generation);
                None
            }
        }
    }

    fn advance(&mut self, epoch: Uuid, from: u64, to: u64, item: Option<Uuid>) -> Option<u64> {
        let cursor = self.cursor.as_mut().filter(|cursor| cursor.epoch == epoch)?;
        let expected = cursor.offset.saturating_add(1);
        if from > expected {
            return Some(expected);
        }
        if to >= expected {
            *cursor = ResumePoint { epoch, offset: to, item };
        }
        None
    }

    fn close(&mut self, id: Uuid, decision: Decision) {
        if let Some(position) = self.positions.remove(&id) {
            self.open.remove(&position);
        }
        self.taken_unseen.remove(&id);
        if self.closed.insert(id, decision).is_none() {
            self.closed_order.push_back(id);
        }
        while self.closed_order.len() > CLOSED_KEPT {
            if let Some(oldest) = self.closed_order.pop_front() {
                self.closed.remove(&oldest);
            }
        }
    }

    fn epoch_index(&mut self, epoch: Uuid) -> usize {
        self.epochs.iter().position(|known| *known == epoch).unwrap_or_else(|| {
            self.epochs.push(epoch);
            self.epochs.len() - 1
        })
    }

    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.positions.contains_key(&id) || self.closed.contains_key(&id)
    }

    pub(super) fn cursor(&self) -> Option<ResumePoint> {
        self.cursor
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &InboxItem> {
        self.open.values()
    }

    pub(super) fn item(&self, id: Uuid) -> Option<&InboxItem> {
        self.positions.get(&id).and_then(|position| self.open.get(position))
    }

    pub(super) fn is_taken(&self, id: Uuid) -> bool {
        self.taken_unseen.contains(&id) || self.item(id).is_some_and(|item| item.taken)
    }

    pub(super) fn decision(&self, id: Uuid) -> Option<Decision> {
        self.closed.get(&id).copied()
    }

    /// The fewest records that add up to the same book.
    pub(super) fn records(&self) -> Vec<Record> {
        let current = self.cursor.map(|cursor| cursor.epoch);
        let item = |item: &InboxItem| Record::Item {
            epoch: item.epoch,
            offset: item.offset,
            id: item.id,
            body: item.body.clone(),
        };
        // Items of earlier epochs come before the line that sets the cursor, which keeps the epochs in order.
        let (now, earlier): (Vec<_>, Vec<_>) =
            self.open.values().partition(|item| Some(item.epoch) == current);
        let mut records: Vec<Record> = earlier.into_iter().map(item).collect();
        records.extend(self.cursor.map(|ResumePoint { epoch, offset, item }| Record::Epoch {
            epoch,
            offset,
            item,
        }));
        if self.generation > 0 {
            records.push(Record::Generation { generation: self.generation });
        }
        let closed = |id: &Uuid| Some(Record::Closed { id: *id, decision: *self.closed.get(id)? });
        records.extend(self.closed_order.iter().filter_map(closed));
        records.extend(now.into_iter().map(item));
        let taken = self.open.values().filter(|item| item.taken).map(|item| item.id);
        records.extend(taken.chain(self.taken_unseen.iter().copied()).map(|id| Record::Taken { id }));
        records
    }
}
