//! What is kept no longer. A cut comes as a command with the time it goes by, so it is the same wherever the
//! commands are applied; it takes acknowledged items only, and of the log only what a signed checkpoint stands for.

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::{ApprovalId, AspectName, DispatchId, ErrorCode, MessageId, Ms, Party, RunId, ThreadId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::records::{
    ApprovalRecord, Checkpoint, DispatchRecord, INBOX_BLOCK, MessageRecord, RunRecord, Store, StoreError,
    Stored, Which,
};
use super::step::{Done, Step, refuse};

/// Open dispatches looked at together.
const OPEN_PAGE: u32 = 500;

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
            while blocks < limit && floor + INBOX_BLOCK <= cursor && self.block_at(&name, floor)? < before {
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

    /// When the last item came that is kept of the block behind `floor`.
    fn block_at(&self, name: &AspectName, floor: u64) -> Stored<Ms> {
        for offset in (floor + 1..=floor + INBOX_BLOCK).rev() {
            if let Some(at) = self.item_at(name, offset)? {
                return Ok(at);
            }
        }
        Ok(Ms::MIN)
    }

    /// When the item at `offset` came; `None`: the message it carried is kept no longer.
    fn item_at(&self, name: &AspectName, offset: u64) -> Stored<Option<Ms>> {
        #[derive(Deserialize)]
        struct Item {
            at: Ms,
        }
        let Some(item) = self.store.inbox_at(name, offset)? else { return Ok(None) };
        let read = serde_json::from_str::<Item>(&item.json).ok();
        read.map(|item| Some(item.at)).ok_or_else(|| {
            StoreError::Corrupt(format!("item {offset} of the inbox of {name} cannot be read"))
        })
    }

    /// Of these messages those go that came before `before`, are not the last of their thread, are acknowledged by
    /// everybody they are addressed to, and are in no thread that an open dispatch is about.
    pub(super) fn prune_messages(&mut self, before: Ms, messages: &[MessageId]) -> Done {
        let busy = self.busy_threads()?;
        let mut waiting: BTreeMap<AspectName, Option<u64>> = BTreeMap::new();
        let mut gone = Vec::new();
        for id in messages {
            let Some(MessageRecord { message, .. }) = self.store.message(*id)? else { continue };
            let Some(thread) = self.store.thread(message.thread)? else { continue };
            let is_last = thread.last_seq == message.seq;
            if message.at >= before || is_last || busy.contains(&message.thread) {
                continue;
            }
            let mut is_awaited = false;
            for name in message.to.iter().filter_map(Party::aspect) {
                let first = match waiting.get(name) {
                    Some(first) => *first,
                    None => *waiting.entry(name.clone()).or_insert(self.store.first_unacked(name)?),
                };
                is_awaited |= first.is_some_and(|first| first <= message.seq);
            }
            if !is_awaited {
                self.store.delete_message(*id)?;
                gone.push(*id);
            }
        }
        self.pruned("messages.pruned", &gone)
    }

    /// Of these dispatches those go that ended before `before`, whose tree has ended, that no open gather is about,
    /// and whose end both sides have acknowledged.
    pub(super) fn prune_dispatches(&mut self, before: Ms, dispatches: &[DispatchId]) -> Done {
        let mut waiting: BTreeMap<AspectName, Ms> = BTreeMap::new();
        let mut gone = Vec::new();
        for id in dispatches {
            let Some(DispatchRecord { info, .. }) = self.store.dispatch_head(*id)? else { continue };
            let Some(ended_at) = info.ended_at.filter(|at| *at < before) else { continue };
            let is_open = |id: DispatchId| self.hub.queue.state(id).is_some();
            if is_open(*id)
                || is_open(info.root)
                || info.parent.is_some_and(is_open)
                || self.hub.gathers.holds(*id)
            {
                continue;
            }
            let mut is_awaited = false;
            let earlier = info.earlier.iter().map(|worker| &worker.aspect);
            for name in earlier.chain([&info.hand.aspect]).chain(info.invoker.aspect()) {
                let first = match waiting.get(name) {
                    Some(first) => *first,
                    None => *waiting.entry(name.clone()).or_insert(self.waits_since(name)?),
                };
                is_awaited |= first <= ended_at;
            }
            if !is_awaited {
                self.store.delete_dispatch(*id)?;
                gone.push(*id);
            }
        }
        self.pruned("dispatches.pruned", &gone)
    }

    /// Of what aspects asked people for, what ended before `before` and whose end its asker has acknowledged goes.
    pub(super) fn prune_approvals(&mut self, before: Ms, approvals: &[ApprovalId]) -> Done {
        let mut gone = Vec::new();
        for id in approvals {
            let Some(ApprovalRecord { info, .. }) = self.store.approval(*id)? else { continue };
            let Some(ended_at) = info.ended_at.filter(|at| *at < before) else { continue };
            let since = match &info.aspect {
                Party::Aspect(name) => self.waits_since(name)?,
                Party::Operator(_) | Party::System => Ms::MAX,
            };
            if since > ended_at {
                self.store.delete_approval(*id)?;
                gone.push(*id);
            }
        }
        self.answer(&json!({"pruned": gone.len()}));
        if !gone.is_empty() {
            self.log_other(Party::System, "approvals.pruned", gone.len(), &gone)?;
        }
        Ok(())
    }

    /// Whether a run, or one that it is a step of, is among those: they are looked at once more when they are gone on with.
    fn is_within(&self, record: &RunRecord, wanted: &BTreeSet<RunId>) -> Stored<bool> {
        let (mut id, mut parent) = (record.info.id, record.info.parent.clone());
        loop {
            if wanted.contains(&id) {
                return Ok(true);
            }
            let Some(above) = parent else { return Ok(false) };
            (id, parent) = (above.run, self.store.run(above.run)?.and_then(|above| above.info.parent));
        }
    }

    /// Of these runs those go that ended before `before`. What their steps came to is in them; nothing else goes by it, but for
    /// runs that go on with them.
    pub(super) fn prune_runs(&mut self, before: Ms, runs: &[RunId]) -> Done {
        let mut gone = Vec::new();
        let gone_on_with = self.hub.runs.gone_on_with();
        for id in runs {
            let Some(record) = self.store.run(*id)? else { continue };
            if record.info.ended_at.is_some_and(|at| at < before)
                && !self.is_within(&record, &gone_on_with)?
            {
                self.store.delete_run(*id)?;
                gone.push(*id);
            }
        }
        self.answer(&json!({"pruned": gone.len()}));
        if !gone.is_empty() {
            self.log_other(Party::System, "runs.pruned", gone.len(), &gone)?;
        }
        Ok(())
    }

    fn pruned(&mut self, kind: &str, gone: &[impl Serialize]) -> Done {
        self.answer(&json!({"pruned": gone.len()}));
        if !gone.is_empty() {
            self.store.put_contents_floor(self.hub.log_seq)?;
            self.log_other(Party::System, kind, gone.len(), &gone)?;
        }
        Ok(())
    }

    /// Threads that open dispatches are about.
    fn busy_threads(&self) -> Stored<BTreeSet<ThreadId>> {
        let (mut busy, mut before) = (BTreeSet::new(), None);
        loop {
            let page = self.store.dispatches(Which::Open, before, OPEN_PAGE)?;
            let Some(last) = page.last() else { return Ok(busy) };
            before = Some(last.id);
            busy.extend(page.iter().filter_map(|info| info.thread));
        }
    }

    /// When the first item came that an aspect has not acknowledged; never, if there is none or nobody to do it.
    fn waits_since(&self, name: &AspectName) -> Stored<Ms> {
        match self.hub.roster.aspect(name).filter(|record| record.is_active()) {
            Some(record) if record.cursor < record.tail => {
                Ok(self.item_at(name, record.cursor + 1)?.unwrap_or(Ms::MIN))
            }
            Some(_) | None => Ok(Ms::MAX),
        }
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
