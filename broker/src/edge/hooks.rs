//! Secrets of webhooks on their way in: sealed before the hub sees them. One that is made here is a function of the
//! request and of the key, so that a repeat of the request shows the same and nothing readable is kept for it.

use nexus_wire::hook::{TriggerRotate, TriggerRotated};
use nexus_wire::limits::{HOOK_OVERLAP, HOOK_OVERLAP_MAX_S, HOOK_SECRET_BYTES_MAX, HOOK_SECRET_BYTES_MIN};
use nexus_wire::{ErrorBody, ErrorCode, Json, Ms, Party, RequestId, derive};

use super::Edge;
use crate::hub::records::Digest;
use crate::hub::{Change, CommandBody, RotateHook};
use crate::identity::seal::SealError;
use crate::identity::signed::secret_of;

impl Edge {
    pub(crate) async fn rotate(
        &self,
        sender: Party,
        request: RequestId,
        rotate: TriggerRotate,
    ) -> Result<Json, ErrorBody> {
        let TriggerRotate { trigger, secret, overlap_s } = rotate;
        let overlap_s = overlap_s.unwrap_or(HOOK_OVERLAP.as_secs() as u32);
        if overlap_s > HOOK_OVERLAP_MAX_S {
            let message = format!("`overlap_s` is {overlap_s}; {HOOK_OVERLAP_MAX_S} is the most");
            return Err(ErrorBody::new(ErrorCode::Invalid, message));
        }
        let door = self.published.hooks.borrow().get(&trigger).cloned();
        let door = door.ok_or_else(|| {
            let message = format!("there is no trigger {trigger} that is fired by webhooks");
            ErrorBody::new(ErrorCode::NotFound, message)
        })?;
        let made = match &secret {
            Some(secret) => {
                fits(secret)?;
                None
            }
            None if door.preset.brings_its_secret() => {
                let (preset, name) = (door.preset.as_str(), &door.trigger);
                let message = format!(
                    "{preset} makes the secret itself and shows it to you; give it: nexctl trigger rotate {name} --secret-file -"
                );
                return Err(ErrorBody::new(ErrorCode::Invalid, message));
            }
            None => {
                let key = derive::request_key(request, &sender);
                let parts = [b"secret".as_slice(), door.id.0.as_bytes(), key.as_bytes()];
                Some(secret_of(door.preset, &self.sealer.derived(&parts).map_err(|it| sealing(&it))?))
            }
        };
        let text = secret.as_deref().or(made.as_deref()).unwrap_or_default();
        let proof = self.sealer.derived(&[b"proof", text.as_bytes()]).map_err(|it| sealing(&it))?;
        let sealed = self.sealer.seal_hook(door.id, text).map_err(|it| sealing(&it))?;
        let rotate = RotateHook {
            trigger,
            id: door.id,
            sealed,
            proof: Digest(proof),
            overlap_ms: Ms::from(overlap_s) * 1_000,
        };
        let change = Change::TriggerRotate(rotate);
        let answer = self.call(CommandBody::Request { sender, link: None, request, change }, 0).await?;
        let rotated: TriggerRotated = serde_json::from_str(answer.as_str())
            .map_err(|_| ErrorBody::new(ErrorCode::Internal, "the answer was of an unexpected kind"))?;
        let url = self.hosts.public_url().map(|origin| format!("{origin}{}", rotated.path));
        Ok(Json::of(&TriggerRotated { url, secret: made, ..rotated }))
    }
}

fn fits(secret: &str) -> Result<(), ErrorBody> {
    let is_plain = secret.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && (HOOK_SECRET_BYTES_MIN..=HOOK_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Ok(());
    }
    let message = format!(
        "the secret of a webhook has {HOOK_SECRET_BYTES_MIN} to {HOOK_SECRET_BYTES_MAX} letters, digits and signs of ASCII"
    );
    Err(ErrorBody::new(ErrorCode::Invalid, message))
}

/// What is wrong with the key file is for the operator who reads the log, too.
fn sealing(error: &SealError) -> ErrorBody {
    tracing::error!(%error, "cannot seal the secret of a webhook");
    ErrorBody::new(ErrorCode::Internal, error.to_string())
}
