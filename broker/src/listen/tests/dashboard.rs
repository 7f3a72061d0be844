//! What a browser that opens the broker's address gets.

use std::fs;

use super::World;
use super::client::{http, http_whole};

const POLICY: &str = "content-security-policy: default-src 'self'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// A broker that serves a small dashboard of our own.
async fn world() -> (tempfile::TempDir, World) {
    let built = tempfile::tempdir().unwrap();
    fs::create_dir(built.path().join("assets")).unwrap();
    for (name, text) in
        [("index.html", "the page"), ("assets/a-1.js", "go()"), ("assets/a-1.js.br", "compressed")]
    {
        fs::write(built.path().join(name), text).unwrap();
    }
    let folder = built.path().display().to_string();
    let world = World::with(&[("dashboard.folder", &folder)]).await;
    (built, world)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").map_or(answer, |it| it.0);
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn pages_are_fenced_in_and_never_stale() {
    let (_built, world) = world().await;
    for path in ["/", "/chat/0199a0b1"] {
        let answer = http_whole(&world, "GET", path, &[HTML], "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nthe page"), "{answer}");
        assert!(answer.contains(POLICY), "{answer}");
        let others = ["x-content-type-options", "referrer-policy", "cache-control", "content-type"];
        assert_eq!(
            others.map(|name| header(&answer, name)),
            [Some("nosniff"), Some("no-referrer"), Some("no-cache"), Some("text/html; charset=utf-8")]
        );
        let tag = header(&answer, "etag").unwrap().to_owned();
        let again = http_whole(&world, "GET", path, &[HTML, ("if-none-match", &tag)], "").await;
        assert!(again.starts_with("HTTP/1.1 304") && again.contains(POLICY), "{again}");
        let other = http(&world, "GET", path, &[HTML, ("if-none-match", "\"other\"")], "").await;
        assert_eq!(other, (200, "the page".to_owned()));
    }
    let head = http_whole(&world, "HEAD", "/", &[], "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_come_compressed() {
    let (_built, world) = world().await;
    let path = "/assets/a-1.js";
    let plain = http_whole(&world, "GET", path, &[], "").await;
    let small = http_whole(&world, "GET", path, &[("accept-encoding", "gzip, br")], "").await;
    let names = ["content-encoding", "content-type", "cache-control", "vary"];
    let (kind, for_ever, vary) =
        ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "accept-encoding");
    assert_eq!(
        names.map(|name| header(&plain, name)),
        [None, Some(kind), Some(for_ever), Some(vary)],
        "{plain}"
    );
    assert_eq!(names.map(|name| header(&small, name)), [Some("br"), Some(kind), Some(for_ever), Some(vary)]);
    assert!(plain.ends_with("\r\n\r\ngo()") && small.ends_with("\r\n\r\ncompressed"));
}

#[tokio::test]
async fn what_is_not_the_dashboards_is_as_it_was() {
    let (_built, world) = world().await;
    let cases = [
        ("GET", "/api/v1/nothing", HTML, 404),
        ("GET", "/assets/gone.js", HTML, 404),
        ("GET", "/chat", ("accept", "*/*"), 404),
        ("POST", "/", HTML, 404),
        ("GET", "/", ("host", "evil.example"), 403),
    ];
    for (method, path, header, status) in cases {
        let answer = http_whole(&world, method, path, &[header], "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{method} {path}: {answer}");
    }
    let docs = http(&world, "GET", "/api/docs", &[HTML], "").await;
    assert!(docs.0 == 200 && docs.1 != "the page", "{docs:?}");
}
