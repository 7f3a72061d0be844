//! Operator tokens: random, shown once, kept as a digest.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub(crate) const PREFIX: &str = "nxo_";

/// A new token: 256 random bits, so guessing needs no further defence than its length.
pub(crate) fn mint() -> String {
    let bytes: [u8; 32] = rand::random();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

pub(crate) fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// As `OperatorAdd` carries it.
pub(crate) fn sha256_hex(token: &str) -> String {
    sha256(token).iter().map(|byte| format!("{byte:02x}")).collect()
}
