//! What a command writes, as much of it as is kept: its beginning and its end. Pure.

use std::collections::VecDeque;

use super::job::Kept;

#[derive(Debug)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half_max: usize,
    omitted: u64,
}

impl Capture {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), half_max: (bytes_max / 2).max(1), omitted: 0 }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = self.half_max.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        // What would be pushed out again need not go in.
        let skipped = rest.len().saturating_sub(self.half_max);
        let rest = rest.get(skipped..).unwrap_or_default();
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.half_max);
        self.tail.drain(..over);
        self.omitted += (skipped + over) as u64;
    }

    /// As text; a character that was cut through becomes a mark.
    pub(super) fn kept(&self) -> Kept {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.omitted == 0 {
            let whole = [self.head.as_slice(), &tail].concat();
            return Kept { head: String::from_utf8_lossy(&whole).into_owned(), ..Kept::default() };
        }
        Kept {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            tail: String::from_utf8_lossy(&tail).into_owned(),
            omitted: self.omitted,
        }
    }
}

impl Kept {
    /// One text, which says where something is missing.
    pub fn text(&self) -> String {
        if self.omitted == 0 {
            return format!("{}{}", self.head, self.tail);
        }
        format!("{}\n… [{} bytes left out here] …\n{}", self.head, self.omitted, self.tail)
    }

    pub fn is_whole(&self) -> bool {
        self.omitted == 0
    }

    /// Leaves out more in the middle. False when there is nothing to leave out.
    pub(crate) fn shrink(&mut self) -> bool {
        if self.omitted == 0 {
            let middle = self.head.floor_char_boundary(self.head.len() / 2);
            self.tail = self.head.split_off(middle);
        }
        let before = self.head.len() + self.tail.len();
        let head = self.head.floor_char_boundary(self.head.len() / 2);
        self.head.truncate(head);
        let from = self.tail.ceil_char_boundary(self.tail.len().div_ceil(2));
        self.tail.drain(..from);
        let cut = before - self.head.len() - self.tail.len();
        self.omitted += cut as u64;
        cut > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(bytes_max: usize, pieces: &[&[u8]]) -> Kept {
        let mut capture = Capture::new(bytes_max);
        for piece in pieces {
            capture.take(piece);
        }
        capture.kept()
    }

    fn kept(head: &str, tail: &str, omitted: u64) -> Kept {
        Kept { head: head.to_owned(), tail: tail.to_owned(), omitted }
    }

    #[test]
    fn the_beginning_and_the_end_are_kept_and_what_lies_between_is_counted() {
        assert_eq!(capture(8, &[]), kept("", "", 0));
        assert_eq!(capture(8, &[b"abc", b"defgh"]), kept("abcdefgh", "", 0));
        assert_eq!(capture(8, &[b"abcdefghi"]), kept("abcd", "fghi", 1));
        assert_eq!(capture(8, &[b"abcdefghij", b"0123456789"]), kept("abcd", "6789", 12));
        assert_eq!(capture(8, &[b"a\xffb"]), kept("a\u{fffd}b", "", 0));
        assert_eq!(capture(4, &["aé".as_bytes(), b"xyz"]), kept("a\u{fffd}", "yz", 2));
        assert_eq!(capture(4, &[b"abcdef"]).text(), "ab\n… [2 bytes left out here] …\nef");
    }

    #[test]
    fn it_shrinks_to_nothing() {
        let mut kept = kept("ééé abcdef", "", 0);
        let mut steps = 0;
        while kept.shrink() {
            steps += 1;
        }
        assert_eq!((kept, steps < 10), (super::Kept { omitted: 13, ..Kept::default() }, true));
    }
}
