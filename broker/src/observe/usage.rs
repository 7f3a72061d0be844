//! What was spent, added up by a key.

use std::collections::{BTreeMap, HashMap};

use nexus_wire::audit::{UsageBy, UsageRead, UsageReport, UsageRow};
use nexus_wire::limits::{PAGE_MAX, USAGE_ROWS_MAX};
use nexus_wire::{Ms, ThreadId, TriggerName};

use crate::hub::records::{Reads, Spent, SpentOn, Stored};

pub(super) fn report(store: &impl Reads, read: &UsageRead) -> Stored<UsageReport> {
    let mut rows: BTreeMap<String, UsageRow> = BTreeMap::new();
    let mut total = UsageRow { key: "total".to_owned(), ..UsageRow::default() };
    let askers = if read.by == UsageBy::Source { askers(store)? } else { HashMap::new() };
    store.spent(read.since.unwrap_or(Ms::MIN), read.until.unwrap_or(Ms::MAX), &mut |spent| {
        let key = key_of(spent, read.by, &askers);
        let row = rows.entry(key.clone()).or_insert_with(|| UsageRow { key, ..UsageRow::default() });
        add(row, spent);
        add(&mut total, spent);
    })?;
    let mut rows: Vec<UsageRow> = rows.into_values().collect();
    match read.by {
        UsageBy::Day => {}
        UsageBy::Aspect | UsageBy::Hand | UsageBy::Model | UsageBy::Source => {
            rows.sort_by_key(|row| std::cmp::Reverse(row.cost_microusd));
        }
    }
    let more = rows.len() > USAGE_ROWS_MAX;
    if more && read.by == UsageBy::Day {
        // The latest days are those people ask for.
        rows.drain(..rows.len() - USAGE_ROWS_MAX);
    }
    rows.truncate(USAGE_ROWS_MAX);
    Ok(UsageReport { by: read.by, rows, total, more })
}

/// The triggers that ask, by the threads in which they do.
fn askers(store: &impl Reads) -> Stored<HashMap<ThreadId, TriggerName>> {
    let mut askers = HashMap::new();
    let mut after: Option<TriggerName> = None;
    loop {
        let page = store.triggers(after.as_ref(), PAGE_MAX)?;
        let Some(last) = page.last() else { return Ok(askers) };
        after = Some(last.name().clone());
        askers.extend(page.iter().filter_map(|record| Some((record.info.thread?, record.name().clone()))));
    }
}

fn key_of(spent: &Spent, by: UsageBy, askers: &HashMap<ThreadId, TriggerName>) -> String {
    match by {
        UsageBy::Aspect => spent.by.to_string(),
        UsageBy::Hand => match &spent.what {
            SpentOn::Dispatch(hand) => hand.to_string(),
            SpentOn::Closing | SpentOn::Reply => "session".to_owned(),
        },
        UsageBy::Model => spent.model.clone().unwrap_or_else(|| {
            match &spent.what {
                SpentOn::Dispatch(_) => "hand",
                SpentOn::Closing | SpentOn::Reply => "session",
            }
            .to_owned()
        }),
        UsageBy::Day => day(spent.at),
        UsageBy::Source => match (&spent.what, &spent.source) {
            (SpentOn::Dispatch(_), Some(source)) => source.to_string(),
            (SpentOn::Dispatch(_), None) => "dispatch".to_owned(),
            (SpentOn::Closing | SpentOn::Reply, _) => {
                let asker = spent.thread.and_then(|thread| askers.get(&thread));
                asker.map_or_else(|| "chat".to_owned(), |name| format!("trigger/{name}"))
            }
        },
    }
}

/// The day in UTC; what no calendar has is told as it is.
fn day(at: Ms) -> String {
    match jiff::Timestamp::from_millisecond(at) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Counts come from outside; none of them may end the process.
fn add(row: &mut UsageRow, spent: &Spent) {
    let Spent { usage, cost_microusd, what, .. } = spent;
    match what {
        SpentOn::Closing => row.closings += 1,
        SpentOn::Dispatch(_) => row.dispatches += 1,
        SpentOn::Reply => row.messages += 1,
    }
    let sum = &mut row.usage;
    let pairs = [
        (&mut sum.input_tokens, usage.input_tokens),
        (&mut sum.output_tokens, usage.output_tokens),
        (&mut sum.cache_read_tokens, usage.cache_read_tokens),
        (&mut sum.cache_write_tokens, usage.cache_write_tokens),
        (&mut row.cost_microusd, cost_microusd.unwrap_or(0)),
    ];
    for (sum, more) in pairs {
        *sum = sum.saturating_add(more);
    }
    if cost_microusd.is_none() && *usage != nexus_wire::chat::Usage::default() {
        row.unpriced += 1;
    }
}
