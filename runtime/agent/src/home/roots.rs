//! The folders of the file tools, as a home names them: they exist, and none leads to what is the runtime's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nexus_client::keyfile::KEYFILE_PATH;

use crate::inbox::INBOX_FILE;
use crate::session::SESSION_DIR;
use crate::tools::Root;

/// `home` has its symlinks resolved. `fault` is told the field and what is wrong with it.
pub(super) fn read_roots(
    home: &Path,
    raw: &BTreeMap<String, String>,
    mut fault: impl FnMut(&str, String),
) -> Vec<Root> {
    let own = own_places(home);
    let mut roots = Vec::with_capacity(raw.len());
    for (label, folder) in raw {
        let field = format!("roots.{label}");
        if !is_label(label) {
            fault(&field, format!("{label:?} is no name for a root; use letters, digits, '-' and '_'"));
            continue;
        }
        match resolve(home, folder, &own) {
            Ok(path) => roots.push(Root { label: label.clone(), path }),
            Err(message) => fault(&field, message),
        }
    }
    roots
}

fn is_label(label: &str) -> bool {
    (1..=64).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn resolve(home: &Path, folder: &str, own: &[PathBuf]) -> Result<PathBuf, String> {
    let named = home.join(folder);
    let path = fs::canonicalize(&named).map_err(|error| {
        format!("{} cannot be used: {error}; make the folder or name another one", named.display())
    })?;
    if !path.is_dir() {
        return Err(format!("{} is not a folder; name the folder that holds it", named.display()));
    }
    match own.iter().find(|own| own.starts_with(&path) || path.starts_with(own)) {
        Some(own) => Err(format!(
            "{folder:?} leads to {}, which would let tools read {}; name a folder that does not hold it",
            path.display(),
            own.display()
        )),
        None => Ok(path),
    }
}

/// What no tool may see, by every path that leads there.
fn own_places(home: &Path) -> Vec<PathBuf> {
    let key = Path::new(KEYFILE_PATH);
    let mut own = Vec::new();
    for place in [key.parent().unwrap_or(key), key, Path::new(SESSION_DIR), Path::new(INBOX_FILE)] {
        let place = home.join(place);
        own.extend(fs::canonicalize(&place).ok().filter(|real| *real != place));
        own.push(place);
    }
    own
}
