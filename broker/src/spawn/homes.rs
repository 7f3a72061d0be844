//! The homes under some folders, as far as they can be known without running their agents.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nexus_client::keyfile::KEYFILE_PATH;
use nexus_wire::AspectName;
use nexus_wire::roster::AspectRole;
use serde::Deserialize;

use super::fleet::Stamp;

pub(super) const SETTINGS_FILE: &str = "aspect.json";
/// An agent that found a fault is started again when one of these has changed.
const LOOKED_AT: [&str; 6] = [SETTINGS_FILE, "SOUL.md", "NEXUS.md", "PRIMER.md", "script.toml", KEYFILE_PATH];

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OnDisk {
    pub(super) dir: PathBuf,
    pub(super) stamp: Stamp,
    /// Whose home it is; `None` when that cannot be read, which the agent itself explains.
    pub(super) who: Option<Who>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Who {
    pub(super) name: AspectName,
    #[serde(default)]
    pub(super) role: AspectRole,
}

/// All homes, each once, in the order of their paths. Fails as a whole: what cannot be listed is not gone.
pub(super) fn scan(folders: &[PathBuf]) -> Result<Vec<OnDisk>, (PathBuf, io::Error)> {
    let mut dirs = Vec::new();
    for folder in folders {
        let failed = |error| (folder.clone(), error);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let dir = entry.map_err(failed)?.path();
            if dir.join(SETTINGS_FILE).is_file() {
                dirs.push(dir);
            }
        }
    }
    dirs.sort();
    dirs.dedup();
    Ok(dirs.into_iter().map(|dir| OnDisk { stamp: stamp(&dir), who: who(&dir), dir }).collect())
}

fn who(dir: &Path) -> Option<Who> {
    serde_json::from_slice(&std::fs::read(dir.join(SETTINGS_FILE)).ok()?).ok()
}

fn stamp(dir: &Path) -> Stamp {
    let mut hash = DefaultHasher::new();
    for name in LOOKED_AT {
        let seen = std::fs::metadata(dir.join(name)).ok();
        seen.map(|it| (it.ino(), it.size(), it.mtime(), it.mtime_nsec(), it.mode())).hash(&mut hash);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn homes_are_found_with_their_names_and_their_changes() {
        let dir = tempfile::tempdir().unwrap();
        let folders = [dir.path().to_owned()];
        for (name, settings) in [("b", r#"{"name": "wren", "role": "frame", "slots": 3}"#), ("a", "{")] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(SETTINGS_FILE), settings).unwrap();
        }
        fs::create_dir(dir.path().join("no-home")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let found = scan(&folders).unwrap();
        let wren = Who { name: "wren".parse().unwrap(), role: AspectRole::Frame };
        let told: Vec<_> = found.iter().map(|it| (it.dir.file_name().unwrap(), it.who.clone())).collect();
        assert_eq!(told, [("a".as_ref(), None), ("b".as_ref(), Some(wren))]);
        assert_eq!(scan(&folders).unwrap(), found);
        fs::write(dir.path().join("a/SOUL.md"), "I am.").unwrap();
        let later = scan(&folders).unwrap();
        assert_ne!(later[0].stamp, found[0].stamp);
        assert_eq!(later[1], found[1]);
        let missing = dir.path().join("missing");
        assert_eq!(scan(std::slice::from_ref(&missing)).unwrap_err().0, missing);
    }
}
