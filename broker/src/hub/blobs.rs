//! Blobs: who has put which, on whose quota it is, and which may go. Their bytes are in files; a row is there only
//! while the file is, because a file is made before its row and removed after it.

use std::collections::BTreeSet;

use nexus_wire::attachment::Attachment;
use nexus_wire::blob::BlobInfo;
use nexus_wire::limits::{BLOB_BYTES_MAX, BLOB_LABEL_BYTES_MAX};
use nexus_wire::{BlobId, ErrorBody, ErrorCode, Party};
use serde_json::{Value, json};

use super::command::PutBlob;
use super::records::{BlobMention, BlobRecord, KnowledgeScope, Reads, Store, Stored, concerns};
use super::step::{Done, Step, refuse};

const PREFIX: &str = "blob:sha256-";
const DIGITS: usize = 64;
/// What names a blob is looked at up to here, the latest first: a check of the one owner has to end.
const MENTIONS_MAX: u32 = 1_024;
/// Blobs that one text keeps.
const NAMED_MAX: usize = 256;

impl BlobRecord {
    pub fn info(&self, references: u64) -> BlobInfo {
        BlobInfo {
            id: self.id,
            bytes: self.bytes,
            media_type: self.media_type.clone(),
            name: self.name.clone(),
            at: self.at,
            owners: self.owners.clone(),
            references,
        }
    }
}

/// Whether something `reader` may read names the blob.
pub fn is_named_to(store: &impl Reads, reader: &Party, id: BlobId) -> Stored<bool> {
    for mention in store.blob_mentions(id, MENTIONS_MAX)? {
        let is_readable = match mention {
            BlobMention::Dispatch(dispatch) => {
                store.dispatch_head(dispatch)?.is_some_and(|record| concerns(&record.info, reader))
            }
            BlobMention::Knowledge(entry) => match store.knowledge_entry(entry)? {
                Some(record) => KnowledgeScope::of(reader, store)?.covers(&record.aspect, record.shared),
                None => false,
            },
        };
        if is_readable {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The blobs that a text names; of very many the first.
pub(super) fn named_in(text: &str) -> BTreeSet<BlobId> {
    let mut named = BTreeSet::new();
    if text.len() < PREFIX.len() + DIGITS {
        return named;
    }
    for (at, _) in text.match_indices(PREFIX) {
        let name = text.get(at..at + PREFIX.len() + DIGITS);
        named.extend(name.and_then(|name| name.parse::<BlobId>().ok()));
        if named.len() == NAMED_MAX {
            break;
        }
    }
    named
}

/// The same, of every text within a value, keys included.
pub(super) fn named_in_value(value: &Value) -> BTreeSet<BlobId> {
    let mut named = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => named.append(&mut named_in(text)),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                for (key, value) in fields {
                    named.append(&mut named_in(key));
                    open.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    while named.len() > NAMED_MAX {
        named.pop_last();
    }
    named
}

impl<S: Store> Step<'_, S> {
    /// What names a blob keeps it and lets others have it, if whoever wrote it may have it; of any other it is just
    /// a text.
    pub(super) fn mention_blobs(
        &mut self,
        by: &Party,
        source: BlobMention,
        named: BTreeSet<BlobId>,
    ) -> Stored<()> {
        for id in named {
            if self.may_attach(by, id)? {
                self.store.put_blob_mention(id, source)?;
            }
        }
        Ok(())
    }

    /// The same bytes again make no second blob: they are on the sender's quota too, and its grace begins anew.
    pub(super) fn put_blob(&mut self, by: &Party, blob: PutBlob) -> Done {
        check(&blob)?;
        let PutBlob { id, bytes, media_type, name } = blob;
        let old = self.store.blob(id)?;
        let is_owned = old.as_ref().is_some_and(|old| old.owners.contains(by));
        if !is_owned {
            self.check_quota(by, bytes, old.is_some())?;
        }
        let record = match old {
            Some(mut old) => {
                if !is_owned {
                    old.owners.push(by.clone());
                }
                BlobRecord { at: self.at, ..old }
            }
            None => BlobRecord { id, bytes, media_type, name, at: self.at, owners: vec![by.clone()] },
        };
        self.store.put_blob(&record)?;
        let info = record.info(self.store.blob_references(id)?);
        self.answer(&info);
        if !is_owned {
            self.log_other(by.clone(), "blob.put", id, &info)?;
        }
        Ok(())
    }

    /// What a message attaches has to be there, and its sender must be one who may have it: by attaching it they
    /// show it to everybody in the thread.
    pub(super) fn check_attached(&self, sender: &Party, attachments: &[Attachment]) -> Done {
        for attachment in attachments {
            let id = attachment.blob;
            if !self.may_attach(sender, id)? {
                return refuse(
                    ErrorCode::NotFound,
                    format!(
                        "attachments: there is no blob {id} that {sender} may read; put it first, with PUT /api/v1/blobs"
                    ),
                );
            }
        }
        Ok(())
    }

    fn may_attach(&self, sender: &Party, id: BlobId) -> Stored<bool> {
        let Some(blob) = self.store.blob(id)? else { return Ok(false) };
        if sender.aspect().is_none() || blob.owners.contains(sender) {
            return Ok(true);
        }
        if self.store.blob_is_shown_to(id, sender)? {
            return Ok(true);
        }
        // As a Hand's host it reaches the threads its work is for.
        for thread in self.threads_worked_for(sender)? {
            if self.store.blob_is_shown_in(id, thread)? {
                return Ok(true);
            }
        }
        is_named_to(self.store, sender, id)
    }

    fn check_quota(&self, by: &Party, bytes: u64, is_there: bool) -> Done {
        let (own, all) = (self.hub.config.blob_quota, self.hub.config.blob_quota_all);
        let used = self.store.blob_usage(Some(by))?;
        if used.saturating_add(bytes) > own {
            return over(
                format!(
                    "{by} keeps {used} bytes of blobs and may keep {own}; these {bytes} do not fit. Blobs nothing \
                     refers to go by themselves; an admin can raise blobs.quota_mb"
                ),
                json!({"used": used, "quota": own, "bytes": bytes}),
            );
        }
        let used = self.store.blob_usage(None)?;
        if !is_there && used.saturating_add(bytes) > all {
            return over(
                format!(
                    "all blobs together are {used} bytes and may be {all}; these {bytes} do not fit. Blobs nothing \
                     refers to go by themselves; an admin can raise blobs.quota_all_mb"
                ),
                json!({"used": used, "quota_all": all, "bytes": bytes}),
            );
        }
        Ok(())
    }

    pub(super) fn forget_blobs(&mut self, before: nexus_wire::Ms, limit: u32) -> Done {
        let forgotten: Vec<BlobId> = self.store.blobs_unreferenced(before, limit)?;
        for id in &forgotten {
            self.store.delete_blob(*id)?;
            self.log_other(Party::System, "blob.forgotten", id, id)?;
        }
        self.answer(&forgotten);
        Ok(())
    }
}

fn over(message: String, details: serde_json::Value) -> Done {
    Err(ErrorBody::new(ErrorCode::QuotaExceeded, message).with(details).into())
}

fn check(blob: &PutBlob) -> Done {
    if blob.bytes > BLOB_BYTES_MAX {
        let message = format!("the blob is {} bytes; {BLOB_BYTES_MAX} is the most", blob.bytes);
        return refuse(ErrorCode::TooLarge, message);
    }
    for (what, text) in [("name", blob.name.as_deref()), ("media type", Some(blob.media_type.as_str()))] {
        let Some(text) = text else { continue };
        if text.is_empty() || text.len() > BLOB_LABEL_BYTES_MAX || text.chars().any(char::is_control) {
            let message = format!(
                "the blob's {what} is to have 1 to {BLOB_LABEL_BYTES_MAX} bytes and no control characters"
            );
            return refuse(ErrorCode::Invalid, message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_found_wherever_a_text_names_them() {
        let (a, b) = (BlobId([0x0a; 32]), BlobId([0xb0; 32]));
        let cases: &[(&str, Value, &[BlobId])] = &[
            ("none", json!({"a": [1, null, true, "blob:sha256-", "sha256-ab"]}), &[]),
            ("whole", json!(format!("blob:{a}")), &[a]),
            ("within", json!({"x": [{"y": format!("see blob:{b}, and (blob:{a})")}]}), &[a, b]),
            ("a key", json!({format!("blob:{a}"): 1}), &[a]),
            ("too short", json!(format!("blob:{a}")[..70]), &[]),
            ("capitals", json!(format!("blob:{a}").to_uppercase()), &[]),
            ("more behind it", json!(format!("blob:{a}ff")), &[a]),
            ("cut by a wide letter", json!(format!("{}\u{e9}", &format!("blob:{a}")[..75])), &[]),
        ];
        for (name, value, expected) in cases {
            assert_eq!(named_in_value(value).into_iter().collect::<Vec<_>>(), *expected, "{name}");
        }
        let many: Vec<Value> = (0..300_u16)
            .map(|n| json!(format!("blob:{}", BlobId(std::array::from_fn(|at| n.to_be_bytes()[at % 2])))))
            .collect();
        assert_eq!(named_in_value(&json!(many)).len(), NAMED_MAX);
    }
}
