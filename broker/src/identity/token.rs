//! Secrets the broker hands out: random, shown once, kept as a digest. The prefix says what one is for, and
//! none is taken for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::hub::records::Digest;

/// An operator's API token.
pub(crate) const PREFIX: &str = "nxo_";
/// A browser's session; it comes in a cookie only.
pub(crate) const SESSION_PREFIX: &str = "nxs_";
/// The token a new Nexus is set up with.
pub(crate) const SETUP_PREFIX: &str = "nxsetup_";

/// What somebody who was invited accepts with.
pub(crate) const INVITATION_PREFIX: &str = "nxinvite_";

/// A new API token: 256 random bits, so guessing needs no further defence than its length.
pub(crate) fn mint() -> String {
    mint_with(PREFIX)
}

pub(crate) fn mint_with(prefix: &str) -> String {
    let bytes: [u8; 32] = rand::random();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The dashboard's page that accepts an invitation. A fragment is not sent to any server.
pub(crate) fn invitation_link(origin: &str, token: &str) -> String {
    format!("{}/#invite={token}", origin.trim_end_matches('/'))
}

pub(crate) fn digest(secret: &str) -> Digest {
    Digest(Sha256::digest(secret.as_bytes()).into())
}

/// As `OperatorAdd` carries it.
pub(crate) fn sha256_hex(token: &str) -> String {
    digest(token).to_string()
}
