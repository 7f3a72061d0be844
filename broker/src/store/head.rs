//! The newest entry of the log with its hash: written down elsewhere, it shows later whether the log before it is
//! still the same.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Shown and read as `<seq>:<64 hexadecimal digits>`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// 0 when there is no entry; the hash is zero then.
    pub seq: u64,
    pub hash: [u8; 32],
}

#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "that is no head of a log; one is a number, a colon and 64 hexadecimal digits, as `nexus verify --export-head` prints it"
)]
pub struct NotAHead;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (seq, digits) = text.trim().split_once(':').ok_or(NotAHead)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAHead);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAHead)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHead)?;
        }
        Ok(Self { seq: seq.parse().map_err(|_| NotAHead)?, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written_and_nothing_else_is() {
        let head = Head { seq: 7, hash: [0xa5; 32] };
        let text = head.to_string();
        assert_eq!(text, format!("7:{}", "a5".repeat(32)));
        assert_eq!(format!(" {text}\n").parse(), Ok(head));
        let digits = "a5".repeat(32);
        for wrong in ["", ":", "7", &digits, &format!("x:{digits}"), &format!("-1:{digits}"), &text[..65]] {
            assert_eq!(wrong.parse::<Head>(), Err(NotAHead), "{wrong:?}");
        }
        assert_eq!(format!("7:+{}", &digits[1..]).parse::<Head>(), Err(NotAHead));
        assert_eq!(format!("7:{}", "é".repeat(32)).parse::<Head>(), Err(NotAHead));
    }
}
