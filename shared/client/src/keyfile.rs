//! An aspect's keyfile: who it is, its key, and which Nexus it belongs to. Knows nothing of the network.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use nexus_wire::AspectName;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::private_file;
use crate::secret::{Secret, without_value};

/// The version this program writes and reads.
pub const KEYFILE_VERSION: u32 = 1;
/// Where a keyfile lies within an aspect's home.
pub const KEYFILE_PATH: &str = ".nexus/key.json";

/// `<home>/.nexus/key.json`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyFile {
    pub version: u32,
    pub name: AspectName,
    pub nexus_id: Uuid,
    /// Where the broker was when the file was made: `http://127.0.0.1:7888`.
    pub url: String,
    /// The only root that is trusted for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Ed25519, PKCS#8 in PEM.
    pub private_key: Secret,
    /// 32 bytes, base64url without padding: what the broker keeps.
    pub public_key: String,
}

#[derive(Debug, Error)]
#[error("keyfile {}: {kind}", path.display())]
pub struct KeyFileError {
    pub path: PathBuf,
    #[source]
    pub kind: KeyFileErrorKind,
}

#[derive(Debug, Error)]
pub enum KeyFileErrorKind {
    #[error("it is not there; let the aspect in with: nexus aspect add <name> --home {}", home.display())]
    Missing { home: PathBuf },
    #[error("others may read it (mode {mode:04o}); run: chmod 600 {}", path.display())]
    Permissions { mode: u32, path: PathBuf },
    #[error("it cannot be {verb}: {source}")]
    Io { verb: &'static str, source: io::Error },
    #[error("it is no keyfile: {0}; make a new one with: nexus aspect rotate <name> --home <home>")]
    Form(String),
    #[error("it has version {0}, this program knows {KEYFILE_VERSION}; use a newer program")]
    Version(u32),
    #[error("its key is bad: {0}; make a new one with: nexus aspect rotate <name> --home <home>")]
    Key(#[from] KeyError),
}

/// serde_json's own error repeats what it cannot use, so it goes no further than here.
impl From<serde_json::Error> for KeyFileErrorKind {
    fn from(error: serde_json::Error) -> Self {
        Self::Form(fault(&error))
    }
}

/// What is wrong with a private key. Says nothing of its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyError {
    Encode,
    Mismatch,
    NotEd25519,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode => "it cannot be written as PKCS#8",
            Self::Mismatch => "private_key and public_key are not a pair",
            Self::NotEd25519 => "private_key is not an Ed25519 key in PKCS#8 PEM",
        })
    }
}

impl std::error::Error for KeyError {}

impl KeyFile {
    /// A new key for `name`.
    pub fn generate(
        name: AspectName,
        nexus_id: Uuid,
        url: String,
        ca_pem: Option<String>,
    ) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        rand::rng().fill_bytes(seed.as_mut());
        let key = SigningKey::from_bytes(&seed);
        // Without the public key inside (RFC 8410 section 7 allows both): OpenSSL reads no other form.
        let form = KeypairBytes { secret_key: *seed, public_key: None };
        let pem = form.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Encode)?;
        Ok(Self {
            version: KEYFILE_VERSION,
            name,
            nexus_id,
            url,
            ca_pem,
            private_key: pem.as_str().into(),
            public_key: public_text(&key),
        })
    }

    /// Whether the other one lets the same aspect in at the same broker.
    pub(crate) fn is_for_the_same_as(&self, other: &Self) -> bool {
        (&self.name, self.nexus_id, &self.url, &self.ca_pem)
            == (&other.name, other.nexus_id, &other.url, &other.ca_pem)
    }

    /// The keyfile of the home at `home`.
    pub fn path_in(home: &Path) -> PathBuf {
        home.join(KEYFILE_PATH)
    }

    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::read(path).map_err(|kind| KeyFileError { path: path.to_owned(), kind })
    }

    fn read(path: &Path) -> Result<Self, KeyFileErrorKind> {
        let unreadable = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotFound {
                KeyFileErrorKind::Missing { home: path.ancestors().nth(2).unwrap_or(path).to_owned() }
            } else {
                KeyFileErrorKind::Io { verb: "read", source }
            }
        };
        let file = File::open(path).map_err(unreadable)?;
        let (mode, open_to_others) = private_file::mode_of(&file).map_err(unreadable)?;
        if open_to_others {
            return Err(KeyFileErrorKind::Permissions { mode, path: path.to_owned() });
        }
        let text = Zeroizing::new(io::read_to_string(file).map_err(unreadable)?);
        /// Read before the rest, so that a newer form is called newer and not broken.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(&text)?;
        if head.version != KEYFILE_VERSION {
            return Err(KeyFileErrorKind::Version(head.version));
        }
        let keyfile: Self = serde_json::from_str(&text)?;
        keyfile.signing_key()?;
        Ok(keyfile)
    }

    /// Writes it so that a crash leaves the old file or the new one, readable by its owner alone.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        self.write(path).map_err(|kind| KeyFileError { path: path.to_owned(), kind })
    }

    fn write(&self, path: &Path) -> Result<(), KeyFileErrorKind> {
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(self)?);
        text.push(b'\n');
        private_file::write(path, &text).map_err(|source| KeyFileErrorKind::Io { verb: "written", source })
    }

    /// The key, once it is known to be one and to belong to `public_key`.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, KeyError> {
        let key = SigningKey::from_pkcs8_pem(self.private_key.expose()).map_err(|_| KeyError::NotEd25519)?;
        if public_text(&key) == self.public_key { Ok(key) } else { Err(KeyError::Mismatch) }
    }
}

/// What is wrong and where, without what stands there: that may be the key.
fn fault(error: &serde_json::Error) -> String {
    let (line, column, text) = (error.line(), error.column(), error.to_string());
    // serde_json puts the position at the end; ours stands in front.
    let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let said = match error.classify() {
        Category::Data => without_value(message),
        // Where the text is no JSON, no part of it is repeated.
        Category::Eof | Category::Io | Category::Syntax => message.to_owned(),
    };
    format!("line {line}, column {column}: {said}")
}

fn public_text(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::{Value, json};

    use super::*;

    fn fresh() -> KeyFile {
        KeyFile::generate(
            "wren".parse().expect("a name"),
            Uuid::from_u128(7),
            "http://127.0.0.1:7888".into(),
            None,
        )
        .expect("keys can be made")
    }

    #[test]
    fn a_keyfile_is_private_and_reads_back() {
        let home = tempfile::tempdir().expect("a folder");
        let path = KeyFile::path_in(home.path());
        let keyfile = fresh();
        keyfile.save(&path).expect("saved");
        keyfile.save(&path).expect("saved over the old one");
        assert_eq!(KeyFile::load(&path).expect("loaded"), keyfile);
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        let names: Vec<_> = fs::read_dir(home.path().join(".nexus")).expect("a folder").collect();
        assert_eq!(names.len(), 1, "nothing is left beside it");
        assert!(!format!("{keyfile:?}").contains("PRIVATE"));
    }

    #[test]
    fn keys_are_in_the_form_that_openssl_reads_and_the_longer_one_is_read_too() {
        let keyfile = fresh();
        let base64: String =
            keyfile.private_key.expose().lines().filter(|line| !line.starts_with("---")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(base64).expect("PEM holds base64");
        // SEQUENCE, version 0, and nothing after the 32 bytes of the key.
        assert_eq!((der.len(), &der[..5]), (48, &[0x30, 46, 2, 1, 0][..]));
        let key = keyfile.signing_key().expect("reads back");
        let longer = key.to_pkcs8_pem(LineEnding::LF).expect("can be written");
        let longer = KeyFile { private_key: longer.as_str().into(), ..keyfile };
        assert_eq!(longer.signing_key().expect("is read"), key);
    }

    #[test]
    fn what_is_wrong_with_a_keyfile_is_said() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("key.json");
        let error = || KeyFile::load(&path).expect_err("refused").to_string();
        assert!(error().contains("nexus aspect add"), "{}", error());
        fresh().save(&path).expect("saved");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(error().ends_with(&format!("(mode 0640); run: chmod 600 {}", path.display())), "{}", error());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");

        let other = fresh();
        let cases = [
            ("pair", "public_key", json!(other.public_key), "are not a pair"),
            ("key", "private_key", json!("x"), "is not an Ed25519 key"),
            ("newer", "version", json!(2), "it has version 2"),
            ("name", "name", json!("Wren"), "this is nothing that can stand here"),
            ("form", "url", json!(null), "this has to be a string; make a new one"),
        ];
        for (name, field, content, message) in cases {
            let mut value = serde_json::to_value(fresh()).expect("serializes");
            value[field] = content;
            fs::write(&path, value.to_string()).expect("written");
            assert!(error().contains(message), "{name}: {}", error());
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_place_and_never_shown() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("key.json");
        fresh().save(&path).expect("saved");
        let with = |field: &str, content: Value| {
            let mut value = serde_json::to_value(fresh()).expect("serializes");
            value[field] = content;
            value.to_string()
        };
        let cases = [
            (with("version", json!("CANARY")), "this has to be u32"),
            (with("version", json!("CANARY, expected CANARY")), "this has to be u32"),
            (with("name", json!("CANARY")), "this is nothing that can stand here"),
            (with("nexus_id", json!("CANARY")), "this is nothing that can stand here"),
            (with("url", json!(["CANARY"])), "this has to be a string"),
            (with("private_key", json!({"CANARY": "CANARY"})), "this has to be a string"),
            (r#"{"version": 1, "private_key": "CANARY"}"#.to_owned(), "missing field `name`"),
            (r#""CANARY""#.to_owned(), "this has to be struct Head"),
            ("CANARY".to_owned(), "expected value"),
            (r#"{"version": 1, "private_key": "CANARY"#.to_owned(), "EOF while parsing a string"),
        ];
        for (text, expected) in cases {
            fs::write(&path, &text).expect("written");
            let error = KeyFile::load(&path).expect_err("refused");
            let mut said = Vec::new();
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                said.push(format!("{error} {error:?}"));
                cause = error.source();
            }
            let said = said.join("\n");
            assert!(said.contains("it is no keyfile: line 1, column "), "{said}");
            assert!(said.contains(expected), "{expected}: {said}");
            assert!(!said.contains("CANARY"), "{said}");
        }
    }
}
