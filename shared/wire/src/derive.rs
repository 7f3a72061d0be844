//! Ids derived from what they stand for, so that doing a thing again names it the same.
//!
//! A derived id is a UUIDv8 (RFC 9562 §5.8): the 48-bit time of the id it comes from, then bits of a
//! SHA-256. Time stays in front so that indexes over the ids stay ordered.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Ms;
use crate::ids::{
    ApprovalId, DispatchId, EntryId, GatherId, GrantId, ItemId, MessageId, RequestId, RunId, ThreadId,
    TriggerId,
};
use crate::name::{AspectName, Party};

/// The id of the `ordinal`-th thing done on account of `source`.
pub fn derived(source: Uuid, purpose: &str, ordinal: u64) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(source.as_bytes());
    hash.update(purpose.as_bytes());
    hash.update([0]);
    hash.update(ordinal.to_be_bytes());
    with_time_of(source, &hash.finalize())
}

fn of_sender(request: RequestId, sender: &Party, purpose: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(request.0.as_bytes());
    hash.update(purpose.as_bytes());
    hash.update([0]);
    hash.update(sender.text().as_bytes());
    with_time_of(request.0, &hash.finalize())
}

fn with_time_of(source: Uuid, digest: &[u8]) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&source.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&digest[..10]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The request that an idempotency key names. A UUID is the id itself; anything else has no time in it, and
/// what it creates is found by its place in the log.
pub fn request_id(key: &[u8]) -> RequestId {
    let uuid = Uuid::try_parse_ascii(key).unwrap_or_else(|_| {
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&Sha256::digest(key)[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    });
    RequestId(uuid)
}

/// The message that `request` of `sender` creates. Being a function of both, it makes a repeat of the
/// request find the first message by its primary key.
pub fn message_id(request: RequestId, sender: &Party) -> MessageId {
    MessageId(of_sender(request, sender, "message"))
}

/// The thread a top-level message opens.
pub fn thread_id(message: MessageId) -> ThreadId {
    ThreadId(derived(message.0, "thread", 0))
}

/// The dispatch that `request` of `sender` creates.
pub fn dispatch_id(request: RequestId, sender: &Party) -> DispatchId {
    DispatchId(of_sender(request, sender, "dispatch"))
}

/// What `request` of `sender` is remembered by when it creates nothing that has an id.
pub fn request_key(request: RequestId, sender: &Party) -> Uuid {
    of_sender(request, sender, "request")
}

/// The gather that `request` of `sender` creates.
pub fn gather_id(request: RequestId, sender: &Party) -> GatherId {
    GatherId(of_sender(request, sender, "gather"))
}

/// The inbox item that carries the end of a gather.
pub fn gather_item(gather: GatherId) -> ItemId {
    ItemId(derived(gather.0, "gathered", 0))
}

/// What `request` of `sender` asks people for.
pub fn approval_id(request: RequestId, sender: &Party) -> ApprovalId {
    ApprovalId(of_sender(request, sender, "approval"))
}

/// The inbox item that carries the end of it.
pub fn approval_item(approval: ApprovalId) -> ItemId {
    ItemId(derived(approval.0, "answered", 0))
}

/// The run that `request` of `sender` starts.
pub fn run_id(request: RequestId, sender: &Party) -> RunId {
    RunId(of_sender(request, sender, "run"))
}

/// The inbox item that carries its end.
pub fn run_item(run: RunId) -> ItemId {
    ItemId(derived(run.0, "ended", 0))
}

/// What an attempt at a task of a run makes: `what` is its kind, `task` the step and the item.
pub fn run_work(run: RunId, what: &str, task: &str, attempt: u32) -> Uuid {
    derived(run.0, &format!("{what} {task}"), u64::from(attempt))
}

/// The knowledge entry version that `request` of `sender` creates.
pub fn entry_id(request: RequestId, sender: &Party) -> EntryId {
    EntryId(of_sender(request, sender, "entry"))
}

/// The change of a grant that `request` of `sender` makes.
pub fn grant_id(request: RequestId, sender: &Party) -> GrantId {
    GrantId(of_sender(request, sender, "grant"))
}

/// The trigger that `request` of `sender` defines for the first time.
pub fn trigger_id(request: RequestId, sender: &Party) -> TriggerId {
    TriggerId(of_sender(request, sender, "trigger"))
}

/// The trigger that comes of an approval.
pub fn proposed_trigger(approval: ApprovalId) -> TriggerId {
    TriggerId(derived(approval.0, "trigger", 0))
}

/// The request by which a trigger does at `at` what it is there for: the `attempt`-th time for its slot `no`.
pub fn trigger_request(trigger: TriggerId, no: u64, attempt: u32, at: Ms) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(trigger.0.as_bytes());
    hash.update(b"slot\0");
    hash.update(no.to_be_bytes());
    hash.update(attempt.to_be_bytes());
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&at.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&hash.finalize()[..10]);
    RequestId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// By how much a slot of a trigger is late on purpose: evenly spread from 0 to `most`, both included.
pub fn trigger_jitter(trigger: TriggerId, slot: Ms, most: u64) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&derived(trigger.0, "jitter", slot.unsigned_abs()).as_bytes()[8..]);
    u64::from_be_bytes(bytes) % most.saturating_add(1)
}

/// The inbox item that carries the session command of `request` of `sender`.
pub fn command_item(request: RequestId, sender: &Party) -> ItemId {
    ItemId(of_sender(request, sender, "command"))
}

/// What the end of a session command is remembered by.
pub fn command_end(command: ItemId) -> Uuid {
    derived(command.0, "ended", 0)
}

/// The inbox item that carries a message to one aspect.
pub fn message_item(message: MessageId, to: &AspectName) -> ItemId {
    ItemId(derived(message.0, to.as_str(), 0))
}

/// The inbox item that carries a step of a dispatch: `what` is its kind, `attempt` tells repeats apart.
pub fn dispatch_item(dispatch: DispatchId, what: &str, attempt: u64) -> ItemId {
    ItemId(derived(dispatch.0, what, attempt))
}

/// The span of a trace that stands for a step of a dispatch; never all zeroes.
pub fn span_id(dispatch: DispatchId, what: &str, attempt: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&derived(dispatch.0, what, attempt).as_bytes()[8..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_stable_distinct_and_keeps_its_time() -> Result<(), Box<dyn std::error::Error>> {
        let request = RequestId("0199a0b1-c2d3-7123-8456-789abcdef012".parse()?);
        let (ana, wren): (Party, Party) = ("operator/ana".parse()?, "wren".parse()?);
        let id = message_id(request, &ana);
        assert_eq!(id, message_id(request, &ana));
        assert_ne!(id, message_id(request, &wren));
        assert_ne!(id.0, dispatch_id(request, &ana).0);
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(id.0.as_bytes()[..6], request.0.as_bytes()[..6]);
        assert_ne!(derived(id.0, "call", 0), derived(id.0, "call", 1));
        Ok(())
    }

    #[test]
    fn an_idempotency_key_names_one_request() {
        let uuid = "0199a0b1-c2d3-7123-8456-789abcdef012";
        assert_eq!(request_id(uuid.as_bytes()).to_string(), uuid);
        assert_eq!(request_id(b"nightly 7"), request_id(b"nightly 7"));
        assert_ne!(request_id(b"nightly 7"), request_id(b"nightly 8"));
        assert_eq!(request_id(&[0xFF; 255]).0.get_version_num(), 8);
    }
}
