//! Flows and runs as rows.

use nexus_wire::name::FlowName;
use nexus_wire::run::{RunInfo, RunTask};
use nexus_wire::{Ms, Party, RunId};
use rusqlite::{Connection, Params, Row, ToSql, params};

use super::columns::{count, id, json, opt_json, parsed, small, to_blob, to_json};
use super::fault::fault;
use super::read;
use crate::hub::records::{FlowRecord, RunRecord, RunsWanted, StepTask, Stored};

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)?;
    Ok(())
}

fn flow_row(row: &Row<'_>) -> rusqlite::Result<FlowRecord> {
    Ok(FlowRecord {
        id: parsed(row, 0)?,
        version: small(row, 1)?,
        flow: opt_json(row, 2)?,
        by: parsed(row, 3)?,
        at: row.get(4)?,
    })
}

pub(super) fn flow(connection: &Connection, id: &FlowName) -> Stored<Option<FlowRecord>> {
    let sql = "SELECT id, version, flow, put_by, at FROM flows WHERE id = ?1";
    read::one(connection, sql, [id.as_str()], flow_row)
}

pub(super) fn flow_count(connection: &Connection) -> Stored<u64> {
    let sql = "SELECT count(*) FROM flows WHERE flow IS NOT NULL";
    Ok(read::one(connection, sql, [], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn flows(
    connection: &Connection,
    after: Option<&FlowName>,
    limit: u32,
) -> Stored<Vec<FlowRecord>> {
    let sql = "SELECT id, version, flow, put_by, at FROM flows
        WHERE flow IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2";
    read::all(connection, sql, params![after.map_or("", FlowName::as_str), limit], flow_row)
}

pub(super) fn put_flow(connection: &Connection, record: &FlowRecord) -> Stored<()> {
    let sql = "INSERT INTO flows (id, version, flow, put_by, at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (id) DO UPDATE SET
          version = excluded.version, flow = excluded.flow, put_by = excluded.put_by, at = excluded.at";
    let FlowRecord { id, version, flow, by, at } = record;
    let flow = flow.as_ref().map(to_json);
    execute(connection, sql, params![id.as_str(), version, flow, by.to_string(), at])
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        info: json(row, 0)?,
        flow: json(row, 1)?,
        input: json(row, 2)?,
        output: opt_json(row, 3)?,
        request_sha256: row.get(4)?,
    })
}

pub(super) fn run(connection: &Connection, id: RunId) -> Stored<Option<RunRecord>> {
    let sql = "SELECT info, flow_as_run, input, output, request_sha256 FROM runs WHERE id = ?1";
    read::one(connection, sql, [to_blob(id.0)], run_row)
}

pub(super) fn run_tasks(connection: &Connection, id: RunId) -> Stored<Vec<StepTask>> {
    let sql = "SELECT step, task FROM run_tasks WHERE run = ?1 ORDER BY step, item";
    read::all(connection, sql, [to_blob(id.0)], |row| Ok((small(row, 0)?, json(row, 1)?)))
}

pub(super) fn runs(
    connection: &Connection,
    wanted: &RunsWanted,
    before: Option<RunId>,
    limit: u32,
) -> Stored<Vec<RunInfo>> {
    let before = before.map_or([0xff; 16], |id| to_blob(id.0));
    let flow = wanted.flow.as_ref().map(FlowName::as_str);
    let by = wanted.by.as_ref().map(Party::to_string);
    let mut values: Vec<&dyn ToSql> = vec![&before];
    values.extend(flow.iter().map(|flow| flow as &dyn ToSql));
    values.extend(by.iter().map(|by| by as &dyn ToSql));
    values.push(&limit);
    read::all(connection, &runs_sql(wanted), values.as_slice(), |row| json(row, 0))
}

/// Of the conditions those that are asked for: with others SQLite takes no index of theirs. Where `open` is one, the
/// few that have not ended are looked through, whatever their flow is: `+` keeps it off the other indexes.
fn runs_sql(wanted: &RunsWanted) -> String {
    let RunsWanted { flow, by, all } = wanted;
    let (of_flow, of_party, open) = match *all {
        true => (" AND flow = ?", " AND started_by = ?", ""),
        false => (" AND +flow = ?", " AND +started_by = ?", " AND open"),
    };
    let conditions =
        [if flow.is_some() { of_flow } else { "" }, if by.is_some() { of_party } else { "" }, open];
    format!("SELECT info FROM runs WHERE id < ?{} ORDER BY id DESC LIMIT ?", conditions.concat())
}

pub(super) fn runs_older(
    connection: &Connection,
    before: Ms,
    after: Option<RunId>,
    limit: u32,
) -> Stored<Vec<RunId>> {
    let sql = "SELECT id FROM runs WHERE NOT open AND id > ?2 AND ended_at < ?1 ORDER BY id LIMIT ?3";
    let after = after.map_or(Vec::new(), |id| to_blob(id.0).to_vec());
    read::all(connection, sql, params![before, after, limit], |row| id(row, 0, RunId))
}

/// Those that have not ended, with their tasks.
pub(super) fn open(connection: &Connection) -> Stored<Vec<(RunRecord, Vec<StepTask>)>> {
    let sql = "SELECT info, flow_as_run, input, output, request_sha256 FROM runs WHERE open ORDER BY id";
    let runs = read::all(connection, sql, [], run_row)?;
    let with_tasks = |record: RunRecord| {
        let tasks = run_tasks(connection, record.info.id)?;
        Ok((record, tasks))
    };
    runs.into_iter().map(with_tasks).collect()
}

pub(super) fn add_run(connection: &Connection, record: &RunRecord) -> Stored<()> {
    let sql = "INSERT INTO runs (id, flow, started_by, open, ended_at, info, output, flow_as_run, input, request_sha256)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let RunRecord { info, flow, input, output, request_sha256 } = record;
    let row = params![
        to_blob(info.id.0),
        info.flow.as_str(),
        info.by.to_string(),
        info.ended_at.is_none(),
        info.ended_at,
        to_json(info),
        output.as_ref().map(to_json),
        to_json(flow),
        to_json(input),
        request_sha256,
    ];
    execute(connection, sql, row)
}

pub(super) fn put_run(connection: &Connection, record: &RunRecord) -> Stored<()> {
    let sql = "UPDATE runs SET open = ?2, ended_at = ?3, info = ?4, output = ?5 WHERE id = ?1";
    let info = &record.info;
    let output = record.output.as_ref().map(to_json);
    execute(
        connection,
        sql,
        params![to_blob(info.id.0), info.ended_at.is_none(), info.ended_at, to_json(info), output],
    )
}

pub(super) fn put_run_task(connection: &Connection, run: RunId, step: u32, task: &RunTask) -> Stored<()> {
    let sql = "INSERT INTO run_tasks (run, step, item, task) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (run, step, item) DO UPDATE SET task = excluded.task";
    execute(connection, sql, params![to_blob(run.0), step, task.index, to_json(task)])
}

pub(super) fn delete_run(connection: &Connection, id: RunId) -> Stored<()> {
    execute(connection, "DELETE FROM run_tasks WHERE run = ?1", [to_blob(id.0)])?;
    execute(connection, "DELETE FROM runs WHERE id = ?1", [to_blob(id.0)])
}

#[cfg(test)]
mod tests {
    use nexus_wire::run::RunState;
    use rusqlite::StatementStatus;
    use uuid::Uuid;

    use super::*;
    use crate::hub::records::{Reads, Store, Transaction};
    use crate::store::sqlite::{Options, SqliteStore};

    const RUNS: u32 = 5_000;

    fn record(no: u32, flow: &str, by: &str, open: bool) -> RunRecord {
        let flow: FlowName = flow.parse().unwrap();
        let info = RunInfo {
            id: RunId(Uuid::from_u128(u128::from(no))),
            flow: flow.clone(),
            version: 1,
            by: by.parse().unwrap(),
            thread: None,
            parent: None,
            depth: 1,
            causes: Vec::new(),
            state: if open { RunState::Running } else { RunState::Done },
            accepted_at: 1,
            as_of: None,
            began_at: None,
            ended_at: (!open).then_some(2),
            groups: Vec::new(),
            error: None,
            retry_of: None,
            retried_as: None,
            tasks: 0,
            steps: Vec::new(),
        };
        let flow = serde_json::from_value(serde_json::json!({"id": flow, "steps": []})).unwrap();
        RunRecord { info, flow, input: serde_json::Value::Null, output: None, request_sha256: None }
    }

    #[test]
    fn nobody_looks_through_all_runs() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
        store.begin().unwrap();
        for no in 1..=RUNS {
            // What is rare came first, and is found last.
            let (flow, by) = (if no == 7 { "rare" } else { "often" }, if no == 8 { "wren" } else { "forge" });
            store.add_run(&record(no, flow, by, no == 9)).unwrap();
        }
        store.commit().unwrap();
        type Case = (Option<&'static str>, Option<&'static str>, bool, &'static [u32]);
        let cases: [Case; 9] = [
            (None, None, true, &[RUNS, RUNS - 1, RUNS - 2]),
            (None, None, false, &[9]),
            (Some("rare"), None, true, &[7]),
            (Some("often"), None, true, &[RUNS, RUNS - 1, RUNS - 2]),
            (None, Some("wren"), true, &[8]),
            (Some("often"), Some("wren"), true, &[8]),
            (Some("often"), None, false, &[9]),
            (None, Some("forge"), false, &[9]),
            (Some("often"), Some("forge"), false, &[9]),
        ];
        for (flow, by, all, expected) in cases {
            let wanted = RunsWanted {
                flow: flow.map(|it| it.parse().unwrap()),
                by: by.map(|it| it.parse().unwrap()),
                all,
            };
            let steps = || {
                let statement = store.connection.prepare_cached(&runs_sql(&wanted)).unwrap();
                statement.get_status(StatementStatus::VmStep)
            };
            let before = steps();
            let found = store.runs(&wanted, None, 3).unwrap();
            let taken = steps() - before;
            let expected: Vec<_> =
                expected.iter().map(|no| RunId(Uuid::from_u128(u128::from(*no)))).collect();
            assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), expected, "{wanted:?}");
            assert!((1..200).contains(&taken), "{taken} steps for {wanted:?}");
        }
    }
}
