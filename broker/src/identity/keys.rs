//! What makes this Nexus itself: its id, its signing key and its certificate authority. Made once, kept in one
//! file, so that there is never half an identity.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::Seconds;
use crate::datadir::{DataDir, DataDirError};
use crate::hub::records::Checkpoint;

const FILE: &str = "identity.json";
const CA_FILE: &str = "ca.pem";
const CA_DAYS: u64 = 20 * 365;
pub(super) const HOUR: u64 = 3_600;

/// PKCS #8 of an Ed25519 key is this, then the 32 bytes of the seed (RFC 8410).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[derive(Debug, Error)]
pub enum KeysError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(
        "{FILE} in the data directory is damaged: {0}; restore it from a backup, or every aspect needs a new keyfile"
    )]
    Damaged(String),
    #[error(
        "{FILE} is not in the data directory; restore it from a backup, or every aspect needs a new keyfile"
    )]
    Missing,
    #[error("cannot make keys: {0}")]
    Generate(#[from] rcgen::Error),
}

#[derive(Deserialize, Serialize)]
struct Stored {
    nexus_id: Uuid,
    signing_seed: String,
    ca_key: String,
    ca_certificate: String,
}

pub(crate) struct NexusKeys {
    pub(crate) nexus_id: Uuid,
    signing_seed: [u8; 32],
    pub(super) signing_public: [u8; 32],
    pub(crate) ca_pem: String,
    ca_key: String,
}

impl std::fmt::Debug for NexusKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NexusKeys").field("nexus_id", &self.nexus_id).finish_non_exhaustive()
    }
}

impl NexusKeys {
    pub(crate) fn are_in(data: &DataDir) -> bool {
        data.file(FILE).exists()
    }

    /// The keys of a data directory; makes them when there are none. `true`: they are new.
    pub(crate) fn open(data: &DataDir, now: Seconds) -> Result<(Self, bool), KeysError> {
        if Self::are_in(data) {
            return Ok((Self::read(data)?, false));
        }
        let stored = Self::generate(now)?;
        data.write_private(FILE, &serde_json::to_string_pretty(&stored).unwrap_or_default())?;
        let keys = Self::from_stored(stored)?;
        // For people: what to give a browser or curl. The identity file is what counts.
        data.write_private(CA_FILE, &keys.ca_pem)?;
        Ok((keys, true))
    }

    /// For whoever only looks, and makes none.
    pub(crate) fn read(data: &DataDir) -> Result<Self, KeysError> {
        let text = data.read(FILE)?.ok_or(KeysError::Missing)?;
        let stored = serde_json::from_str(&text).map_err(|error| KeysError::Damaged(error.to_string()))?;
        Self::from_stored(stored)
    }

    fn generate(now: Seconds) -> Result<Stored, KeysError> {
        let nexus_id = Uuid::new_v4();
        let key = KeyPair::generate()?;
        let mut params = ca_params(nexus_id);
        set_validity(&mut params, now.saturating_sub(HOUR), now + CA_DAYS * 24 * HOUR);
        Ok(Stored {
            nexus_id,
            signing_seed: hex(&rand::random::<[u8; 32]>()),
            ca_certificate: params.self_signed(&key)?.pem(),
            ca_key: key.serialize_pem(),
        })
    }

    fn from_stored(stored: Stored) -> Result<Self, KeysError> {
        let signing_seed = unhex(&stored.signing_seed)
            .ok_or_else(|| KeysError::Damaged("signing_seed is not 64 hexadecimal digits".into()))?;
        let signing = pkcs8(&signing_seed);
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&signing.as_slice().into(), &PKCS_ED25519)
            .map_err(|error| KeysError::Damaged(error.to_string()))?;
        let signing_public = pair
            .public_key_raw()
            .try_into()
            .map_err(|_| KeysError::Damaged("signing_seed gives no Ed25519 key".into()))?;
        KeyPair::from_pem(&stored.ca_key).map_err(|error| KeysError::Damaged(format!("ca_key: {error}")))?;
        Ok(Self {
            nexus_id: stored.nexus_id,
            signing_seed,
            signing_public,
            ca_pem: stored.ca_certificate,
            ca_key: stored.ca_key,
        })
    }

    pub(super) fn signing_pkcs8(&self) -> Vec<u8> {
        pkcs8(&self.signing_seed)
    }

    /// What a checkpoint of the log says, signed.
    pub(crate) fn sign_checkpoint(&self, seq: u64, hash: &[u8; 32]) -> Result<String, KeysError> {
        let key = EncodingKey::from_ed_der(&self.signing_pkcs8());
        jsonwebtoken::crypto::sign(&checkpoint_text(seq, hash), &key, Algorithm::EdDSA)
            .map_err(|error| KeysError::Damaged(error.to_string()))
    }

    /// Whether this Nexus signed it.
    pub(crate) fn has_signed(&self, checkpoint: &Checkpoint) -> bool {
        let key = DecodingKey::from_ed_der(&self.signing_public);
        let text = checkpoint_text(checkpoint.seq, &checkpoint.hash);
        jsonwebtoken::crypto::verify(&checkpoint.signature, &text, &key, Algorithm::EdDSA).unwrap_or(false)
    }

    /// The name clients verify whatever address they dial.
    pub(crate) fn fixed_name(&self) -> String {
        format!("{}.nexus", self.nexus_id)
    }

    pub(super) fn issuer(&self) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
        Ok(Issuer::new(ca_params(self.nexus_id), KeyPair::from_pem(&self.ca_key)?))
    }
}

/// Its first words keep it apart from everything else that is signed with this key.
fn checkpoint_text(seq: u64, hash: &[u8; 32]) -> Vec<u8> {
    format!("nexus log checkpoint {seq} {}", hex(hash)).into_bytes()
}

fn ca_params(nexus_id: Uuid) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Nexus {nexus_id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Written with this because the library's own type of time is not re-exported.
pub(super) fn set_validity(params: &mut CertificateParams, from: Seconds, to: Seconds) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from);
    params.not_after = epoch + Duration::from_secs(to);
}

fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    [PKCS8_ED25519.as_slice(), seed.as_slice()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
