//! The folders of the file tools, as a home names them: they exist, and none leads to what is the runtime's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use nexus_client::keyfile::KEYFILE_PATH;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::inbox::INBOX_FILE;
use crate::session::SESSION_DIR;
use crate::tools::Root;

/// The folder that tools may write in unless a home says otherwise.
const OWN_FOLDER: &str = "work";

/// A root as a person writes it: the folder alone, or what may be done there as well.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RawRoot {
    Folder(String),
    Detailed(Detailed),
}

/// A folder, and whether tools may change what is in it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detailed {
    pub path: String,
    /// Whether tools may write there; only in the home's own `work` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<bool>,
}

impl RawRoot {
    pub fn of(folder: &str) -> Self {
        Self::Folder(folder.to_owned())
    }

    fn folder(&self) -> &str {
        match self {
            Self::Folder(folder) => folder,
            Self::Detailed(detailed) => &detailed.path,
        }
    }

    fn write(&self) -> Option<bool> {
        match self {
            Self::Folder(_) => None,
            Self::Detailed(detailed) => detailed.write,
        }
    }
}

/// By hand, because an untagged enum cannot say which of its fields is wrong.
impl<'de> Deserialize<'de> for RawRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawRoot;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a folder, or an object with `path` and `write`")
            }

            fn visit_str<E>(self, folder: &str) -> Result<RawRoot, E> {
                Ok(RawRoot::of(folder))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRoot, A::Error> {
                Detailed::deserialize(MapAccessDeserializer::new(map)).map(RawRoot::Detailed)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for RawRoot {
    fn schema_name() -> Cow<'static, str> {
        "RawRoot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let detailed = generator.subschema_for::<Detailed>();
        schemars::json_schema!({
            "description": "A folder, or a folder and whether tools may change what is in it.",
            "anyOf": [{ "type": "string" }, detailed],
        })
    }
}

/// `home` has its symlinks resolved. `fault` is told the field and what is wrong with it.
pub(super) fn read_roots(
    home: &Path,
    raw: &BTreeMap<String, RawRoot>,
    mut fault: impl FnMut(&str, String),
) -> Vec<Root> {
    let own = own_places(home);
    let mut roots = Vec::with_capacity(raw.len());
    for (label, raw) in raw {
        let field = format!("roots.{label}");
        if !is_label(label) {
            fault(&field, format!("{label:?} is no name for a root; use letters, digits, '-' and '_'"));
            continue;
        }
        match resolve(home, raw.folder(), &own) {
            Ok(path) => {
                let write = raw.write().unwrap_or_else(|| path == home.join(OWN_FOLDER));
                roots.push(Root { label: label.clone(), path, write });
            }
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
