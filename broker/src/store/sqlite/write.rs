//! Writes of the one writer. Each belongs to the transaction that is open.

use nexus_wire::alert::{Alert, AlertChange};
use nexus_wire::budget::SpendingDay;
use nexus_wire::knowledge::KnowledgeUsage;
use nexus_wire::log::LogBody;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{RegistryChange, RegistryRow};
use nexus_wire::run::RunTask;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, CredentialName, DispatchId, ItemId, MessageId, Ms, OperatorName, Party,
    RunId, ThreadId, TraceContext, TriggerId, TriggerName,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Params, ToSql, params};
use uuid::Uuid;

use super::chain::Link;
use super::columns::{to_blob, to_json, to_number, to_parties, to_word};
use super::entries::MESSAGE;
use super::fault::{damage, fault};
use super::messages::Kept;
use super::{
    SqliteStore, alerts, approvals, blobs, budgets, flows, gathers, knowledge, messages, pushes, registries,
    retention, triggers,
};
use crate::hub::queue::ClockChanges;
use crate::hub::records::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    CredentialRecord, DispatchRecord, FlowRecord, GatherRecord, Invitation, KnowledgeGrantRecord,
    KnowledgeRecord, LogRecord, MessageRecord, NewItem, OperatorRecord, Position, Purse, PurseKey, PushKey,
    PushRecord, ReactionRecord, RegistryRecord, RunRecord, SetupToken, SlotRecord, Store, Stored,
    TakenRecord, ThreadRecord, TriggerRecord, UniqueValue, UsedAssertion,
};

impl SqliteStore {
    fn execute(&self, sql: &str, params: impl Params) -> Stored<usize> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.execute(params).map_err(fault)
    }

    fn insert(&self, sql: &str, params: impl Params) -> Stored<i64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.insert(params).map_err(fault)
    }

    /// For items that carry no message.
    fn add_item(&mut self, id: ItemId, json: &str) -> Stored<u64> {
        let no = self.pending.get_mut().next_item;
        let sql = "INSERT INTO items (no, id, json) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![to_number(no), to_blob(id.0), json])?;
        self.pending.get_mut().next_item += 1;
        Ok(no)
    }
}

impl Store for SqliteStore {
    fn put_approval(&mut self, record: &ApprovalRecord) -> Stored<()> {
        approvals::put(&self.connection, record)
    }

    fn put_flow(&mut self, record: &FlowRecord) -> Stored<()> {
        flows::put_flow(&self.connection, record)
    }

    fn put_registry(&mut self, record: &RegistryRecord) -> Stored<()> {
        registries::put(&self.connection, record)
    }

    fn put_registry_row(
        &mut self,
        name: &RegistryName,
        row: &RegistryRow,
        unique: &[UniqueValue],
    ) -> Stored<()> {
        registries::put_row(&self.connection, name, row, unique)
    }

    fn remove_registry_row(&mut self, name: &RegistryName, row: &str) -> Stored<()> {
        registries::remove_row(&self.connection, name, row)
    }

    fn put_registry_change(&mut self, name: &RegistryName, change: &RegistryChange) -> Stored<()> {
        registries::put_change(&self.connection, name, change)
    }

    fn drop_registry_changes(&mut self, name: &RegistryName, up_to: u64) -> Stored<()> {
        registries::drop_changes(&self.connection, name, up_to)
    }

    fn clear_registry(&mut self, name: &RegistryName) -> Stored<()> {
        registries::clear(&self.connection, name)
    }

    fn add_run(&mut self, record: &RunRecord) -> Stored<()> {
        flows::add_run(&self.connection, record)
    }

    fn put_run(&mut self, record: &RunRecord) -> Stored<()> {
        flows::put_run(&self.connection, record)
    }

    fn put_run_task(&mut self, run: RunId, step: u32, task: &RunTask) -> Stored<()> {
        flows::put_run_task(&self.connection, run, step, task)
    }

    fn delete_run(&mut self, id: RunId) -> Stored<()> {
        flows::delete_run(&self.connection, id)
    }

    fn put_gather(&mut self, record: &GatherRecord) -> Stored<()> {
        gathers::put(&self.connection, record)
    }

    fn put_purse(&mut self, purse: &Purse) -> Stored<()> {
        budgets::put(&self.connection, purse)
    }

    fn remove_purse(&mut self, key: &PurseKey) -> Stored<()> {
        budgets::remove(&self.connection, key)
    }

    fn put_spending_day(&mut self, day: Option<&SpendingDay>) -> Stored<()> {
        budgets::put_day(&self.connection, day)
    }

    fn put_push(&mut self, record: &PushRecord) -> Stored<()> {
        pushes::put(&self.connection, record)
    }

    fn remove_push(&mut self, key: &PushKey) -> Stored<()> {
        pushes::remove(&self.connection, key)
    }

    fn put_trigger(&mut self, record: &TriggerRecord) -> Stored<()> {
        triggers::put(&self.connection, record)
    }

    fn remove_trigger(&mut self, name: &TriggerName, id: TriggerId) -> Stored<()> {
        triggers::remove(&self.connection, name, id)
    }

    fn put_trigger_slot(&mut self, record: &SlotRecord) -> Stored<()> {
        triggers::put_slot(&self.connection, record)
    }

    fn drop_trigger_slots(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()> {
        triggers::drop_slots(&self.connection, trigger, up_to)
    }

    fn put_hook_delivery(&mut self, trigger: TriggerId, delivery: &str, no: u64) -> Stored<()> {
        triggers::put_delivery(&self.connection, trigger, delivery, no)
    }

    fn drop_hook_deliveries(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()> {
        triggers::drop_deliveries(&self.connection, trigger, up_to)
    }

    fn put_answered(&mut self, record: &AnsweredRecord) -> Stored<()> {
        alerts::put_answered(&self.connection, record)
    }

    fn put_alert(&mut self, alert: &Alert) -> Stored<()> {
        alerts::put(&self.connection, alert)
    }

    fn put_aspect(&mut self, record: &AspectRecord) -> Stored<()> {
        let row = params![
            record.name.as_str(),
            to_word(&record.role),
            record.public_key,
            to_number(record.key_generation),
            record.share_knowledge,
            record.revoked_at,
            record.created_at,
            record.link.map(|link| to_blob(link.0)),
            to_number(record.generation),
            record.since,
            to_blob(record.epoch.0),
            to_json(&record.profile),
            record.previous_key.as_ref().map(to_json),
            record.restraint.as_ref().map(to_json),
        ];
        if self.pending.get_mut().has_aspect(&record.name) {
            self.execute(
                "UPDATE aspects SET role = ?2, public_key = ?3, key_generation = ?4, share_knowledge = ?5,
                    revoked_at = ?6, created_at = ?7, link = ?8, generation = ?9, since = ?10, epoch = ?11,
                    profile = ?12, previous_key = ?13, restraint = ?14
                 WHERE name = ?1",
                row,
            )?;
        } else {
            let no = self.insert(
                "INSERT INTO aspects (name, role, public_key, key_generation, share_knowledge, revoked_at,
                    created_at, link, generation, since, epoch, profile, previous_key, restraint)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                row,
            )?;
            let sql = "INSERT INTO inboxes (aspect, tail, cursor, acked_generation, recent) VALUES (?1, 0, 0, 0, x'')";
            self.execute(sql, [no])?;
            self.pending.get_mut().add_aspect(record.name.clone(), no);
        }
        self.pending.get_mut().set_position(&record.name, record.position())
    }

    fn put_position(&mut self, aspect: &AspectName, position: Position) -> Stored<()> {
        self.pending.get_mut().set_position(aspect, position)
    }

    fn put_blob(&mut self, record: &BlobRecord) -> Stored<()> {
        blobs::put(&self.connection, record)
    }

    fn delete_blob(&mut self, id: BlobId) -> Stored<()> {
        blobs::delete(&self.connection, id)
    }

    fn put_blob_reference(&mut self, id: BlobId, thread: ThreadId, message_seq: u64) -> Stored<()> {
        let thread = self.pending.get_mut().thread_no(&self.connection, thread)?;
        blobs::put_reference(&self.connection, id, thread, message_seq)
    }

    fn put_blob_mention(&mut self, id: BlobId, by: BlobMention) -> Stored<()> {
        blobs::put_mention(&self.connection, id, by)
    }

    fn put_operator(&mut self, record: &OperatorRecord) -> Stored<()> {
        let sql = "INSERT OR REPLACE INTO operators
                (name, role, password, tokens, sessions, created_at, revoked_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let row = params![
            record.name.as_str(),
            to_word(&record.role),
            record.password,
            to_json(&record.tokens),
            to_json(&record.sessions),
            record.created_at,
            record.revoked_at,
        ];
        self.execute(sql, row)?;
        Ok(())
    }

    fn put_setup(&mut self, setup: &SetupToken) -> Stored<()> {
        self.execute("UPDATE meta SET setup = ?1", [to_json(setup)])?;
        Ok(())
    }

    fn put_invitation(&mut self, invitation: &Invitation) -> Stored<()> {
        let sql = "INSERT OR REPLACE INTO invitations (name, record) VALUES (?1, ?2)";
        self.execute(sql, params![invitation.name.as_str(), to_json(invitation)])?;
        Ok(())
    }

    fn remove_invitation(&mut self, name: &OperatorName) -> Stored<()> {
        self.execute("DELETE FROM invitations WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    fn put_assertion(&mut self, used: &UsedAssertion) -> Stored<()> {
        let sql = "INSERT OR IGNORE INTO assertions (until, digest) VALUES (?1, ?2)";
        self.execute(sql, params![used.until, used.digest.0])?;
        Ok(())
    }

    fn drop_assertions(&mut self, at: Ms) -> Stored<()> {
        self.execute("DELETE FROM assertions WHERE until <= ?1", [at])?;
        Ok(())
    }

    fn put_credential(&mut self, record: &CredentialRecord) -> Stored<()> {
        let sql = "INSERT OR REPLACE INTO credentials (name, terms, sealed, created_at, rotated_at)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![
            record.name.as_str(),
            to_json(&record.terms),
            record.sealed,
            record.created_at,
            record.rotated_at,
        ];
        self.execute(sql, row)?;
        Ok(())
    }

    fn remove_credential(&mut self, name: &CredentialName) -> Stored<()> {
        self.execute("DELETE FROM credentials WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    fn put_thread(&mut self, record: &ThreadRecord) -> Stored<()> {
        self.pending.get_mut().put_thread(&self.connection, record)
    }

    fn put_message(&mut self, record: &MessageRecord, content_sha256: &[u8; 32]) -> Stored<()> {
        let message = &record.message;
        let sender = to_parties(std::slice::from_ref(&message.from));
        let pending = self.pending.get_mut();
        pending.push_message(&self.connection, message.thread, message.seq)?;
        let recipients = to_parties(&message.to);
        let meta = message.meta.as_ref().map(to_json);
        let attachments = (!message.attachments.is_empty()).then(|| to_json(&message.attachments));
        let unknown = (!record.unknown.is_empty()).then(|| to_json(&record.unknown));
        let trace = record.trace.as_ref().map(TraceContext::to_bytes);
        let mut kept = Kept {
            seq: message.seq,
            id: message.id.0,
            at: message.at,
            thread: message.thread.0,
            sender: &sender,
            recipients: &recipients,
            reply_to: message.reply_to.map(|id| id.0),
            content: &message.content,
            meta: meta.as_deref(),
            attachments: attachments.as_deref(),
            unknown: unknown.as_deref(),
            trace: trace.as_deref(),
            request_digest: record.request_digest,
            hash: None,
        };
        let hash = Link::of_message(&kept, content_sha256).hash(&pending.log_hash);
        kept.hash = Some(hash);
        messages::append(&self.connection, &mut pending.block, &kept)?;
        pending.ids.add(message.id.0, message.seq, message.content.len());
        (pending.log_hash, pending.message_seq) = (hash, message.seq);
        Ok(())
    }

    fn put_inbox(&mut self, aspect: &AspectName, item: &NewItem) -> Stored<()> {
        let reference = match item.message_seq {
            Some(seq) => seq << 1,
            None => (self.add_item(item.id, &item.json)? << 1) | 1,
        };
        self.pending.get_mut().push_item(&self.connection, aspect, item.offset, reference)
    }

    fn prune_inbox(&mut self, aspect: &AspectName, floor: u64) -> Stored<()> {
        let pending = self.pending.get_mut();
        pending.new_blocks.move_of_inboxes(&self.connection)?;
        let no = pending.aspect_no(aspect)?;
        retention::prune_inbox(&self.connection, aspect, no, floor)
    }

    fn delete_message(&mut self, id: MessageId) -> Stored<()> {
        let pending = self.pending.get_mut();
        pending.flush(&self.connection)?;
        pending.ids.write(&self.connection)?;
        retention::delete_message(&self.connection, id)
    }

    fn delete_approval(&mut self, id: ApprovalId) -> Stored<()> {
        retention::delete_approval(&self.connection, id)
    }

    fn delete_dispatch(&mut self, id: DispatchId) -> Stored<()> {
        retention::delete_dispatch(&self.connection, id)
    }

    fn put_contents_floor(&mut self, seq: u64) -> Stored<()> {
        retention::put_contents_floor(&self.connection, seq)
    }

    fn prune_log(&mut self, checkpoint: &Checkpoint) -> Stored<()> {
        retention::prune_log(&self.connection, checkpoint)
    }

    fn put_closed(&mut self, record: &ClosedRecord) -> Stored<()> {
        let no = self.pending.get_mut().aspect_no(&record.aspect)?;
        let sql = "INSERT INTO closed (item, aspect, decision, reason, message, at, outlay)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let row = params![
            to_blob(record.item.0),
            no,
            to_word(&record.decision),
            record.reason,
            record.message.map(|id| to_blob(id.0)),
            record.at,
            record.outlay.as_ref().map(to_json),
        ];
        self.execute(sql, row)?;
        Ok(())
    }

    fn put_taken(&mut self, record: &TakenRecord) -> Stored<()> {
        let no = self.pending.get_mut().aspect_no(&record.aspect)?;
        let sql = "INSERT INTO taken (item, aspect, at) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![to_blob(record.item.0), no, record.at])?;
        Ok(())
    }

    fn put_read_position(&mut self, reader: &Party, thread: ThreadId, seq: u64) -> Stored<()> {
        let no = self.pending.get_mut().thread_no(&self.connection, thread)?;
        let sql = "INSERT INTO read_positions (thread, reader, seq) VALUES (?1, ?2, ?3)
            ON CONFLICT (thread, reader) DO UPDATE SET seq = excluded.seq";
        self.execute(sql, params![no, reader.to_string(), to_number(seq)])?;
        Ok(())
    }

    fn put_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        let Some(message) = self.pending.get_mut().ids.seq_of(&self.connection, reaction.message.0)? else {
            return Ok(());
        };
        let sql = "INSERT INTO reactions (message, emoji, party, at) VALUES (?1, ?2, ?3, ?4)";
        let row = params![to_number(message), reaction.emoji, reaction.by.to_string(), reaction.at];
        self.execute(sql, row)?;
        Ok(())
    }

    fn remove_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        let Some(message) = self.pending.get_mut().ids.seq_of(&self.connection, reaction.message.0)? else {
            return Ok(());
        };
        let sql = "DELETE FROM reactions WHERE message = ?1 AND emoji = ?2 AND party = ?3";
        self.execute(sql, params![to_number(message), reaction.emoji, reaction.by.to_string()])?;
        Ok(())
    }

    fn add_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        self.pending.get_mut().dispatches.add(&self.connection, record)
    }

    fn put_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        self.pending.get_mut().dispatches.put(&self.connection, record)
    }

    fn put_clocks(&mut self, changes: &ClockChanges) -> Stored<()> {
        self.pending.get_mut().put_clocks(changes);
        Ok(())
    }

    fn put_knowledge(&mut self, record: &KnowledgeRecord) -> Stored<()> {
        knowledge::put(&self.connection, record)
    }

    fn put_knowledge_grant(&mut self, record: &KnowledgeGrantRecord) -> Stored<()> {
        knowledge::put_grant(&self.connection, record)
    }

    fn put_knowledge_usage(&mut self, author: &Party, topic: &str, usage: KnowledgeUsage) -> Stored<()> {
        knowledge::put_usage(&self.connection, author, topic, usage)
    }

    fn append_log(&mut self, record: &LogRecord) -> Stored<()> {
        let entry = &record.entry;
        if let LogBody::Message(message) = &entry.body {
            // It was written with its message.
            return match self.pending.get_mut().message_seq == entry.seq {
                true => Ok(()),
                false => Err(damage(format_args!("message {} is not the newest entry", message.id))),
            };
        }
        let (kind, subject, detail) = described(&entry.body);
        let actor = entry.actor.to_string();
        let thread = match entry.thread {
            Some(id) => Some((id, self.pending.get_mut().thread_no(&self.connection, id)?)),
            None => None,
        };
        let hash = Link {
            seq: entry.seq,
            at: entry.at,
            kind,
            actor: &actor,
            thread: thread.as_ref().map_or(&[][..], |(id, _)| &id.0.as_bytes()[..]),
            subject: subject.bytes(),
            detail: detail.as_deref().unwrap_or_default(),
            content_sha256: &record.content_sha256,
        }
        .hash(&self.pending.get_mut().log_hash);
        let sql = "INSERT INTO log (seq, at, kind, actor, thread, subject, detail, content_sha256, hash)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let row = params![
            to_number(entry.seq),
            entry.at,
            kind,
            actor,
            thread.map(|(_, no)| no),
            subject,
            detail,
            record.content_sha256,
            hash,
        ];
        self.execute(sql, row)?;
        self.pending.get_mut().log_hash = hash;
        Ok(())
    }

    fn put_started_at(&mut self, at: Ms) -> Stored<()> {
        self.execute("UPDATE meta SET started_at = ?1", [at])?;
        Ok(())
    }

    fn put_last_at(&mut self, at: Ms) -> Stored<()> {
        self.pending.get_mut().put_last_at(at);
        Ok(())
    }
}

/// What a log row is about.
enum Subject<'a> {
    Id(Uuid),
    Name(&'a str),
}

impl Subject<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Id(id) => id.as_bytes(),
            Self::Name(name) => name.as_bytes(),
        }
    }
}

impl ToSql for Subject<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
            Self::Name(name) => ValueRef::Text(name.as_bytes()),
        }))
    }
}

fn described(body: &LogBody) -> (&str, Subject<'_>, Option<String>) {
    match body {
        LogBody::Message(message) => (MESSAGE, Subject::Id(message.id.0), None),
        LogBody::ItemClosed(close) => ("item.closed", Subject::Id(close.item.0), None),
        LogBody::ItemTaken(taken) => ("item.taken", Subject::Id(taken.message.0), None),
        LogBody::Reacted(reacted) => {
            let sign = if reacted.removed { '-' } else { '+' };
            ("reacted", Subject::Id(reacted.message.0), Some(format!("{sign}{}", reacted.emoji)))
        }
        LogBody::DispatchAccepted(info) => ("dispatch.accepted", Subject::Id(info.id.0), None),
        LogBody::DispatchAssigned { dispatch, attempt, aspect } => {
            ("dispatch.assigned", Subject::Id(dispatch.0), Some(format!("{attempt} {aspect}")))
        }
        LogBody::DispatchEnded(outcome) => ("dispatch.ended", Subject::Id(outcome.dispatch.0), None),
        LogBody::Alert(note) => {
            let kind = match note.change {
                AlertChange::Raised => "alert.raised",
                AlertChange::Cleared => "alert.cleared",
                AlertChange::Acknowledged => "alert.acknowledged",
            };
            (kind, Subject::Name(&note.key), Some(note.message.clone()))
        }
        LogBody::Other { kind, subject } => (kind, Subject::Name(subject), None),
    }
}
