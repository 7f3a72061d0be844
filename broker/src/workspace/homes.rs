//! The homes of a workspace's aspects, copied to where their agents run. What agents have written there stays: a file
//! is written when it is another than the one that was copied last. Agents write in these folders, so no link in them is
//! ever followed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use nexus_workspace::{Fault, Overlay};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

const SETTINGS: &str = "aspect.json";
/// What the settings of a home are called that is run no more.
const SET_ASIDE: &str = "aspect.json.left";
const NEXT: &str = ".workspace-copy";

#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Copied {
    pub(super) written: usize,
    /// Aspects that are run no more.
    pub(super) left: Vec<String>,
    /// What stands in the way of single files, such as a link that an agent has laid.
    pub(super) faults: Vec<Fault>,
}

/// Copies `aspects/` of what is in effect below `to`. `known` is what was copied before. A home with a fault stays as
/// it is.
pub(super) fn copy(
    overlay: &Overlay,
    faults: &[Fault],
    to: &Path,
    known: &mut BTreeMap<String, String>,
) -> io::Result<Copied> {
    std::fs::create_dir_all(to.join("aspects"))?;
    let root = openat(CWD, to, FOLDER, Mode::empty())?;
    let mut copied = Copied::default();
    for (path, file) in &overlay.files {
        let Some((name, _)) = path.strip_prefix("aspects/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        if faults.iter().any(|fault| is_about(fault, name)) {
            continue;
        }
        let sha256 = file.sha256();
        match put(&root, path, &file.bytes, known.get(path) == Some(&sha256)) {
            Ok(is_written) => {
                copied.written += usize::from(is_written);
                known.insert(path.clone(), sha256);
            }
            Err(error) => {
                let message = format!("it cannot be copied to {}: {error}", to.join(path).display());
                copied.faults.push(Fault::of_file(file.by.clone().unwrap_or_else(|| path.clone()), message));
            }
        }
    }
    for entry in std::fs::read_dir(to.join("aspects"))? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if overlay.files.contains_key(&format!("aspects/{name}/{SETTINGS}")) {
            continue;
        }
        let Ok(home) = folder(&root, &format!("aspects/{name}")) else { continue };
        match renameat(&home, SETTINGS, &home, SET_ASIDE) {
            Ok(()) => copied.left.push(name),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(copied)
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

fn is_about(fault: &Fault, name: &str) -> bool {
    let file = fault.file.strip_prefix("framework:").unwrap_or(&fault.file);
    let rest = file.strip_prefix("aspects/").and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// One file; `true` when it was written.
fn put(root: &OwnedFd, path: &str, bytes: &[u8], is_known: bool) -> io::Result<bool> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = folder(root, folders)?;
    // What an agent has taken out of its folders stays out; a home without its own files is none.
    let is_of_home = path.matches('/').count() == 2;
    let is_missing = is_of_home && statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_err();
    if is_known && !is_missing { Ok(false) } else { write(&folder, name, bytes) }
}

/// Opened step by step, and made where it is not there.
fn folder(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    let mut at = root.try_clone()?;
    for part in path.split('/') {
        match mkdirat(&at, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        at = openat(&at, part, FOLDER, Mode::empty())?;
    }
    Ok(at)
}

/// `false`: it was the same already. A file is there as a whole or not at all.
fn write(folder: &OwnedFd, name: &str, bytes: &[u8]) -> io::Result<bool> {
    let read = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let is_file = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if is_file && let Ok(there) = openat(folder, name, read, Mode::empty()) {
        let mut same = Vec::new();
        let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(1);
        if File::from(there).take(most).read_to_end(&mut same).is_ok() && same == bytes {
            return Ok(false);
        }
    }
    // One that was left behind by a kill goes first.
    let _ = unlinkat(folder, NEXT, AtFlags::empty());
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file = File::from(openat(folder, NEXT, new, Mode::from_raw_mode(0o644))?);
    file.write_all(bytes)?;
    file.sync_all()?;
    renameat(folder, NEXT, folder, name)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nexus_workspace::Layer;

    use super::*;

    fn overlay(files: &[(&str, &str)]) -> Overlay {
        let layer: Layer =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        Overlay::of(&Layer::new(), &layer)
    }

    #[test]
    fn what_agents_wrote_stays_and_what_the_workspace_changes_comes() {
        let dir = tempfile::tempdir().unwrap();
        let (to, mut known) = (dir.path().join("workspace"), BTreeMap::new());
        let at = |path: &str| to.join("aspects/wren").join(path);
        let first = overlay(&[
            ("aspects/wren/aspect.json", "{}"),
            ("aspects/wren/work/a.txt", "a"),
            ("aspects/wren/work/b.txt", "b"),
            ("skills/x.md", "# x"),
        ]);
        assert_eq!(copy(&first, &[], &to, &mut known).unwrap(), Copied { written: 3, ..Copied::default() });
        assert!(!to.join("skills").exists());
        fs::write(at("work/a.txt"), "the agent's").unwrap();
        fs::remove_file(at("work/b.txt")).unwrap();
        fs::remove_file(at("aspect.json")).unwrap();
        assert_eq!(copy(&first, &[], &to, &mut known).unwrap(), Copied { written: 1, ..Copied::default() });
        assert_eq!(fs::read_to_string(at("work/a.txt")).unwrap(), "the agent's");
        assert!(!at("work/b.txt").exists() && at("aspect.json").exists());
        let second = overlay(&[("aspects/wren/aspect.json", "{}"), ("aspects/wren/work/a.txt", "another")]);
        assert_eq!(copy(&second, &[], &to, &mut known).unwrap(), Copied { written: 1, ..Copied::default() });
        assert_eq!(fs::read_to_string(at("work/a.txt")).unwrap(), "another");
        let none = overlay(&[]);
        assert_eq!(copy(&none, &[], &to, &mut known).unwrap().left, ["wren"]);
        assert!(at(SET_ASIDE).exists() && at("work/a.txt").exists());
        assert_eq!(copy(&second, &[], &to, &mut known).unwrap(), Copied { written: 1, ..Copied::default() });
    }

    #[test]
    fn a_home_with_a_fault_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (to, mut known) = (dir.path().join("workspace"), BTreeMap::new());
        let all = overlay(&[("aspects/wren/aspect.json", "{}"), ("aspects/wrench/aspect.json", "{}")]);
        let fault = Fault::of_file("aspects/wren/aspect.patch.toml", "no");
        assert_eq!(copy(&all, &[fault], &to, &mut known).unwrap().written, 1);
        assert!(!to.join("aspects/wren").exists() && to.join("aspects/wrench/aspect.json").exists());
    }

    #[test]
    fn no_link_that_an_agent_has_laid_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (to, outside) = (dir.path().join("workspace"), dir.path().join("outside"));
        fs::create_dir_all(to.join("aspects/wren/work")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("a.txt"), "mine").unwrap();
        symlink(outside.join("a.txt"), to.join("aspects/wren/work/a.txt")).unwrap();
        symlink(&outside, to.join("aspects/wren/work/books")).unwrap();
        let known = &mut BTreeMap::new();
        let file = overlay(&[("aspects/wren/work/a.txt", "theirs"), ("aspects/wren/aspect.json", "{}")]);
        assert_eq!(copy(&file, &[], &to, known).unwrap().written, 2);
        assert_eq!(fs::read_to_string(outside.join("a.txt")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(to.join("aspects/wren/work/a.txt")).unwrap(), "theirs");
        let below = overlay(&[("aspects/wren/work/books/a.txt", "theirs")]);
        let copied = copy(&below, &[], &to, known).unwrap();
        assert_eq!((copied.written, copied.faults.len()), (0, 1));
        assert!(
            copied.faults[0].to_string().starts_with("aspects/wren/work/books/a.txt: it cannot be copied")
        );
        assert_eq!(fs::read_to_string(outside.join("a.txt")).unwrap(), "mine");
    }
}
