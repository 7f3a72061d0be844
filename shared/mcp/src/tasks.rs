//! Long work as tasks: a task is a dispatch, and its id the dispatch's, so that it outlives this process and every other.

use jiff::Timestamp;
use nexus_wire::hands::{DispatchInfo, DispatchState};
use nexus_wire::{DispatchId, ErrorBody};
use nexus_wire::{Ms, hands::DispatchCancel};
use rmcp::model::{CallToolResponse, CreateTaskResult, DetailedTask, Task, TaskPayload, TaskStatus};
use uuid::Uuid;

use crate::bus::Bus;
use crate::fault::invalid;
use crate::hands::{HandTool, result_of};
use crate::server::{TeamServer, object};

/// How often a client may look.
const POLL_MS: u64 = 1_000;

/// A task in the place of a result.
pub(crate) fn created(info: &DispatchInfo) -> CallToolResponse {
    CallToolResponse::Task(CreateTaskResult::new(task(info)))
}

fn task(info: &DispatchInfo) -> Task {
    let status = status(info.state);
    let updated = info.ended_at.or(info.assigned_at).unwrap_or(info.accepted_at);
    Task::new(info.id.to_string(), status, text(info.accepted_at), text(updated))
        .with_status_message(format!("{} is {}", info.hand, info.state.as_str()))
        .with_poll_interval_ms(POLL_MS)
}

fn status(state: DispatchState) -> TaskStatus {
    match state {
        DispatchState::Pending
        | DispatchState::Running
        | DispatchState::Waiting
        | DispatchState::Retaking
        | DispatchState::Unreachable => TaskStatus::Working,
        DispatchState::Cancelled => TaskStatus::Cancelled,
        // A Hand that has failed is a result that says so.
        DispatchState::Done | DispatchState::Failed | DispatchState::TimedOut => TaskStatus::Completed,
    }
}

fn text(at: Ms) -> String {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

impl<B: Bus> TeamServer<B> {
    pub(crate) async fn task(&self, id: &str) -> Result<DetailedTask, ErrorBody> {
        let info = self.status(dispatch_of(id)?).await?;
        let task = task(&info);
        let payload = if task.status == TaskStatus::Cancelled {
            TaskPayload::Cancelled
        } else if task.status == TaskStatus::Completed {
            let hands = self.all_hands().await?;
            let tool = hands.into_iter().find(|tool| tool.hand == info.hand);
            // Of a Hand that is gone the output is shown as it is.
            let tool = tool.unwrap_or_else(|| HandTool::gone(&info.hand));
            let result = serde_json::to_value(result_of(&tool, info)).unwrap_or_default();
            TaskPayload::Completed { result: object(result) }
        } else {
            TaskPayload::Working
        };
        Ok(DetailedTask::new(task, payload))
    }

    pub(crate) async fn end_task(&self, id: &str) -> Result<(), ErrorBody> {
        let dispatch = dispatch_of(id)?;
        let reason = Some("cancelled by the MCP client".to_owned());
        let _: serde_json::Value = self.look(DispatchCancel { dispatch, reason }).await?;
        Ok(())
    }
}

fn dispatch_of(id: &str) -> Result<DispatchId, ErrorBody> {
    id.parse::<Uuid>().map(DispatchId).map_err(|_| invalid(format!("there is no task {id:?}")))
}
