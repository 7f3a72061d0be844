//! A frame encoded once, of which only the request id or a counter changes from one message to the next.

use std::sync::atomic::{AtomicU64, Ordering};

use nexus_wire::{Envelope, RequestId, ToBroker, envelope};
use uuid::Uuid;

use super::clock;
use super::ws;

/// Stands where the id goes until [`Template::request`] overwrites it: a valid UUIDv7.
pub(crate) const ID: &str = "00000000-0000-7000-8000-000000000000";
/// Stands where the counter goes: ten digits of which the first stays.
pub(crate) const COUNTER: u64 = 1_000_000_000;

/// Numbers the requests of this process; the last 48 bits of their ids.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub(crate) struct Template {
    frame: Vec<u8>,
    at: usize,
}

impl Template {
    /// A frame that asks for a reply.
    pub(crate) fn request(frame: &ToBroker) -> Self {
        let envelope = Envelope { id: Some(RequestId(uuid(ID))), ..Envelope::default() };
        Self::of(&envelope::encode(&envelope, frame), ID)
    }

    /// The same for a frame that is text already and has [`ID`] in it.
    pub(crate) fn request_text(text: &str) -> Self {
        Self::of(text, ID)
    }

    /// A frame with [`COUNTER`] in it.
    pub(crate) fn counted(frame: &ToBroker) -> Self {
        Self::of(&envelope::encode(&Envelope::default(), frame), &COUNTER.to_string())
    }

    /// The same for every message.
    pub(crate) fn fixed(text: &str) -> Vec<u8> {
        ws::encode(text.as_bytes())
    }

    fn of(text: &str, marker: &str) -> Self {
        let frame = ws::encode(text.as_bytes());
        let at = frame.windows(marker.len()).position(|it| it == marker.as_bytes()).unwrap_or_default();
        Self { frame, at }
    }

    /// The text alone.
    pub(crate) fn text(&self) -> &[u8] {
        &self.frame[ws::head_bytes(&self.frame)..]
    }

    /// Appends the frame with a fresh id of the time `ms`, and returns the number its reply is known by.
    pub(crate) fn append_request(&mut self, ms: u64, out: &mut Vec<u8>) -> u64 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        hex(&mut self.frame[self.at..self.at + 8], ms >> 16);
        hex(&mut self.frame[self.at + 9..self.at + 13], ms & 0xffff);
        hex(&mut self.frame[self.at + 24..self.at + 36], number);
        out.extend_from_slice(&self.frame);
        number
    }

    pub(crate) fn append_counted(&mut self, n: u64, out: &mut Vec<u8>) {
        let mut rest = n;
        for digit in self.frame[self.at + 1..self.at + 10].iter_mut().rev() {
            *digit = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
            rest /= 10;
        }
        out.extend_from_slice(&self.frame);
    }
}

/// A request id that no template gives.
pub(crate) fn fresh_id() -> RequestId {
    let mut text = ID.to_owned().into_bytes();
    let ms = clock::unix_ms();
    hex(&mut text[..8], ms >> 16);
    hex(&mut text[9..13], ms & 0xffff);
    hex(&mut text[24..], NEXT.fetch_add(1, Ordering::Relaxed));
    RequestId(uuid(&String::from_utf8_lossy(&text)))
}

/// The number within the id of a request of ours, as a reply shows it.
pub(crate) fn number_of(id: &[u8]) -> Option<u64> {
    let tail = std::str::from_utf8(id.get(24..36)?).ok()?;
    u64::from_str_radix(tail, 16).ok()
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap_or_default()
}

fn hex(out: &mut [u8], value: u64) {
    let mut rest = value;
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(rest & 0xf).unwrap_or_default()];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::chat::ChatSend;
    use nexus_wire::envelope::decode;

    use super::*;

    #[test]
    fn what_a_template_gives_decodes_with_its_own_id() {
        let send = ChatSend { content: "hello".into(), ..ChatSend::default() };
        let mut template = Template::request(&send.clone().into());
        let mut out = Vec::new();
        let first = template.append_request(0x0199_a0b1_c2d3, &mut out);
        let size = out.len();
        let second = template.append_request(0x0199_a0b1_c2d4, &mut out);
        assert_ne!(first, second);
        for (bytes, number) in [(&out[..size], first), (&out[size..], second)] {
            let text = std::str::from_utf8(&bytes[ws::head_bytes(bytes)..]).expect("UTF-8");
            let decoded = decode::<ToBroker>(text).expect("a frame");
            let id = decoded.envelope.id.expect("an id").to_string();
            assert!(id.starts_with("0199a0b1-c2d"), "{id}");
            assert_eq!(number_of(id.as_bytes()), Some(number));
            assert_eq!(decoded.frame, send.clone().into());
        }
    }
}
