//! Who is trusted: one CA, one name, whatever address is dialled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::WebSocket;
use axum::serve::Listener;
use nexus_client::{Broker, Credential, DialErrorKind, Endpoint};
use nexus_wire::roster::{Team, TeamList};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use uuid::Uuid;

use super::stub::{Served, router};

const NEXUS: Uuid = Uuid::from_u128(7);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn ca(nexus_id: Uuid) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("Nexus {nexus_id}"));
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// A server certificate for `name`, which ended `expired_for` ago, if it did.
fn leaf(ca: &Issuer, name: &str, expired_for: Option<Duration>) -> ServerConfig {
    let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
    if let Some(expired_for) = expired_for {
        params.not_after = (SystemTime::UNIX_EPOCH + now() - expired_for).into();
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, ca).expect("signed");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a pair")
}

#[expect(clippy::disallowed_methods, reason = "certificates are checked against the wall clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (tcp, address) = self.tcp.accept().await.expect("it listens");
            if let Ok(stream) = self.acceptor.accept(tcp).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn serve(config: ServerConfig) -> (u16, mpsc::Receiver<WebSocket>) {
    let tcp = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
    let port = tcp.local_addr().expect("it is bound").port();
    let listener = TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let (router, links, _) = router(Router::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, links)
}

fn broker(url: &str, ca: &Issuer, nexus_id: Option<Uuid>) -> Broker {
    let endpoint = Endpoint::new(url, Some(&ca.pem()), nexus_id).expect("an endpoint");
    Broker::new(endpoint, Credential::Token("nxo_test".into()))
}

#[tokio::test]
async fn the_right_ca_is_enough_at_any_address() {
    let ca = ca(NEXUS);
    let (port, mut links) = serve(leaf(&ca, &format!("{NEXUS}.nexus"), None)).await;
    for host in ["127.0.0.1", "127.0.0.2", "localhost", "acme.localhost"] {
        // The id comes from the keyfile, or from the CA's name.
        for nexus_id in [Some(NEXUS), None] {
            let broker = broker(&format!("https://{host}:{port}"), &ca, nexus_id);
            assert_eq!(broker.info().await.expect(host).nexus_id, NEXUS);
            let (link, _pushes) = broker.connect().await.expect(host);
            let mut served = Served::new(links.recv().await.expect("a link"));
            let script = async {
                let (id, _) = served.recv().await;
                served.ok(id, &Team::default()).await;
            };
            let (team, ()) = tokio::join!(link.call(TeamList::default()), script);
            assert_eq!(team, Ok(Team::default()));
        }
    }
}

#[tokio::test]
async fn each_way_to_be_the_wrong_one_has_its_own_message() {
    let (ours, theirs) = (ca(NEXUS), ca(NEXUS));
    let name = format!("{NEXUS}.nexus");
    let (port, _links) = serve(leaf(&theirs, &name, None)).await;
    let url = format!("https://127.0.0.1:{port}");
    for error in [
        broker(&url, &ours, Some(NEXUS)).connect().await.expect_err("another CA"),
        broker(&url, &ours, Some(NEXUS)).info().await.expect_err("another CA"),
    ] {
        assert!(matches!(error.kind, DialErrorKind::UnknownCa), "{error}");
    }

    let (port, _links) = serve(leaf(&ours, &name, Some(Duration::from_secs(3600)))).await;
    let url = format!("https://127.0.0.1:{port}");
    let error = broker(&url, &ours, Some(NEXUS)).connect().await.expect_err("expired");
    assert!(matches!(error.kind, DialErrorKind::CertificateExpired { .. }), "{error}");

    let (port, _links) = serve(leaf(&ours, "127.0.0.1", None)).await;
    let url = format!("https://127.0.0.1:{port}");
    let error = broker(&url, &ours, Some(NEXUS)).connect().await.expect_err("the wrong name");
    let DialErrorKind::WrongName { expected, .. } = &error.kind else { panic!("{error}") };
    assert_eq!(*expected, name);
}

#[tokio::test]
async fn http_and_https_mixed_up_is_said() {
    let ca = ca(NEXUS);
    let (port, _links) = serve(leaf(&ca, &format!("{NEXUS}.nexus"), None)).await;
    let endpoint = Endpoint::new(&format!("http://127.0.0.1:{port}"), None, None).expect("an endpoint");
    let plain = Broker::new(endpoint, Credential::Token("nxo_test".into()));
    for error in
        [plain.info().await.expect_err("it speaks TLS"), plain.connect().await.expect_err("it speaks TLS")]
    {
        assert!(error.to_string().contains("use https://"), "{error}");
    }

    let stub = super::stub::Stub::start().await;
    let url = format!("https://{}", stub.address);
    let error = broker(&url, &ca, None).connect().await.expect_err("it speaks HTTP");
    assert!(error.to_string().contains("use http://"), "{error}");
}
