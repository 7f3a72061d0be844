//! Outputs too long for a session file, each in a file of its own that is named by its hash. All sessions of a home
//! share them, forks included; nothing removes one.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::SESSION_DIR;
use crate::journal::{Durability, create_dir, sync_dir};

const PREFIX: &str = "sha256-";
const HEX_CHARS: usize = 64;

/// `sha256-` and the hash of the bytes in hex.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct BlobName(String);

#[derive(Debug, Error)]
pub enum BlobError {
    #[error("{0} is damaged: its bytes are not those that were stored")]
    Damaged(BlobName),
    #[error("{name} cannot be read: {source}")]
    Io { name: BlobName, source: io::Error },
    #[error("{0} is missing")]
    Missing(BlobName),
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0:?} names no output; write sha256- and 64 hex digits, as the result that was cut has it")]
pub struct BadBlobName(String);

impl BlobName {
    fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{PREFIX}{hex}"))
    }
}

impl FromStr for BlobName {
    type Err = BadBlobName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.strip_prefix(PREFIX) {
            Some(hex) if hex.len() == HEX_CHARS && hex.bytes().all(is_hex) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(BadBlobName(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outputs of one home.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
    durability: Durability,
}

impl Blobs {
    pub fn of(home: &Path, durability: Durability) -> Self {
        Self { dir: home.join(SESSION_DIR).join("blobs"), durability }
    }

    pub fn path(&self, name: &BlobName) -> PathBuf {
        self.dir.join(&name.0)
    }

    /// On disk, name and all, when this returns. The same bytes are stored once.
    pub fn put(&self, bytes: &[u8]) -> io::Result<BlobName> {
        let name = BlobName::of(bytes);
        // One that is there and damaged is put right.
        if fs::read(self.path(&name)).is_ok_and(|stored| stored == bytes) {
            return Ok(name);
        }
        create_dir(&self.dir, self.durability)?;
        // Nobody else writes there, whoever stores the same.
        let beside = self.dir.join(format!("{}.new", Uuid::now_v7()));
        let written = self.write(&beside, bytes).and_then(|()| fs::rename(&beside, self.path(&name)));
        if let Err(error) = written {
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        sync_dir(&self.dir, self.durability)?;
        Ok(name)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        if self.durability == Durability::Fsync {
            file.sync_all()?;
        }
        Ok(())
    }

    pub fn get(&self, name: &BlobName) -> Result<Vec<u8>, BlobError> {
        match fs::read(self.path(name)) {
            Ok(bytes) if BlobName::of(&bytes) == *name => Ok(bytes),
            Ok(_) => Err(BlobError::Damaged(name.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(name.clone())),
            Err(source) => Err(BlobError::Io { name: name.clone(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_stored_once_and_what_is_wrong_with_it_is_said() {
        let home = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::of(home.path(), Durability::Fsync);
        let name = blobs.put(b"much").expect("stored");
        assert_eq!(name.to_string().parse(), Ok(name.clone()));
        assert_eq!(blobs.put(b"much").expect("stored"), name);
        assert_eq!(blobs.get(&name).expect("there"), b"much");
        assert_eq!(fs::read_dir(home.path().join("session/blobs")).expect("listed").count(), 1);

        fs::write(blobs.path(&name), "mush").expect("written");
        assert!(matches!(blobs.get(&name), Err(BlobError::Damaged(_))));
        blobs.put(b"much").expect("stored");
        assert_eq!(blobs.get(&name).expect("put right"), b"much");
        fs::remove_file(blobs.path(&name)).expect("removed");
        assert!(matches!(blobs.get(&name), Err(BlobError::Missing(_))));
    }

    #[test]
    fn a_name_is_a_hash_and_no_path() {
        let good = format!("{PREFIX}{}", "0a".repeat(32));
        for bad in [
            "",
            "sha256-",
            "sha256-../../../.nexus/key.json",
            &good.to_uppercase(),
            &good[1..],
            &format!("{good}0"),
        ] {
            assert!(bad.parse::<BlobName>().is_err(), "{bad}");
        }
        assert!(good.parse::<BlobName>().is_ok());
    }
}
