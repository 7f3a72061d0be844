//! What a handler gives back: JSON text of a known shape, or a problem.

use std::marker::PhantomData;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Described, SchemaObject, StatusCode};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use nexus_wire::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::openapi::may_fail;
use crate::listen::problem::Problem;

pub(in crate::listen) type Answered<T> = Result<Answer<T>, Problem>;

/// JSON that reads as a `T`; made by the core or the read pool as text already.
#[derive(Debug)]
pub(in crate::listen) struct Answer<T> {
    text: Json,
    of: PhantomData<fn() -> T>,
}

impl<T> Answer<T> {
    pub(in crate::listen) fn of_json(text: Json) -> Self {
        Self { text, of: PhantomData }
    }
}

impl<T: Serialize> Answer<T> {
    pub(in crate::listen) fn of(value: &T) -> Self {
        Self::of_json(Json::of(value))
    }
}

impl<T> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        // What the team says is for whoever asked, not for a cache on the way.
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (headers, self.text.as_str().to_owned()).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Answer<T> {
    type Inner = T;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Described> {
        let json_schema = context.schema.subschema_for::<T>();
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let content = MediaType { schema, ..MediaType::default() };
        Some(Described {
            description: "Done.".to_owned(),
            content: [("application/json".to_owned(), content)].into_iter().collect(),
            ..Described::default()
        })
    }

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Described)> {
        let response = Self::operation_response(context, operation);
        response.into_iter().map(|response| (Some(StatusCode::Code(200)), response)).collect()
    }
}

/// Every request may meet a broker that is called by another's name, slow, stopping or without storage, or come over a
/// connection that was made for another Nexus.
impl OperationOutput for Problem {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Described)> {
        may_fail(operation, &[403, 408, 421, 500, 503]);
        Vec::new()
    }
}
