//! What the team knows: entries by author and topic, each change a new version; and who may share and read.

use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeGrant, KnowledgeGranted, KnowledgeMay, KnowledgeRevoke, KnowledgeStore,
    KnowledgeStored,
};
use nexus_wire::limits::{DURABLE_BYTES_MAX, TOPIC_BYTES_MAX};
use nexus_wire::{ErrorCode, Party, RequestId, derive};

use super::blobs::named_in;
use super::command::KnowledgeUse;
use super::effect::Effect;
use super::inbox::{json_bytes, sha256_of};
use super::records::{AspectRecord, BlobMention, KnowledgeGrantRecord, KnowledgeRecord, Store};
use super::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    pub(super) fn knowledge_store(
        &mut self,
        sender: &Party,
        request: RequestId,
        store: KnowledgeStore,
    ) -> Done {
        let request_sha256 = sha256_of(&store);
        if self.answers_again(sender, request, request_sha256)? {
            return Ok(());
        }
        self.check_entry(sender, &store)?;
        let version = match self.store.knowledge(sender, &store.topic)? {
            Some(current) => current.version + 1,
            None => 1,
        };
        let record = KnowledgeRecord {
            entry: derive::entry_id(request, sender),
            aspect: sender.clone(),
            topic: store.topic,
            content: store.content,
            shared: store.shared,
            version,
            at: self.at,
            deleted: false,
            request_sha256,
        };
        self.put_version(sender, "knowledge.stored", &record)
    }

    /// A version that says the entry is gone. People may do it to anybody's: what should not be in the team's
    /// memory has to go without its author's help.
    pub(super) fn knowledge_delete(
        &mut self,
        sender: &Party,
        request: RequestId,
        delete: KnowledgeDelete,
    ) -> Done {
        let request_sha256 = sha256_of(&delete);
        if self.answers_again(sender, request, request_sha256)? {
            return Ok(());
        }
        let author = delete.of.as_ref().unwrap_or(sender);
        if author != sender && sender.aspect().is_some() {
            return refuse(
                ErrorCode::Forbidden,
                format!("{sender} may delete entries of its own; ask an operator to delete another's"),
            );
        }
        let current = self.store.knowledge(author, &delete.topic)?.filter(|current| !current.deleted);
        let Some(current) = current else {
            return refuse(
                ErrorCode::NotFound,
                format!("{author} has no entry {:?}; `knowledge.list` names those there are", delete.topic),
            );
        };
        let record = KnowledgeRecord {
            entry: derive::entry_id(request, sender),
            content: String::new(),
            version: current.version + 1,
            at: self.at,
            deleted: true,
            request_sha256,
            ..current
        };
        self.put_version(sender, "knowledge.deleted", &record)
    }

    /// Whether this request made a version before; then it has its answer.
    fn answers_again(&mut self, sender: &Party, request: RequestId, request_sha256: [u8; 32]) -> Done<bool> {
        let entry = derive::entry_id(request, sender);
        let Some(first) = self.store.knowledge_entry(entry)? else { return Ok(false) };
        if first.request_sha256 != request_sha256 {
            return refuse(
                ErrorCode::IdReused,
                format!("request {request} changed another entry before; a new change needs a new id"),
            );
        }
        self.answer(&KnowledgeStored { entry, version: first.version });
        Ok(true)
    }

    fn put_version(&mut self, sender: &Party, kind: &str, record: &KnowledgeRecord) -> Done {
        self.store.put_knowledge(record)?;
        self.mention_blobs(sender, BlobMention::Knowledge(record.entry), named_in(&record.content))?;
        self.answer(&KnowledgeStored { entry: record.entry, version: record.version });
        self.log_other(sender.clone(), kind, record.entry, &record.content)?;
        Ok(())
    }

    fn check_entry(&self, sender: &Party, store: &KnowledgeStore) -> Done {
        let bytes = json_bytes(store);
        if bytes > DURABLE_BYTES_MAX {
            return refuse(
                ErrorCode::TooLarge,
                format!("the entry is {bytes} bytes as JSON; {DURABLE_BYTES_MAX} is the most"),
            );
        }
        if store.topic.trim().is_empty() {
            return refuse(ErrorCode::Invalid, "the topic is empty; an entry is found again by its topic");
        }
        if store.topic.len() > TOPIC_BYTES_MAX {
            return refuse(
                ErrorCode::Invalid,
                format!("the topic is {} bytes; {TOPIC_BYTES_MAX} is the most", store.topic.len()),
            );
        }
        if store.content.is_empty() {
            return refuse(ErrorCode::Invalid, "the content is empty; `knowledge.delete` removes an entry");
        }
        let may_share = match sender {
            Party::Aspect(name) => self.hub.roster.aspect(name).is_some_and(|record| record.share_knowledge),
            Party::Operator(_) | Party::System => true,
        };
        if store.shared && !may_share {
            return refuse(
                ErrorCode::Forbidden,
                format!(
                    "{sender} may not store shared knowledge; store it for yourself, or ask an operator for \
                     `nexctl knowledge grant {sender} share`"
                ),
            );
        }
        Ok(())
    }

    pub(super) fn knowledge_grant(
        &mut self,
        sender: &Party,
        request: RequestId,
        grant: KnowledgeGrant,
    ) -> Done {
        let request_sha256 = sha256_of(&(true, &grant));
        let KnowledgeGrant { to, may, of } = grant;
        self.change_grant(KnowledgeGrantRecord {
            id: derive::grant_id(request, sender),
            to,
            may,
            of,
            granted: true,
            changed: false,
            by: sender.clone(),
            at: self.at,
            request_sha256,
        })
    }

    pub(super) fn knowledge_revoke(
        &mut self,
        sender: &Party,
        request: RequestId,
        revoke: KnowledgeRevoke,
    ) -> Done {
        let request_sha256 = sha256_of(&(false, &revoke));
        let KnowledgeRevoke { to, may, of } = revoke;
        self.change_grant(KnowledgeGrantRecord {
            id: derive::grant_id(request, sender),
            to,
            may,
            of,
            granted: false,
            changed: false,
            by: sender.clone(),
            at: self.at,
            request_sha256,
        })
    }

    /// Every request is kept, so that a late repeat of one does not undo what came after it.
    fn change_grant(&mut self, asked: KnowledgeGrantRecord) -> Done {
        if let Some(first) = self.store.knowledge_grant_by_id(asked.id)? {
            if first.request_sha256 != asked.request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    "this request's id was used for another grant before; a new change needs a new id",
                );
            }
            self.answer(&KnowledgeGranted { granted: first.granted, changed: first.changed });
            return Ok(());
        }
        let Some(aspect) = self.hub.roster.aspect(&asked.to).cloned() else {
            return refuse(ErrorCode::NotFound, format!("there is no aspect {}", asked.to));
        };
        let holds = match (asked.may, &asked.of) {
            (KnowledgeMay::Share, None) => aspect.share_knowledge,
            (KnowledgeMay::Share, Some(_)) => {
                return refuse(ErrorCode::Invalid, "`of` goes with `read`; sharing is of one's own entries");
            }
            (KnowledgeMay::Read, None) => {
                return refuse(ErrorCode::Invalid, "`of` is missing: say whose entries may be read");
            }
            (KnowledgeMay::Read, Some(of)) => {
                let is_there = match of {
                    Party::Aspect(name) => self.hub.roster.aspect(name).is_some(),
                    Party::Operator(name) => self.hub.roster.operator(name).is_some(),
                    Party::System => true,
                };
                if !is_there {
                    return refuse(ErrorCode::NotFound, format!("there is no {of}"));
                }
                let last = self.store.knowledge_grant(&asked.to, asked.may, Some(of))?;
                last.is_some_and(|last| last.granted)
            }
        };
        let record = KnowledgeGrantRecord { changed: holds != asked.granted, ..asked };
        self.store.put_knowledge_grant(&record)?;
        self.answer(&KnowledgeGranted { granted: record.granted, changed: record.changed });
        if !record.changed {
            self.store.put_last_at(self.at)?;
            return Ok(());
        }
        if record.may == KnowledgeMay::Share {
            let aspect = AspectRecord { share_knowledge: record.granted, ..aspect };
            self.store.put_aspect(&aspect)?;
            self.hub.roster.put_aspect(aspect);
            self.effect(Effect::RosterChanged { aspect: record.to.clone() });
        }
        let kind = if record.granted { "knowledge.granted" } else { "knowledge.revoked" };
        let whose = record.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
        let subject = format!("{} {}{whose}", record.to, record.may.as_str());
        self.log_other(record.by, kind, &subject, &subject)?;
        Ok(())
    }

    /// Uses that were counted since the last time. A topic may be gone by now, and its history is kept.
    pub(super) fn knowledge_used(&mut self, uses: Vec<KnowledgeUse>) -> Done {
        for KnowledgeUse { author, topic, found, recalled, recalled_at } in uses {
            let mut usage = self.store.knowledge_usage(&author, &topic)?;
            usage.found += found;
            usage.recalled += recalled;
            usage.last_recalled_at = recalled_at.max(usage.last_recalled_at);
            self.store.put_knowledge_usage(&author, &topic, usage)?;
        }
        self.store.put_last_at(self.at)?;
        Ok(())
    }
}
