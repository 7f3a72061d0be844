//! What is kept no longer. A cut comes as a command with the time it goes by, so it is the same wherever the
//! commands are applied; it takes acknowledged items only, and of the log only what a signed checkpoint stands for.

use nexus_wire::{AspectName, ErrorCode, Ms, Party};
use serde::Deserialize;
use serde_json::json;

use super::records::{Checkpoint, INBOX_BLOCK, Store, StoreError, Stored};
use super::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    /// Drops blocks of items that were acknowledged and came before `before`; `limit` blocks at most, so that
    /// nobody waits long behind it. The answer says how many.
    pub(super) fn prune_inboxes(&mut self, before: Ms, limit: u32) -> Done {
        let inboxes: Vec<(AspectName, u64)> =
            self.hub.roster.aspects().map(|record| (record.name.clone(), record.cursor)).collect();
        let mut blocks = 0;
        for (name, cursor) in inboxes {
            let first = self.store.inbox_floor(&name)?;
            let mut floor = first;
            while blocks < limit
                && floor + INBOX_BLOCK <= cursor
                && self.item_at(&name, floor + INBOX_BLOCK)? < before
            {
                floor += INBOX_BLOCK;
                blocks += 1;
            }
            if floor > first {
                self.store.prune_inbox(&name, floor)?;
                self.log_other(Party::System, "inbox.pruned", &name, &(first + 1, floor))?;
            }
        }
        self.answer(&json!({"blocks": blocks}));
        Ok(())
    }

    /// When the item at `offset` came.
    fn item_at(&self, name: &AspectName, offset: u64) -> Stored<Ms> {
        #[derive(Deserialize)]
        struct Item {
            at: Ms,
        }
        let found = self.store.inbox(name, offset - 1, 1)?;
        let item = found.first().filter(|item| item.offset == offset);
        let read = item.and_then(|item| serde_json::from_str::<Item>(&item.json).ok());
        read.map(|item| item.at).ok_or_else(|| {
            StoreError::Corrupt(format!("item {offset} of the inbox of {name} cannot be read"))
        })
    }

    /// Drops the entries of the log up to the checkpoint, which was signed by whoever has the keys.
    pub(super) fn prune_log(&mut self, checkpoint: &Checkpoint) -> Done {
        let floor = self.store.log_floor()?;
        if checkpoint.seq <= floor || checkpoint.seq >= self.hub.log_seq {
            let head = self.hub.log_seq;
            return refuse(
                ErrorCode::Invalid,
                format!("a checkpoint at {} does not lie between {floor} and {head}", checkpoint.seq),
            );
        }
        if self.store.log_hash(checkpoint.seq)? != Some(checkpoint.hash) {
            return refuse(
                ErrorCode::Invalid,
                format!("entry {} of the log has another hash than the checkpoint", checkpoint.seq),
            );
        }
        let checkpoint = Checkpoint { at: self.at, ..checkpoint.clone() };
        self.store.prune_log(&checkpoint)?;
        self.log_other(Party::System, "log.pruned", checkpoint.seq, &checkpoint.signature)?;
        self.answer(&json!({"seq": checkpoint.seq}));
        Ok(())
    }
}
