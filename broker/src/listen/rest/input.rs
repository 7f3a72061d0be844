//! What a request brings, typed; what does not fit is refused in our words.

use std::sync::Arc;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, ReferenceOr, RequestBody, SchemaObject};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema, set_body};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use nexus_wire::envelope::check_bounds;
use nexus_wire::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use nexus_wire::{ErrorBody, ErrorCode, RequestId, derive};
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::objects::Strict;
use super::openapi::may_fail;
use crate::edge::Edge;
use crate::listen::problem::Problem;

/// The named parts of the path.
#[derive(Debug)]
pub(in crate::listen) struct Path<T>(pub(in crate::listen) T);

/// The parameters behind the `?`.
#[derive(Debug)]
pub(in crate::listen) struct Query<T>(pub(in crate::listen) T);

/// A JSON body, within the bounds of a frame.
#[derive(Debug)]
pub(in crate::listen) struct Body<T> {
    pub(in crate::listen) value: T,
    /// Of the text as it came.
    pub(in crate::listen) bytes: usize,
}

/// The id of the request, by which a repeat of it is found: from `Idempotency-Key`, or a fresh one.
#[derive(Clone, Copy, Debug)]
pub(in crate::listen) struct Idempotent(pub(in crate::listen) RequestId);

/// For a request of which there is no repeat.
pub(super) fn fresh() -> Idempotent {
    Idempotent(RequestId(Uuid::now_v7()))
}

fn invalid(message: impl Into<String>) -> Problem {
    ErrorBody::new(ErrorCode::Invalid, message).into()
}

/// The schema of `T` itself instead of a reference to it.
fn inline<T: JsonSchema>(context: &mut GenContext) -> Schema {
    T::json_schema(&mut context.schema)
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Edge>> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, edge).await;
        path.map(|path| Self(path.0)).map_err(|rejection| invalid(rejection.body_text()))
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = inline::<T>(context);
        let parameters = parameters_from_schema(context, schema, ParamLocation::Path);
        add_parameters(context, operation, parameters);
        may_fail(operation, &[400, 404]);
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Edge>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Edge>) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|rejection| invalid(rejection.body_text()))
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = inline::<T>(context);
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        add_parameters(context, operation, parameters);
        may_fail(operation, &[400]);
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Edge>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let message = "send the body as JSON, with `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::Invalid, message));
        }
        let body = Bytes::from_request(request, edge).await.map_err(|rejection| unread(&rejection))?;
        let text = std::str::from_utf8(&body)
            .map_err(|error| invalid(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
        check_bounds(text).map_err(|error| Problem::from(error.to_body()))?;
        let Json(Strict(value)) = Json::from_bytes(&body).map_err(|rejection| {
            Problem::new(rejection.status(), ErrorCode::Invalid, rejection.body_text())
        })?;
        Ok(Self { value, bytes: body.len() })
    }
}

/// `application/json`, or a kind of it such as `application/merge-patch+json`.
pub(in crate::listen) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|it| it == "json" || it.ends_with("+json"))
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = "the body is larger than this endpoint takes";
        return ErrorBody::new(ErrorCode::TooLarge, message).into();
    }
    invalid(rejection.body_text())
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let content = MediaType { schema, ..MediaType::default() };
        let body = RequestBody {
            content: [("application/json".to_owned(), content)].into_iter().collect(),
            required: true,
            ..RequestBody::default()
        };
        set_body(context, operation, body);
        may_fail(operation, &[400, 413, 415, 422]);
    }
}

impl FromRequestParts<Arc<Edge>> for Idempotent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Edge>) -> Result<Self, Problem> {
        let Some(key) = parts.headers.get("idempotency-key") else { return Ok(fresh()) };
        let length = key.as_bytes().len();
        if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&length) {
            return Err(invalid(format!(
                "Idempotency-Key has {length} bytes; it takes 1 to {IDEMPOTENCY_KEY_BYTES_MAX}"
            )));
        }
        if !key.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(invalid("Idempotency-Key takes letters, digits, signs and spaces of ASCII"));
        }
        Ok(Self(derive::request_id(key.as_bytes())))
    }
}

impl OperationInput for Idempotent {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({"type": "object", "properties": {"Idempotency-Key": {
            "type": "string",
            "minLength": 1,
            "maxLength": IDEMPOTENCY_KEY_BYTES_MAX,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
            "description": "Names this request: the same key again gets the first answer, the same key with \
                            another body is refused as `id_reused`. A UUID is the request id itself.",
        }}});
        let parameters = parameters_from_schema(context, schema, ParamLocation::Header);
        add_parameters(context, operation, parameters);
        may_fail(operation, &[400, 409]);
    }
}

/// The body of an operation, to be given an example.
pub(super) fn body_of(operation: &mut Operation) -> Option<&mut MediaType> {
    match operation.request_body.as_mut()? {
        ReferenceOr::Item(body) => body.content.get_mut("application/json"),
        ReferenceOr::Reference { .. } => None,
    }
}
