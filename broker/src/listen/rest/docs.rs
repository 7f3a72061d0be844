//! The OpenAPI document, and a page that shows it to people: own files, nothing from elsewhere, no inline script.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::openapi;
use crate::edge::Edge;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Made when it is first asked for: few ever ask, and a start should not wait for it.
static DOCUMENT: OnceLock<String> = OnceLock::new();

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/api/v1/openapi.json", get(document))
        .route("/api/docs", get(|headers: HeaderMap| async move { file(&headers, "text/html", PAGE) }))
        .route(
            "/api/docs/page.js",
            get(|headers: HeaderMap| async move { file(&headers, "text/javascript", SCRIPT) }),
        )
        .route(
            "/api/docs/page.css",
            get(|headers: HeaderMap| async move { file(&headers, "text/css", STYLE) }),
        )
}

async fn document(headers: HeaderMap) -> Response {
    file(&headers, "application/json", DOCUMENT.get_or_init(openapi::text))
}

/// A file's `ETag`, from the digest of its bytes.
pub(in crate::listen) fn tag_of(digest: &[u8]) -> String {
    format!("\"{}\"", digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Whether whoever asks has what the tag stands for.
pub(in crate::listen) fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|it| it.trim().trim_start_matches("W/") == tag)
}

/// A file that changes only with the broker's version; whoever has it already is told so.
fn file(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let digest = Sha256::digest(text);
    let tag = tag_of(&digest);
    let is_known = knows(headers, &tag);
    let common = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = if kind == "application/json" { kind.to_owned() } else { format!("{kind}; charset=utf-8") };
    (common, [(header::CONTENT_TYPE, kind)], text).into_response()
}
