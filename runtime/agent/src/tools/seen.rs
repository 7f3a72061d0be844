//! Which state of which file a conversation has been shown, so that nothing is written over what it does not know.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::replace::Stamp;

/// Beyond this all is forgotten; then files have to be read again before they are written over.
const SEEN_MAX: usize = 8192;

#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<(Uuid, PathBuf), Stamp>>>);

impl Seen {
    pub(super) fn note(&self, by: Uuid, path: &Path, stamp: Stamp) {
        // What is under the lock is whole between any two calls, so a panic elsewhere has not spoilt it.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert((by, path.to_path_buf()), stamp);
    }

    pub(super) fn stamp(&self, by: Uuid, path: &Path) -> Option<Stamp> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(by, path.to_path_buf())).copied()
    }
}
