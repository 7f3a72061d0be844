//! What of a dispatch becomes a request, and what is refused before anything is sent.

use serde_json::json;

use super::*;

const CANARY: &str = "canary-61f2";

fn webhook() -> Webhook {
    let raw: RawWebhook = serde_json::from_value(json!({
        "hosts": ["hooks.test", "other.test:8443", "169.254.169.254", "[::ffff:a9fe:a9fe]"],
        "allow_private": ["127.0.0.1:9"],
        "secrets": {
            "token": {"env": "TOKEN", "hosts": ["hooks.test"]},
            "address": {"env": "ADDRESS", "hosts": ["hooks.test"]},
            "elsewhere": {"env": "ELSEWHERE", "hosts": ["hooks.test"]},
            "broken": {"env": "BROKEN", "hosts": ["hooks.test"]},
        },
        "credentials": ["crm"],
        "body_bytes": 64,
    }))
    .expect("settings");
    let value = |name: &str| {
        Some(match name {
            "ADDRESS" => format!("https://hooks.test/services/{CANARY}"),
            "ELSEWHERE" => format!("https://evil.test/{CANARY}"),
            "BROKEN" => format!("{CANARY}\r\nx: y"),
            _ => CANARY.to_owned(),
        })
    };
    raw.resolve(&value).expect("in order")
}

fn prepared(input: Value) -> Result<Prepared, String> {
    let asked = parse(&input).map_err(|failure| failure.message)?;
    prepare(&webhook(), asked, "dispatch-1").map_err(|failure| failure.message)
}

#[test]
fn a_request_is_what_the_dispatch_says_and_the_key_of_the_dispatch() {
    let asked = prepared(json!({
        "url": "https://hooks.test/in?x=1", "headers": {"X-Kind": "a", "authorization": "Bearer secret:token"},
        "body": {"a": 1},
    }))
    .expect("in order");
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(
        (header("x-kind"), header("authorization"), header("content-type"), header("idempotency-key")),
        (Some("a"), Some("Bearer canary-61f2"), Some("application/json"), Some("dispatch-1"))
    );
    assert_eq!((asked.method.as_str(), asked.shown.as_str()), ("POST", "https://hooks.test/in"));
    assert_eq!(asked.body, Bytes::from_static(b"{\"a\":1}"));
    assert!(!format!("{asked:?}").contains(CANARY), "{asked:?}");
    let secret =
        prepared(json!({"url": "secret:address", "method": "PUT", "body": "text"})).expect("in order");
    let To::Server(url) = &secret.to else { panic!("{secret:?}") };
    assert_eq!((url.path(), secret.shown.as_str()), ("/services/canary-61f2", "secret:address"));
    assert_eq!(redacted("you sent canary-61f2", &asked.secrets), "you sent [secret]");
    let through =
        prepared(json!({"url": "credential:crm/v1/contacts?limit=2", "method": "GET"})).expect("in order");
    let To::Credential(name, path) = &through.to else { panic!("{through:?}") };
    assert_eq!((name.as_str(), path.as_str()), ("crm", "v1/contacts?limit=2"));
    assert_eq!(through.shown, "credential:crm/v1/contacts");
}

#[test]
fn nothing_hostile_becomes_a_header_a_server_or_a_path() {
    let at = |url: &str| json!({"url": url});
    let with = |name: &str, value: &str| json!({"url": "https://hooks.test/", "headers": {name: value}});
    let cases = [
        (at("https://evil.test/"), "is not one of the servers"),
        (at("https://hooks.test.evil.test/"), "is not one of the servers"),
        (at("https://hooks.test:444/"), "is not one of the servers"),
        (at("https://hooks.test@evil.test/"), "a user or a password"),
        (at("https://evil.test#@hooks.test/"), "is not one of the servers"),
        (at("https://evil.test\\@hooks.test/"), "is not one of the servers"),
        (at("https://user:pw@hooks.test/"), "a user or a password"),
        (at("http://hooks.test/"), "unencrypted"),
        (at("http://hooks.test:443/"), "unencrypted"),
        (at("file:///etc/passwd"), "only http and https"),
        (at("gopher://hooks.test/"), "only http and https"),
        (at("//hooks.test/"), "is no address"),
        (at(""), "is no address"),
        (at("http://127.0.0.1:10/"), "unencrypted"),
        (at("https://[::1]/"), "is not one of the servers"),
        (at("secret:none"), "has no \"none\""),
        (at("secret:elsewhere"), "is not one of the servers"),
        (at("secret:token"), "is no address that is called"),
        (at("credential:other/x"), "does not name \"other\""),
        (at("credential:crm/../admin"), "is no path below"),
        (at("credential:crm/a/%2e%2e/admin"), "is no path below"),
        (at("credential:crm/%2E./admin"), "is no path below"),
        (at("credential:crm/a\r\nx: y"), "is no path below"),
        (at("credential:crm/a\\..\\b"), "is no path below"),
        (with("x\r\ny", "a"), "is no name of a header"),
        (with("x y", "a"), "is no name of a header"),
        (with("", "a"), "is no name of a header"),
        (with("x", "a\r\nauthorization: b"), "a line break"),
        (with("x", "a\nb"), "a line break"),
        (with("x", "a\0b"), "a line break"),
        (with("Host", "evil.test"), "not a dispatch's to say"),
        (with("Content-Length", "0"), "not a dispatch's to say"),
        (with("transfer-encoding", "chunked"), "not a dispatch's to say"),
        (with("Idempotency-Key", "mine"), "not a dispatch's to say"),
        (with("x", "secret:none"), "has no \"none\""),
        (with("x", "secret:broken"), "cannot hold that secret"),
        (
            json!({"url": "https://other.test:8443/", "headers": {"x": "secret:token"}}),
            "is not for other.test",
        ),
        (
            json!({"url": "credential:crm/x", "headers": {"x": "secret:token"}}),
            "puts the credential's own in",
        ),
        (json!({"url": "https://hooks.test/", "body": "x".repeat(65)}), "at most 64"),
        (json!({"url": "https://hooks.test/", "method": "CONNECT"}), "at method: unknown variant"),
        (json!({"url": "https://hooks.test/", "proxy": "http://evil.test"}), "unknown field `proxy`"),
        (json!({"url": format!("https://hooks.test/{}", "x".repeat(9000))}), "at most 8192"),
    ];
    for (input, expected) in cases {
        let said = prepared(input.clone()).map(|asked| format!("{asked:?}")).expect_err(&input.to_string());
        assert!(said.contains(expected), "{input}: {said}");
        assert!(!said.contains(CANARY), "{input}: {said}");
    }
}

/// A list that names them opens no private address: they are judged where they lead.
#[tokio::test]
async fn a_server_of_the_list_on_a_private_address_is_not_asked() {
    nexus_client::install_crypto();
    for url in ["https://169.254.169.254/latest/meta-data", "https://[::ffff:169.254.169.254]/"] {
        let asked = prepared(json!({"url": url})).expect("the list names it");
        let To::Server(to) = &asked.to else { panic!("{asked:?}") };
        let why = ask(&webhook(), to.clone(), &asked).await.err().expect("it is not asked");
        assert!(why.contains("nothing is sent there"), "{url}: {why}");
    }
}
