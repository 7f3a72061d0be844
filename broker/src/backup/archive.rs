//! Takes an archive apart again, and checks it on the way. Nothing in it is believed before.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nexus_wire::BlobId;
use tar::{Archive, Entry, EntryType};

use super::make::{blob_ids, digest};
use super::{BLOBS, BackupError, DATABASE, FORMAT, MANIFEST, Manifest};
use crate::blobs::folder;
use crate::datadir::KEY_FILES;
use crate::store::{Checked, Head, SqliteReader};

/// More than any manifest takes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// Unpacks `file` into the folder `to`, which is empty, and checks everything that can be: the members against the
/// manifest, the database in itself and its log against the manifest's head.
pub(super) fn unpack(
    file: &Path,
    to: &Path,
    against: Option<Head>,
) -> Result<(Manifest, Checked), BackupError> {
    let manifest = members(file, to)?;
    let damaged = |what: String| BackupError::Damaged { path: file.to_owned(), what };
    let database = to.join(DATABASE);
    let (bytes, sha256) =
        digest(&database).map_err(|source| BackupError::Read { path: database.clone(), source })?;
    if bytes != manifest.database_bytes || sha256 != manifest.database_sha256 {
        return Err(damaged("its database is not the one its manifest describes".to_owned()));
    }
    let head: Head = manifest.head.parse().map_err(|error| damaged(format!("its manifest: {error}")))?;
    let reader = SqliteReader::open(&database)?;
    let checked = reader.verify(against)?;
    if checked.head != head {
        return Err(damaged("its log does not end where its manifest says".to_owned()));
    }
    for id in blob_ids(&reader)? {
        let path = to.join(BLOBS).join(id.hex());
        match digest(&path) {
            Ok((_, sha256)) if sha256 == id.hex() => {}
            Ok(_) => return Err(damaged(format!("the bytes of blob {id} are others"))),
            Err(error) => return Err(damaged(format!("blob {id} cannot be read: {error}"))),
        }
    }
    Ok((manifest, checked))
}

/// The same, and nothing of it is kept; and how its log stands to a head written down before.
pub(crate) fn check(file: &Path, against: Option<Head>) -> Result<(Manifest, Checked), BackupError> {
    let write = |source| BackupError::Write { path: std::env::temp_dir(), source };
    let folder = tempfile::tempdir().map_err(write)?;
    unpack(file, folder.path(), against)
}

/// What a library says of a file that is none of ours may quote all of its beginning.
fn one_line(what: &str) -> String {
    const CHARS_MAX: usize = 120;
    let clean: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

pub(super) fn members(file: &Path, to: &Path) -> Result<Manifest, BackupError> {
    let broken = |what: &dyn std::fmt::Display| BackupError::NoArchive {
        path: file.to_owned(),
        what: one_line(&what.to_string()),
    };
    let opened = File::open(file).map_err(|source| BackupError::Read { path: file.to_owned(), source })?;
    let mut archive = Archive::new(io::BufReader::with_capacity(1 << 16, opened));
    let write = |source| BackupError::Write { path: to.to_owned(), source };
    folder(&to.join(BLOBS)).map_err(write)?;
    let mut manifest = None;
    let mut has_database = false;
    for entry in archive.entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let name = name_of(&entry).ok_or_else(|| broken(&"a member has a name that is none of ours"))?;
        if manifest.is_none() {
            manifest = Some(manifest_of(file, &name, &mut entry)?);
            continue;
        }
        has_database |= name == DATABASE;
        put(&mut entry, &to.join(&name)).map_err(|source| {
            let of_archive = [ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::InvalidInput];
            match of_archive.contains(&source.kind()) {
                true => broken(&source),
                false => BackupError::Write { path: to.join(&name), source },
            }
        })?;
    }
    match manifest {
        Some(manifest) if has_database => Ok(manifest),
        Some(_) => Err(broken(&"there is no database in it")),
        None => Err(broken(&"there is nothing in it")),
    }
}

/// The member's name, if it is one of those we write: no path leads out of the folder.
fn name_of<R: Read>(entry: &Entry<'_, R>) -> Option<String> {
    let path = entry.path().ok()?;
    let name = path.to_str()?;
    let is_blob = |digits: &str| format!("sha256-{digits}").parse::<BlobId>().is_ok();
    let known = [MANIFEST, DATABASE, "nexus.toml"].contains(&name)
        || KEY_FILES.contains(&name)
        || name.strip_prefix(BLOBS).is_some_and(is_blob);
    (known && entry.header().entry_type() == EntryType::Regular).then(|| name.to_owned())
}

fn manifest_of<R: Read>(file: &Path, name: &str, entry: &mut Entry<'_, R>) -> Result<Manifest, BackupError> {
    let broken = |what: String| BackupError::NoArchive { path: file.to_owned(), what };
    if name != MANIFEST {
        return Err(broken(format!("it begins with {name} instead of its manifest")));
    }
    let mut text = String::new();
    entry.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map_err(|error| broken(error.to_string()))?;
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let unreadable = |error: serde_json::Error| broken(format!("its manifest cannot be read: {error}"));
    let Format { format } = serde_json::from_str(&text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(BackupError::Newer { path: file.to_owned(), found: format });
    }
    let manifest: Manifest = serde_json::from_str(&text).map_err(unreadable)?;
    let (found, known) = (manifest.schema, SqliteReader::newest_schema());
    if found as usize > known {
        return Err(BackupError::NewerDatabase { path: file.to_owned(), found, known });
    }
    Ok(manifest)
}

fn put(from: &mut impl Read, to: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to)?;
    io::copy(from, &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::backup::fuzz::archive;

    #[test]
    fn a_file_that_is_no_archive_is_not_quoted_at_length() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("README.md");
        std::fs::write(&file, "# A title\n\n\u{1b}[2JDear aunt, ".repeat(100)).unwrap();
        let refused = check(&file, None).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{} is no backup of a Nexus", file.display())), "{refused}");
        assert!(!refused.chars().any(char::is_control), "{refused:?}");
        assert!(refused.chars().count() < 240, "{refused}");
    }

    #[test]
    fn an_archive_of_a_newer_program_is_refused_by_its_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |format: u32, schema: usize| {
            let manifest = serde_json::json!({
                "format": format, "version": "9.0.0", "nexus_id": Uuid::nil(), "made_at": 0, "schema": schema,
                "head": "0:00", "database_bytes": 0, "database_sha256": "", "keys": false,
            });
            let file = dir.path().join("a.tar");
            std::fs::write(&file, archive(&[(MANIFEST, manifest.to_string().as_bytes())])).unwrap();
            let refused = check(&file, None).unwrap_err().to_string();
            refused.replace(&file.display().to_string(), "a.tar")
        };
        let known = SqliteReader::newest_schema();
        assert_eq!(
            [refused(FORMAT, known), refused(FORMAT + 1, known), refused(FORMAT, known + 1)],
            [
                "a.tar is no backup of a Nexus, or was cut off: there is no database in it".to_owned(),
                format!(
                    "a.tar has format {} and this program reads {FORMAT}: a newer one made it, restore it with that one",
                    FORMAT + 1
                ),
                format!(
                    "a.tar holds a database with schema version {} and this program knows up to {known}: it was made \
                     by a newer one, restore it with that one",
                    known + 1
                ),
            ]
        );
    }
}
