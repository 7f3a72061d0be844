//! A new workspace: an empty one with a word on each folder, or one that shows how a small team works.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

/// What a new workspace holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    #[default]
    Fresh,
    Demo,
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("{} is not empty; choose a folder that is not there yet, or an empty one", .0.display())]
    NotEmpty(PathBuf),
    #[error("{}: cannot be made: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(RustEmbed)]
#[folder = "new/fresh"]
struct Fresh;

#[derive(RustEmbed)]
#[folder = "new/demo"]
struct Demo;

/// Makes it, and returns the files it wrote. Changes no folder that holds anything.
pub fn init(folder: &Path, kind: Kind) -> Result<Vec<PathBuf>, InitError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InitError::Io { path, source }
    };
    if !is_empty(folder).map_err(failed(folder))? {
        return Err(InitError::NotEmpty(folder.to_owned()));
    }
    let mut written = Vec::new();
    let fresh = Fresh::iter().map(|path| (path.to_string(), Fresh::get(&path)));
    let demo = Demo::iter().filter(|_| kind == Kind::Demo).map(|path| (path.to_string(), Demo::get(&path)));
    for (path, file) in fresh.chain(demo) {
        let Some(file) = file else { continue };
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(failed(parent))?;
        write_new(&path, &file.data).map_err(failed(&path))?;
        written.push(path);
    }
    written.sort();
    Ok(written)
}

/// Whether there is nothing in it but what version control keeps there.
fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.all(|entry| entry.is_ok_and(|it| it.file_name() == ".git"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overlay, framework, read, validate};

    #[test]
    fn what_is_shipped_and_what_is_made_is_in_order() {
        for kind in [Kind::Fresh, Kind::Demo] {
            let dir = tempfile::tempdir().expect("a folder");
            let at = dir.path().join("workspace");
            let written = init(&at, kind).expect("made");
            let (workspace, faults) = read(&at).expect("read");
            assert_eq!((workspace.len(), faults), (written.len(), Vec::new()));
            let overlay = Overlay::of(&framework(), &workspace);
            assert_eq!(validate(&workspace, &overlay, |_| false), []);
            assert!(matches!(init(&at, kind), Err(InitError::NotEmpty(_))));
        }
    }

    #[test]
    fn links_and_what_runs_leave_behind_are_not_read() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("aspects/a/.nexus")).expect("made");
        fs::write(dir.path().join("aspects/a/.nexus/key.json"), "key").expect("written");
        fs::write(dir.path().join("aspects/a/SOUL.md"), "soul").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.md")).expect("a link");
        let (files, faults) = read(dir.path()).expect("read");
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["aspects/a/SOUL.md"]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].to_string().starts_with("link.md: this is a link"), "{}", faults[0]);
    }
}
