//! One layer of files: those that Nexus ships, or those of a folder.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rust_embed::RustEmbed;

use crate::fault::Fault;

const FILES_MAX: usize = 10_000;
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const DEPTH_MAX: usize = 16;
/// What runs leave in a home, and what version control keeps: no part of a workspace.
const PASSED_OVER: [&str; 9] = [
    ".git",
    ".nexus",
    "inbox.jsonl",
    "logs",
    "memory",
    "node_modules",
    "outbox.jsonl",
    "session",
    "spent.jsonl",
];

#[derive(RustEmbed)]
#[folder = "framework"]
struct Shipped;

/// Contents by path, which has `/` between its parts.
pub type Layer = BTreeMap<String, Vec<u8>>;

/// The files that Nexus ships.
pub fn framework() -> Layer {
    let files = Shipped::iter();
    files.filter_map(|path| Some((path.to_string(), Shipped::get(&path)?.data.into_owned()))).collect()
}

/// The files of a folder, and what in it could not be taken. Links are not followed.
pub fn read(folder: &Path) -> io::Result<(Layer, Vec<Fault>)> {
    let (mut files, mut faults) = (Layer::new(), Vec::new());
    let mut todo = vec![(folder.to_path_buf(), String::new(), 0)];
    while let Some((at, prefix, depth)) = todo.pop() {
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                faults.push(Fault::of_file(prefix.clone(), "holds a name that is no UTF-8; rename it"));
                continue;
            };
            if PASSED_OVER.contains(&name.as_str()) {
                continue;
            }
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                faults.push(Fault::of_file(
                    path,
                    "this is a link, and links are not followed; put the file itself here",
                ));
            } else if kind.is_dir() && depth < DEPTH_MAX {
                todo.push((entry.path(), path, depth + 1));
            } else if kind.is_dir() {
                faults.push(Fault::of_file(path, format!("folders nest at most {DEPTH_MAX} deep")));
            } else if entry.metadata()?.len() > FILE_BYTES_MAX {
                faults.push(Fault::of_file(
                    path,
                    format!("it is larger than {FILE_BYTES_MAX} bytes and is left out"),
                ));
            } else if files.len() >= FILES_MAX {
                faults.push(Fault::of_file(
                    path,
                    format!("there are more than {FILES_MAX} files; this one is left out"),
                ));
            } else if kind.is_file() {
                files.insert(path, fs::read(entry.path())?);
            }
        }
    }
    Ok((files, faults))
}

/// Another number after anything in the folder has changed, without reading what is in its files.
pub fn stamp(folder: &Path) -> io::Result<u64> {
    let mut seen = Vec::new();
    let mut todo = vec![(folder.to_path_buf(), 0)];
    while let Some((at, depth)) = todo.pop() {
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| PASSED_OVER.contains(&name)) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEPTH_MAX {
                todo.push((entry.path(), depth + 1));
            } else if let Ok(it) = entry.metadata() {
                seen.push((entry.path(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()));
            }
            if seen.len() > FILES_MAX {
                break;
            }
        }
    }
    seen.sort();
    let mut hash = DefaultHasher::new();
    seen.hash(&mut hash);
    Ok(hash.finish())
}
