//! What aspects ask of people, and what people should look at.

use nexus_wire::Ms;
use nexus_wire::alert::Alert;
use nexus_wire::approval::{ApprovalInfo, ApprovalState, Asked};

use super::grid::Give::{Cut, Go, Id, Keep};
use super::grid::{Cell, Grid};
use super::{ago, marked, or_dash, span, title};
use crate::ui::{Hue, Ui, printable};

pub fn alerts(ui: &Ui, alerts: &[Alert], now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("ALERT", Keep), ("STATE", Keep), ("AGE", Keep), ("TIMES", Go(1)), ("MESSAGE", Cut)]);
    for alert in alerts {
        let (state, mark) = match (alert.cleared_at, &alert.acked_by) {
            (Some(_), _) => ("over", ('○', Hue::Grey)),
            (None, Some(_)) => ("seen", ('◐', Hue::Yellow)),
            (None, None) => ("open", ('▲', Hue::Red)),
        };
        table.add_row(vec![
            Cell::new(printable(&alert.key)),
            marked(state, mark),
            Cell::new(ago(alert.raised_at, now)),
            Cell::new(alert.times),
            Cell::new(printable(&alert.message)),
        ]);
    }
    table.text()
}

pub fn approvals(ui: &Ui, approvals: &[ApprovalInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("STATE", Keep),
            ("AGE", Keep),
            ("ASPECT", Keep),
            ("ASKS FOR", Keep),
            ("ABOUT", Cut),
            ("ENDS IN", Go(1)),
            ("ID", Id),
        ],
    );
    for info in approvals {
        let wanted = match &info.asked {
            Asked::Tool { tool, .. } => printable(tool),
            Asked::Question { .. } => "an answer".to_owned(),
        };
        let colour = match info.state {
            ApprovalState::Open => ('▲', Hue::Yellow),
            ApprovalState::Approved | ApprovalState::Answered => ('●', Hue::Green),
            ApprovalState::Denied | ApprovalState::Expired => ('●', Hue::Red),
            ApprovalState::Withdrawn => ('○', Hue::Grey),
        };
        let left = info.ended_at.is_none().then(|| span(info.expires_at - now));
        table.add_row(vec![
            marked(info.state.as_str(), colour),
            Cell::new(ago(info.asked_at, now)),
            Cell::new(&info.aspect),
            Cell::new(wanted),
            Cell::new(or_dash(&title(ui, info.asked.summary()))),
            Cell::new(left.unwrap_or_else(|| "-".into())),
            Cell::new(info.id),
        ]);
    }
    table.text()
}
