//! The folders of an aspect's file tools, and the one way from a path a model wrote to an open file.
//!
//! What a path may reach is decided by where it leads after every symlink, and the file is then opened beneath
//! its root without following any, so nothing can be swapped in between. Knows nothing of what is in a file.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Holds the keys of an aspect; closed to every tool wherever it lies.
const KEYS_FOLDER: &str = ".nexus";
/// Holds programs that git runs for whoever uses it next; git itself is what writes there.
const GIT_FOLDER: &str = ".git";

/// A folder by the name it has in paths.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Root {
    pub label: String,
    pub path: PathBuf,
    /// Whether tools may change what is in it.
    pub write: bool,
}

/// Paths are written `<label>/<path in that root>`.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<Root>);

/// Somewhere that exists within a root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// As a model writes it: label first, links resolved.
    pub(crate) shown: String,
    pub(crate) real: PathBuf,
    pub(super) root: PathBuf,
}

/// Where something is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) place: Place,
    /// Relative to the root, links resolved.
    pub(super) within: PathBuf,
    pub(crate) exists: bool,
}

/// Why a path is not read or written. `path` is what was asked for.
#[derive(Debug, Error)]
#[error("path {path:?}: {kind}")]
pub struct PathError {
    pub path: String,
    pub kind: PathErrorKind,
}

#[derive(Debug, Error)]
pub enum PathErrorKind {
    #[error("it is absolute; write <root>/<path>, with one of the roots {roots}")]
    Absolute { roots: String },
    #[error("`..` leads out of what may be read; write the path from its root")]
    Climbs,
    #[error("it is closed to tools")]
    Closed,
    #[error("it is a folder; list_files shows what is in it")]
    Folder,
    #[error("{0}")]
    Io(#[source] io::Error),
    #[error("no root is called {label:?}; the roots are {roots}")]
    NoSuchRoot { label: String, roots: String },
    #[error("nothing is there")]
    NotFound,
    #[error("it leads out of its root and is not followed")]
    Outside,
    #[error("it is {0}, not a file")]
    Special(&'static str),
    #[error("root {label:?} is only for reading; the roots to write in are {writable}")]
    ReadOnly { label: String, writable: String },
}

impl Roots {
    pub(super) fn all(&self) -> &[Root] {
        &self.0
    }

    pub fn new(mut roots: Vec<Root>) -> Self {
        roots.sort_by(|a, b| a.label.cmp(&b.label));
        Self(roots)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.0.iter()
    }

    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|root| root.label.as_str())
    }

    fn listed(&self) -> String {
        let labels: Vec<&str> = self.labels().collect();
        if labels.is_empty() { "none (this aspect has no roots)".to_owned() } else { labels.join(", ") }
    }

    fn writable(&self) -> String {
        let labels: Vec<&str> =
            self.0.iter().filter(|root| root.write).map(|root| root.label.as_str()).collect();
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
    }

    /// Where `path` leads. No file is opened for it.
    pub(crate) fn resolve(&self, path: &str) -> Result<Place, PathError> {
        self.find(path).map_err(|kind| PathError { path: beginning(path), kind })
    }

    /// The given place, or every root that exists when none is given.
    pub(crate) fn resolve_or_all(&self, path: Option<&str>) -> Result<Vec<Place>, PathError> {
        match path.map(str::trim) {
            Some(path) if !matches!(path, "" | "." | "/" | "./") => Ok(vec![self.resolve(path)?]),
            Some(_) | None => Ok(self.labels().filter_map(|label| self.resolve(label).ok()).collect()),
        }
    }

    fn find(&self, path: &str) -> Result<Place, PathErrorKind> {
        let (root, inner) = self.split(path)?;
        let top = open_top(root)?;
        if is_closed(&inner) || is_closed(&top) {
            return Err(PathErrorKind::Closed);
        }
        place(root, &top, &top.join(inner))
    }

    /// Where something is to be written: a place that exists, or a new name in a folder below the root, some of whose
    /// folders may have to be made.
    pub(crate) fn resolve_to_write(&self, path: &str) -> Result<Target, PathError> {
        self.find_to_write(path).map_err(|kind| PathError { path: beginning(path), kind })
    }

    fn find_to_write(&self, path: &str) -> Result<Target, PathErrorKind> {
        let (root, inner) = self.split(path)?;
        if !root.write {
            return Err(PathErrorKind::ReadOnly { label: root.label.clone(), writable: self.writable() });
        }
        let top = open_top(root)?;
        if is_closed(&inner) || is_closed(&top) {
            return Err(PathErrorKind::Closed);
        }
        // Up to the deepest part that exists, links are resolved; below it nothing can be one.
        let mut there = top.join(&inner);
        let mut missing_parts = Vec::new();
        let found = loop {
            if let Err(error) = std::fs::symlink_metadata(&there) {
                if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                    return Err(missing(error));
                }
            } else {
                break place(root, &top, &there)?;
            }
            match (there.file_name().map(ToOwned::to_owned), there.parent().map(Path::to_path_buf)) {
                (Some(name), Some(parent)) if there != top => {
                    missing_parts.push(name);
                    there = parent;
                }
                (Some(_) | None, Some(_) | None) => return Err(PathErrorKind::NotFound),
            }
        };
        missing_parts.reverse();
        let mut within = found.real.strip_prefix(&top).map_err(|_| PathErrorKind::Outside)?.to_path_buf();
        within.extend(&missing_parts);
        if is_closed(&within) || within.components().any(|part| part.as_os_str() == GIT_FOLDER) {
            return Err(PathErrorKind::Closed);
        }
        let exists = missing_parts.is_empty();
        if within.as_os_str().is_empty() {
            return Err(PathErrorKind::Folder);
        }
        let place = Place { shown: shown(&root.label, &within), real: top.join(&within), root: top };
        Ok(Target { place, within, exists })
    }

    /// The root that a path begins with, and what follows.
    fn split(&self, path: &str) -> Result<(&Root, PathBuf), PathErrorKind> {
        let asked = Path::new(path.trim());
        if asked.is_absolute() {
            return Err(PathErrorKind::Absolute { roots: self.listed() });
        }
        let mut parts = Vec::new();
        for component in asked.components() {
            match component {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(PathErrorKind::Climbs);
                }
            }
        }
        let label = parts.first().map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(root) = self.0.iter().find(|root| root.label == label) else {
            return Err(PathErrorKind::NoSuchRoot { label, roots: self.listed() });
        };
        Ok((root, parts.iter().skip(1).collect()))
    }
}

/// As much of a path as helps whoever wrote it.
fn beginning(path: &str) -> String {
    const CHARS_MAX: usize = 400;
    match path.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

fn open_top(root: &Root) -> Result<PathBuf, PathErrorKind> {
    root.path.canonicalize().map_err(missing)
}

fn place(root: &Root, top: &Path, path: &Path) -> Result<Place, PathErrorKind> {
    let real = path.canonicalize().map_err(missing)?;
    let Ok(within) = real.strip_prefix(top) else { return Err(PathErrorKind::Outside) };
    if is_closed(within) {
        return Err(PathErrorKind::Closed);
    }
    Ok(Place { shown: shown(&root.label, within), real, root: top.to_path_buf() })
}

impl Place {
    pub(crate) fn is_folder(&self) -> bool {
        self.real.is_dir()
    }

    /// The folder of the root it lies in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The place of something a walk has found beneath this one.
    pub(crate) fn shown_of(&self, found: &Path) -> Option<String> {
        let within = found.strip_prefix(&self.real).ok()?;
        Some(shown(&self.shown, within))
    }

    /// Opens a regular file; anything else is refused before it could block or have an effect.
    pub(crate) fn open(&self) -> Result<(File, Metadata), PathError> {
        self.open_beneath(&self.real).map_err(|kind| PathError { path: self.shown.clone(), kind })
    }

    /// Opens what a walk has found. Links on the way to it are not followed.
    pub(crate) fn open_found(&self, found: &Path) -> Result<(File, Metadata), PathError> {
        self.open_beneath(found).map_err(|kind| PathError { path: found.display().to_string(), kind })
    }

    fn open_beneath(&self, real: &Path) -> Result<(File, Metadata), PathErrorKind> {
        regular(&std::fs::symlink_metadata(real).map_err(missing)?)?;
        let within = real.strip_prefix(&self.root).map_err(|_| PathErrorKind::Outside)?;
        let file = open_regular(&self.root, within, real).map_err(missing)?;
        let metadata = file.metadata().map_err(PathErrorKind::Io)?;
        regular(&metadata)?;
        Ok((file, metadata))
    }
}

/// Not blocking, so that a FIFO put there meanwhile does not hold us.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

#[cfg(target_os = "linux")]
fn open_regular(root: &Path, within: &Path, real: &Path) -> io::Result<File> {
    use rustix::fs::{ResolveFlags, openat, openat2};

    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, folder, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(&root, within, FLAGS, Mode::empty(), resolve) {
        Ok(file) => Ok(file.into()),
        // Some containers forbid the call. The path was resolved a moment ago and its last part is no link.
        Err(Errno::NOSYS | Errno::PERM) => Ok(openat(CWD, real, FLAGS, Mode::empty())?.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_regular(_root: &Path, _within: &Path, real: &Path) -> io::Result<File> {
    Ok(rustix::fs::openat(CWD, real, FLAGS, Mode::empty())?.into())
}

fn regular(metadata: &Metadata) -> Result<(), PathErrorKind> {
    use std::os::unix::fs::FileTypeExt;

    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(if kind.is_dir() {
        PathErrorKind::Folder
    } else if kind.is_symlink() {
        PathErrorKind::Outside
    } else if kind.is_fifo() {
        PathErrorKind::Special("a pipe")
    } else if kind.is_socket() {
        PathErrorKind::Special("a socket")
    } else {
        PathErrorKind::Special("a device")
    })
}

/// Whether a path passes through a folder of keys.
pub(crate) fn is_closed(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(KEYS_FOLDER))
}

fn missing(error: io::Error) -> PathErrorKind {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) => PathErrorKind::NotFound,
        Some(Errno::LOOP | Errno::XDEV) => PathErrorKind::Outside,
        Some(_) | None => PathErrorKind::Io(error),
    }
}

fn shown(top: &str, within: &Path) -> String {
    let within = within.to_string_lossy();
    if within.is_empty() { top.to_owned() } else { format!("{top}/{within}") }
}
