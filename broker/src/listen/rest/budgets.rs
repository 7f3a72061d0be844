//! What may be spent in a day or a month.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::budget::{
    BudgetClear, BudgetCleared, BudgetGoOn, BudgetInfo, BudgetList, BudgetSet, BudgetStop, Budgets,
    SpendingDay,
};
use serde_json::json;

use super::answer::Answered;
use super::caller::{Operator, Viewer};
use super::input::{Body, Idempotent};
use super::openapi::{Group, doc, doc_with, failing};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let all = doc("listBudgets", Group::Budgets, "Budgets, and how much of each is spent");
    let example = json!({"of": "wren", "per": "day", "limit": {"cost_microusd": 5_000_000}});
    let set = doc_with("setBudget", Group::Budgets, "Limit what may be spent in a day or month", example);
    let example = json!({"of": "wren", "per": "day"});
    let clear = doc_with("clearBudget", Group::Budgets, "Take a limit away", example);
    let example = json!({"reason": "the bill is too high"});
    let stop =
        doc_with("stopSpending", Group::Budgets, "Spend nothing more until the day ends (UTC)", example);
    let example = json!({"cost_microusd": 5_000_000});
    let go_on =
        doc_with("goOnSpending", Group::Budgets, "Spend on, and more than budgets allow today", example);
    ApiRouter::new()
        .api_route(
            "/api/v1/budgets",
            get_with(list_budgets, all).merge(post_with(set_budget, failing(&[404], set))),
        )
        .api_route("/api/v1/budgets/clear", post_with(clear_budget, clear))
        .api_route("/api/v1/budgets/go-on", post_with(go_on_spending, go_on))
        .api_route("/api/v1/budgets/stop", post_with(stop_spending, stop))
}

async fn list_budgets(State(edge): Shared, Viewer(caller): Viewer) -> Answered<Budgets> {
    read(&edge, &caller, BudgetList {}).await
}

async fn set_budget(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<BudgetSet>,
) -> Answered<BudgetInfo> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn clear_budget(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<BudgetClear>,
) -> Answered<BudgetCleared> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn go_on_spending(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<BudgetGoOn>,
) -> Answered<SpendingDay> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn stop_spending(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<BudgetStop>,
) -> Answered<SpendingDay> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}
