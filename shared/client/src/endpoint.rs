//! Where a broker is and how it proves that it is the right one. Opens sockets; knows nothing of tokens and frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use crate::error::{DialError, DialErrorKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a broker, and for `https` the CA and the name it has to show.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: Arc<str>,
    host: Arc<str>,
    port: u16,
    /// What stands in the `Host` header.
    authority: Arc<str>,
    tls: Option<Tls>,
}

#[derive(Clone, Debug)]
struct Tls {
    config: Arc<ClientConfig>,
    /// `<nexus-id>.nexus`, whatever address is dialled.
    name: ServerName<'static>,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{url:?}: {kind}")]
pub struct EndpointError {
    pub url: String,
    pub kind: EndpointErrorKind,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum EndpointErrorKind {
    #[error("the CA certificate is not PEM, or not a certificate: {0}")]
    Ca(String),
    #[error("it is no URL of a broker; write http://127.0.0.1:7888 or https://<host>:<port>")]
    Form,
    #[error("https needs the CA certificate of the Nexus, which lies in <data>/ca.pem of its machine")]
    NoCa,
    #[error("the CA certificate does not say which Nexus it belongs to, so its id has to be given too")]
    NoNexusId,
    #[error(
        "plain http would send the token over the network for anyone to read; start the broker with --tls and use https://"
    )]
    PlainBeyondLoopback,
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// What a connection is made of, with or without TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Endpoint {
    /// `url` is `http://…` (loopback only) or `https://…`, which needs `ca_pem`. Without a `nexus_id` the one
    /// in the CA certificate's subject is taken.
    pub fn new(url: &str, ca_pem: Option<&str>, nexus_id: Option<Uuid>) -> Result<Self, EndpointError> {
        Self::parse(url, ca_pem, nexus_id)
            .map_err(|kind| EndpointError { url: url.chars().take(256).collect(), kind })
    }

    fn parse(url: &str, ca_pem: Option<&str>, nexus_id: Option<Uuid>) -> Result<Self, EndpointErrorKind> {
        let uri: Uri = url.trim().parse().map_err(|_| EndpointErrorKind::Form)?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(_) | None => return Err(EndpointErrorKind::Form),
        };
        let authority = uri.authority().ok_or(EndpointErrorKind::Form)?;
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(EndpointErrorKind::Form);
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bracketed = authority.host();
        let host = bracketed.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(EndpointErrorKind::Form);
        }
        let tls = if secure {
            Some(Tls::new(ca_pem.ok_or(EndpointErrorKind::NoCa)?, nexus_id)?)
        } else if is_loopback(host) {
            None
        } else {
            return Err(EndpointErrorKind::PlainBeyondLoopback);
        };
        let named = tls.as_ref().map_or_else(|| bracketed.to_owned(), |tls| tls.name.to_str().into_owned());
        let scheme = if secure { "https" } else { "http" };
        Ok(Self {
            url: format!("{scheme}://{bracketed}:{port}").into(),
            host: host.into(),
            port,
            authority: format!("{named}:{port}").into(),
            tls,
        })
    }

    /// The address as people write it, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a request says it wants to reach.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn error(&self, kind: impl Into<DialErrorKind>) -> DialError {
        DialError::new(&self.url, kind)
    }

    /// Opens a socket, and with TLS makes sure of who answers.
    pub async fn open(&self) -> Result<Box<dyn Socket>, DialError> {
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.open_unbounded()).await;
        opened
            .unwrap_or(Err(DialErrorKind::Timeout { after: CONNECT_TIMEOUT }))
            .map_err(|kind| self.error(kind))
    }

    async fn open_unbounded(&self) -> Result<Box<dyn Socket>, DialErrorKind> {
        let addresses = match below_localhost(&self.host, self.port) {
            Some(addresses) => addresses.to_vec(),
            None => {
                let found = tokio::net::lookup_host((&*self.host, self.port)).await;
                found.map_err(DialErrorKind::Resolve)?.collect()
            }
        };
        let tcp = TcpStream::connect(&*addresses).await.map_err(DialErrorKind::of_connect)?;
        tcp.set_nodelay(true).map_err(DialErrorKind::Io)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), tcp).await.map_err(DialErrorKind::of_handshake)?;
        Ok(Box::new(stream))
    }
}

impl Tls {
    fn new(ca_pem: &str, nexus_id: Option<Uuid>) -> Result<Self, EndpointErrorKind> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| EndpointErrorKind::Ca(error.to_string()))?;
            roots.add(certificate).map_err(|error| EndpointErrorKind::Ca(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(EndpointErrorKind::Ca("there is none in it".into()));
        }
        let nexus_id = nexus_id
            .or_else(|| roots.roots.iter().find_map(|root| uuid_within(root.subject.as_ref())))
            .ok_or(EndpointErrorKind::NoNexusId)?;
        let name = ServerName::try_from(format!("{nexus_id}.nexus"))
            .map_err(|error| EndpointErrorKind::Tls(error.to_string()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| EndpointErrorKind::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }
}

/// Whether a host, without the brackets of an IPv6 address, is this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || is_below_localhost(host)
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Where a name below `.localhost` leads: to this machine, whatever anybody says (RFC 6761, 6.3), and few resolvers know
/// such names. `None` for any other host.
pub fn below_localhost(host: &str, port: u16) -> Option<[SocketAddr; 2]> {
    is_below_localhost(host).then(|| [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}

fn is_below_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
}

/// The first UUID written out within a certificate's subject: our CA's common name ends with the Nexus id.
/// The certificate is trusted already; this reads a hint from it and proves nothing.
fn uuid_within(subject: &[u8]) -> Option<Uuid> {
    subject.windows(36).find_map(|window| {
        let text = std::str::from_utf8(window).ok().filter(|text| text.as_bytes()[8] == b'-')?;
        text.parse().ok()
    })
}

/// Makes ring the process's TLS provider. Programs call it first thing in `main`; a second call changes nothing.
pub fn install_crypto() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_that_may_be_dialled() {
        use EndpointErrorKind as Kind;
        let good = [
            ("http://127.0.0.1:7888", "http://127.0.0.1:7888", "127.0.0.1:7888"),
            (" http://localhost:7888/ ", "http://localhost:7888", "localhost:7888"),
            ("http://acme.localhost:7888", "http://acme.localhost:7888", "acme.localhost:7888"),
            ("ws://[::1]:1", "http://[::1]:1", "[::1]:1"),
            ("http://127.9.9.9", "http://127.9.9.9:80", "127.9.9.9:80"),
        ];
        for (url, normal, authority) in good {
            let endpoint = Endpoint::new(url, None, None).expect(url);
            assert_eq!((endpoint.url(), endpoint.authority()), (normal, authority));
        }
        let bad = [
            ("http://10.0.0.5:7888", Kind::PlainBeyondLoopback),
            ("http://nexus.lan:7888", Kind::PlainBeyondLoopback),
            ("http://127.0.0.1.evil:7888", Kind::PlainBeyondLoopback),
            ("http://acme.localhost.evil:7888", Kind::PlainBeyondLoopback),
            ("http://.localhost:7888", Kind::PlainBeyondLoopback),
            ("https://10.0.0.5:7888", Kind::NoCa),
            ("127.0.0.1:7888", Kind::Form),
            ("ftp://127.0.0.1", Kind::Form),
            ("http://127.0.0.1:7888/connect", Kind::Form),
            ("http://ana@127.0.0.1", Kind::Form),
            ("http://127.0.0.1?token=x", Kind::Form),
            ("http://", Kind::Form),
            ("", Kind::Form),
            ("\u{0}", Kind::Form),
        ];
        for (url, kind) in bad {
            assert_eq!(
                Endpoint::new(url, None, None).map(|it| it.url().to_owned()).map_err(|it| it.kind),
                Err(kind),
                "{url}"
            );
        }
        let error = Endpoint::new("https://10.0.0.5:7888", Some("no pem"), None).expect_err("no PEM");
        assert_eq!(error.kind, Kind::Ca("there is none in it".into()));
    }
}
