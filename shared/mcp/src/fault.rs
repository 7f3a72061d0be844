//! What went wrong, told to a model: what the broker said in its own words, and what to do next.

use nexus_wire::{ErrorBody, ErrorCode};
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::json;

/// Under this key of `_meta` a program finds the error as the broker gave it.
const META_KEY: &str = "nexus/error";

/// A failed call, as the result of its tool: the model reads it and can do better.
pub(crate) fn told(body: &ErrorBody) -> CallToolResult {
    let mut meta = MetaObject::new();
    meta.0.insert(META_KEY.to_owned(), json!(body));
    CallToolResult::error(vec![ContentBlock::text(words(body))]).with_meta(Some(meta))
}

pub(crate) fn words(body: &ErrorBody) -> String {
    let next = next(body);
    let ErrorBody { code, message, .. } = body;
    match body.details.get("faults").and_then(|it| it.as_array()) {
        Some(faults) => {
            let places: Vec<String> = faults
                .iter()
                .filter_map(|fault| {
                    Some(format!("{} {}", fault.get("at")?.as_str()?, fault.get("message")?.as_str()?))
                })
                .collect();
            format!("{code}: {message} ({}). {next}", places.join("; "))
        }
        None => format!("{code}: {message}. {next}"),
    }
}

fn next(body: &ErrorBody) -> String {
    let text = match body.code {
        ErrorCode::Forbidden | ErrorCode::Unauthorized | ErrorCode::Held | ErrorCode::Displaced => {
            "Nothing was changed. Do not repeat the call; tell the user."
        }
        ErrorCode::NotFound => {
            "Take ids and names from read_chat, read_chat_thread, list_team or search_knowledge."
        }
        ErrorCode::ThreadPaused => "Ask the user to write in that thread, or begin a new one.",
        ErrorCode::IdReused => "The key stands for another call already: use a new one for a new call.",
        ErrorCode::Conflict => "Somebody changed it meanwhile: read it again, then decide anew.",
        ErrorCode::NoCandidate => "list_team shows who can do what.",
        ErrorCode::BudgetExceeded | ErrorCode::SpendingStopped => {
            "Tell the user: an operator decides what may be spent."
        }
        ErrorCode::Invalid
        | ErrorCode::TooDeep
        | ErrorCode::TooLarge
        | ErrorCode::BadFrame
        | ErrorCode::InvalidOutput => "Correct the arguments and call again.",
        ErrorCode::RateLimited => match body.details.get("retry_after").and_then(serde_json::Value::as_u64) {
            Some(after) => return format!("Call again in {after} s."),
            None => "Call again in a moment.",
        },
        ErrorCode::Internal
        | ErrorCode::QueueFull
        | ErrorCode::ShuttingDown
        | ErrorCode::StorageUnavailable
        | ErrorCode::Unavailable => "The same call can succeed in a moment.",
        ErrorCode::AlreadyRegistered
        | ErrorCode::BadParent
        | ErrorCode::HomeDiverged
        | ErrorCode::NotRegistered
        | ErrorCode::QuotaExceeded
        | ErrorCode::StaleToken
        | ErrorCode::UnknownKind
        | ErrorCode::Unsupported => "Tell the user.",
    };
    text.to_owned()
}

pub(crate) fn invalid(message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_wrong_where_and_what_to_do() {
        let cases = [
            (
                ErrorBody::new(ErrorCode::Forbidden, "operator/vic may look and not act"),
                "forbidden: operator/vic may look and not act. Nothing was changed. Do not repeat the call; tell the user.",
            ),
            (
                ErrorBody::new(ErrorCode::RateLimited, "too much").with(json!({"retry_after": 7})),
                "rate_limited: too much. Call again in 7 s.",
            ),
            (
                ErrorBody::new(ErrorCode::Invalid, "the input does not follow the schema")
                    .with(json!({"faults": [{"at": "/text", "message": "is no string"}]})),
                "invalid: the input does not follow the schema (/text is no string). Correct the arguments and call again.",
            ),
        ];
        for (body, wanted) in cases {
            assert_eq!(words(&body), wanted);
            let result = told(&body);
            assert_eq!(result.is_error, Some(true));
            assert_eq!(result.meta.and_then(|meta| meta.0.get(META_KEY).cloned()), Some(json!(body)));
        }
        for code in ErrorCode::ALL {
            assert!(
                words(&ErrorBody::new(*code, "x")).len() > code.as_str().len() + 5,
                "{code} says what to do"
            );
        }
    }
}
