//! `nexctl top`: the team as it works.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_client::Client;
use nexus_wire::approval::ApprovalList;
use nexus_wire::audit::{UsageBy, UsageRead, UsageReport, UsageRow};
use nexus_wire::budget::dollars;
use nexus_wire::hands::{DispatchInfo, DispatchList, DispatchState};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::roster::{AspectInfo, AspectState};
use nexus_wire::{AspectName, Ms};
use serde::Serialize;

use crate::failure::Failure;
use crate::look::whole_team;
use crate::page::Page;
use crate::ui::{Shape, shortened};
use crate::{Run, cli, table, watch};

/// What stands in one line.
#[derive(Debug, Serialize)]
pub struct Row {
    pub aspect: AspectInfo,
    /// Dispatches for its Hands that have not begun.
    pub waiting: usize,
    /// Tokens of all kinds, since the day began (UTC).
    pub tokens_today: u64,
    pub cost_microusd_today: u64,
}

#[derive(Debug, Serialize)]
pub struct Totals {
    pub at_work: usize,
    pub waiting: usize,
    pub approvals: usize,
    pub tokens_today: u64,
    pub cost_microusd_today: u64,
}

/// `nexctl top -o json`.
#[derive(Debug, Serialize)]
struct Top {
    rows: Vec<Row>,
    totals: Totals,
}

pub(crate) async fn top(run: &Run, top: cli::Top) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    if top.once || !run.ui.live || run.ui.shape() == Shape::Data {
        let page = run.within(page(run, &mut client)).await?;
        client.close().await;
        return page?.print(run);
    }
    watch::watch(run, watch::FAST, async || page(run, &mut client).await).await
}

async fn page(run: &Run, client: &mut Client) -> Result<Page, Failure> {
    let now = run.now();
    let team = whole_team(client).await?.aspects;
    let open = DispatchList { open: true, limit: Some(PAGE_MAX), ..DispatchList::default() };
    let open = client.call(open).await?.dispatches;
    let approvals = ApprovalList { all: false, before: None, limit: Some(PAGE_MAX) };
    let approvals = client.call(approvals).await?.approvals.len();
    let read = UsageRead { by: UsageBy::Aspect, since: Some(day_of(now)), until: None };
    let usage = client.call(read).await?;
    let found = found(team, &open, approvals, &usage);
    let empty = "nobody is on the team yet; let an aspect in with: nexus aspect add <name> --home <home>";
    let rows = || {
        let summary = shortened(&summary(&found), run.ui.room().unwrap_or(usize::MAX));
        format!("{summary}\n\n{}", table::top(&run.ui, &found.rows, now))
    };
    Page::of(run, &found, found.rows.is_empty().then_some(empty), rows)
}

fn found(team: Vec<AspectInfo>, open: &[DispatchInfo], approvals: usize, usage: &UsageReport) -> Top {
    let waits = |info: &&DispatchInfo| info.state == DispatchState::Pending;
    let spent = |name: &AspectName| usage.rows.iter().find(|row| row.key == name.as_str());
    let waiting =
        |name: &AspectName| open.iter().filter(waits).filter(|info| info.hand.aspect == *name).count();
    let rows: Vec<Row> = team
        .into_iter()
        .map(|aspect| Row {
            waiting: waiting(&aspect.name),
            tokens_today: spent(&aspect.name).map_or(0, tokens),
            cost_microusd_today: spent(&aspect.name).map_or(0, |row| row.cost_microusd),
            aspect,
        })
        .collect();
    let waiting = open.iter().filter(waits).count();
    let totals = Totals {
        at_work: open.len() - waiting,
        waiting,
        approvals,
        tokens_today: tokens(&usage.total),
        cost_microusd_today: usage.total.cost_microusd,
    };
    Top { rows, totals }
}

fn tokens(row: &UsageRow) -> u64 {
    row.usage.tokens()
}

fn summary(top: &Top) -> String {
    let busy = |row: &&Row| matches!(row.aspect.state, AspectState::Busy | AspectState::Stalled);
    let away = |row: &&Row| matches!(row.aspect.state, AspectState::Offline | AspectState::Deaf);
    let Totals { at_work, waiting, approvals, tokens_today, cost_microusd_today } = top.totals;
    format!(
        "{} aspects, {} busy, {} away · {at_work} dispatches at work, {waiting} waiting · {approvals} wait for people · \
         today {tokens_today} tokens, ${}",
        top.rows.len(),
        top.rows.iter().filter(busy).count(),
        top.rows.iter().filter(away).count(),
        dollars(cost_microusd_today)
    )
}

/// When the day of `now` began, in UTC.
fn day_of(now: Ms) -> Ms {
    let midnight = Timestamp::from_millisecond(now).and_then(|at| at.to_zoned(TimeZone::UTC).start_of_day());
    midnight.map_or(now, |at| at.timestamp().as_millisecond())
}
