use axum::Router;
use axum::routing::get;
use nexus_client::{Broker, KeyFile};
use reqwest::header::HeaderValue;
use tokio::net::TcpListener;

use super::*;

#[test]
fn the_broker_and_this_machine_are_asked_directly_and_others_by_way_of_a_proxy() {
    let name = "wren".parse().expect("a name");
    let key = KeyFile::generate(name, uuid::Uuid::nil(), "http://127.0.0.1:7888".into(), None)
        .expect("a key can be made");
    let via = Via::of(&key, Broker::of_keyfile(key.clone()).expect("an address"));
    let cases = [
        ("https://nexus.lan:7888/api/v1/proxy/model", Some(&via), true),
        ("https://api.anthropic.com", None, false),
        ("http://10.0.0.5:8080/v1", None, false),
        ("http://127.0.0.1.evil:8080/v1", None, false),
        ("http://127.0.0.1:8080/v1", None, true),
        ("http://[::1]:11434", None, true),
        ("http://localhost:11434", None, true),
        ("http://Models.Localhost:8080/v1", None, true),
    ];
    for (url, via, directly) in cases {
        assert_eq!(is_asked_directly(&host_of(url), via), directly, "{url}");
    }
}

#[tokio::test]
async fn a_name_below_localhost_is_this_machine() {
    nexus_client::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://acme.localhost:{}", listener.local_addr().expect("it is bound").port());
    let asked = async |headers: HeaderMap| headers["host"].to_str().expect("text").to_owned();
    let server = axum::serve(listener, Router::new().route("/", get(asked)));
    tokio::spawn(async move { server.await });
    let answer = client(&url, None).expect("made").get(&url).send().await.expect("it is reached");
    assert_eq!(answer.text().await.expect("whole"), url.trim_start_matches("http://"));
}

#[test]
fn the_wait_is_read_in_each_form() {
    type Headers = &'static [(&'static str, &'static str)];
    let cases: &[(&str, Headers, Option<u64>)] = &[
        ("seconds", &[("retry-after", "7")], Some(7000)),
        ("fraction", &[("retry-after", "0.5")], Some(500)),
        ("milliseconds first", &[("retry-after", "7"), ("retry-after-ms", "250")], Some(250)),
        (
            "date",
            &[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")],
            Some(30_000),
        ),
        (
            "date gone by",
            &[("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")],
            Some(0),
        ),
        ("date alone", &[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")], None),
        ("negative", &[("retry-after", "-1")], None),
        ("not a number", &[("retry-after", "NaN")], None),
        ("huge", &[("retry-after", "1e300")], None),
        ("none", &[], None),
    ];
    for (name, headers, expected) in cases {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(retry_after(&headers), expected.map(Duration::from_millis), "{name}");
    }
}

#[test]
fn the_message_is_found_in_each_shape() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "anthropic",
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded",
        ),
        ("openai", r#"{"error":{"message":"bad","code":null}}"#, "bad"),
        ("google", r#"[{"error":{"code":400,"message":"bad"}}]"#, "bad"),
        ("ollama", r#"{"error":"model not found"}"#, "model not found"),
        ("vllm", r#"{"object":"error","message":"too long"}"#, "too long"),
        ("fastapi", r#"{"detail":"Not Found"}"#, "Not Found"),
        ("a list of details", r#"{"detail":[{"loc":["body"]}]}"#, r#"{"detail":[{"loc":["body"]}]}"#),
        ("text", "upstream connect error\n", "upstream connect error"),
        ("unrelated json", r#"{"choices":[]}"#, ""),
        ("nothing", "", ""),
    ];
    for (name, body, expected) in cases {
        assert_eq!(error_in(body.as_bytes()).1, *expected, "{name}");
    }
    let long = error_in("é".repeat(2000).as_bytes()).1;
    assert_eq!(long.chars().count(), ERROR_TEXT_CHARS_MAX + 1);
}

#[test]
fn a_key_repeated_by_the_server_is_struck_out() {
    let key = Secret::new("sk-canary");
    assert_eq!(redact("Incorrect API key: sk-canary.", Some(&key)), "Incorrect API key: [secret].");
}

#[test]
fn our_brokers_word_that_nothing_may_be_spent_is_told_apart() {
    let said = |status: u16, code: &str| {
        let body = format!(
            r#"{{"type":"about:blank","status":{status},"detail":"all spending is stopped","code":"{code}"}}"#
        );
        let (error, message) = error_in(body.as_bytes());
        let status = StatusCode::from_u16(status).expect("a status");
        by_status(Refusal { status, retry_after: None, error, message })
    };
    assert_eq!(
        said(402, "spending_stopped"),
        ProviderErrorKind::Stopped("all spending is stopped".to_owned())
    );
    // A vendor's own.
    let invalid = |text: &str| ProviderErrorKind::Invalid(text.to_owned());
    assert_eq!(said(402, "insufficient_credits"), invalid("402: all spending is stopped"));
    assert_eq!(said(400, "spending_stopped"), invalid("400: all spending is stopped"));
}
