//! Assertions that have been used. Bounded; an entry goes when its assertion would be refused as expired.

use std::collections::{BTreeSet, HashSet};

use nexus_wire::AspectName;
use nexus_wire::limits::CLOCK_LEEWAY;
use sha2::{Digest, Sha256};

use super::{AuthError, Seconds};

const ENTRIES_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Replay {
    seen: HashSet<[u8; 32]>,
    by_expiry: BTreeSet<(Seconds, [u8; 32])>,
}

impl Replay {
    /// When the table is full of live entries nobody new gets in, rather than an old one twice.
    pub(super) fn note(
        &mut self,
        name: &AspectName,
        jti: &str,
        exp: Seconds,
        now: Seconds,
    ) -> Result<(), AuthError> {
        self.forget_expired(now);
        let digest: [u8; 32] =
            Sha256::new().chain_update(name.as_str()).chain_update([0]).chain_update(jti).finalize().into();
        if self.seen.contains(&digest) {
            return Err(AuthError::Assertion("its `jti` was used before"));
        }
        if self.seen.len() >= ENTRIES_MAX {
            return Err(AuthError::Crowded);
        }
        self.seen.insert(digest);
        self.by_expiry.insert((exp.saturating_add(CLOCK_LEEWAY.as_secs()), digest));
        Ok(())
    }

    fn forget_expired(&mut self, now: Seconds) {
        while let Some(first) = self.by_expiry.first().copied().filter(|first| first.0 <= now) {
            self.by_expiry.remove(&first);
            self.seen.remove(&first.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_is_taken_once_by_each_name_until_it_expires() {
        let (wren, forge): (AspectName, AspectName) = ("wren".parse().unwrap(), "forge".parse().unwrap());
        let mut replay = Replay::default();
        assert_eq!(replay.note(&wren, "a", 160, 100), Ok(()));
        assert!(replay.note(&wren, "a", 160, 101).is_err());
        assert_eq!(replay.note(&forge, "a", 160, 101), Ok(()));
        assert!(replay.note(&wren, "a", 160, 164).is_err());
        assert_eq!(replay.note(&wren, "b", 300, 165), Ok(()));
        assert_eq!(replay.seen.len(), 1);
    }
}
