//! Work that is sent, and what it may cost.

use nexus_wire::Ms;
use nexus_wire::budget::{BudgetInfo, dollars};
use nexus_wire::hands::DispatchInfo;

use super::grid::Give::{Cut, Go, Id, Keep, Wide};
use super::grid::{Cell, Grid};
use super::{ago, marked, or_dash, span, title};
use crate::ui::{Ui, dispatch_mark};

pub fn dispatches(ui: &Ui, dispatches: &[DispatchInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("DISPATCH", Id),
            ("STATE", Keep),
            ("AGE", Keep),
            ("TOOK", Go(2)),
            ("HAND", Keep),
            ("FOR", Go(1)),
            ("ATTEMPT", Go(3)),
            ("WHY", Cut),
            ("THREAD", Wide),
            ("PARENT", Wide),
            ("TOKENS", Wide),
            ("USD", Wide),
        ],
    );
    for dispatch in dispatches {
        let took = dispatch.assigned_at.map(|begun| span(dispatch.ended_at.unwrap_or(now) - begun));
        let why = dispatch.error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
        table.add_row(vec![
            Cell::new(dispatch.id),
            marked(dispatch.state.as_str(), dispatch_mark(dispatch.state)),
            Cell::new(ago(dispatch.accepted_at, now)),
            Cell::new(took.unwrap_or_else(|| "-".into())),
            Cell::new(&dispatch.hand),
            Cell::new(&dispatch.invoker),
            Cell::new(dispatch.attempt),
            Cell::new(or_dash(&title(ui, &why.unwrap_or_default()))),
            Cell::new(dispatch.thread.map_or_else(|| "-".to_owned(), |it| it.to_string())),
            Cell::new(dispatch.parent.map_or_else(|| "-".to_owned(), |it| it.to_string())),
            Cell::new(dispatch.usage.tokens()),
            Cell::new(dispatch.cost_microusd.map_or_else(|| "-".to_owned(), dollars)),
        ]);
    }
    table.text()
}

pub fn budgets(ui: &Ui, budgets: &[BudgetInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("OF", Keep),
            ("PER", Keep),
            ("USED", Keep),
            ("SET ASIDE", Go(2)),
            ("OF TOKENS", Keep),
            ("USED USD", Keep),
            ("SET ASIDE", Go(1)),
            ("OF USD", Keep),
            ("ANEW IN", Go(3)),
            ("WAITING", Go(4)),
        ],
    );
    for budget in budgets {
        let dash = || "-".to_owned();
        let (used, reserved) = (budget.used, budget.reserved);
        table.add_row(vec![
            budget.of.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            budget.per.as_str().to_owned(),
            used.tokens.to_string(),
            reserved.tokens.to_string(),
            budget.limit.tokens.map_or_else(dash, |tokens| tokens.to_string()),
            dollars(used.cost_microusd),
            dollars(reserved.cost_microusd),
            budget.limit.cost_microusd.map_or_else(dash, dollars),
            span((budget.until - now).max(0)),
            budget.waiting.to_string(),
        ]);
    }
    table.text()
}
