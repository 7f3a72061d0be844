//! Why a broker could not be reached, told apart by what a person has to do about it.

use std::io;
use std::time::Duration;

use nexus_wire::limits::ASSERTION_TTL_MAX;
use thiserror::Error;

use crate::credential::ASSERTION_TTL;
use crate::keyfile::KeyError;

/// A dial, a token or an HTTP request that failed.
#[derive(Debug, Error)]
#[error("{url}: {kind}")]
pub struct DialError {
    pub url: String,
    #[source]
    pub kind: DialErrorKind,
}

#[derive(Debug, Error)]
pub enum DialErrorKind {
    #[error(
        "the certificate has expired or is not valid yet ({detail}); check the clock of both machines, then restart the broker to have it reissued"
    )]
    CertificateExpired { detail: String },
    #[error(
        "the broker answered something that cannot be read as {what}: {source}; is it a Nexus, and of this version?"
    )]
    Body { what: &'static str, source: serde_json::Error },
    #[error("forbidden: {message}")]
    Forbidden { message: String },
    #[error("what answers there is not a Nexus: {detail}")]
    Foreign { detail: String },
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error("the connection broke while talking to it: {0}; try again")]
    Io(io::Error),
    #[error("no connection: connection refused; is the broker running there? start it with: nexus serve")]
    Refused,
    #[error("the host name does not resolve: {0}; check the URL")]
    Resolve(io::Error),
    #[error("HTTP {status}: {message}")]
    Status { status: u16, message: String },
    #[error("no answer within {} s; check the address and what lies between", after.as_secs())]
    Timeout { after: Duration },
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    #[error("no connection: {0}; check the address and the network")]
    Unreachable(io::Error),
    #[error("unauthorized: {message}{}", clock_hint(*clock_off_s))]
    Unauthorized {
        message: String,
        /// How far the broker's clock is ahead of ours, where that may be the reason.
        clock_off_s: Option<i64>,
    },
    #[error("not available: {message}; try again")]
    Unavailable { message: String },
    #[error(
        "its certificate is not signed by the CA of this Nexus; if the broker was set up anew, take its new <data>/ca.pem, or make the keyfile again"
    )]
    UnknownCa,
    #[error(
        "its certificate is for {presented}, not for {expected}: another broker of the same CA answers there; check the URL"
    )]
    WrongName { expected: String, presented: String },
}

fn clock_hint(off_s: Option<i64>) -> String {
    match off_s {
        Some(off) => {
            let (far, way) = (off.unsigned_abs(), if off > 0 { "behind" } else { "ahead of" });
            format!("; this machine's clock is {far} s {way} the broker's: set it, then try again")
        }
        None => String::new(),
    }
}

impl DialError {
    pub(crate) fn new(url: &str, kind: impl Into<DialErrorKind>) -> Self {
        Self { url: url.to_owned(), kind: kind.into() }
    }

    /// Dialling again cannot help: a person has to do something first.
    pub fn is_terminal(&self) -> bool {
        match self.kind {
            DialErrorKind::Forbidden { .. } | DialErrorKind::Key(_) | DialErrorKind::Unauthorized { .. } => {
                true
            }
            DialErrorKind::CertificateExpired { .. }
            | DialErrorKind::Body { .. }
            | DialErrorKind::Foreign { .. }
            | DialErrorKind::Io(_)
            | DialErrorKind::Refused
            | DialErrorKind::Resolve(_)
            | DialErrorKind::Status { .. }
            | DialErrorKind::Timeout { .. }
            | DialErrorKind::Tls(_)
            | DialErrorKind::Unreachable(_)
            | DialErrorKind::Unavailable { .. }
            | DialErrorKind::UnknownCa
            | DialErrorKind::WrongName { .. } => false,
        }
    }

    /// Whatever an aspect signs now is refused for its time, be the key good or not.
    pub fn is_of_the_clock(&self) -> bool {
        let DialErrorKind::Unauthorized { clock_off_s: Some(off), .. } = self.kind else { return false };
        // What the broker allows beyond that stands for the moment between its look at its clock and ours.
        let far = Duration::from_secs(off.unsigned_abs());
        if off > 0 { far > ASSERTION_TTL } else { far > ASSERTION_TTL_MAX - ASSERTION_TTL }
    }

    /// The broker is there, and says no for a reason of the request's own.
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, DialErrorKind::Status { .. })
    }

    /// The credential was refused.
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, DialErrorKind::Forbidden { .. } | DialErrorKind::Unauthorized { .. })
    }
}

impl DialErrorKind {
    /// A TCP connect that failed.
    pub(crate) fn of_connect(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            Self::Refused
        } else {
            Self::Unreachable(error)
        }
    }

    /// A TLS handshake that failed.
    pub(crate) fn of_handshake(error: io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return Self::Io(error);
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "rustls adds kinds; what is not told apart is shown"
        )]
        match tls {
            rustls::Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            rustls::Error::InvalidMessage(_) => Self::Foreign {
                detail: "it does not speak TLS; if it is a Nexus on loopback, use http://".into(),
            },
            other => Self::Tls(other.clone()),
        }
    }

    fn of_certificate(error: &rustls::CertificateError) -> Self {
        use rustls::CertificateError as Bad;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "rustls adds kinds; what is not told apart is shown"
        )]
        match error {
            Bad::UnknownIssuer | Bad::BadSignature => Self::UnknownCa,
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                Self::CertificateExpired { detail: error.to_string() }
            }
            Bad::NotValidForNameContext { expected, presented } => {
                Self::WrongName { expected: expected.to_str().into_owned(), presented: presented.join(", ") }
            }
            other => Self::Tls(rustls::Error::InvalidCertificate(other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::credential::{AssertionClaims, assertion};
    use crate::http::wall;
    use crate::keyfile::KeyFile;

    #[test]
    fn a_clock_is_at_fault_where_no_key_would_be_accepted() {
        let name = "wren".parse().expect("a name");
        let key = KeyFile::generate(name, uuid::Uuid::nil(), "http://127.0.0.1:1".into(), None)
            .expect("a key can be made");
        let signed = assertion(&key, wall()).expect("signed");
        let claims = signed.expose().split('.').nth(1).expect("three parts");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let claims: AssertionClaims = serde_json::from_slice(&claims).expect("claims");
        assert_eq!(Duration::from_secs(claims.exp - claims.iat), ASSERTION_TTL);

        let unauthorized = |clock_off_s| DialErrorKind::Unauthorized { message: String::new(), clock_off_s };
        let cases = [
            (unauthorized(None), false),
            (unauthorized(Some(6)), false),
            (unauthorized(Some(50)), false),
            (unauthorized(Some(51)), true),
            (unauthorized(Some(3600)), true),
            (unauthorized(Some(-10)), false),
            (unauthorized(Some(-11)), true),
            (unauthorized(Some(i64::MIN)), true),
            (DialErrorKind::Forbidden { message: String::new() }, false),
        ];
        for (kind, is_of_the_clock) in cases {
            let error = DialError::new("", kind);
            assert_eq!(error.is_of_the_clock(), is_of_the_clock, "{error}");
        }
    }
}
