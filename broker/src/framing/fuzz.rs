//! Fuzz target: whatever a client sends, a frame is there, is not there yet, or is refused.

use bolero::check;

use super::*;
use crate::altered::Altered;

#[test]
fn frames_of_a_socket() {
    let masked = |first: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("short") | 0x80;
        [&[first, length, 0, 0, 0, 0], payload].concat()
    };
    let texts = [
        masked(FIN | TEXT, b"{}"),
        [masked(TEXT, b"{"), masked(FIN | PING, b"x"), masked(FIN | CONTINUATION, b"}")].concat(),
        [masked(FIN | PONG, b""), masked(FIN | BINARY, &[0; 9])].concat(),
        masked(FIN | CLOSE, &[3, 232, b'b', b'y', b'e']),
        [&[FIN | TEXT, 0xfe, 0, 126, 0, 0, 0, 0][..], &[b'x'; 126]].concat(),
    ];
    check!().with_type::<Altered>().for_each(|altered| {
        let mut bytes = altered.of(&texts);
        let (mut decoder, mut rest) = (Decoder::default(), &mut bytes[..]);
        loop {
            let (held, promised) = (rest.len(), frame_bytes(rest));
            match decoder.next(rest) {
                Ok(Some((took, _))) => {
                    assert!(took <= held && took == promised, "{took} of {held}, {promised} promised");
                    rest = &mut rest[took..];
                }
                Ok(None) => {
                    assert!(promised > held, "{held} of {promised} bytes are all of it");
                    break;
                }
                Err(_) => break,
            }
        }
    });
}
