//! Files that only their owner may read. Knows nothing of what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use uuid::Uuid;

/// The permissions of an open file, and whether others than its owner may do anything with it.
pub fn mode_of(file: &File) -> io::Result<(u32, bool)> {
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    Ok((mode, mode & 0o077 != 0))
}

/// Writes a file of mode 0600 so that a crash leaves the old content or the new. Makes missing folders, mode 0700.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = path.with_extension(format!("new-{}", Uuid::now_v7().simple()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        });
    if let Err(error) = written {
        // The error that matters is the first one; a file left behind is named apart from the real one.
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}
