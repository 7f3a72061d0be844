//! The workspace the broker keeps, its skills, and the home page that is laid out by it.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::home::Home;
use nexus_wire::limits::{PAGE_DEFAULT, PAGE_MAX};
use nexus_wire::workspace::{Skill, Skills, WorkspaceFiles};
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::{Answer, Answered};
use super::caller::{AnyParty, Viewer};
use super::input::{Path, Query};
use super::openapi::{Group, doc};
use super::routing::get_with;
use super::{Routes, Shared};

pub(super) fn routes() -> Routes {
    let summary = "Files of the workspace the broker keeps, by path, and where each comes from";
    let list = doc("listWorkspace", Group::Broker, summary);
    let home = doc("getHome", Group::Broker, "How the home page of the dashboard is laid out");
    let skills = doc("listSkills", Group::Broker, "Skills of the workspace, by name, without what they say");
    let skill = doc("getSkill", Group::Broker, "A skill, whole");
    ApiRouter::new()
        .api_route("/api/v1/home", get_with(get_home, home))
        .api_route("/api/v1/skills", get_with(list_skills, skills))
        .api_route("/api/v1/skills/{name}", get_with(get_skill, skill))
        .api_route("/api/v1/workspace", get_with(list_workspace, list))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Wanted {
    limit: Option<u32>,
    /// From `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct OfSkill {
    /// With `%2F` for each `/` in it.
    name: String,
}

async fn list_workspace(
    State(edge): Shared,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Answered<WorkspaceFiles> {
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    Ok(Answer::of(&edge.workspace.page(wanted.cursor.as_deref(), limit as usize)))
}

async fn list_skills(State(edge): Shared, _: AnyParty, Query(wanted): Query<Wanted>) -> Answered<Skills> {
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    Ok(Answer::of(&edge.workspace.skills(wanted.cursor.as_deref(), limit as usize)))
}

async fn get_skill(
    State(edge): Shared,
    _: AnyParty,
    Path(OfSkill { name }): Path<OfSkill>,
) -> Answered<Skill> {
    Ok(Answer::of(edge.workspace.skill(&name)?.said()))
}

async fn get_home(State(edge): Shared, _: Viewer) -> Answered<Home> {
    Ok(Answer::of(&edge.workspace.home()))
}
