//! The JSON-RPC binding: one request, one answer or one stream of answers.

use std::sync::Arc;

use a2a::{JsonRpcId, error_code};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::Value;

use super::call::{self, Call, Reply};
use super::fault::Fault;
use super::stream::Binding;
use super::{Shared, body, entered};
use crate::listen::rest::caller::AnyParty;

pub(super) async fn answer(
    caller: AnyParty,
    State(edge): Shared,
    Path(of): Path<String>,
    request: Request,
) -> Response {
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let text = match body(&edge, request).await {
        Ok(text) => text,
        Err(fault) => return fault.into_rpc_response(JsonRpcId::Null),
    };
    let (id, asked) = parse(&text);
    let binding = Binding::JsonRpc(id);
    let (method, params) = match asked {
        Ok(asked) => asked,
        Err(fault) => return binding.refuse(fault),
    };
    let door = match entered(&edge, caller, &of, &headers, &uri).await {
        Ok(door) => door,
        Err(fault) => return binding.refuse(fault),
    };
    let replied = match Call::named(&method, params) {
        Ok(call) => call::answer(&Arc::clone(&door), call).await,
        Err(fault) => Err(fault),
    };
    match replied {
        Ok(Reply::Value(value)) => binding.answer(value),
        Ok(Reply::Stream(seen)) => binding.stream(seen),
        Err(fault) => binding.refuse(fault),
    }
}

/// The id as far as there is one, and the method with its parameters.
pub(super) fn parse(text: &str) -> (JsonRpcId, Result<(String, Value), Fault>) {
    let invalid = |message: &str| Err(Fault::new(error_code::INVALID_REQUEST, message));
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let fault = Fault::new(error_code::PARSE_ERROR, format!("the body is no JSON: {error}"));
            return (JsonRpcId::Null, Err(fault));
        }
    };
    let Value::Object(mut request) = value else {
        return (JsonRpcId::Null, invalid("a request is one object; there are no batches"));
    };
    let id = match request.remove("id") {
        Some(Value::String(text)) => JsonRpcId::String(text),
        Some(Value::Number(number)) if number.as_i64().is_some() => {
            JsonRpcId::Number(number.as_i64().unwrap_or_default())
        }
        Some(_) | None => {
            return (
                JsonRpcId::Null,
                invalid("a request has an `id`, a text or a whole number: it is answered"),
            );
        }
    };
    let is_2 = request.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
    let asked = match (is_2, request.remove("method"), request.remove("params")) {
        (true, Some(Value::String(method)), params @ (None | Some(Value::Object(_) | Value::Null))) => {
            Ok((method, params.unwrap_or_default()))
        }
        (false, ..) => invalid("a request says `\"jsonrpc\": \"2.0\"`"),
        (true, Some(Value::String(_)), Some(_)) => Err(Fault::params("`params` is an object")),
        (true, ..) => invalid("a request names its `method`"),
    };
    (id, asked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_request_is_answered_with_why() {
        let whole = json!({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}});
        let (id, asked) = parse(&whole.to_string());
        assert_eq!((id, asked), (JsonRpcId::Number(1), Ok(("GetTask".into(), json!({"id": "x"})))));
        let cases: &[(&str, JsonRpcId, i32)] = &[
            ("{", JsonRpcId::Null, error_code::PARSE_ERROR),
            ("[]", JsonRpcId::Null, error_code::INVALID_REQUEST),
            ("7", JsonRpcId::Null, error_code::INVALID_REQUEST),
            (r#"{"jsonrpc": "2.0", "method": "GetTask"}"#, JsonRpcId::Null, error_code::INVALID_REQUEST),
            (
                r#"{"jsonrpc": "2.0", "id": null, "method": "x"}"#,
                JsonRpcId::Null,
                error_code::INVALID_REQUEST,
            ),
            (r#"{"jsonrpc": "2.0", "id": 1.5, "method": "x"}"#, JsonRpcId::Null, error_code::INVALID_REQUEST),
            (r#"{"id": "a", "method": "x"}"#, JsonRpcId::String("a".into()), error_code::INVALID_REQUEST),
            (r#"{"jsonrpc": "2.0", "id": "a"}"#, JsonRpcId::String("a".into()), error_code::INVALID_REQUEST),
            (
                r#"{"jsonrpc": "2.0", "id": 2, "method": "x", "params": [1]}"#,
                JsonRpcId::Number(2),
                error_code::INVALID_PARAMS,
            ),
        ];
        for (text, id, code) in cases {
            let (found, asked) = parse(text);
            assert_eq!((found, asked.unwrap_err().code()), (id.clone(), *code), "{text}");
        }
    }

    #[test]
    fn a_method_is_one_of_1_0() {
        let code = |method: &str, params: Value| Call::named(method, params).unwrap_err().code();
        assert_eq!(code("message/send", json!({})), error_code::METHOD_NOT_FOUND);
        assert_eq!(code("GetTask", json!({})), error_code::INVALID_PARAMS);
        assert!(matches!(Call::named("GetExtendedAgentCard", Value::Null), Ok(Call::Card)));
        assert!(matches!(Call::named("ListTasks", json!({"pageSize": 3})), Ok(Call::List(_))));
    }
}
