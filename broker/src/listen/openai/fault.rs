//! Errors as OpenAI's API says them: `{"error": {message, type, param, code}}`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nexus_wire::{ErrorBody, ErrorCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::listen::problem::Problem;

/// The official clients ask again by themselves unless this says otherwise.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    status: StatusCode,
    /// For whoever counts what was refused.
    counted: ErrorCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: &'static str,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Shown<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

impl Fault {
    /// A parameter that says what cannot be.
    pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, ErrorCode::Invalid, "invalid_value", message).about(param)
    }

    /// A parameter that means something we cannot do.
    pub(super) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, ErrorCode::Unsupported, "unsupported_parameter", message)
            .about(param)
    }

    pub(super) fn of(
        status: StatusCode,
        counted: ErrorCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let kind = match status {
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        Self { status, counted, message: message.into(), kind, param: None, code, retry_after: None }
    }

    pub(super) fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same request can succeed after so many seconds.
    pub(super) fn again_in(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// As an event of a stream has it, and as a body.
    pub(super) fn to_json(&self) -> Value {
        json!({"error": self.shown()})
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    fn shown(&self) -> Shown<'_> {
        Shown { message: &self.message, kind: self.kind, param: self.param.as_deref(), code: self.code }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let (status, body) = problem.into_parts();
        let (code, message) = if body.code == ErrorCode::Unauthorized {
            let how = "the API key is an operator's token (nxo_…), see: nexus operator token add";
            ("invalid_api_key", format!("{}; {how}", body.message))
        } else if status == StatusCode::TOO_MANY_REQUESTS {
            ("rate_limit_exceeded", body.message)
        } else {
            (body.code.as_str(), body.message)
        };
        let retry_after = body.retryable.then(|| body.details["retry_after"].as_u64().unwrap_or(1));
        Self { retry_after, ..Self::of(status, body.code, code, message) }
    }
}

impl From<ErrorBody> for Fault {
    fn from(body: ErrorBody) -> Self {
        Problem::from(body).into()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        response.extensions_mut().insert(self.counted);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let again = if self.retry_after.is_some() { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(again));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
