//! Lists of growing numbers, packed: zigzag varints of the difference to the one before, in blocks of 64.

/// Rows in a full block.
pub(super) const BLOCK: u64 = 64;

/// A block that still grows, and what it needs to grow by one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Recent {
    bytes: Vec<u8>,
    first: u64,
    last: u64,
    count: u64,
}

/// A block that grows no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Full {
    /// The first of its numbers.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
}

impl Recent {
    /// `None` if the bytes are no such list.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let numbers = unpack(&bytes)?;
        let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        Some(Self { bytes, first, last, count: numbers.len() as u64 })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn push(&mut self, number: u64) {
        if self.count == 0 {
            self.first = number;
        }
        let difference = number.wrapping_sub(self.last).cast_signed();
        let mut rest = ((difference << 1) ^ (difference >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest as u8) | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
        self.last = number;
        self.count += 1;
    }

    /// The block once it is full; the list begins anew.
    pub(super) fn take_full(&mut self) -> Option<Full> {
        if self.count < BLOCK {
            return None;
        }
        let full = std::mem::take(self);
        Some(Full { first: full.first, bytes: full.bytes })
    }
}

/// `None` if the bytes are no such list.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::with_capacity(BLOCK as usize);
    let (mut last, mut rest, mut shift) = (0_u64, 0_u64, 0_u32);
    for byte in bytes {
        if shift > 63 {
            return None;
        }
        rest |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let difference = (rest >> 1) ^ (rest & 1).wrapping_neg();
            last = last.wrapping_add(difference);
            numbers.push(last);
            (rest, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_unpacks(numbers in prop::collection::vec(any::<u64>(), 0..64)) {
            let mut recent = Recent::default();
            for number in &numbers {
                recent.push(*number);
            }
            prop_assert_eq!(unpack(recent.bytes()), Some(numbers));
            prop_assert_eq!(recent.take_full(), None);
            prop_assert_eq!(Recent::from_bytes(recent.bytes().to_vec()), Some(recent));
        }

        #[test]
        fn other_bytes_unpack_to_something_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_full_block_is_taken_out_with_its_first_number() {
        let mut recent = Recent::default();
        for number in 100..163 {
            recent.push(number);
            assert_eq!(recent.take_full(), None);
        }
        recent.push(163);
        let Full { first, bytes } = recent.take_full().unwrap();
        assert_eq!((first, unpack(&bytes)), (100, Some((100..164).collect())));
        assert!(bytes.len() <= 66, "neighbours take a byte each: {}", bytes.len());
        assert_eq!(recent, Recent::default());
    }
}
