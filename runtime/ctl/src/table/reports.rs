//! Tables about people, gathers, what happened and what it cost.

use jiff::tz::TimeZone;
use nexus_wire::access::TokenInfo;
use nexus_wire::admin::{OperatorRole, Operators};
use nexus_wire::audit::{AuditEntry, UsageReport, UsageRow};
use nexus_wire::budget::dollars;
use nexus_wire::gather::{GatherInfo, GatherState};
use nexus_wire::{Ms, Party};

use super::grid::Give::{Cut, Go, Id, Keep, Wide};
use super::grid::{Cell, Grid};
use super::{ago, exact, marked, span};
use crate::top::Row;
use crate::ui::{Hue, Ui, dispatch_mark, printable};

pub fn role(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Viewer => "viewer",
        OperatorRole::Operator => "operator",
        OperatorRole::Admin => "admin",
    }
}

pub fn operators(ui: &Ui, all: &Operators, now: Ms) -> String {
    let columns = [
        ("NAME", Keep),
        ("ROLE", Keep),
        ("STATE", Keep),
        ("SINCE", Go(2)),
        ("PASSWORD", Go(3)),
        ("SESSIONS", Go(4)),
        ("TOKENS", Cut),
    ];
    let mut table = Grid::new(ui, &columns);
    for info in &all.operators {
        let (state, since, mark) = match info.revoked_at {
            Some(at) => ("revoked", at, ('✕', Hue::Grey)),
            None => ("active", info.created_at, ('●', Hue::Green)),
        };
        let tokens: Vec<&str> = info.tokens.iter().map(|token| token.name.as_str()).collect();
        table.add_row(vec![
            Cell::new(&info.name),
            Cell::new(role(info.role)),
            marked(state, mark),
            Cell::new(ago(since, now)),
            Cell::new(if info.has_password { "yes" } else { "no" }),
            Cell::new(info.sessions),
            Cell::new(if tokens.is_empty() { "-".to_owned() } else { tokens.join(", ") }),
        ]);
    }
    for info in &all.invitations {
        let by = match &info.invited_by {
            Party::Operator(name) => name.to_string(),
            party @ (Party::System | Party::Aspect(_)) => party.to_string(),
        };
        let state = format!("invited by {by}, for {}", span(info.expires_at - now));
        table.add_row(vec![
            Cell::new(&info.name),
            Cell::new(role(info.role)),
            marked(&state, ('○', Hue::Blue)),
            Cell::new(ago(info.created_at, now)),
            Cell::new("no"),
            Cell::new(0),
            Cell::new("-"),
        ]);
    }
    table.text()
}

pub fn tokens(ui: &Ui, tokens: &[TokenInfo], now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("TOKEN", Keep), ("MADE", Keep), ("LAST USED", Keep), ("EXPIRES IN", Keep)]);
    for token in tokens {
        table.add_row(vec![
            token.name.to_string(),
            ago(token.created_at, now),
            token.last_used_at.map_or_else(|| "never".to_owned(), |at| ago(at, now)),
            token.expires_at.map_or_else(|| "never".to_owned(), |at| span(at - now)),
        ]);
    }
    table.text()
}

fn gather_mark(state: GatherState) -> (char, Hue) {
    match state {
        GatherState::Open => ('◐', Hue::Blue),
        GatherState::Met => ('●', Hue::Green),
        GatherState::Failed | GatherState::TimedOut | GatherState::Cancelled => ('✕', Hue::Red),
    }
}

pub fn gathers(ui: &Ui, gathers: &[GatherInfo], now: Ms) -> String {
    let columns = [
        ("GATHER", Id),
        ("STATE", Keep),
        ("AGE", Keep),
        ("FOR", Keep),
        ("ENDED", Keep),
        ("NEEDS", Go(1)),
        ("ENDS IN", Go(2)),
    ];
    let mut table = Grid::new(ui, &columns);
    for info in gathers {
        let ended = info.members.iter().filter(|member| member.ended.is_some()).count();
        let left = info.ended_at.is_none().then(|| span(info.deadline_at - now));
        table.add_row(vec![
            Cell::new(info.id),
            marked(info.state.as_str(), gather_mark(info.state)),
            Cell::new(ago(info.accepted_at, now)),
            Cell::new(&info.invoker),
            Cell::new(format!("{ended} of {}", info.members.len())),
            Cell::new(info.need),
            Cell::new(left.unwrap_or_else(|| "-".to_owned())),
        ]);
    }
    table.text()
}

/// Its dispatches, a line each.
pub fn members(info: &GatherInfo) -> String {
    let line = |(dispatch, ended): (_, Option<nexus_wire::hands::DispatchState>)| match ended {
        Some(state) => format!("  {} {:<10} {dispatch}\n", dispatch_mark(state).0, state.as_str()),
        None => format!("  ◐ {:<10} {dispatch}\n", "open"),
    };
    info.members.iter().map(|member| line((member.dispatch, member.ended))).collect()
}

pub fn audit(ui: &Ui, entries: &[AuditEntry], zone: &TimeZone) -> String {
    let columns =
        [("SEQ", Keep), ("TIME", Keep), ("BY", Keep), ("KIND", Keep), ("SUBJECT", Cut), ("THREAD", Wide)];
    let mut table = Grid::new(ui, &columns);
    for entry in entries {
        table.add_row(vec![
            entry.seq.to_string(),
            exact(entry.at, zone),
            entry.actor.to_string(),
            printable(&entry.kind),
            printable(&entry.subject),
            entry.thread.map_or_else(|| "-".to_owned(), |it| it.to_string()),
        ]);
    }
    table.text()
}

pub fn usage(ui: &Ui, report: &UsageReport) -> String {
    let title = match report.by {
        nexus_wire::audit::UsageBy::Aspect => "ASPECT",
        nexus_wire::audit::UsageBy::Hand => "HAND",
        nexus_wire::audit::UsageBy::Model => "MODEL",
        nexus_wire::audit::UsageBy::Day => "DAY",
        nexus_wire::audit::UsageBy::Source => "SOURCE",
    };
    let columns = [
        (title, Keep),
        ("REPLIES", Go(2)),
        ("DISPATCHES", Go(1)),
        ("INPUT", Keep),
        ("CACHED", Go(3)),
        ("OUTPUT", Keep),
        ("USD", Keep),
        ("UNPRICED", Go(4)),
    ];
    let mut table = Grid::new(ui, &columns);
    let total = UsageRow { key: "total".to_owned(), ..report.total.clone() };
    for row in report.rows.iter().chain([&total]) {
        let usage = row.usage;
        table.add_row(vec![
            printable(&row.key),
            row.messages.to_string(),
            row.dispatches.to_string(),
            usage.input_tokens.saturating_add(usage.cache_write_tokens).to_string(),
            usage.cache_read_tokens.to_string(),
            usage.output_tokens.to_string(),
            dollars(row.cost_microusd),
            row.unpriced.to_string(),
        ]);
    }
    table.text()
}

pub fn top(ui: &Ui, rows: &[Row], now: Ms) -> String {
    let columns = [
        ("NAME", Keep),
        ("STATE", Keep),
        ("DOING", Cut),
        ("SINCE", Go(3)),
        ("WORK", Go(2)),
        ("WAITING", Keep),
        ("INBOX", Go(4)),
        ("ASKS", Go(1)),
        ("TOKENS", Go(5)),
        ("USD", Keep),
    ];
    let mut table = Grid::new(ui, &columns);
    for Row { aspect, waiting, tokens_today, cost_microusd_today } in rows {
        let activity = aspect.activity.clone().unwrap_or_default();
        let doing = if aspect.activity.is_some() { super::team::doing_of(&activity) } else { "-".to_owned() };
        let since = if aspect.activity.is_some() { activity.since } else { aspect.since };
        table.add_row(vec![
            Cell::new(&aspect.name),
            super::team::state(aspect),
            Cell::new(doing),
            Cell::new(ago(since, now)),
            Cell::new(format!("{}/{}", activity.dispatches, aspect.slots)),
            Cell::new(waiting),
            Cell::new(aspect.backlog),
            Cell::new(activity.approvals),
            Cell::new(tokens_today),
            Cell::new(dollars(*cost_microusd_today)),
        ]);
    }
    table.text()
}
