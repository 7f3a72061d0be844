//! The data directory: who holds it, where its broker answers, and how a file gets into it whole.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where the first operator's token lies.
pub(crate) const TOKEN_FILE: &str = "operator.token";
/// What credentials are sealed with; made when the first one is kept.
pub(crate) const CREDENTIALS_KEY: &str = "credentials.key";
/// What makes a Nexus itself and lets people in; a backup holds it only when that is asked for.
pub(crate) const KEY_FILES: [&str; 4] = ["identity.json", "ca.pem", TOKEN_FILE, CREDENTIALS_KEY];

/// Whoever has one of these is a Nexus already.
pub(crate) const NEXUS_FILES: [&str; 2] = ["identity.json", "nexus.db"];

/// One of these is in every data directory, from the first moment of the first start on; settings may be there before.
const OURS: [&str; 5] = ["nexus.lock", "nexus.db", "nexus.toml", "identity.json", TOKEN_FILE];

/// A new file system has a folder of its own.
fn holds_anything(path: &Path) -> bool {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name() != "lost+found")
}

/// Takes what others may do with it away.
fn keep_private(path: &Path, mode: u32) -> io::Result<()> {
    match path.metadata()?.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => std::fs::set_permissions(path, Permissions::from_mode(mode)),
    }
}

#[derive(Debug, Error)]
pub enum DataDirError {
    #[error("cannot use {} as data directory: {source}; name another with --data, or make it writable", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error(
        "{} holds other things and no Nexus, so it is left as it is; name a folder that is not there yet, or an empty one, with --data",
        path.display()
    )]
    NotOurs { path: PathBuf },
    #[error("a broker is running on {}{}; stop it, or name another directory with --data", path.display(), whereabouts(.run.as_ref()))]
    InUse { path: PathBuf, run: Option<RunFile> },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

fn whereabouts(run: Option<&RunFile>) -> String {
    run.map_or_else(String::new, |run| format!(" (process {}, {})", run.pid, run.url))
}

/// `nexus.run`: where the broker that holds the directory answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunFile {
    pub pid: u32,
    /// Reachable from this machine.
    pub url: String,
}

/// A directory that exists and that its owner alone may enter.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// Held by the one process that may write the database; ends with the value or with the process.
#[derive(Debug)]
pub struct Lock {
    file: File,
    run: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Left behind by a kill, it is recognised as stale by the lock being free.
        let _ = std::fs::remove_file(&self.run);
        // Closing it alone leaves it locked for as long as a child that is being started has a copy.
        let _ = self.file.unlock();
    }
}

impl DataDir {
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        Ok(Self { path })
    }

    /// The same for a program that would make a new Nexus there: refuses a folder that is used for something else, and
    /// takes what others may do with one that is ours away.
    pub(crate) fn open_ours(path: &Path) -> Result<Self, DataDirError> {
        let data = Self::open(path)?;
        let is_ours = OURS.iter().any(|name| data.file(name).exists());
        if !is_ours && holds_anything(data.path()) {
            return Err(DataDirError::NotOurs { path: data.path });
        }
        if let Err(error) = keep_private(&data.path, 0o700) {
            // Somebody else's folder, such as a volume. Each file in it is the owner's alone, and `nexus doctor` tells.
            tracing::warn!(path = %data.path.display(), %error, "others may look into the data directory");
        }
        Ok(data)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("nexus.db")
    }

    pub(crate) fn operator_token(&self) -> PathBuf {
        self.file(TOKEN_FILE)
    }

    /// `Err(InUse)` names the holder when it has said where it answers.
    pub fn lock(&self) -> Result<Lock, DataDirError> {
        let path = self.file("nexus.lock");
        let unusable = |source| DataDirError::Unusable { path: self.path.clone(), source };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(unusable)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { file, run: self.file("nexus.run") }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(DataDirError::InUse { path: self.path.clone(), run: self.read_run() })
            }
            Err(error) => Err(unusable(error.into())),
        }
    }

    fn read_run(&self) -> Option<RunFile> {
        let text = std::fs::read_to_string(self.file("nexus.run")).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn write_run(&self, run: &RunFile) -> Result<(), DataDirError> {
        let text = serde_json::to_string(run).unwrap_or_default();
        self.write_private("nexus.run", &text)
    }

    /// Replaces a file as a whole; after a crash there is the old one or the new one. Mode 0600.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> Result<(), DataDirError> {
        let path = self.file(name);
        let failed = |source| DataDirError::Write { path: path.clone(), source };
        let next = self.file(&format!("{name}.new"));
        let written = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&next, &path)
        };
        written().map_err(|source| {
            // Half a file is of no use to anybody.
            let _ = std::fs::remove_file(&next);
            failed(source)
        })?;
        File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(failed)
    }

    /// Makes the file, empty, or takes what others may do with it away. For a file that a library writes.
    pub(crate) fn keep_private(&self, path: &Path) -> Result<(), DataDirError> {
        let failed = |source| DataDirError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        drop(file.map_err(failed)?);
        keep_private(path, 0o600).map_err(failed)
    }

    /// `None` when there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, DataDirError> {
        let path = self.file(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Read { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_dropped_is_free_whoever_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let lock = data.lock().unwrap();
        // As a child has one that is being started.
        let _copy = lock.file.try_clone().unwrap();
        assert!(matches!(data.lock(), Err(DataDirError::InUse { .. })));
        drop(lock);
        data.lock().unwrap();
    }

    #[test]
    fn one_process_at_a_time_and_the_second_learns_where_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("a/b")).unwrap();
        let lock = data.lock().unwrap();
        data.write_run(&RunFile { pid: 7, url: "http://127.0.0.1:1".into() }).unwrap();
        let error = data.lock().unwrap_err().to_string();
        assert!(
            error
                .ends_with("(process 7, http://127.0.0.1:1); stop it, or name another directory with --data")
        );
        drop(lock);
        assert_eq!(data.read("nexus.run").unwrap(), None);
        assert!(data.lock().is_ok());
    }

    #[test]
    fn what_is_private_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        data.write_private("secret", "x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(data.path()), mode(&data.file("secret"))), (0o700, 0o600));
        assert_eq!(data.read("secret").unwrap().as_deref(), Some("x"));
    }

    #[test]
    fn a_folder_that_is_used_for_something_else_is_left_alone_and_ours_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let opened_up = || std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mode = || dir.path().metadata().unwrap().permissions().mode() & 0o777;
        std::fs::create_dir(dir.path().join("lost+found")).unwrap();
        opened_up();
        assert!(DataDir::open_ours(dir.path()).is_ok());
        assert_eq!(mode(), 0o700);
        std::fs::write(dir.path().join("passwd"), "").unwrap();
        opened_up();
        let error = DataDir::open_ours(dir.path()).unwrap_err();
        assert!(error.to_string().contains("holds other things and no Nexus"), "{error}");
        assert!(!dir.path().join("nexus.lock").exists());
        assert_eq!(mode(), 0o755);
        std::fs::write(dir.path().join("nexus.toml"), "").unwrap();
        assert!(DataDir::open_ours(dir.path()).is_ok());
        assert_eq!(mode(), 0o700);
        assert!(DataDir::open_ours(&dir.path().join("new")).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
