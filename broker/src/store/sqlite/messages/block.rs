//! Messages packed one behind the other. A block is a byte for the form of what follows, the hash of the entry of the log
//! that its last message is, and of each message, in the order of their `seq`: its length in 4 bytes, little-endian, a
//! [`Kept`] as postcard writes it (<https://postcard.jamesmunns.com/wire-format>), and the digest of its request. Fields
//! are not named there: another one makes another form.

use std::ops::Range;

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, MessageId, Ms, Party, ThreadId, TraceContext};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::fault::damage;
use crate::hub::records::{MessageRecord, StoreError, Stored, digest_kept};
use crate::hub::text::{MessageBody, Text};

const FORM: u8 = 2;
/// As it was before, which is only read: no hash in front, and with each message a [`Tail`].
const WITH_TAILS: u8 = 1;
const HASH: Range<usize> = 1..33;
const LENGTH_BYTES: usize = size_of::<u32>();

/// A message as it is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in super::super) struct Kept<'a> {
    /// Stands in front, where it is found without reading the rest.
    pub(in super::super) seq: u64,
    pub(in super::super) id: Uuid,
    pub(in super::super) at: Ms,
    pub(in super::super) thread: Uuid,
    pub(in super::super) sender: &'a str,
    /// Separated by spaces.
    pub(in super::super) recipients: &'a str,
    pub(in super::super) reply_to: Option<Uuid>,
    pub(in super::super) content: &'a str,
    /// As JSON, like the two that follow.
    pub(in super::super) meta: Option<&'a str>,
    pub(in super::super) attachments: Option<&'a str>,
    pub(in super::super) unknown: Option<&'a str>,
    #[serde(borrow, with = "serde_bytes")]
    pub(in super::super) trace: Option<&'a [u8]>,
    #[serde(skip)]
    pub(in super::super) request_digest: [u8; 16],
    /// Of the entry of the log that the message is, where that is written: with the last message of a block.
    /// Nobody asks for it where the entry has a row of its own.
    #[serde(skip)]
    pub(in super::super) hash: Option<[u8; 32]>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Tail {
    #[serde(with = "serde_bytes")]
    request_sha256: [u8; 32],
    #[serde(with = "serde_bytes")]
    hash: Option<[u8; 32]>,
}

impl Kept<'_> {
    pub(in super::super) fn from(&self) -> Stored<Party> {
        self.party(self.sender)
    }

    pub(in super::super) fn to(&self) -> Stored<Vec<Party>> {
        self.recipients.split_ascii_whitespace().map(|name| self.party(name)).collect()
    }

    fn party(&self, name: &str) -> Stored<Party> {
        name.parse().map_err(|error| self.unreadable(&error))
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, text: Option<&str>) -> Stored<Option<T>> {
        text.map(|text| serde_json::from_str(text).map_err(|error| self.unreadable(&error))).transpose()
    }

    fn unreadable(&self, error: &dyn std::error::Error) -> StoreError {
        damage(format_args!("message {} cannot be read: {error}", self.seq))
    }

    pub(in super::super) fn message(&self) -> Stored<Message> {
        Ok(Message {
            id: MessageId(self.id),
            seq: self.seq,
            thread: ThreadId(self.thread),
            reply_to: self.reply_to.map(MessageId),
            from: self.from()?,
            to: self.to()?,
            content: self.content.to_owned(),
            at: self.at,
            meta: self.json(self.meta)?,
            attachments: self.json(self.attachments)?.unwrap_or_default(),
            reactions: Vec::new(),
        })
    }

    pub(in super::super) fn record(&self) -> Stored<MessageRecord> {
        Ok(MessageRecord {
            message: Box::new(self.message()?),
            trace: self.trace(),
            unknown: self.json(self.unknown)?.unwrap_or_default(),
            request_digest: self.request_digest,
        })
    }

    /// One that cannot be read is as good as none.
    fn trace(&self) -> Option<TraceContext> {
        self.trace.and_then(TraceContext::from_bytes)
    }

    /// Writes the item that carries it.
    pub(in super::super) fn write_item(&self, text: &mut Text, item: ItemId, answered: bool) {
        let body = MessageBody {
            id: self.id,
            seq: self.seq,
            thread: self.thread,
            reply_to: self.reply_to,
            from: self.sender,
            to: self.recipients.split_ascii_whitespace(),
            content: self.content,
            at: self.at,
            meta: self.meta,
            attachments: self.attachments,
        };
        text.item(item, self.at, self.trace().as_ref(), answered, |text| body.write(text));
    }
}

/// Messages that lie together.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in super::super) struct Block {
    bytes: Vec<u8>,
    /// Of each message its `seq` and where it ends.
    places: Vec<(u64, usize)>,
}

impl Block {
    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(in super::super) fn count(&self) -> usize {
        self.places.len()
    }

    pub(in super::super) fn first(&self) -> Option<u64> {
        self.places.first().map(|(seq, _)| *seq)
    }

    pub(in super::super) fn last(&self) -> Option<u64> {
        self.places.last().map(|(seq, _)| *seq)
    }

    /// `seq` lies between its first message and its last.
    pub(in super::super) fn spans(&self, seq: u64) -> bool {
        self.first().is_some_and(|first| first <= seq) && self.last().is_some_and(|last| seq <= last)
    }

    /// How many of its messages come before `seq`.
    pub(in super::super) fn before(&self, seq: u64) -> usize {
        self.places.partition_point(|place| place.0 < seq)
    }

    /// How many of its messages come no later than `seq`.
    pub(in super::super) fn up_to(&self, seq: u64) -> usize {
        self.places.partition_point(|place| place.0 <= seq)
    }

    /// Of the entry that its last message is.
    fn hash(&self) -> Option<[u8; 32]> {
        self.bytes.get(HASH)?.try_into().ok()
    }

    /// A block that is not empty.
    pub(in super::super) fn set_hash(&mut self, hash: Option<[u8; 32]>) {
        self.bytes[HASH].copy_from_slice(&hash.unwrap_or_default());
    }

    pub(in super::super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Appends a message, which must come after those that are there.
    pub(in super::super) fn push(&mut self, message: &Kept<'_>) -> Stored<()> {
        if self.bytes.is_empty() {
            self.bytes.push(FORM);
            self.bytes.resize(HASH.end, 0);
        }
        self.set_hash(message.hash);
        let start = self.bytes.len();
        self.bytes.extend([0; LENGTH_BYTES]);
        let cannot = || damage(format_args!("message {} cannot be packed", message.seq));
        // Neither happens: there is always room, and a message is never of 4 GiB.
        postcard::serialize_with_flavor(message, Behind(&mut self.bytes)).map_err(|_| cannot())?;
        self.bytes.extend_from_slice(&message.request_digest);
        let length = u32::try_from(self.bytes.len() - start - LENGTH_BYTES).map_err(|_| cannot())?;
        self.bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        self.places.push((message.seq, self.bytes.len()));
        Ok(())
    }

    /// Becomes the block that `bytes` are.
    pub(in super::super) fn fill(&mut self, bytes: &[u8]) -> Stored<()> {
        self.clear();
        let mut last = None;
        let mut rest = &bytes[head_bytes(bytes)?..];
        while !rest.is_empty() {
            let message = split(&mut rest);
            let seq = message.and_then(|it| Some(postcard::take_from_bytes::<u64>(it).ok()?.0));
            let Some(seq) = seq.filter(|seq| last.is_none_or(|last| last < *seq)) else {
                self.clear();
                let behind = last.unwrap_or_default();
                return Err(damage(format_args!("a block of messages cannot be read behind {behind}")));
            };
            last = Some(seq);
            self.places.push((seq, bytes.len() - rest.len()));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The message at a place below [`Self::count`].
    pub(in super::super) fn get(&self, place: usize) -> Stored<Kept<'_>> {
        let start = match place.checked_sub(1) {
            Some(before) => self.places[before].1,
            None => head_bytes(&self.bytes)?,
        };
        let (seq, end) = self.places[place];
        let cannot =
            |error: &dyn std::error::Error| damage(format_args!("message {seq} cannot be read: {error}"));
        let bytes = &self.bytes[start + LENGTH_BYTES..end];
        let (mut kept, rest) =
            postcard::take_from_bytes::<Kept<'_>>(bytes).map_err(|error| cannot(&error))?;
        if self.bytes[0] == WITH_TAILS {
            let tail: Tail = postcard::from_bytes(rest).map_err(|error| cannot(&error))?;
            (kept.request_digest, kept.hash) = (digest_kept(&tail.request_sha256), tail.hash);
        } else {
            kept.request_digest = rest.try_into().map_err(|error| cannot(&error))?;
            kept.hash = self.hash().filter(|_| place + 1 == self.count());
        }
        Ok(kept)
    }

    /// The message with this `seq`, if it is here.
    pub(in super::super) fn find(&self, seq: u64) -> Stored<Option<Kept<'_>>> {
        let found = self.places.binary_search_by_key(&seq, |place| place.0);
        found.ok().map(|place| self.get(place)).transpose()
    }

    /// The same without the message `seq`.
    pub(in super::super) fn without(&self, seq: u64) -> Stored<Self> {
        let mut left = Self::default();
        for place in 0..self.count() {
            let kept = self.get(place)?;
            if kept.seq != seq {
                left.push(&kept)?;
            }
        }
        Ok(left)
    }
}

/// What stands before the first message.
fn head_bytes(block: &[u8]) -> Stored<usize> {
    let head = match block.first() {
        Some(&FORM) => HASH.end,
        Some(&WITH_TAILS) => 1,
        Some(form) => return Err(damage(format_args!("a block of messages has the form {form}"))),
        None => return Err(damage("a block of messages is empty")),
    };
    match block.len() < head {
        true => Err(damage("a block of messages ends before its first")),
        false => Ok(head),
    }
}

/// Appends; postcard's own way of it is byte by byte.
struct Behind<'a>(&'a mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Takes the next message off.
fn split<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (message, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(message)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message of which every field is told from the others.
    pub(in super::super) fn kept(seq: u64, text: &str, has_all: bool) -> Kept<'_> {
        Kept {
            seq,
            id: Uuid::from_u128(u128::from(seq) << 64 | 7),
            at: seq.cast_signed() * 3,
            thread: Uuid::from_u128(9),
            sender: "wren",
            recipients: "forge operator/ana",
            reply_to: has_all.then_some(Uuid::from_u128(5)),
            content: text,
            meta: has_all.then_some("{}"),
            attachments: has_all.then_some("[]"),
            unknown: has_all.then_some(r#"["nobody"]"#),
            trace: has_all.then_some(&[1, 2, 3]),
            request_digest: [4; 16],
            hash: has_all.then_some([6; 32]),
        }
    }

    /// A block as it was before.
    pub(in super::super) fn with_tails(messages: &[Kept<'_>]) -> Vec<u8> {
        let mut block = vec![WITH_TAILS];
        for message in messages {
            let mut bytes = postcard::to_allocvec(message).unwrap();
            let mut request_sha256 = [8; 32];
            request_sha256[..16].copy_from_slice(&message.request_digest);
            bytes.extend(postcard::to_allocvec(&Tail { request_sha256, hash: message.hash }).unwrap());
            block.extend((bytes.len() as u32).to_le_bytes());
            block.extend(bytes);
        }
        block
    }

    /// What lies in databases of before: a field that moves in [`Kept`] would make them unreadable.
    #[test]
    fn a_block_as_it_was_before_has_these_bytes() {
        let id = |last: u8| [&[16][..], &[0; 15], &[last]].concat();
        let message = [
            &[1][..],
            &[16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7],
            &[6],
            &id(9),
            b"\x04wren\x12forge operator/ana\x01",
            &id(5),
            b"\x02hi\x01\x02{}\x01\x02[]\x01\x0a[\"nobody\"]\x01\x03\x01\x02\x03",
            &[32],
            &[4; 16],
            &[8; 16],
            &[1, 32],
            &[6; 32],
        ]
        .concat();
        let block = [&[1][..], &(message.len() as u32).to_le_bytes(), &message].concat();
        assert_eq!(with_tails(&[kept(1, "hi", true)]), block);
        let mut read = Block::default();
        read.fill(&block).unwrap();
        assert_eq!(all(&read), [kept(1, "hi", true)]);
    }

    /// As they are read again: the hash is that of the last alone.
    fn as_written<'a>(messages: &[Kept<'a>]) -> Vec<Kept<'a>> {
        let mut messages = messages.to_vec();
        if let Some((last, others)) = messages.split_last_mut() {
            last.hash = Some(last.hash.unwrap_or_default());
            others.iter_mut().for_each(|message| message.hash = None);
        }
        messages
    }

    fn all(block: &Block) -> Vec<Kept<'_>> {
        (0..block.count()).map(|place| block.get(place).unwrap()).collect()
    }

    /// How far a message is from the one before, its text, and whether it has all fields.
    type Step = (u64, String, bool);

    fn steps(at_least: usize) -> impl Strategy<Value = Vec<Step>> {
        prop::collection::vec((1_u64..1 << 40, any::<String>(), any::<bool>()), at_least..12)
    }

    fn messages(steps: &[Step]) -> Vec<Kept<'_>> {
        let mut seq = 0;
        steps
            .iter()
            .map(|(step, text, has_all)| {
                seq += step;
                kept(seq, text, *has_all)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(
            steps in steps(1),
            gone in any::<prop::sample::Index>(),
        ) {
            let messages = messages(&steps);
            let mut block = Block::default();
            for message in &messages {
                block.push(message).unwrap();
            }
            let messages = as_written(&messages);
            prop_assert_eq!(all(&block), messages.clone());
            let mut again = Block::default();
            again.push(&kept(1, "what was in it before", true)).unwrap();
            again.fill(block.bytes()).unwrap();
            prop_assert_eq!(&again, &block);
            for (place, message) in messages.iter().enumerate() {
                let found = block.find(message.seq).unwrap();
                prop_assert_eq!(found.as_ref(), Some(message));
                prop_assert_eq!((block.before(message.seq), block.up_to(message.seq)), (place, place + 1));
                prop_assert!(block.spans(message.seq));
            }
            let after = messages[messages.len() - 1].seq + 1;
            prop_assert!(!block.spans(after) && !block.spans(messages[0].seq - 1));
            prop_assert_eq!(block.find(after).unwrap(), None);
            let gone = messages[gone.index(messages.len())].seq;
            let mut left = block.without(gone).unwrap();
            let rest: Vec<Kept<'_>> = messages.into_iter().filter(|it| it.seq != gone).collect();
            let mut rest = as_written(&rest);
            prop_assert_eq!(all(&left), rest.clone());
            if let Some(last) = rest.last_mut() {
                last.hash = Some([7; 32]);
                left.set_hash(last.hash);
                prop_assert_eq!(all(&left), rest);
            }
        }

        #[test]
        fn a_block_as_it_was_before_is_read_and_becomes_one_of_today(
            steps in steps(2),
        ) {
            let messages = messages(&steps);
            let mut block = Block::default();
            block.fill(&with_tails(&messages)).unwrap();
            prop_assert_eq!(all(&block), messages.clone());
            let left = block.without(messages[0].seq).unwrap();
            prop_assert_eq!(left.bytes()[0], FORM);
            prop_assert_eq!(all(&left), as_written(&messages[1..]));
        }

        /// Whatever a disk makes of it: an error, and no panic.
        #[test]
        fn damaged_bytes_are_an_error_or_a_block(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            cut in any::<prop::sample::Index>(),
            flip in any::<(prop::sample::Index, u8)>(),
        ) {
            let mut block = Block::default();
            for seq in 1..4 {
                block.push(&kept(seq, "text", true)).unwrap();
            }
            let mut torn = block.bytes().to_vec();
            let at = flip.0.index(torn.len());
            torn[at] ^= flip.1;
            let short = block.bytes()[..cut.index(block.bytes().len())].to_vec();
            let with_form = [&[FORM], bytes.as_slice()].concat();
            let before = [&[WITH_TAILS], bytes.as_slice()].concat();
            let mut torn_before = with_tails(&[kept(1, "text", true), kept(2, "text", false)]);
            let at = flip.0.index(torn_before.len());
            torn_before[at] ^= flip.1;
            for bytes in [bytes, with_form, before, torn, torn_before, short] {
                let mut read = Block::default();
                match read.fill(&bytes) {
                    Ok(()) => (0..read.count()).for_each(|place| _ = read.get(place)),
                    Err(error) => {
                        prop_assert!(matches!(error, StoreError::Corrupt(_)));
                        prop_assert_eq!(&read, &Block::default());
                    }
                }
            }
        }
    }
}
