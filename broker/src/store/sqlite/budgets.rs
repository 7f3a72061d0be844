//! What operators let be spent, as rows.

use nexus_wire::budget::{Budget, BudgetPer, Spending, SpendingDay};
use rusqlite::{Connection, Row, params};

use super::columns::{count, json, parsed, to_json, to_number};
use super::fault::{damage, fault};
use super::read;
use crate::hub::records::{Purse, PurseKey, Stored};

fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    let is_there = row.get::<_, Option<i64>>(at)?.is_some();
    is_there.then(|| count(row, at)).transpose()
}

fn limits(row: &Row<'_>, at: usize) -> rusqlite::Result<Budget> {
    Ok(Budget { tokens: amount(row, at)?, cost_microusd: amount(row, at + 1)? })
}

fn purse(row: &Row<'_>) -> rusqlite::Result<(String, Purse)> {
    let per: String = row.get(1)?;
    let of: String = row.get(0)?;
    let purse = Purse {
        of: if of.is_empty() { None } else { Some(parsed(row, 0)?) },
        per: BudgetPer::Day,
        limit: limits(row, 2)?,
        each: limits(row, 4)?,
        used: Spending { tokens: count(row, 6)?, cost_microusd: count(row, 7)? },
        since: row.get(8)?,
        until: row.get(9)?,
        set_by: parsed(row, 10)?,
        set_at: row.get(11)?,
    };
    Ok((per, purse))
}

/// Everybody's first, then by name.
pub(super) fn all(connection: &Connection) -> Stored<Vec<Purse>> {
    let sql = "SELECT of, per, limit_tokens, limit_microusd, each_tokens, each_microusd, used_tokens, used_microusd,
        since, until, set_by, set_at FROM budgets";
    let rows = read::all(connection, sql, [], purse)?;
    let mut purses = Vec::with_capacity(rows.len());
    for (per, purse) in rows {
        let per = [BudgetPer::Day, BudgetPer::Month].into_iter().find(|known| known.as_str() == per);
        let per = per.ok_or_else(|| damage(format_args!("a budget for no period there is")))?;
        purses.push(Purse { per, ..purse });
    }
    purses.sort_by_key(Purse::key);
    Ok(purses)
}

pub(super) fn put(connection: &Connection, purse: &Purse) -> Stored<()> {
    let sql =
        "INSERT OR REPLACE INTO budgets (of, per, limit_tokens, limit_microusd, each_tokens, each_microusd,
            used_tokens, used_microusd, since, until, set_by, set_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let row = params![
        of(&purse.key()),
        purse.per.as_str(),
        purse.limit.tokens.map(to_number),
        purse.limit.cost_microusd.map(to_number),
        purse.each.tokens.map(to_number),
        purse.each.cost_microusd.map(to_number),
        to_number(purse.used.tokens),
        to_number(purse.used.cost_microusd),
        purse.since,
        purse.until,
        purse.set_by.to_string(),
        purse.set_at,
    ];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, key: &PurseKey) -> Stored<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM budgets WHERE of = ?1 AND per = ?2").map_err(fault)?;
    statement.execute(params![of(key), key.1.as_str()]).map_err(fault)?;
    Ok(())
}

fn of((of, _): &PurseKey) -> String {
    of.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// What was said for one day.
pub(super) fn day(connection: &Connection) -> Stored<Option<SpendingDay>> {
    read::one(connection, "SELECT record FROM spending_day", [], |row| json(row, 0))
}

pub(super) fn put_day(connection: &Connection, day: Option<&SpendingDay>) -> Stored<()> {
    match day {
        Some(day) => {
            let sql = "INSERT OR REPLACE INTO spending_day (id, record) VALUES (0, ?1)";
            connection.execute(sql, [to_json(day)]).map_err(fault)?;
        }
        None => _ = connection.execute("DELETE FROM spending_day", []).map_err(fault)?,
    }
    Ok(())
}
