//! Flows as they are kept: put, replaced, deleted. What runs of them do is `run`'s.

use nexus_schema::Schema;
use nexus_wire::alert::AlertKind;
use nexus_wire::flow::{Flow, FlowAbsent, FlowDelete, FlowDeleted, FlowPut, FlowStored, StepAct};
use nexus_wire::limits::FLOWS_MAX;
use nexus_wire::{ErrorBody, ErrorCode, OperatorName, Party, RequestId};
use serde_json::json;

use super::records::{FlowRecord, Store, Stored};
use super::step::{Done, Step, refuse};

/// Problems that an error's message names; its details have all.
const TOLD_MAX: usize = 3;

impl<S: Store> Step<'_, S> {
    pub(super) fn flow_put(&mut self, sender: &Party, request: RequestId, put: FlowPut) -> Done {
        let Some(fresh) = self.first_time(sender, request, &put)? else { return Ok(()) };
        let flow = put.flow;
        check(&flow)?;
        let old = self.store.flow(&flow.id)?;
        let is_there = old.as_ref().is_some_and(|old| old.flow.is_some());
        if !is_there && self.store.flow_count()? >= FLOWS_MAX as u64 {
            let message = format!("there are {FLOWS_MAX} flows, which is the most; delete one first");
            return refuse(ErrorCode::QueueFull, message);
        }
        let changed = old.as_ref().and_then(|old| old.flow.as_ref()) != Some(&flow);
        let before = old.map_or(0, |old| old.version);
        let version = if changed { before + 1 } else { before };
        let absent = self.absent(&flow)?;
        let id = flow.id.clone();
        if changed {
            self.log_other(sender.clone(), "flow.put", &id, &flow)?;
            let (by, at) = (sender.clone(), self.at);
            self.store.put_flow(&FlowRecord { id: id.clone(), version, flow: Some(flow), by, at })?;
        }
        Ok(self.answer_once(fresh, &FlowStored { flow: id, version, changed, absent })?)
    }

    /// What its steps name and nobody has. They may come yet, as a whole team is set up in some order.
    fn absent(&self, flow: &Flow) -> Stored<Vec<FlowAbsent>> {
        let mut absent = Vec::new();
        for (place, step) in flow.steps.iter().enumerate() {
            let missing = match &step.act {
                StepAct::Ask(ask) if !self.hub.roster.knows(&Party::Aspect(ask.aspect.clone())) => {
                    Some(("ask.aspect", format!("there is no aspect {}", ask.aspect)))
                }
                StepAct::Dispatch(dispatch) => {
                    let missing = dispatch.hand.as_ref().and_then(|hand| self.offered(hand).err());
                    missing.map(|error| ("dispatch.hand", error.message))
                }
                StepAct::Flow(sub) if self.store.flow(&sub.id)?.is_none_or(|it| it.flow.is_none()) => {
                    Some(("flow.id", format!("there is no flow {}", sub.id)))
                }
                StepAct::Write(write)
                    if self.store.registry(&write.registry)?.is_none_or(|it| it.registry.is_none()) =>
                {
                    Some(("write.registry", format!("there is no registry {}", write.registry)))
                }
                StepAct::Approve(approve) => {
                    let is_missing =
                        |name: &&OperatorName| !self.hub.roster.knows(&Party::Operator((*name).clone()));
                    let missing = approve.by.as_ref().filter(is_missing);
                    missing.map(|name| ("approve.by", format!("there is no operator {name}")))
                }
                StepAct::Ask(_) | StepAct::Flow(_) | StepAct::Wait(_) | StepAct::Write(_) => None,
            };
            absent.extend(
                missing.map(|(at, message)| FlowAbsent { at: format!("steps[{place}].do.{at}"), message }),
            );
        }
        Ok(absent)
    }

    pub(super) fn flow_delete(&mut self, sender: &Party, request: RequestId, delete: FlowDelete) -> Done {
        let Some(fresh) = self.first_time(sender, request, &delete)? else { return Ok(()) };
        let flow = delete.flow;
        let old = self.store.flow(&flow)?.filter(|old| old.flow.is_some());
        let deleted = old.is_some();
        if let Some(old) = old {
            self.log_other(sender.clone(), "flow.deleted", &flow, &old.version)?;
            let (by, at) = (sender.clone(), self.at);
            self.store.put_flow(&FlowRecord { flow: None, by, at, ..old })?;
            self.clear_alert(AlertKind::RunFailed, flow.as_str())?;
            self.clear_alert(AlertKind::RunWithoutOutput, flow.as_str())?;
        }
        Ok(self.answer_once(fresh, &FlowDeleted { flow, deleted })?)
    }
}

/// Whether it can run.
fn check(flow: &Flow) -> Done {
    let problems = nexus_flow::check(flow);
    if !problems.is_empty() {
        let told: Vec<String> = problems.iter().take(TOLD_MAX).map(ToString::to_string).collect();
        let more = match problems.len() - told.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("flow {} cannot run: {}{more}", flow.id, told.join("; "));
        let all: Vec<_> = problems
            .iter()
            .take(nexus_wire::limits::FAULTS_TOLD_MAX)
            .map(|it| json!({"at": it.path, "message": it.message}))
            .collect();
        return Err(ErrorBody::new(ErrorCode::Invalid, message).with(json!({"faults": all})).into());
    }
    if let Some(schema) = &flow.input
        && let Err(fault) = Schema::compile(schema)
    {
        return refuse(
            ErrorCode::Invalid,
            format!("flow {}: `input` is no schema to check by: {fault}", flow.id),
        );
    }
    Ok(())
}
