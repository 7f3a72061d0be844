//! WebSocket frames as a server reads and writes them (RFC 6455, without extensions). No sockets.
//!
//! Not a library's, because of what a link is to this broker: frames are decoded in the place they were read to
//! and encoded behind one another into one buffer, with no copy and no allocation for each.

use bytes::Bytes;
use nexus_wire::limits::FRAME_BYTES_MAX;
use thiserror::Error;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// Of a ping, a pong or a close.
const CONTROL_BYTES_MAX: usize = 125;
/// Two bytes, a length of eight, a mask of four.
const HEAD_BYTES_MAX: usize = 14;

/// What one frame comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary,
    /// A piece of a message that is not whole yet.
    Piece,
    Ping(&'a [u8]),
    Pong,
    /// With the peer's code, if it gave one.
    Close(Option<u16>),
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Breach {
    #[error("a frame has at most 1 MiB")]
    TooBig,
    #[error("text is UTF-8")]
    NotUtf8,
    #[error("not as RFC 6455 has it: {0}")]
    Protocol(&'static str),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Binary,
}

/// Remembers the message that comes in pieces, if one does.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    open: Open,
    pieces: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    is_last: bool,
    opcode: u8,
    /// Where the payload begins, and how long it is.
    bytes: usize,
    payload: usize,
    mask: [u8; 4],
}

impl Head {
    /// `None`: it is not whole yet.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Breach> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (is_last, opcode, length) = (first & FIN != 0, first & 0xf, second & !MASKED);
        if first & RESERVED != 0 {
            return Err(Breach::Protocol("a reserved bit is set"));
        }
        if second & MASKED == 0 {
            return Err(Breach::Protocol("a client masks its frames"));
        }
        match opcode {
            CONTINUATION | TEXT | BINARY => {}
            CLOSE | PING | PONG if is_last && usize::from(length) <= CONTROL_BYTES_MAX => {}
            CLOSE | PING | PONG => return Err(Breach::Protocol("a control frame is short and in one piece")),
            _ => return Err(Breach::Protocol("an unknown opcode")),
        }
        let (length, rest) = match length {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
                None => return Ok(None),
            },
            length => (u64::from(length), rest),
        };
        let payload = usize::try_from(length).unwrap_or(usize::MAX);
        if payload > FRAME_BYTES_MAX {
            return Err(Breach::TooBig);
        }
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some(Self { is_last, opcode, bytes: bytes.len() - rest.len(), payload, mask: *mask }))
    }
}

/// How many bytes the frame at the front has, or at most has before that can be told.
pub(crate) fn frame_bytes(bytes: &[u8]) -> usize {
    match Head::of(bytes) {
        Ok(Some(head)) => head.bytes + head.payload,
        Ok(None) | Err(_) => HEAD_BYTES_MAX,
    }
}

impl Decoder {
    /// The frame at the front, and how many bytes it took; `None` until all of it is there.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
    ) -> Result<Option<(usize, Incoming<'a>)>, Breach> {
        let Some(head) = Head::of(bytes)? else { return Ok(None) };
        let end = head.bytes + head.payload;
        let Some(payload) = bytes.get_mut(head.bytes..end) else { return Ok(None) };
        unmask(payload, head.mask);
        let incoming = match head.opcode {
            PING => Incoming::Ping(payload),
            PONG => Incoming::Pong,
            CLOSE => match *payload {
                [] => Incoming::Close(None),
                [_] => return Err(Breach::Protocol("half a close code")),
                [high, low, ..] => Incoming::Close(Some(u16::from_be_bytes([high, low]))),
            },
            opcode => self.data(opcode, head.is_last, payload)?,
        };
        Ok(Some((end, incoming)))
    }

    fn data<'a>(&'a mut self, opcode: u8, is_last: bool, payload: &'a [u8]) -> Result<Incoming<'a>, Breach> {
        let kind = match (self.open, opcode) {
            (Open::Nothing, TEXT) if is_last => return text_of(payload),
            (Open::Nothing, BINARY) if is_last => return Ok(Incoming::Binary),
            (Open::Nothing, CONTINUATION) => return Err(Breach::Protocol("a continuation of nothing")),
            (Open::Nothing, opcode) => {
                self.pieces = Vec::new();
                if opcode == TEXT { Open::Text } else { Open::Binary }
            }
            (kind, CONTINUATION) => kind,
            (Open::Text | Open::Binary, _) => return Err(Breach::Protocol("a message within a message")),
        };
        if self.pieces.len() + payload.len() > FRAME_BYTES_MAX {
            return Err(Breach::TooBig);
        }
        self.pieces.extend_from_slice(payload);
        self.open = if is_last { Open::Nothing } else { kind };
        match kind {
            _ if !is_last => Ok(Incoming::Piece),
            Open::Text => text_of(&self.pieces),
            Open::Binary | Open::Nothing => Ok(Incoming::Binary),
        }
    }
}

fn text_of(payload: &[u8]) -> Result<Incoming<'_>, Breach> {
    std::str::from_utf8(payload).map(Incoming::Text).map_err(|_| Breach::NotUtf8)
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= mask;
    }
}

fn put_head(out: &mut Vec<u8>, opcode: u8, payload: usize) {
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(length), _) if length < 126 => out.extend([FIN | opcode, length]),
        (_, Ok(length)) => {
            let [high, low] = length.to_be_bytes();
            out.extend([FIN | opcode, 126, high, low]);
        }
        (_, Err(_)) => {
            out.extend([FIN | opcode, 127]);
            out.extend((payload as u64).to_be_bytes());
        }
    }
}

/// One text whose parts come after one another.
pub(crate) fn put_text<const PARTS: usize>(out: &mut Vec<u8>, parts: [&str; PARTS]) {
    let bytes = parts.iter().map(|part| part.len()).sum();
    out.reserve(HEAD_BYTES_MAX + bytes);
    put_head(out, TEXT, bytes);
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Texts encoded behind one another, shared by all they are sent to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Block {
    frames: Bytes,
    count: u64,
}

impl Block {
    pub(crate) fn new(frames: Vec<u8>, count: u64) -> Self {
        Self { frames: frames.into(), count }
    }

    pub(crate) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// For those who do not speak WebSocket.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.frames();
        std::iter::from_fn(move || {
            let (text, behind) = split_text(rest)?;
            rest = behind;
            Some(text)
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The frames that come after the first `skipped`.
    pub(crate) fn behind(&self, skipped: u64) -> &[u8] {
        let mut rest = self.frames();
        for _ in 0..skipped {
            rest = split_text(rest).map_or(&[], |(_, behind)| behind);
        }
        rest
    }
}

pub(crate) fn put_ping(out: &mut Vec<u8>) {
    put_head(out, PING, 0);
}

pub(crate) fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put_head(out, PONG, payload.len());
    out.extend_from_slice(payload);
}

/// `reason` is cut to what a close frame holds.
pub(crate) fn put_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    put_head(out, CLOSE, 2 + reason.len());
    out.extend(code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// The first of the texts that [`put_text`] has encoded, and what comes behind it.
fn split_text(frames: &[u8]) -> Option<(&str, &[u8])> {
    let (&[_, length], rest) = frames.split_first_chunk()?;
    let (length, rest) = match length {
        126 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u16::from_be_bytes(*bytes)), rest))?,
        127 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from_be_bytes(*bytes), rest))?,
        length => (u64::from(length), rest),
    };
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
