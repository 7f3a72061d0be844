//! The memory of requests that create nothing with an id of its own: a repeat gets the first answer and changes
//! nothing, whatever has happened in between. For acts of people, which are few.

use nexus_wire::{ErrorCode, FromBroker, Json, Party, RequestId, derive};
use serde::Serialize;
use uuid::Uuid;

use super::inbox::sha256_of;
use super::records::{AnsweredRecord, Store, Stored};
use super::step::{Done, Step, refuse};
use super::text::json_text;

/// A request that was not made before.
pub(super) struct Fresh {
    key: Uuid,
    request_sha256: [u8; 32],
}

impl<S: Store> Step<'_, S> {
    /// `None`: it was made before and has been answered like the first time.
    pub(super) fn first_time(
        &mut self,
        sender: &Party,
        request: RequestId,
        asked: &impl Serialize,
    ) -> Done<Option<Fresh>> {
        let fresh = Fresh { key: derive::request_key(request, sender), request_sha256: sha256_of(asked) };
        let Some(first) = self.store.answered(fresh.key)? else { return Ok(Some(fresh)) };
        if first.request_sha256 != fresh.request_sha256 {
            return refuse(
                ErrorCode::IdReused,
                format!("request {request} asked for something else before; a new one needs a new id"),
            );
        }
        // It was written from a value, so it reads back as one.
        let answer: Json = serde_json::from_str(&first.answer).unwrap_or_default();
        self.answer_with(Ok(FromBroker::Ok(answer)));
        Ok(None)
    }

    /// Answers, and keeps the answer for a repeat.
    pub(super) fn answer_once(&mut self, fresh: Fresh, result: &impl Serialize) -> Stored<()> {
        let answer = json_text(result);
        let Fresh { key, request_sha256 } = fresh;
        self.store.put_answered(&AnsweredRecord { key, request_sha256, answer, at: self.at })?;
        self.answer(result);
        Ok(())
    }
}
