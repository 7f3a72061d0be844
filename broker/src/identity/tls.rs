//! The server certificate: signed by this Nexus's own authority, kept in memory, replaced before it expires.
//! Clients check the fixed name; the other names are for browsers.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::Seconds;
use super::keys::{HOUR, NexusKeys, set_validity};

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("cannot make the server certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot set TLS up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Issues the leaf and hands the current one to each handshake.
#[derive(Debug)]
pub(crate) struct Leaf {
    keys: Arc<NexusKeys>,
    names: Vec<String>,
    good_for: Seconds,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    expires: Seconds,
}

impl Leaf {
    pub(crate) fn issue(
        keys: Arc<NexusKeys>,
        names: Vec<String>,
        leaf_days: u32,
        now: Seconds,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let good_for = u64::from(leaf_days) * 24 * HOUR;
        let current = RwLock::new(make(&keys, &names, good_for, &provider, now)?);
        Ok(Self { keys, names, good_for, provider, current })
    }

    /// Whether a third or less of the certificate's time is left.
    pub(crate) fn is_due(&self, now: Seconds) -> bool {
        let expires = self.current.read().unwrap_or_else(PoisonError::into_inner).expires;
        now.saturating_add(self.good_for / 3) >= expires
    }

    /// Handshakes from now on get a new certificate; open connections are not touched.
    pub(crate) fn reissue(&self, now: Seconds) -> Result<(), TlsError> {
        let next = make(&self.keys, &self.names, self.good_for, &self.provider, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// For a handshake.
    pub(crate) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key)
    }
}

/// `leaves` says whose certificate a handshake is made with.
pub(crate) fn server_config(leaves: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(leaves);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn make(
    keys: &NexusKeys,
    names: &[String],
    good_for: Seconds,
    provider: &CryptoProvider,
    now: Seconds,
) -> Result<Current, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, keys.fixed_name());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let expires = now.saturating_add(good_for);
    // A peer whose clock is a little behind must accept it at once.
    set_validity(&mut params, now.saturating_sub(HOUR), expires);
    let certificate = params.signed_by(&key, &keys.issuer()?)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = CertifiedKey::from_der(vec![certificate.der().clone()], private, provider)?;
    Ok(Current { key: Arc::new(key), expires })
}

/// Everything the certificate is good for. `extra` are host names an operator asks for; what is neither a host
/// name nor an address is left out.
pub(crate) fn names(
    keys: &NexusKeys,
    machine: Option<&str>,
    listen: IpAddr,
    extra: &[String],
) -> Vec<String> {
    let mut names = vec![keys.fixed_name(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let usable = |name: &&str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
    };
    names.extend(machine.filter(usable).map(str::to_ascii_lowercase));
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(extra.iter().map(String::as_str).filter(usable).map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
