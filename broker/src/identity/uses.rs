//! When tokens and sessions were last used, gathered so that not every request is a write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nexus_wire::Ms;

use crate::hub::records::Digest;

/// What was written and not used for this long is forgotten here; the store has it.
const FORGET_MS: Ms = 10 * 60 * 1_000;

#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<Digest, Use>>);

#[derive(Clone, Copy, Debug)]
struct Use {
    at: Ms,
    is_written: bool,
}

impl Uses {
    /// Only for digests that let somebody in, of which there is a bounded number.
    pub(super) fn note(&self, digest: Digest, at: Ms) {
        self.lock().insert(digest, Use { at, is_written: false });
    }

    pub(super) fn last(&self, digest: &Digest) -> Option<Ms> {
        self.lock().get(digest).map(|it| it.at)
    }

    /// What is to be written, once.
    pub(super) fn take(&self, at: Ms) -> Vec<(Digest, Ms)> {
        let mut uses = self.lock();
        uses.retain(|_, it| !it.is_written || at - it.at < FORGET_MS);
        let mut taken = Vec::new();
        for (digest, it) in uses.iter_mut().filter(|(_, it)| !it.is_written) {
            it.is_written = true;
            taken.push((*digest, it.at));
        }
        taken.sort_unstable();
        taken
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_written_once_and_remembered_for_a_while() {
        let (uses, digest) = (Uses::default(), Digest([7; 32]));
        uses.note(digest, 5);
        uses.note(digest, 9);
        assert_eq!(uses.take(10), [(digest, 9)]);
        assert_eq!((uses.take(11), uses.last(&digest)), (Vec::new(), Some(9)));
        assert_eq!((uses.take(9 + FORGET_MS), uses.last(&digest)), (Vec::new(), None));
    }
}
