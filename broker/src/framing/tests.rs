//! Against what a library's client writes and understands, and against frames no client should send.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

use super::*;

fn frame(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    head.iter().copied().chain(mask).chain(masked).collect()
}

/// A short frame of this opcode, with or without the final bit.
fn short(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(&[first, MASKED | u8::try_from(payload.len()).unwrap()], payload)
}

fn all(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<String>, Breach> {
    let mut bytes = bytes.to_vec();
    let (mut at, mut seen) = (0, Vec::new());
    while let Some((took, incoming)) = decoder.next(&mut bytes[at..])? {
        at += took;
        seen.push(format!("{incoming:?}"));
    }
    assert_eq!(at, bytes.len(), "all of it was whole");
    Ok(seen)
}

#[test]
fn pieces_become_one_message_and_pings_come_between_them() {
    let bytes = [
        short(TEXT, b"a \xc3"),
        short(FIN | PING, b"hi"),
        short(CONTINUATION, b"\xa4 b"),
        short(FIN | CONTINUATION, b" c"),
        short(FIN | TEXT, b"whole"),
        short(BINARY, b"\xff"),
        short(FIN | CONTINUATION, b""),
        short(FIN | CLOSE, &[0x03, 0xe8, b'b', b'y', b'e']),
        short(FIN | CLOSE, &[]),
    ];
    let seen = all(&mut Decoder::default(), &bytes.concat()).unwrap();
    let wanted = [
        "Piece",
        "Ping([104, 105])",
        "Piece",
        "Text(\"a ä b c\")",
        "Text(\"whole\")",
        "Piece",
        "Binary",
        "Close(Some(1000))",
        "Close(None)",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn what_is_not_allowed_is_refused_for_its_reason() {
    let of = |bytes: Vec<u8>| all(&mut Decoder::default(), &bytes).unwrap_err();
    let long = |length: u64| {
        let mut head = vec![FIN | TEXT, MASKED | 127];
        head.extend(length.to_be_bytes());
        head
    };
    assert_eq!(of(short(FIN | TEXT, b"\xff")), Breach::NotUtf8);
    assert_eq!(of(short(FIN | TEXT, b"\xed\xa0\x80")), Breach::NotUtf8, "a lone surrogate");
    assert_eq!(of(long(FRAME_BYTES_MAX as u64 + 1)), Breach::TooBig, "before a byte of it came");
    assert_eq!(of(long(u64::MAX)), Breach::TooBig);
    let refused: &[(&str, Vec<u8>)] = &[
        ("a reserved bit is set", short(0xc0 | TEXT, b"x")),
        ("a client masks its frames", vec![FIN | TEXT, 1, b'x']),
        ("a control frame is short and in one piece", short(PING, b"x")),
        ("a control frame is short and in one piece", frame(&[FIN | PING, MASKED | 126, 0, 126], &[0; 126])),
        ("an unknown opcode", short(FIN | 0x3, b"x")),
        ("an unknown opcode", short(FIN | 0xb, b"x")),
        ("a continuation of nothing", short(FIN | CONTINUATION, b"x")),
        ("a message within a message", [short(TEXT, b"x"), short(FIN | TEXT, b"x")].concat()),
        ("half a close code", short(FIN | CLOSE, b"x")),
    ];
    for (reason, bytes) in refused {
        assert_eq!(of(bytes.clone()), Breach::Protocol(reason));
    }
    let half = vec![b'x'; FRAME_BYTES_MAX / 2 + 1];
    let mut head = vec![TEXT, MASKED | 127];
    head.extend((half.len() as u64).to_be_bytes());
    let first = frame(&head, &half);
    head[0] = FIN | CONTINUATION;
    assert_eq!(of([first, frame(&head, &half)].concat()), Breach::TooBig, "pieces count together");
}

/// What one side wrote and the other has not read.
struct Pipe {
    written: Vec<u8>,
    to_read: Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.to_read.read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client(to_read: Vec<u8>) -> WebSocket<Pipe> {
    let pipe = Pipe { written: Vec::new(), to_read: Cursor::new(to_read) };
    WebSocket::from_raw_socket(pipe, Role::Client, Some(WebSocketConfig::default()))
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..200, 65_530_usize..65_540, Just(125), Just(126), Just(127)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_writes_is_read_however_it_is_cut(
        texts in prop::collection::vec((lengths(), "\\PC{0,3}"), 1..6),
        cuts in prop::collection::vec(1_usize..5_000, 1..50),
    ) {
        let texts: Vec<String> = texts.into_iter().map(|(length, end)| "x".repeat(length) + &end).collect();
        let mut client = client(Vec::new());
        for text in &texts {
            client.write(Message::text(text.as_str())).unwrap();
        }
        client.flush().unwrap();
        let written = client.get_ref().written.clone();
        let (mut decoder, mut held, mut seen) = (Decoder::default(), Vec::new(), Vec::new());
        let (mut rest, mut cuts) = (&written[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (some, others) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            held.extend_from_slice(some);
            rest = others;
            while let Some((took, incoming)) = decoder.next(&mut held).unwrap() {
                match incoming {
                    Incoming::Text(text) => seen.push(text.to_owned()),
                    other => prop_assert!(false, "{other:?}"),
                }
                prop_assert!(took <= held.len());
                held.drain(..took);
            }
            prop_assert!(held.is_empty() || frame_bytes(&held) > held.len());
        }
        prop_assert_eq!(seen, texts);
    }

    #[test]
    fn what_is_written_a_client_understands(texts in prop::collection::vec((lengths(), "\\PC{0,3}"), 1..6)) {
        let texts: Vec<String> = texts.into_iter().map(|(length, end)| "x".repeat(length) + &end).collect();
        let mut out = Vec::new();
        for text in &texts {
            let (front, back) = text.split_at(text.floor_char_boundary(text.len() / 2));
            put_text(&mut out, [front, "", back]);
        }
        let block = Block::new(out.clone(), texts.len() as u64);
        prop_assert!(block.texts().eq(texts.iter().map(String::as_str)));
        put_ping(&mut out);
        put_pong(&mut out, b"again");
        put_close(&mut out, 4001, &"ä".repeat(200));
        let mut client = client(out);
        for text in &texts {
            prop_assert_eq!(client.read().unwrap(), Message::text(text.as_str()));
        }
        prop_assert_eq!(client.read().unwrap(), Message::Ping(Vec::new().into()));
        prop_assert_eq!(client.read().unwrap(), Message::Pong(b"again".to_vec().into()));
        match client.read().unwrap() {
            Message::Close(Some(close)) => {
                prop_assert_eq!((u16::from(close.code), close.reason.chars().count()), (4001, 61));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn other_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut bytes, mut decoder, mut at) = (bytes, Decoder::default(), 0);
        while let Ok(Some((took, _))) = decoder.next(&mut bytes[at..]) {
            at += took;
        }
    }
}
