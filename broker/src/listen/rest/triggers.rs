//! What the team does while nobody types.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::TriggerName;
use nexus_wire::hook::{TriggerRotate, TriggerRotated};
use nexus_wire::trigger::{
    Trigger, TriggerDelete, TriggerDeleted, TriggerFire, TriggerFired, TriggerGet, TriggerHistory,
    TriggerInfo, TriggerList, TriggerNext, TriggerPage, TriggerPause, TriggerPlan, TriggerResume,
    TriggerSlots,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{delete_with, get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let all = doc("listTriggers", Group::Triggers, "Triggers, by name");
    let example = json!({
        "name": "morning", "when": {"cron": "0 8 * * 1-5"}, "timezone": "Europe/Berlin",
        "do": {"ask": {"aspect": "harrow", "text": "What changed yesterday?"}},
    });
    let put = doc_with("putTrigger", Group::Triggers, "Define a trigger, or define it anew", example);
    let get = doc("getTrigger", Group::Triggers, "How a trigger stands");
    let delete = doc("deleteTrigger", Group::Triggers, "Delete a trigger and its history");
    let example = json!({"payload": {"ticket": 7}});
    let fire = doc_with("fireTrigger", Group::Triggers, "Fire a trigger now, beside its schedule", example);
    let example = json!({"reason": "on holiday"});
    let pause = doc_with("pauseTrigger", Group::Triggers, "Skip what a trigger is due for", example);
    let resume = doc("resumeTrigger", Group::Triggers, "Let a paused trigger go on");
    let example = json!({"overlap_s": 86_400});
    let rotate = doc_with("rotateTrigger", Group::Triggers, "Another secret for a webhook trigger", example);
    let history =
        doc("listTriggerSlots", Group::Triggers, "What became of a trigger's slots, the latest first");
    let next = doc("planTrigger", Group::Triggers, "When a trigger will be due");
    ApiRouter::new()
        .api_route(
            "/api/v1/triggers",
            get_with(list_triggers, all).merge(post_with(put_trigger, failing(&[404, 409], put))),
        )
        .api_route(
            "/api/v1/triggers/{trigger}",
            get_with(get_trigger, get).merge(delete_with(delete_trigger, delete)),
        )
        .api_route("/api/v1/triggers/{trigger}/fire", post_with(fire_trigger, fire))
        .api_route("/api/v1/triggers/{trigger}/history", get_with(list_slots, history))
        .api_route("/api/v1/triggers/{trigger}/next", get_with(plan_trigger, next))
        .api_route("/api/v1/triggers/{trigger}/pause", post_with(pause_trigger, pause))
        .api_route("/api/v1/triggers/{trigger}/resume", post_with(resume_trigger, resume))
        .api_route("/api/v1/triggers/{trigger}/secret", post_with(rotate_trigger, rotate))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByTrigger {
    trigger: TriggerName,
}

/// What the trigger is given to work with.
#[derive(Debug, Deserialize, JsonSchema)]
struct Fire {
    #[serde(default)]
    payload: Value,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Pause {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Rotate {
    /// What the service signs with; absent: the broker makes one, and the answer shows it.
    #[serde(default)]
    secret: Option<String>,
    /// For how long the one before is good as well; absent: a day.
    #[serde(default)]
    overlap_s: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SlotsQuery {
    /// Only those before this one.
    #[serde(default)]
    before: Option<u64>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PlanQuery {
    /// How many times, up to 100.
    #[serde(default)]
    limit: Option<u32>,
}

async fn list_triggers(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<TriggerList>,
    Query(at): Query<At>,
) -> Answered<Page<TriggerPage>> {
    wanted.after = at.or(wanted.after)?;
    list(&edge, &caller, wanted).await
}

async fn put_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<Trigger>,
) -> Answered<TriggerInfo> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn get_trigger(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByTrigger>,
) -> Answered<TriggerInfo> {
    read(&edge, &caller, TriggerGet { trigger: by.trigger }).await
}

async fn delete_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByTrigger>,
    key: Idempotent,
) -> Answered<TriggerDeleted> {
    frame(&edge, &caller, key, TriggerDelete { trigger: by.trigger }, 0).await
}

async fn fire_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByTrigger>,
    key: Idempotent,
    body: Body<Fire>,
) -> Answered<TriggerFired> {
    let fire = TriggerFire { trigger: by.trigger, payload: body.value.payload };
    frame(&edge, &caller, key, fire, body.bytes).await
}

async fn list_slots(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByTrigger>,
    Query(wanted): Query<SlotsQuery>,
    Query(at): Query<At>,
) -> Answered<Page<TriggerSlots>> {
    let before = at.or(wanted.before)?;
    list(&edge, &caller, TriggerHistory { trigger: by.trigger, before, limit: wanted.limit }).await
}

async fn plan_trigger(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByTrigger>,
    Query(wanted): Query<PlanQuery>,
) -> Answered<TriggerPlan> {
    read(&edge, &caller, TriggerNext { trigger: by.trigger, limit: wanted.limit }).await
}

async fn pause_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByTrigger>,
    key: Idempotent,
    body: Body<Pause>,
) -> Answered<TriggerInfo> {
    let pause = TriggerPause { trigger: by.trigger, reason: body.value.reason };
    frame(&edge, &caller, key, pause, body.bytes).await
}

async fn resume_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByTrigger>,
    key: Idempotent,
) -> Answered<TriggerInfo> {
    frame(&edge, &caller, key, TriggerResume { trigger: by.trigger }, 0).await
}

async fn rotate_trigger(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByTrigger>,
    key: Idempotent,
    body: Body<Rotate>,
) -> Answered<TriggerRotated> {
    let Rotate { secret, overlap_s } = body.value;
    frame(&edge, &caller, key, TriggerRotate { trigger: by.trigger, secret, overlap_s }, body.bytes).await
}
