//! Errors as HTTP says them (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nexus_wire::{ErrorBody, ErrorCode, Json, problem};

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: ErrorBody,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::new(code, message) }
    }

    /// For those who say it in other words.
    pub(super) fn into_parts(self) -> (StatusCode, ErrorBody) {
        (self.status, self.body)
    }

    fn to_wire(&self) -> problem::Problem {
        problem::Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            detail: self.body.message.clone(),
            code: self.body.code,
            retryable: self.body.retryable,
            details: self.body.details.clone(),
        }
    }
}

impl From<ErrorBody> for Problem {
    fn from(body: ErrorBody) -> Self {
        let status = match body.code {
            ErrorCode::BadFrame
            | ErrorCode::Invalid
            | ErrorCode::InvalidOutput
            | ErrorCode::TooDeep
            | ErrorCode::UnknownKind
            | ErrorCode::Unsupported => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            // One that clients of models do not try again by themselves.
            ErrorCode::SpendingStopped => StatusCode::PAYMENT_REQUIRED,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::QueueFull | ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::ShuttingDown | ErrorCode::StorageUnavailable | ErrorCode::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorCode::AlreadyRegistered
            | ErrorCode::BadParent
            | ErrorCode::BudgetExceeded
            | ErrorCode::Conflict
            | ErrorCode::Displaced
            | ErrorCode::Held
            | ErrorCode::HomeDiverged
            | ErrorCode::IdReused
            | ErrorCode::NoCandidate
            | ErrorCode::NotRegistered
            | ErrorCode::StaleToken
            | ErrorCode::ThreadPaused => StatusCode::CONFLICT,
        };
        Self { status, body }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = Json::of(&self.to_wire()).as_str().to_owned();
        let mut response = (self.status, text).into_response();
        // For whoever counts what was refused.
        response.extensions_mut().insert(self.body.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.body.retryable {
            let seconds = self.body.details["retry_after"].as_u64().unwrap_or(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
