//! What a client that was refused is told about getting in (RFC 9728). There is no authorization server: whoever
//! runs this Nexus hands tokens out, and the documentation says how.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::PATH;
use crate::edge::Edge;
use crate::listen::problem::Problem;

/// Where this broker is, as whoever asks has it: the guard has checked the name.
fn base(edge: &Edge, headers: &HeaderMap) -> String {
    if let Some(url) = edge.hosts.public_url() {
        return url.to_owned();
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    let scheme = if edge.hosts.is_tls() { "https" } else { "http" };
    format!("{scheme}://{host}")
}

pub(super) async fn resource(State(edge): State<Arc<Edge>>, headers: HeaderMap) -> Response {
    let document = json!({
        "resource": format!("{}{PATH}", base(&edge, &headers)),
        "resource_name": "Nexus",
        "bearer_methods_supported": ["header"],
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, document.to_string()).into_response()
}

/// `problem` with what a client needs to know to come back with a credential, if it is one of those.
pub(super) fn challenge(edge: &Edge, headers: &HeaderMap, problem: Problem) -> Box<Response> {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let tried =
            if headers.contains_key(header::AUTHORIZATION) { "error=\"invalid_token\", " } else { "" };
        let at = base(edge, headers);
        let value =
            format!("Bearer {tried}resource_metadata=\"{at}/.well-known/oauth-protected-resource{PATH}\"");
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
    Box::new(response)
}
