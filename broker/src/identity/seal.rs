//! Credentials at rest: XChaCha20-Poly1305 under a key that is derived from a file beside the database, so that
//! a copy of the database alone opens nothing.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use nexus_wire::{CredentialName, TriggerId};
use sha2::Sha256;
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::datadir::{CREDENTIALS_KEY, DataDir, DataDirError};
use crate::hub::records::{CredentialRecord, CredentialTerms, Digest};

const NONCE_BYTES: usize = 24;
const PURPOSE: &[u8] = b"nexus credentials v1";

#[derive(Debug, Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(
        "{CREDENTIALS_KEY} in the data directory is not there; restore it from a backup, or set the secrets again"
    )]
    NoKey,
    #[error(
        "{CREDENTIALS_KEY} in the data directory is damaged; restore it from a backup, or remove it and set the secrets again"
    )]
    BadKey,
    #[error(
        "credential {0} cannot be opened: {CREDENTIALS_KEY} is not the one it was sealed with, or its row was changed; set its secret again"
    )]
    Foreign(CredentialName),
}

type DerivedKey = Zeroizing<[u8; 32]>;

/// Seals and opens; reads its key when it is first needed.
#[derive(Debug)]
pub(crate) struct Sealer {
    data: DataDir,
    nexus_id: Uuid,
    key: Mutex<Option<DerivedKey>>,
}

impl Sealer {
    pub(crate) fn new(data: DataDir, nexus_id: Uuid) -> Self {
        Self { data, nexus_id, key: Mutex::new(None) }
    }

    /// Nonce, ciphertext and tag, bound to the name and the terms: a row cannot be given another address to
    /// send its secret to.
    pub(crate) fn seal(
        &self,
        name: &CredentialName,
        terms: &CredentialTerms,
        secret: &str,
    ) -> Result<Vec<u8>, SealError> {
        self.seal_to(&bound(name, terms), secret)
    }

    /// The same for whatever else has a secret; `bound` is what it belongs to.
    pub(crate) fn seal_to(&self, bound: &[u8], secret: &str) -> Result<Vec<u8>, SealError> {
        let cipher = self.cipher(true)?;
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: secret.as_bytes(), aad: bound };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::BadKey)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn open(&self, record: &CredentialRecord) -> Result<Zeroizing<String>, SealError> {
        let opened = self.open_of(&bound(&record.name, &record.terms), &record.sealed)?;
        opened.ok_or_else(|| SealError::Foreign(record.name.clone()))
    }

    /// `None`: it was sealed with another key, or belongs to something else.
    pub(crate) fn open_of(
        &self,
        bound: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<String>>, SealError> {
        let Some((nonce, sealed)) = sealed.split_first_chunk::<NONCE_BYTES>() else { return Ok(None) };
        let payload = Payload { msg: sealed, aad: bound };
        let opened = self.cipher(false)?.decrypt(&XNonce::from(*nonce), payload).ok();
        Ok(opened.and_then(|opened| String::from_utf8(opened).ok()).map(Zeroizing::new))
    }

    /// The secret that a webhook is signed with.
    pub(crate) fn seal_hook(&self, trigger: TriggerId, secret: &str) -> Result<String, SealError> {
        self.seal_to(&bound_to_hook(trigger), secret).map(|sealed| STANDARD.encode(sealed))
    }

    /// `None`: it was sealed with another key, or for another trigger.
    pub(crate) fn open_hook(&self, trigger: TriggerId, sealed: &str) -> Option<Zeroizing<String>> {
        self.open_of(&bound_to_hook(trigger), &STANDARD.decode(sealed).ok()?).ok().flatten()
    }

    /// 32 bytes that nobody can guess who has not the key, and that are the same for the same `parts`.
    pub(crate) fn derived(&self, parts: &[&[u8]]) -> Result<[u8; 32], SealError> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.key(true)?.as_slice())
            .map_err(|_| SealError::BadKey)?;
        for part in parts {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    fn cipher(&self, make: bool) -> Result<XChaCha20Poly1305, SealError> {
        Ok(XChaCha20Poly1305::new(&Key::from(*self.key(make)?)))
    }

    fn key(&self, make: bool) -> Result<DerivedKey, SealError> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match kept.as_ref() {
            Some(key) => key.clone(),
            None => kept.insert(self.derive(make)?).clone(),
        })
    }

    fn derive(&self, make: bool) -> Result<DerivedKey, SealError> {
        let text = match self.data.read(CREDENTIALS_KEY)? {
            Some(text) => Zeroizing::new(text),
            None if make => {
                let text = Zeroizing::new(Digest(rand::random()).to_string());
                self.data.write_private(CREDENTIALS_KEY, &text)?;
                text
            }
            None => return Err(SealError::NoKey),
        };
        let material = Zeroizing::new(Digest::parse(text.trim()).ok_or(SealError::BadKey)?.0);
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(self.nexus_id.as_bytes()), material.as_slice())
            .expand(PURPOSE, key.as_mut_slice())
            .map_err(|_| SealError::BadKey)?;
        Ok(key)
    }
}

fn bound_to_hook(trigger: TriggerId) -> Vec<u8> {
    [b"hook ".as_slice(), trigger.0.as_bytes()].concat()
}

fn bound(name: &CredentialName, terms: &CredentialTerms) -> Vec<u8> {
    // Names and terms hold nothing that fails to serialize.
    serde_json::to_vec(&(name, terms)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sealer: &Sealer, secret: &str) -> CredentialRecord {
        let terms: CredentialTerms = serde_json::from_value(serde_json::json!({
            "kind": "provider", "mode": "proxy", "base_url": "https://api.example", "header": "authorization",
            "prefix": "Bearer ", "allowed_aspects": ["wren"],
        }))
        .unwrap();
        let name: CredentialName = "model".parse().unwrap();
        let sealed = sealer.seal(&name, &terms, secret).unwrap();
        CredentialRecord { name, terms, sealed, created_at: 0, rotated_at: 0 }
    }

    #[test]
    fn what_is_sealed_opens_with_its_own_file_name_and_terms_alone() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = Uuid::from_u128(7);
        let sealer = |dir: &tempfile::TempDir, id| Sealer::new(DataDir::open(dir.path()).unwrap(), id);
        let first = sealer(&one, id);
        let sealed = record(&first, "canary-3f9c");
        assert!(!String::from_utf8_lossy(&sealed.sealed).contains("canary"));
        assert_ne!(record(&first, "canary-3f9c").sealed, sealed.sealed, "a nonce is used once");
        // Another process with the same file.
        assert_eq!(sealer(&one, id).open(&sealed).unwrap().as_str(), "canary-3f9c");
        assert!(matches!(sealer(&two, id).open(&sealed), Err(SealError::NoKey)));
        let _ = record(&sealer(&two, id), "x");
        assert!(matches!(sealer(&two, id).open(&sealed), Err(SealError::Foreign(_))));
        assert!(matches!(sealer(&one, Uuid::from_u128(8)).open(&sealed), Err(SealError::Foreign(_))));
        let mut elsewhere = sealed.clone();
        elsewhere.terms.base_url = Some("https://evil.example".into());
        assert!(matches!(first.open(&elsewhere), Err(SealError::Foreign(_))), "the address is bound");
        let mut cut = sealed;
        cut.sealed.truncate(5);
        assert!(matches!(first.open(&cut), Err(SealError::Foreign(_))));
        std::fs::write(one.path().join(CREDENTIALS_KEY), "x").unwrap();
        assert!(matches!(sealer(&one, id).open(&cut), Err(SealError::BadKey | SealError::Foreign(_))));
    }
}
