//! Where a home keeps its sessions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

pub const SESSION_DIR: &str = "session";

/// Which session of an aspect.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SessionKey {
    /// The one session of context mode `global`.
    Global,
    /// Of a thread of the bus.
    Thread(Uuid),
    /// Made by a fork; named by the session's own id.
    Fork(Uuid),
}

impl SessionKey {
    pub fn path(self, home: &Path) -> PathBuf {
        let dir = home.join(SESSION_DIR);
        match self {
            Self::Global => dir.join("global.jsonl"),
            Self::Thread(id) => dir.join("threads").join(format!("{id}.jsonl")),
            Self::Fork(id) => dir.join("forks").join(format!("{id}.jsonl")),
        }
    }

    pub(super) fn thread(self) -> Option<Uuid> {
        match self {
            Self::Thread(id) => Some(id),
            Self::Global | Self::Fork(_) => None,
        }
    }

    /// The sessions a home has: the global one, then threads and forks by age.
    pub fn list(home: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        if Self::Global.path(home).exists() {
            found.push(Self::Global);
        }
        let dir = home.join(SESSION_DIR);
        found.extend(ids_in(&dir.join("threads"))?.into_iter().map(Self::Thread));
        found.extend(ids_in(&dir.join("forks"))?.into_iter().map(Self::Fork));
        Ok(found)
    }
}

impl std::fmt::Display for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Thread(id) | Self::Fork(id) => id.fmt(f),
        }
    }
}

fn ids_in(dir: &Path) -> io::Result<Vec<Uuid>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Whatever else lies there is not a session.
        let id = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        ids.extend(id.and_then(|id| id.parse::<Uuid>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}
