//! Flows and runs, as they are shown: flows to everybody, of runs an aspect its own.

use nexus_wire::Party;
use nexus_wire::flow::{FlowGet, FlowHead, FlowInfo, FlowList, FlowPage};
use nexus_wire::limits::REPLY_BYTES_MAX;
use nexus_wire::run::{RunDetail, RunGet, RunList, RunPage};

use super::{Refusal, fit, not_found, page};
use crate::hub::records::{FlowRecord, Reads, RunRecord, RunsWanted, Stored};

pub(super) fn flow(store: &impl Reads, get: &FlowGet) -> Result<FlowInfo, Refusal> {
    let found = store.flow(&get.flow)?;
    let info = found.and_then(|FlowRecord { version, flow, by, at, .. }| {
        let flow = flow?;
        Some(FlowInfo { flow, version, by, at })
    });
    info.ok_or_else(|| not_found(format!("there is no flow {}", get.flow)))
}

pub(super) fn list(store: &impl Reads, list: &FlowList) -> Stored<FlowPage> {
    let limit = page(list.limit);
    let found = store.flows(list.after.as_ref(), limit + 1)?;
    let mut flows: Vec<FlowHead> = found.iter().filter_map(FlowRecord::head).collect();
    let is_longer = flows.len() > limit as usize;
    flows.truncate(limit as usize);
    let more = fit(&mut flows, REPLY_BYTES_MAX) || is_longer;
    Ok(FlowPage { flows, more })
}

pub(super) fn run(store: &impl Reads, reader: &Party, get: &RunGet) -> Result<RunDetail, Refusal> {
    let may = |record: &RunRecord| reader.aspect().is_none() || record.info.by == *reader;
    let Some(record) = store.run(get.run)?.filter(may) else {
        return Err(not_found(format!("no run {} that {reader} has to do with", get.run)));
    };
    let RunRecord { info, flow, input, output, .. } = record;
    let tasks = store.run_tasks(get.run)?.into_iter().map(|(_, task)| task).collect();
    Ok(RunDetail { info, flow, input, output, tasks })
}

pub(super) fn runs(store: &impl Reads, reader: &Party, list: &RunList) -> Stored<RunPage> {
    let limit = page(list.limit);
    let by = reader.aspect().is_some().then(|| reader.clone());
    let wanted = RunsWanted { flow: list.flow.clone(), by, all: list.all };
    let mut runs = store.runs(&wanted, list.before, limit + 1)?;
    let is_longer = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let more = fit(&mut runs, REPLY_BYTES_MAX) || is_longer;
    Ok(RunPage { runs, more })
}
