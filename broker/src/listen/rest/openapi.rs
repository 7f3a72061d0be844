//! The OpenAPI 3.1 document, made from the handlers, and the words handlers describe themselves with.

use aide::generate::in_context;
use aide::openapi::{
    Components, Info, License, MediaType, OpenApi, Operation, ReferenceOr, Response, SchemaObject,
    SecurityScheme, Server, StatusCode, Tag,
};
use aide::transform::TransformOperation;
use axum::http;
use nexus_wire::{ErrorCode, problem};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::routing::describing;
use super::{health, input};
use crate::listen::problem::MEDIA_TYPE;

pub(super) const SECURITY_SCHEME: &str = "bearer";

const DESCRIPTION: &str = "Everything an operator or a script needs of a Nexus broker. Requests go the way \
    frames on a link go: the same rules, the same errors, the same answers. Times are milliseconds since \
    1970 UTC, costs are millionths of a US dollar, ids are UUIDs.\n\n\
    Every error is a problem document (RFC 9457) whose `code` is one of the error codes of the protocol. \
    Lists come in pages: pass `next_cursor` as `cursor` until it is absent. Durable changes take an \
    `Idempotency-Key`, so that a request whose answer was lost can be sent again.\n\n\
    `/connect`, where links are opened, `/api/v1/proxy/{credential}/…`, which passes calls on to services \
    outside, and `/hooks/…`, which services outside call, are no operations of this document. The first may also \
    answer 426 (no WebSocket upgrade), the second 402 (nothing may be spent on models) and 502 (the service gives \
    no answer).";

/// A group of endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) enum Group {
    Alerts,
    Approvals,
    Aspects,
    Audit,
    Blobs,
    Broker,
    Budgets,
    Credentials,
    Dispatches,
    Flows,
    Knowledge,
    Messages,
    Operators,
    Registries,
    Sessions,
    Threads,
    Triggers,
}

impl Group {
    const ALL: [Self; 17] = [
        Self::Alerts,
        Self::Approvals,
        Self::Aspects,
        Self::Audit,
        Self::Blobs,
        Self::Broker,
        Self::Budgets,
        Self::Credentials,
        Self::Dispatches,
        Self::Flows,
        Self::Knowledge,
        Self::Messages,
        Self::Operators,
        Self::Registries,
        Self::Sessions,
        Self::Threads,
        Self::Triggers,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Approvals => "approvals",
            Self::Aspects => "aspects",
            Self::Audit => "audit",
            Self::Blobs => "blobs",
            Self::Broker => "broker",
            Self::Budgets => "budgets",
            Self::Credentials => "credentials",
            Self::Dispatches => "dispatches",
            Self::Flows => "flows",
            Self::Knowledge => "knowledge",
            Self::Messages => "messages",
            Self::Operators => "operators",
            Self::Registries => "registries",
            Self::Sessions => "sessions",
            Self::Threads => "threads",
            Self::Triggers => "triggers",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Alerts => "What somebody should look at.",
            Self::Approvals => "What aspects ask of people and wait for.",
            Self::Aspects => "The team: who is on it, how each is doing, and their keys.",
            Self::Audit => "Every durable change, in one order.",
            Self::Blobs => "Files that messages attach, named by what is in them.",
            Self::Broker => "The broker itself: its identity, its health, tokens.",
            Self::Budgets => "What may be spent in a day or a month.",
            Self::Credentials => "Secrets for services outside, kept sealed.",
            Self::Dispatches => "Work sent to Hands.",
            Self::Flows => "Several steps as one piece of work, and the runs of them.",
            Self::Knowledge => "What the team has written down.",
            Self::Messages => "What is said.",
            Self::Operators => "People and their tokens.",
            Self::Registries => "Typed tables that people and aspects read and write.",
            Self::Sessions => "How people get in from a browser.",
            Self::Threads => "Conversations.",
            Self::Triggers => "What the team does while nobody types, and when.",
        }
    }
}

/// Operation id, group and one line of what it does; more comes from the handler's types.
pub(super) fn doc(
    id: &'static str,
    group: Group,
    summary: &'static str,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| operation.id(id).tag(group.name()).summary(summary)
}

/// As [`doc`], with an example of the body.
pub(super) fn doc_with(
    id: &'static str,
    group: Group,
    summary: &'static str,
    example: Value,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |mut operation| {
        if let Some(body) = input::body_of(operation.inner_mut()) {
            body.example = Some(example);
        }
        doc(id, group, summary)(operation)
    }
}

/// Adds statuses that do not follow from what a handler takes.
pub(super) fn failing(
    statuses: &'static [u16],
    inner: impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |mut operation| {
        may_fail(operation.inner_mut(), statuses);
        inner(operation)
    }
}

/// Adds a sentence to the description.
pub(super) fn note(operation: &mut Operation, sentence: &str) {
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push(' ');
    }
    description.push_str(sentence);
}

/// Names the statuses of problems a request may end in.
pub(super) fn may_fail(operation: &mut Operation, statuses: &[u16]) {
    let responses = &mut operation.responses.get_or_insert_default().responses;
    for status in statuses {
        let reference = ReferenceOr::ref_(&format!("#/components/responses/{status}"));
        responses.entry(StatusCode::Code(*status)).or_insert(reference);
    }
}

/// A successful answer that is text.
pub(super) fn text_response(media_type: &str, description: &str) -> (Option<StatusCode>, Response) {
    response_of(media_type, description, schemars::json_schema!({"type": "string"}))
}

/// A successful answer of another media type than JSON.
pub(super) fn response_of(
    media_type: &str,
    description: &str,
    json_schema: schemars::Schema,
) -> (Option<StatusCode>, Response) {
    let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
    let content = MediaType { schema, ..MediaType::default() };
    let response = Response {
        description: description.to_owned(),
        content: [(media_type.to_owned(), content)].into_iter().collect(),
        ..Response::default()
    };
    (Some(StatusCode::Code(200)), response)
}

/// The whole document.
pub(crate) fn document() -> OpenApi {
    // The library starts from an older draft of JSON Schema than OpenAPI 3.1 is based on.
    in_context(|context| {
        let settings = SchemaSettings::draft2020_12();
        let settings = settings.with(|it| it.definitions_path = "/components/schemas".into());
        context.schema = settings.into_generator();
        context.schema.subschema_for::<problem::Problem>();
    });
    let mut api = OpenApi {
        info: Info {
            title: "Nexus".to_owned(),
            description: Some(DESCRIPTION.to_owned()),
            license: Some(License { name: "Apache-2.0".to_owned(), ..License::default() }),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Info::default()
        },
        servers: vec![Server { url: "/".to_owned(), ..Server::default() }],
        tags: Group::ALL.map(tag).to_vec(),
        components: Some(components()),
        ..OpenApi::default()
    };
    let routes = describing(|| super::routes().merge(health::routes()));
    let _ = routes.finish_api(&mut api);
    sort(&mut api);
    api
}

/// Paths by name and responses by status, so that the published file changes only where the API does.
fn sort(api: &mut OpenApi) {
    let Some(paths) = &mut api.paths else { return };
    paths.paths.sort_unstable_keys();
    for item in paths.paths.values_mut() {
        let ReferenceOr::Item(item) = item else { continue };
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch] {
            if let Some(responses) = operation.as_mut().and_then(|it| it.responses.as_mut()) {
                responses.responses.sort_unstable_keys();
            }
        }
    }
}

fn tag(group: Group) -> Tag {
    Tag { name: group.name().to_owned(), description: Some(group.about().to_owned()), ..Tag::default() }
}

fn components() -> Components {
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some(
            "An operator's token, or an aspect's access token from `POST /api/v1/token`.".to_owned(),
        ),
        extensions: Default::default(),
    };
    Components {
        security_schemes: [(SECURITY_SCHEME.to_owned(), ReferenceOr::Item(bearer))].into_iter().collect(),
        responses: FAULTS.iter().map(|it| (it.0.to_string(), ReferenceOr::Item(fault(*it)))).collect(),
        ..Components::default()
    }
}

type Fault = (u16, ErrorCode, &'static str);

/// Every status a problem of these operations comes with, one code it may have, and what it means.
const FAULTS: &[Fault] = &[
    (400, ErrorCode::Invalid, "The request says something that cannot be."),
    (401, ErrorCode::Unauthorized, "No credential, or one that is not good (any more)."),
    (402, ErrorCode::SpendingStopped, "It is for asking models, and nothing may be spent at the moment."),
    (403, ErrorCode::Forbidden, "The identity may not do this, or the broker is not called so."),
    (404, ErrorCode::NotFound, "There is no such thing, or none this identity may see."),
    (408, ErrorCode::Invalid, "The request was not complete in time."),
    (409, ErrorCode::IdReused, "It does not go with how things stand, or the key was used for another body."),
    (413, ErrorCode::TooLarge, "The body is larger than the endpoint takes."),
    (415, ErrorCode::Invalid, "The body is not of the right media type."),
    (416, ErrorCode::Invalid, "The blob has no such bytes."),
    (421, ErrorCode::Invalid, "The connection was made under another name than the one in `Host`."),
    (422, ErrorCode::Invalid, "The body is JSON and not what it should be."),
    (429, ErrorCode::RateLimited, "Too much at once; try again later."),
    (500, ErrorCode::Internal, "A defect of the broker."),
    (503, ErrorCode::StorageUnavailable, "Storage is unavailable or the broker is stopping; try again."),
    (507, ErrorCode::QuotaExceeded, "The blob does not fit the quota."),
];

fn fault((status, code, description): Fault) -> Response {
    let title = http::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    let json_schema = schemars::json_schema!({"$ref": "#/components/schemas/Problem"});
    let content = MediaType {
        schema: Some(SchemaObject { json_schema, external_docs: None, example: None }),
        example: Some(json!({
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": "what was wrong, where, and what to do",
            "code": code,
            "retryable": code.is_retryable(),
        })),
        ..MediaType::default()
    };
    Response {
        description: description.to_owned(),
        content: [(MEDIA_TYPE.to_owned(), content)].into_iter().collect(),
        ..Response::default()
    }
}

/// The document as it is published: the same text for the same API.
pub(crate) fn text() -> String {
    serde_json::to_string_pretty(&document()).map_or_else(|_| String::new(), |text| format!("{text}\n"))
}
