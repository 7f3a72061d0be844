//! The HTTP+JSON binding: an operation has a path and a method of HTTP, its parameters stand in path, query and body.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2a::error_code;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::call::{self, Call, Reply, read};
use super::fault::Fault;
use super::stream::Binding;
use super::{Shared, body, entered};
use crate::edge::Edge;
use crate::listen::rest::caller::AnyParty;

type Pairs = Query<BTreeMap<String, String>>;
/// Parameters that are whole numbers or truths, and texts in a query.
const NUMBERS: [&str; 2] = ["historyLength", "pageSize"];
const TRUTHS: [&str; 1] = ["includeArtifacts"];

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/a2a/{of}/message:send", post(send))
        .route("/a2a/{of}/message:stream", post(stream))
        .route("/a2a/{of}/tasks", get(list))
        .route("/a2a/{of}/tasks/{id}", get(task).post(task))
        .route("/a2a/{of}/tasks/{id}/pushNotificationConfigs", get(pushes).post(pushes))
        .route("/a2a/{of}/tasks/{id}/pushNotificationConfigs/{push}", get(push).delete(push))
        .route("/a2a/{of}/extendedAgentCard", get(card))
}

/// Lets the caller in, reads what it wants, and answers it.
async fn answer(
    edge: Arc<Edge>,
    caller: AnyParty,
    of: &str,
    request: Request,
    call: impl AsyncFnOnce(Request) -> Result<Call, Fault>,
) -> Response {
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let replied = async {
        let door = entered(&edge, caller, of, &headers, &uri).await?;
        let call = call(request).await?;
        call::answer(&door, call).await
    };
    match replied.await {
        Ok(Reply::Value(value)) => Binding::Rest.answer(value),
        Ok(Reply::Stream(seen)) => Binding::Rest.stream(seen),
        Err(fault) => Binding::Rest.refuse(fault),
    }
}

/// A body that is an object.
async fn object(edge: &Arc<Edge>, request: Request) -> Result<Map<String, Value>, Fault> {
    let text = body(edge, request).await?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::new(error_code::INVALID_REQUEST, "the body is an object")),
        Err(error) => Err(Fault::new(error_code::INVALID_REQUEST, format!("the body is no JSON: {error}"))),
    }
}

/// A query as the object it stands for.
fn object_of(pairs: BTreeMap<String, String>) -> Result<Map<String, Value>, Fault> {
    let typed = |(name, text): (String, String)| {
        let value = if NUMBERS.contains(&name.as_str()) {
            let number: i32 = text.parse().map_err(|_| Fault::params(format!("{name} is a whole number")))?;
            json!(number)
        } else if TRUTHS.contains(&name.as_str()) {
            let truth: bool = text.parse().map_err(|_| Fault::params(format!("{name} is true or false")))?;
            json!(truth)
        } else {
            json!(text)
        };
        Ok((name, value))
    };
    pairs.into_iter().map(typed).collect()
}

async fn send(caller: AnyParty, State(edge): Shared, Path(of): Path<String>, request: Request) -> Response {
    let bodies = Arc::clone(&edge);
    answer(edge, caller, &of, request, async move |request| {
        Ok(Call::Send(read(Value::Object(object(&bodies, request).await?))?))
    })
    .await
}

async fn stream(caller: AnyParty, State(edge): Shared, Path(of): Path<String>, request: Request) -> Response {
    let bodies = Arc::clone(&edge);
    answer(edge, caller, &of, request, async move |request| {
        Ok(Call::Stream(read(Value::Object(object(&bodies, request).await?))?))
    })
    .await
}

async fn list(
    caller: AnyParty,
    State(edge): Shared,
    Path(of): Path<String>,
    Query(pairs): Pairs,
    request: Request,
) -> Response {
    answer(edge, caller, &of, request, async move |_| Ok(Call::List(read(Value::Object(object_of(pairs)?))?)))
        .await
}

async fn card(caller: AnyParty, State(edge): Shared, Path(of): Path<String>, request: Request) -> Response {
    answer(edge, caller, &of, request, async |_| Ok(Call::Card)).await
}

/// A task, or behind a colon what is to be done with it.
async fn task(
    caller: AnyParty,
    State(edge): Shared,
    Path((of, last)): Path<(String, String)>,
    Query(pairs): Pairs,
    request: Request,
) -> Response {
    let method = request.method().clone();
    answer(edge, caller, &of, request, async move |_| of_task(&method, &last, pairs)).await
}

fn of_task(method: &Method, last: &str, pairs: BTreeMap<String, String>) -> Result<Call, Fault> {
    let (id, act) = last.split_once(':').map_or((last, None), |(id, act)| (id, Some(act)));
    let mut params = object_of(pairs)?;
    params.insert("id".to_owned(), json!(id));
    let params = Value::Object(params);
    match (act, method == Method::GET) {
        (None, true) => Ok(Call::Get(read(params)?)),
        (Some("cancel"), false) => Ok(Call::Cancel(read(json!({"id": id}))?)),
        // Clients differ in the method they ask this by.
        (Some("subscribe"), _) => Ok(Call::Subscribe(read(params)?)),
        (None | Some(_), _) => {
            let act: String = act.unwrap_or_default().chars().take(32).collect();
            let message = format!("{method} is no operation on a task here, or {act:?} is none at all");
            Err(Fault::new(error_code::METHOD_NOT_FOUND, message))
        }
    }
}

/// Whom a client wants to be told of a task.
async fn pushes(
    caller: AnyParty,
    State(edge): Shared,
    Path((of, task)): Path<(String, String)>,
    request: Request,
) -> Response {
    let bodies = Arc::clone(&edge);
    answer(edge, caller, &of, request, async move |request| {
        if request.method() == Method::GET {
            return Ok(Call::PushList(read(json!({"taskId": task}))?));
        }
        let mut config = object(&bodies, request).await?;
        config.insert("taskId".to_owned(), json!(task));
        Ok(Call::PushSet(read(Value::Object(config))?))
    })
    .await
}

async fn push(
    caller: AnyParty,
    State(edge): Shared,
    Path((of, task, id)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    answer(edge, caller, &of, request, async move |_| {
        let params = json!({"taskId": task, "id": id});
        Ok(if method == Method::DELETE {
            Call::PushDelete(read(params)?)
        } else {
            Call::PushGet(read(params)?)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_is_to_be_done_with_a_task() {
        let of = |method: &Method, last: &str| of_task(method, last, BTreeMap::new());
        assert!(matches!(of(&Method::GET, "x"), Ok(Call::Get(it)) if it.id == "x"));
        assert!(matches!(of(&Method::POST, "x:cancel"), Ok(Call::Cancel(it)) if it.id == "x"));
        for method in [Method::GET, Method::POST] {
            assert!(matches!(of(&method, "x:subscribe"), Ok(Call::Subscribe(it)) if it.id == "x"));
        }
        for (method, last) in [(Method::POST, "x"), (Method::GET, "x:cancel"), (Method::POST, "x:y")] {
            assert_eq!(
                of(&method, last).unwrap_err().code(),
                error_code::METHOD_NOT_FOUND,
                "{method} {last}"
            );
        }
    }

    #[test]
    fn a_query_has_its_types() {
        let pairs = |text: &[(&str, &str)]| {
            object_of(text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let found = pairs(&[("pageSize", "3"), ("includeArtifacts", "true"), ("contextId", "7")]);
        assert_eq!(
            found.map(Value::Object),
            Ok(json!({"pageSize": 3, "includeArtifacts": true, "contextId": "7"}))
        );
        assert_eq!(pairs(&[("historyLength", "x")]).unwrap_err().code(), error_code::INVALID_PARAMS);
        assert_eq!(pairs(&[("includeArtifacts", "yes")]).unwrap_err().code(), error_code::INVALID_PARAMS);
    }
}
