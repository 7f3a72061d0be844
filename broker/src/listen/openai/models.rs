//! Each aspect of the team is a model.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use nexus_wire::roster::{AspectInfo, AspectState, Team, TeamList};
use nexus_wire::{ErrorCode, RequestId, ToBroker};
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::Looker;
use super::fault::Fault;
use super::shown::Shown;
use crate::edge::Edge;
use crate::identity::Identity;

/// The dates models have are of no meaning here, and clients want one: when the aspect's state began is known.
fn model(aspect: &AspectInfo) -> Value {
    json!({
        "id": aspect.name,
        "object": "model",
        "created": aspect.since.max(0) / 1_000,
        "owned_by": "nexus",
        "nexus": {
            "state": aspect.state,
            "model": aspect.model,
            "provider": aspect.provider,
            "capabilities": aspect.capabilities,
        },
    })
}

async fn team(edge: &Edge, caller: &Identity) -> Result<Vec<AspectInfo>, Fault> {
    let list = ToBroker::TeamList(TeamList::default());
    let answer = edge.request(caller, RequestId(Uuid::now_v7()), list, 0).await?;
    let team: Team = answer.parse().map_err(|error| super::unreadable(&error))?;
    Ok(team.aspects)
}

/// The aspect that `model` names.
pub(super) async fn find(edge: &Edge, caller: &Identity, model: &str) -> Result<AspectInfo, Fault> {
    let team = team(edge, caller).await?;
    let names: Vec<String> = team.iter().map(|it| it.name.to_string()).collect();
    team.into_iter().find(|aspect| aspect.name.as_str() == model).ok_or_else(|| {
        let there = match names.len() {
            0 => "no aspect is on the team yet; let one in with: nexus aspect add".to_owned(),
            1..=20 => format!("there are: {}", names.join(", ")),
            _ => "GET /v1/models lists those there are".to_owned(),
        };
        let model: String = model.chars().take(64).collect();
        let message =
            format!("The model `{model}` does not exist: a model is an aspect of the team; {there}");
        Fault::of(StatusCode::NOT_FOUND, ErrorCode::NotFound, "model_not_found", message).about("model")
    })
}

/// Nobody is there to answer.
pub(super) fn offline(aspect: &AspectInfo) -> Option<Fault> {
    match aspect.state {
        AspectState::Offline => {
            let why = aspect.restraint.as_ref().map(|it| format!(", an admin keeps it off: {}", it.reason));
            let message =
                format!("{} is offline{}; nothing was said to it", aspect.name, why.unwrap_or_default());
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let fault = Fault::of(status, ErrorCode::Unavailable, "model_offline", message).about("model");
            Some(fault.again_in(2))
        }
        AspectState::Online | AspectState::Busy | AspectState::Stalled | AspectState::Deaf => None,
    }
}

pub(super) async fn list(State(edge): State<Arc<Edge>>, Looker(caller): Looker) -> Result<Shown, Fault> {
    let data: Vec<Value> = team(&edge, &caller).await?.iter().map(model).collect();
    Ok(Shown::of(&json!({"object": "list", "data": data})))
}

pub(super) async fn get(
    State(edge): State<Arc<Edge>>,
    Looker(caller): Looker,
    Path(name): Path<String>,
) -> Result<Shown, Fault> {
    Ok(Shown::of(&model(&find(&edge, &caller, &name).await?)))
}
