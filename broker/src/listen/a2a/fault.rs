//! Why a request fails, in A2A's words: a code of JSON-RPC and a status of HTTP with its name of gRPC, both with the
//! same typed detail.

use a2a::{JsonRpcError, JsonRpcId, JsonRpcResponse, error_code, error_reason};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nexus_wire::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

use crate::listen::problem::Problem;

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// Whose reasons those of A2A are, and whose ours.
const A2A_DOMAIN: &str = "a2a-protocol.org";
const OUR_DOMAIN: &str = "nexus";
/// What A2A has no code of its own for; `reason` says which it is.
pub(super) const OURS: i32 = -32000;

/// A request that is refused, or cannot be carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    code: i32,
    status: StatusCode,
    reason: String,
    domain: &'static str,
    message: String,
    retry_after: Option<u64>,
    /// For whoever counts what was refused.
    counted: Option<ErrorCode>,
}

impl Fault {
    /// `code` is one of A2A's or of JSON-RPC's.
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        let status = match code {
            error_code::TASK_NOT_FOUND | error_code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            error_code::INTERNAL_ERROR | error_code::INVALID_AGENT_RESPONSE => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            code,
            status,
            reason: error_reason(code).to_owned(),
            domain: A2A_DOMAIN,
            message: message.into(),
            retry_after: None,
            counted: None,
        }
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(error_code::INVALID_PARAMS, message)
    }

    pub(super) fn no_task(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::new(error_code::TASK_NOT_FOUND, format!("there is no task {id} here that you may see"))
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(error_code::INTERNAL_ERROR, message)
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Our own code for it.
    pub(super) fn ours(&self) -> ErrorCode {
        self.counted.unwrap_or(ErrorCode::Invalid)
    }

    pub(super) fn code(&self) -> i32 {
        self.code
    }

    /// Whether the thing that was asked about is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.counted == Some(ErrorCode::NotFound)
    }

    fn details(&self) -> Value {
        json!([{"@type": ERROR_INFO, "reason": self.reason, "domain": self.domain, "metadata": {}}])
    }

    /// As `google.rpc.Status` names the status of HTTP.
    fn name(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "NOT_FOUND",
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::TOO_MANY_REQUESTS => "RESOURCE_EXHAUSTED",
            StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
            StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL",
            _ => match self.code {
                error_code::TASK_NOT_CANCELABLE
                | error_code::PUSH_NOTIFICATION_NOT_SUPPORTED
                | error_code::UNSUPPORTED_OPERATION
                | error_code::EXTENSION_SUPPORT_REQUIRED
                | error_code::VERSION_NOT_SUPPORTED
                | OURS => "FAILED_PRECONDITION",
                _ => "INVALID_ARGUMENT",
            },
        }
    }

    pub(super) fn rpc(&self, id: JsonRpcId) -> JsonRpcResponse {
        let error =
            JsonRpcError { code: self.code, message: self.message.clone(), data: Some(self.details()) };
        JsonRpcResponse::error(id, error)
    }

    pub(super) fn rest(&self) -> Value {
        json!({"error": {
            "code": self.status.as_u16(),
            "status": self.name(),
            "message": self.message,
            "details": self.details(),
        }})
    }

    /// An answer of JSON-RPC is one of HTTP's successes, but for what concerns every request alike.
    pub(super) fn into_rpc_response(self, id: JsonRpcId) -> Response {
        let status = match self.status {
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE => self.status,
            _ => StatusCode::OK,
        };
        let body = Json(self.rpc(id));
        self.labelled((status, body).into_response())
    }

    pub(super) fn into_rest_response(self) -> Response {
        let body = Json(self.rest());
        self.labelled((self.status, body).into_response())
    }

    fn labelled(&self, mut response: Response) -> Response {
        if let Some(code) = self.counted {
            response.extensions_mut().insert(code);
        }
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ErrorBody> for Fault {
    fn from(body: ErrorBody) -> Self {
        let (status, _) = Problem::from(body.clone()).into_parts();
        let code = match body.code {
            ErrorCode::BadFrame
            | ErrorCode::IdReused
            | ErrorCode::Invalid
            | ErrorCode::NotFound
            | ErrorCode::TooDeep
            | ErrorCode::TooLarge => error_code::INVALID_PARAMS,
            ErrorCode::Internal => error_code::INTERNAL_ERROR,
            ErrorCode::Unsupported | ErrorCode::UnknownKind => error_code::UNSUPPORTED_OPERATION,
            ErrorCode::AlreadyRegistered
            | ErrorCode::BadParent
            | ErrorCode::BudgetExceeded
            | ErrorCode::Conflict
            | ErrorCode::Displaced
            | ErrorCode::Forbidden
            | ErrorCode::Held
            | ErrorCode::HomeDiverged
            | ErrorCode::InvalidOutput
            | ErrorCode::NoCandidate
            | ErrorCode::NotRegistered
            | ErrorCode::QueueFull
            | ErrorCode::QuotaExceeded
            | ErrorCode::RateLimited
            | ErrorCode::ShuttingDown
            | ErrorCode::SpendingStopped
            | ErrorCode::StaleToken
            | ErrorCode::StorageUnavailable
            | ErrorCode::ThreadPaused
            | ErrorCode::Unauthorized
            | ErrorCode::Unavailable => OURS,
        };
        let known = Self::new(code, body.message);
        let (reason, domain, status) = match code {
            OURS => (body.code.as_str().to_ascii_uppercase(), OUR_DOMAIN, status),
            _ => (known.reason, known.domain, known.status),
        };
        let retry_after = body.retryable.then(|| body.details["retry_after"].as_u64().unwrap_or(1));
        Self { status, reason, domain, retry_after, counted: Some(body.code), ..known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_a_code_a_status_and_a_reason() {
        let cases: &[(ErrorCode, i32, u16, &str, &str)] = &[
            (ErrorCode::IdReused, -32602, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
            (ErrorCode::Forbidden, -32000, 403, "PERMISSION_DENIED", "FORBIDDEN"),
            (ErrorCode::RateLimited, -32000, 429, "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
            (ErrorCode::ShuttingDown, -32000, 503, "UNAVAILABLE", "SHUTTING_DOWN"),
            (ErrorCode::ThreadPaused, -32000, 409, "FAILED_PRECONDITION", "THREAD_PAUSED"),
            (ErrorCode::Internal, -32603, 500, "INTERNAL", "INTERNAL_ERROR"),
            (ErrorCode::Unsupported, -32004, 400, "FAILED_PRECONDITION", "UNSUPPORTED_OPERATION"),
        ];
        for (ours, code, status, name, reason) in cases {
            let fault = Fault::from(ErrorBody::new(*ours, "no"));
            let domain = if *code == OURS { OUR_DOMAIN } else { A2A_DOMAIN };
            let details = json!([{"@type": ERROR_INFO, "reason": reason, "domain": domain, "metadata": {}}]);
            assert_eq!(
                fault.rest(),
                json!({"error": {"code": status, "status": name, "message": "no", "details": details}}),
                "{ours}"
            );
            let rpc = serde_json::to_value(fault.rpc(JsonRpcId::Number(7))).unwrap();
            let error = json!({"code": code, "message": "no", "data": details});
            assert_eq!(rpc, json!({"jsonrpc": "2.0", "id": 7, "error": error}), "{ours}");
        }
        let missing = Fault::no_task("x").rest();
        assert_eq!(
            (&missing["error"]["code"], &missing["error"]["status"]),
            (&json!(404), &json!("NOT_FOUND"))
        );
    }
}
