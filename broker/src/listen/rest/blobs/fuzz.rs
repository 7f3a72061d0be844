//! Fuzz targets: whatever `Range` asks for, what is given is there.

use bolero::check;

use super::wanted;
use crate::altered::Altered;

#[test]
fn a_range() {
    let texts = [
        "bytes=0-0",
        "bytes=2-",
        "bytes=-3",
        "bytes=5-99",
        "bytes=0-1,3-4",
        "bytes=-0, 0-18446744073709551615",
        "BYTES= 007-",
    ];
    check!().with_type::<(Altered, u64, u8)>().for_each(|(altered, bytes, halves)| {
        // Small blobs are as likely as large ones.
        let bytes = bytes >> (halves % 64);
        let text = altered.of(&texts);
        let text = String::from_utf8_lossy(&text);
        if let Ok(Some(range)) = wanted(&text, bytes) {
            assert!(range.start() <= range.end() && *range.end() < bytes, "{text:?} of {bytes}: {range:?}");
            let alone = format!("bytes={}-{}", range.start(), range.end());
            assert_eq!(wanted(&alone, bytes), Ok(Some(range)), "{text:?} of {bytes}");
        }
    });
}

#[test]
fn a_range_of_any_numbers() {
    check!().with_type::<([u64; 3], [u8; 3])>().for_each(|(numbers, halves)| {
        let [from, to, bytes] = [0, 1, 2].map(|at| numbers[at] >> (halves[at] % 64));
        let last = bytes.saturating_sub(1);
        let between = if from > to {
            // What makes no sense is as if it were not there.
            Ok(None)
        } else if from >= bytes {
            Err(())
        } else {
            Ok(Some(from..=to.min(last)))
        };
        assert_eq!(wanted(&format!("bytes={from}-{to}"), bytes), between, "{from} to {to} of {bytes}");
        let onwards = if from < bytes { Ok(Some(from..=last)) } else { Err(()) };
        assert_eq!(wanted(&format!("bytes={from}-"), bytes), onwards, "from {from} of {bytes}");
        let at_the_end = match (from, bytes) {
            (0, _) => Err(()),
            // Nothing is all of it.
            (_, 0) => Ok(None),
            (_, _) => Ok(Some(bytes.saturating_sub(from)..=last)),
        };
        assert_eq!(wanted(&format!("bytes=-{from}"), bytes), at_the_end, "the last {from} of {bytes}");
    });
}
