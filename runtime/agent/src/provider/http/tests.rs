use reqwest::header::HeaderValue;

use super::*;

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
