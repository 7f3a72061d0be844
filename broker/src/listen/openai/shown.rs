//! What a handler gives back.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use nexus_wire::ThreadId;
use serde_json::Value;

use super::THREAD_HEADER;

/// JSON, and the thread it belongs to.
pub(super) struct Shown {
    text: String,
    thread: Option<ThreadId>,
}

impl Shown {
    pub(super) fn of(value: &Value) -> Self {
        Self { text: value.to_string(), thread: None }
    }

    pub(super) fn in_thread(value: &Value, thread: ThreadId) -> Self {
        Self { text: value.to_string(), thread: Some(thread) }
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (headers, self.text).into_response();
        name_thread(&mut response, self.thread);
        response
    }
}

pub(super) fn name_thread(response: &mut Response, thread: Option<ThreadId>) {
    if let Some(value) = thread.and_then(|thread| HeaderValue::from_str(&thread.to_string()).ok()) {
        response.headers_mut().insert(THREAD_HEADER, value);
    }
}
