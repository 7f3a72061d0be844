//! `write_file`: a new file, or a whole file in the place of one the model has read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::diff::{self, Diff};
use super::read::is_binary;
use super::replace::{Stamp, replace};
use super::roots::{PathError, Roots, Target};
use super::seen::Seen;

pub(super) const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteFile {
    /// The file, as <root>/<path in that root>. Folders that are missing are made.
    path: String,
    /// The whole text of the file.
    text: String,
}

/// What has been written.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Written {
    pub(super) path: String,
    /// Whether there was no such file before.
    pub(super) created: bool,
    /// False: the file held exactly this already, and was left alone.
    pub(super) changed: bool,
    pub(super) bytes: u64,
    #[serde(flatten)]
    pub(super) diff: Diff,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("{path} is a binary file; it can be neither written over nor edited as text")]
    Binary { path: String },
    #[error(
        "{path} was changed since you read it; read it again with read_file, then write what it should be now"
    )]
    Changed { path: String },
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{path} would have {bytes} bytes; a file of at most {FILE_BYTES_MAX} can be written")]
    TooLarge { path: String, bytes: usize },
    #[error(
        "{path} exists and you have not read it in this conversation; read it with read_file first, or change a part of it with edit_file"
    )]
    Unread { path: String },
}

impl WriteFile {
    pub(crate) fn run(&self, roots: &Roots, seen: &Seen, by: Uuid) -> Result<Written, WriteError> {
        let target = roots.resolve_to_write(&self.path)?;
        let path = target.place.shown.clone();
        let bytes = self.text.len();
        if bytes > FILE_BYTES_MAX {
            return Err(WriteError::TooLarge { path, bytes });
        }
        if is_binary(self.text.as_bytes()) {
            return Err(WriteError::Binary { path });
        }
        if !target.exists {
            let stamp = put(&target, &self.text, None)?;
            seen.note(by, &target.place.real, stamp);
            let diff = diff::of(&path, "", &self.text);
            return Ok(Written { path, created: true, changed: true, bytes: bytes as u64, diff });
        }
        let (old, stamp) = contents(&target)?;
        if old == self.text.as_bytes() {
            // A call that is made again after a crash ends here.
            seen.note(by, &target.place.real, stamp);
            let diff = Diff::default();
            return Ok(Written { path, created: false, changed: false, bytes: bytes as u64, diff });
        }
        if is_binary(&old) {
            return Err(WriteError::Binary { path });
        }
        match seen.stamp(by, &target.place.real) {
            None => return Err(WriteError::Unread { path }),
            Some(read) if read != stamp => return Err(WriteError::Changed { path }),
            Some(_) => {}
        }
        let written = put(&target, &self.text, Some(stamp))?;
        seen.note(by, &target.place.real, written);
        let diff = diff::of(&path, &String::from_utf8_lossy(&old), &self.text);
        Ok(Written { path, created: false, changed: true, bytes: bytes as u64, diff })
    }
}

/// The whole file and the state it was in.
pub(super) fn contents(target: &Target) -> Result<(Vec<u8>, Stamp), WriteError> {
    use std::io::Read as _;

    let (file, metadata) = target.place.open()?;
    let path = &target.place.shown;
    let too_large = |bytes| WriteError::TooLarge { path: path.clone(), bytes };
    let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if bytes > FILE_BYTES_MAX {
        return Err(too_large(bytes));
    }
    let mut read = Vec::with_capacity(bytes);
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    file.take(most)
        .read_to_end(&mut read)
        .map_err(|error| PathError { path: path.clone(), kind: super::PathErrorKind::Io(error) })?;
    if read.len() > FILE_BYTES_MAX {
        return Err(too_large(read.len()));
    }
    Ok((read, Stamp::of(&metadata)))
}

pub(super) fn put(target: &Target, text: &str, old: Option<Stamp>) -> Result<Stamp, WriteError> {
    let path = &target.place.shown;
    let written = replace(target, text.as_bytes(), old);
    Ok(written.map_err(|kind| PathError { path: path.clone(), kind })?)
}
