//! Read positions, receipts and reactions in memory.

use std::collections::{BTreeMap, HashMap};

use nexus_wire::{AspectName, ItemId, MessageId, Ms, Party, ThreadId};

use super::MemoryStore;
use super::undo::Undo;
use crate::hub::records::{ReactionRecord, TakenRecord};

#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) taken: HashMap<(AspectName, ItemId), Ms>,
    pub(super) positions: HashMap<(Party, ThreadId), u64>,
    /// In the order of what they are.
    pub(super) reactions: BTreeMap<(MessageId, String, String), ReactionRecord>,
}

pub(super) fn reaction_key(reaction: &ReactionRecord) -> (MessageId, String, String) {
    (reaction.message, reaction.emoji.clone(), reaction.by.to_string())
}

impl MemoryStore {
    pub(super) fn reactions_of(&self, message: MessageId) -> Vec<ReactionRecord> {
        let from = (message, String::new(), String::new());
        let following = self.marks.reactions.range(from..);
        following.take_while(|(key, _)| key.0 == message).map(|(_, reaction)| reaction.clone()).collect()
    }

    pub(super) fn unread_of(&self, reader: &Party, thread: ThreadId, most: usize) -> u64 {
        let position = self.position_of(reader, thread);
        let Some(thread) = self.threads.get(&thread) else { return 0 };
        let back =
            thread.messages.iter().rev().take(most.saturating_mul(2)).filter_map(|at| self.messages.get(*at));
        let unread = back
            .map(|record| &*record.message)
            .filter(|message| !self.gone.contains(&message.seq))
            .take_while(|message| message.seq > position && message.from != *reader);
        unread.take(most).count() as u64
    }

    pub(super) fn position_of(&self, reader: &Party, thread: ThreadId) -> u64 {
        self.marks.positions.get(&(reader.clone(), thread)).copied().unwrap_or(0)
    }

    pub(super) fn first_unacked_of(&self, aspect: &AspectName) -> Option<u64> {
        let cursor = self.aspects.get(aspect).map_or(0, |record| record.cursor);
        let items = self.inboxes.get(aspect)?;
        let open = items.iter().filter(|item| item.offset > cursor);
        let carried = open.filter_map(|item| self.item_messages.get(&(aspect.clone(), item.offset)).copied());
        let mut kept = carried.filter(|seq| !self.gone.contains(seq));
        kept.next()
    }

    pub(super) fn set_position_of(&mut self, reader: &Party, thread: ThreadId, seq: u64) {
        let key = (reader.clone(), thread);
        let old = self.marks.positions.insert(key.clone(), seq);
        self.undo.push(Undo::ReadPosition(key, old));
    }

    pub(super) fn set_taken(&mut self, record: &TakenRecord) {
        let key = (record.aspect.clone(), record.item);
        self.marks.taken.insert(key.clone(), record.at);
        self.undo.push(Undo::Taken(key));
    }

    pub(super) fn set_reaction(&mut self, reaction: &ReactionRecord, is_there: bool) {
        let key = reaction_key(reaction);
        let old = match is_there {
            true => self.marks.reactions.insert(key.clone(), reaction.clone()),
            false => self.marks.reactions.remove(&key),
        };
        self.undo.push(Undo::Reaction(key, old));
    }
}
