//! What is asked and what is not, with real servers on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body as Sent;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 8, time: Duration::from_secs(5) };

/// What the server was asked: method and path, what it was told, and the names of the headers.
type Asked = (String, String, Vec<String>);

#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<Asked>>>);

async fn answer(State(told): State<Told>, request: Request) -> Response<Sent> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let mut names: Vec<String> = parts.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let asked = format!("{} {}", parts.method, parts.uri.path());
    let body = String::from_utf8(body.to_vec()).expect("text");
    told.0.lock().expect("whole").push((asked, body, names));
    let answer = Response::builder();
    match parts.uri.path() {
        "/moved" => {
            let to = answer.status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, "/hook");
            to.body(Sent::empty()).expect("whole")
        }
        "/large" => answer.body(Sent::from("0123456789")).expect("whole"),
        "/never" => std::future::pending().await,
        _ => answer.status(StatusCode::ACCEPTED).body(Sent::from("taken")).expect("whole"),
    }
}

struct Web {
    told: Told,
    port: u16,
    looked_up: Arc<AtomicUsize>,
}

impl Web {
    async fn new() -> Self {
        nexus_client::install_crypto();
        let told = Told::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let app = Router::new().fallback(answer).with_state(told.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { told, port, looked_up: Arc::default() }
    }

    /// `hook.test` is allowed, and leads elsewhere from its second look-up on; `inside.test` leads to the same machine.
    fn outbound(&self) -> Outbound {
        let counted = Arc::clone(&self.looked_up);
        let names = Names::By(Arc::new(move |name| {
            let times = counted.fetch_add(1, Ordering::SeqCst);
            let addresses: &[&str] = match name {
                "hook.test" if times == 0 => &["127.0.0.1"],
                "hook.test" => &["203.0.113.1"],
                "inside.test" => &["127.0.0.1"],
                "mapped.test" => &["::ffff:10.0.0.1"],
                "mixed.test" => &["1.1.1.1", "169.254.169.254"],
                _ => &[],
            };
            addresses.iter().map(|address| address.parse().expect("an address")).collect()
        }));
        let allowed = Allowed::new(["hook.test", "127.0.0.1"].map(|host| format!("{host}:{}", self.port)));
        Outbound::new("test/1").allowing(allowed).with_names(names)
    }

    fn ask(&self, host: &str, path: &str) -> Ask {
        let url = format!("http://{host}:{}{path}", self.port).parse().expect("an address");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Ask { method: Method::POST, url, headers, body: Bytes::from_static(b"{}") }
    }

    fn asked(&self) -> Vec<Asked> {
        self.told.0.lock().expect("whole").clone()
    }
}

#[tokio::test]
async fn a_request_says_what_it_says_and_its_answer_is_whole_or_cut() {
    let web = Web::new().await;
    let outbound = web.outbound();
    let reply = outbound.call(web.ask("hook.test", "/hook"), BOUNDS).await.expect("an answer");
    assert_eq!((reply.status, reply.body), (202, Body { bytes: b"taken".to_vec(), truncated: false }));
    let large = outbound.call(web.ask("127.0.0.1", "/large"), BOUNDS).await.expect("an answer");
    assert_eq!(large.body, Body { bytes: b"01234567".to_vec(), truncated: true });
    let names = ["accept", "content-length", "content-type", "host", "user-agent"].map(str::to_owned);
    let expected = |path: &str| (format!("POST {path}"), "{}".to_owned(), names.to_vec());
    assert_eq!(web.asked(), [expected("/hook"), expected("/large")]);
    assert_eq!(web.looked_up.load(Ordering::SeqCst), 1, "the second look would lead elsewhere");
}

#[tokio::test]
async fn what_was_meant_for_one_address_is_not_sent_to_the_next() {
    let web = Web::new().await;
    let reply = web.outbound().call(web.ask("127.0.0.1", "/moved"), BOUNDS).await.expect("an answer");
    assert_eq!((reply.status, web.asked().len()), (307, 1));
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let web = Web::new().await;
    let bounds = Bounds { time: Duration::from_millis(50), ..BOUNDS };
    let failure = web.outbound().call(web.ask("127.0.0.1", "/never"), bounds).await.expect_err("no answer");
    assert!(matches!(failure, Failure::Slow { .. }) && !failure.is_final(), "{failure}");
}

#[tokio::test]
async fn nothing_is_sent_to_a_closed_address_however_it_is_written() {
    let web = Web::new().await;
    let hosts = "0.0.0.0 127.0.0.2 127.1.1 2130706434 0x7f000002 [::1] [::ffff:127.0.0.1] 10.0.0.1 169.254.169.254 \
        [fd00:ec2::254] [64:ff9b::7f00:1] inside.test INSIDE.test mapped.test mixed.test";
    for host in hosts.split_whitespace() {
        let ask = web.ask(host, "/hook");
        let judged = web.outbound().judge(&ask.url).await.expect_err(host);
        let failure = web.outbound().call(ask, BOUNDS).await.expect_err(host);
        assert!(matches!(failure, Failure::Closed { .. }) && failure.is_final(), "{host}: {failure}");
        assert_eq!(judged.to_string(), failure.to_string());
    }
    // A server that is allowed is allowed at its port alone.
    let mut other = web.ask("127.0.0.1", "/hook");
    other.url.set_port(Some(web.port.wrapping_add(1))).expect("a port");
    assert!(matches!(web.outbound().call(other, BOUNDS).await, Err(Failure::Closed { .. })));
    assert!(web.asked().is_empty());
}

#[test]
fn what_is_no_address_of_a_server_is_refused_before_it_is_looked_up() {
    let allowed = Allowed::new(["inside.test:8080".to_owned()]);
    let outbound = Outbound::new("test/1").allowing(allowed).encrypted();
    let cases = [
        ("https://a.test/hook", None),
        ("http://inside.test:8080/hook", None),
        ("http://inside.test/hook", Some("unencrypted; write https://")),
        ("http://a.test/hook", Some("unencrypted; write https://")),
        ("ftp://a.test/", Some("only http and https")),
        ("https://ana@a.test/", Some("a user or a password")),
        ("https://:pw@a.test/", Some("a user or a password")),
        ("https://a.test:0/", Some("names no server")),
        ("https://", Some("is no address")),
        ("a.test/hook", Some("is no address")),
    ];
    for (text, expected) in cases {
        let told = outbound.parse(text).err().map(|failure| failure.to_string());
        match (&told, expected) {
            (Some(told), Some(expected)) => assert!(told.contains(expected), "{text}: {told}"),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => panic!("{text}: {told:?}"),
        }
    }
    let long = format!("https://a.test/{}", "x".repeat(URL_BYTES_MAX));
    assert!(outbound.parse(&long).expect_err("too long").to_string().contains("at most 8192"));
}
