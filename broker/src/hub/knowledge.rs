//! What the team knows: entries by author and topic, each change a new version.

use nexus_wire::knowledge::{KnowledgeStore, KnowledgeStored};
use nexus_wire::limits::{DURABLE_BYTES_MAX, TOPIC_BYTES_MAX};
use nexus_wire::{ErrorCode, Party, RequestId, derive};

use super::inbox::{json_bytes, sha256_of};
use super::records::{KnowledgeRecord, Store};
use super::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    pub(super) fn knowledge_store(
        &mut self,
        sender: &Party,
        request: RequestId,
        store: KnowledgeStore,
    ) -> Done {
        let request_sha256 = sha256_of(&store);
        let entry = derive::entry_id(request, sender);
        if let Some(first) = self.store.knowledge_entry(entry)? {
            if first.request_sha256 != request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} stored another entry before; a new entry needs a new id"),
                );
            }
            self.answer(&KnowledgeStored { entry, version: first.version });
            return Ok(());
        }
        self.check_entry(sender, &store)?;
        let version = match self.store.knowledge(sender, &store.topic)? {
            Some(current) => current.version + 1,
            None => 1,
        };
        let record = KnowledgeRecord {
            entry,
            aspect: sender.clone(),
            topic: store.topic,
            content: store.content,
            shared: store.shared,
            version,
            at: self.at,
            request_sha256,
        };
        self.store.put_knowledge(&record)?;
        self.answer(&KnowledgeStored { entry, version });
        self.log_other(sender.clone(), "knowledge.stored", entry, &record.content)?;
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
            return refuse(ErrorCode::Invalid, "the content is empty");
        }
        let may_share = match sender {
            Party::Aspect(name) => self.hub.roster.aspect(name).is_some_and(|record| record.share_knowledge),
            Party::Operator(_) | Party::System => true,
        };
        if store.shared && !may_share {
            return refuse(
                ErrorCode::Forbidden,
                format!(
                    "{sender} may not store shared knowledge; store it for yourself, or ask an admin for \
                     `nexus aspect add {sender} --share-knowledge`"
                ),
            );
        }
        Ok(())
    }
}
