//! The operations of A2A, whichever binding they come by.

use std::sync::Arc;
use std::time::Duration;

use a2a::{
    CancelTaskRequest, DeleteTaskPushNotificationConfigRequest, GetTaskPushNotificationConfigRequest,
    GetTaskRequest, ListTaskPushNotificationConfigsRequest, ListTasksRequest, SendMessageRequest,
    SendMessageResponse, SubscribeToTaskRequest, Task, TaskPushNotificationConfig, TaskState, error_code,
};
use nexus_wire::approval::{
    ApprovalAnswer, ApprovalInfo, ApprovalList, ApprovalPage, Asked as AskedOf, Verdict,
};
use nexus_wire::attachment::Attachment;
use nexus_wire::blob::BlobInfo;
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::hands::{CancelReceipt, Dispatch, DispatchCancel, Dispatched};
use nexus_wire::session::SessionOrdered;
use nexus_wire::turn::TurnCancel;
use nexus_wire::{AspectName, ErrorBody, ErrorCode, HandRef, RequestId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::door::Door;
use super::fault::Fault;
use super::follow::{Closely, Seen, Until, follow, settled};
use super::list;
use super::push;
use super::send::{self, Asked, Attached, File, Sent};
use super::task::{Extent, Source};
use crate::admit::writer;
use crate::edge::blobs::unavailable;

/// How long an answer is waited for with the request open; a client that wants to wait longer asks again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(600);
/// How long a task that is cancelled has to end before it is told as it stands.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

/// An operation with its parameters.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Cancel(CancelTaskRequest),
    Card,
    Get(GetTaskRequest),
    List(ListTasksRequest),
    PushDelete(DeleteTaskPushNotificationConfigRequest),
    PushGet(GetTaskPushNotificationConfigRequest),
    PushList(ListTaskPushNotificationConfigsRequest),
    PushSet(Box<TaskPushNotificationConfig>),
    Send(SendMessageRequest),
    Stream(SendMessageRequest),
    Subscribe(SubscribeToTaskRequest),
}

impl Call {
    /// By its name in JSON-RPC.
    pub(super) fn named(method: &str, params: Value) -> Result<Self, Fault> {
        Ok(match method {
            "CancelTask" => Self::Cancel(read(params)?),
            "CreateTaskPushNotificationConfig" => Self::PushSet(read(params)?),
            "DeleteTaskPushNotificationConfig" => Self::PushDelete(read(params)?),
            "GetExtendedAgentCard" => Self::Card,
            "GetTask" => Self::Get(read(params)?),
            "GetTaskPushNotificationConfig" => Self::PushGet(read(params)?),
            "ListTaskPushNotificationConfigs" => Self::PushList(read(params)?),
            "ListTasks" => Self::List(read(params)?),
            "SendMessage" => Self::Send(read(params)?),
            "SendStreamingMessage" => Self::Stream(read(params)?),
            "SubscribeToTask" => Self::Subscribe(read(params)?),
            other => {
                let other: String = other.chars().take(64).collect();
                let message = format!("there is no method {other} in A2A 1.0");
                return Err(Fault::new(error_code::METHOD_NOT_FOUND, message));
            }
        })
    }
}

/// Parameters of an operation; none at all are an empty object.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    serde_json::from_value(params)
        .map_err(|error| Fault::params(format!("the parameters do not fit: {error}")))
}

/// What an operation answers.
#[derive(Debug)]
pub(super) enum Reply {
    Value(Value),
    Stream(mpsc::Receiver<Seen>),
}

fn value(of: &impl Serialize) -> Result<Reply, Fault> {
    let made = serde_json::to_value(of);
    made.map(Reply::Value).map_err(|error| Fault::internal(format!("the answer cannot be written: {error}")))
}

pub(super) async fn answer(door: &Arc<Door>, call: Call) -> Result<Reply, Fault> {
    match call {
        Call::Card => value(&door.card().await?),
        Call::Get(GetTaskRequest { id, history_length: history, .. }) => {
            let source = door.source(&id).await?;
            value(&source.task(door.origin(), Extent { history, ..Extent::default() }))
        }
        Call::List(request) => value(&list::list(door, request).await?),
        Call::Cancel(CancelTaskRequest { id, .. }) => {
            let source = cancel(door, &id).await?;
            value(&source.task(door.origin(), Extent::default()))
        }
        Call::Send(request) => value(&SendMessageResponse::Task(sent(door, request).await?)),
        Call::Stream(request) => {
            let id = carried_out(door, request).await?;
            Ok(Reply::Stream(follow(door, &id, Closely::Words).await?))
        }
        Call::Subscribe(SubscribeToTaskRequest { id, .. }) => {
            if door.source(&id).await?.status().state.is_terminal() {
                let message =
                    format!("task {id} has ended: nothing more comes of it, and GetTask has all of it");
                return Err(Fault::new(error_code::UNSUPPORTED_OPERATION, message));
            }
            Ok(Reply::Stream(follow(door, &id, Closely::Words).await?))
        }
        Call::PushDelete(asked) => push::delete(door, asked).await.map(Reply::Value),
        Call::PushGet(asked) => push::get(door, asked).await.map(Reply::Value),
        Call::PushList(asked) => push::list(door, &asked.task_id).await.map(Reply::Value),
        Call::PushSet(config) => push::set(door, *config).await.map(Reply::Value),
    }
}

/// Sends, and waits for the answer unless the client does not want to.
async fn sent(door: &Arc<Door>, request: SendMessageRequest) -> Result<Task, Fault> {
    let configuration = request.configuration.as_ref();
    let history = configuration.and_then(|it| it.history_length);
    let at_once = configuration.and_then(|it| it.return_immediately).unwrap_or(false);
    let id = carried_out(door, request).await?;
    let source = if at_once {
        door.source(&id).await?
    } else {
        settled(door, &id, Until::Turn, Instant::now() + ANSWER_PATIENCE).await?
    };
    Ok(source.task(door.origin(), Extent { history, ..Extent::default() }))
}

/// Does what a message asks for; the id of the task.
async fn carried_out(door: &Arc<Door>, mut request: SendMessageRequest) -> Result<String, Fault> {
    let configuration = request.configuration.as_mut();
    let wanted = configuration.and_then(|it| it.task_push_notification_config.take());
    if let Some(config) = &wanted {
        // Before anything is said: what is refused then could not be taken back.
        push::check(door, config).await?;
    }
    let id = asked(door, request).await?;
    if let Some(config) = wanted {
        push::set(door, TaskPushNotificationConfig { task_id: id.clone(), ..config }).await?;
    }
    Ok(id)
}

async fn asked(door: &Arc<Door>, request: SendMessageRequest) -> Result<String, Fault> {
    let Sent { request, context, task, asked } = send::parse(request, door.origin())?;
    let context_missing = |fault: Fault| match context {
        Some(context) if fault.is_missing() => send::no_context(&context.to_string()),
        Some(_) | None => fault,
    };
    match (task, asked) {
        (Some(task), Asked::Say { content, files }) if files.is_empty() => {
            let source = door.source(&task).await?;
            if context.is_some_and(|it| it.to_string() != source.context()) {
                return Err(Fault::params("contextId is not that of the task"));
            }
            reply(door, request, &source, &content).await?;
            Ok(source.id())
        }
        (Some(_), _) => Err(Fault::params("what a task asks for is answered by text")),
        (None, Asked::Say { content, files }) => {
            let name = door.name().await?;
            let attachments = kept(door, files).await?;
            let to = vec![name.to_string()];
            let send = ChatSend { thread: context, to, content, attachments, ..ChatSend::default() };
            let bytes = size(&send);
            let sent: ChatSent = door.ask_as(request, send, bytes).await.map_err(context_missing)?;
            Ok(sent.message.to_string())
        }
        (None, Asked::Work { hand, input }) => {
            let hand = hand_of(door.name().await?, &hand)?;
            let dispatch = Dispatch { thread: context, ..Dispatch::to(hand, input) };
            let bytes = size(&dispatch);
            let made: Dispatched = door.ask_as(request, dispatch, bytes).await?;
            Ok(made.dispatch.to_string())
        }
    }
}

fn hand_of(aspect: AspectName, skill: &str) -> Result<HandRef, Fault> {
    let unknown = |error| Fault::params(format!("there is no such skill: {error}"));
    Ok(HandRef { aspect, hand: skill.parse().map_err(unknown)? })
}

fn size(frame: &impl Serialize) -> usize {
    serde_json::to_vec(frame).map_or(0, |text| text.len())
}

/// Bytes of a message are kept as blobs of the caller's before it is sent.
async fn kept(door: &Door, files: Vec<Attached>) -> Result<Vec<Attachment>, Fault> {
    let mut attachments = Vec::new();
    for file in files {
        attachments.push(match file {
            Attached::Kept(attachment) => attachment,
            Attached::Bytes(file) => put(door, file).await?,
        });
    }
    Ok(attachments)
}

async fn put(door: &Door, file: File) -> Result<Attachment, Fault> {
    writer(door.caller())?;
    let edge = door.edge();
    let Ok(_permit) = edge.blobs.room().try_acquire_owned() else {
        let message = "as many blobs are being put as may be at once; try again in a moment";
        return Err(ErrorBody::new(ErrorCode::RateLimited, message).into());
    };
    let mut upload = edge.blobs.begin().await.map_err(|error| unavailable(&error))?;
    upload.write(&file.bytes).await.map_err(|error| unavailable(&error))?;
    let by = door.caller().party.clone();
    let put = edge.put_blob(by, upload, file.media_type.clone(), Some(file.name.clone())).await?;
    let info: BlobInfo =
        put.parse().map_err(|error| Fault::internal(format!("an answer does not read back: {error}")))?;
    Ok(Attachment {
        blob: info.id,
        name: file.name,
        media_type: Some(file.media_type),
        bytes: Some(info.bytes),
    })
}

/// The caller's answer to what a task waits for.
async fn reply(door: &Door, request: RequestId, source: &Source, content: &str) -> Result<(), Fault> {
    let Some(waits) = source.waits() else {
        if was_answered(door, source, content).await? {
            return Ok(());
        }
        let message = format!(
            "task {} waits for nothing; what you say next is a task of its own: leave taskId out, and keep contextId",
            source.id()
        );
        return Err(Fault::new(error_code::UNSUPPORTED_OPERATION, message));
    };
    let (verdict, text) = match &waits.asked {
        AskedOf::Question { .. } => (Verdict::Answer, Some(content.to_owned())),
        AskedOf::Tool { .. } => match content.trim().to_ascii_lowercase().as_str() {
            "approve" => (Verdict::Approve, None),
            "deny" => (Verdict::Deny, None),
            _ => return Err(Fault::params("answer with the word `approve` or `deny`")),
        },
    };
    let answer = ApprovalAnswer { approval: waits.id, verdict, text };
    let bytes = size(&answer);
    let _: ApprovalInfo = door.ask_as(request, answer, bytes).await?;
    Ok(())
}

/// Whether this is a repeat of what the caller has answered.
async fn was_answered(door: &Door, source: &Source, content: &str) -> Result<bool, Fault> {
    let page: ApprovalPage = door.ask(ApprovalList { all: true, before: None, limit: Some(200) }).await?;
    let is_it = |it: &ApprovalInfo| {
        let about = match source {
            Source::Said(said) => it.thread == Some(said.message.thread) && it.lease.is_none(),
            Source::Work(work) => it.lease.is_some_and(|lease| lease.dispatch == work.info.id),
        };
        let same = match &it.asked {
            AskedOf::Question { .. } => it.text.as_deref() == Some(content),
            AskedOf::Tool { .. } => {
                let said = content.trim().to_ascii_lowercase();
                matches!((it.state.as_str(), said.as_str()), ("approved", "approve") | ("denied", "deny"))
            }
        };
        about
            && same
            && it.aspect.aspect() == Some(source.aspect())
            && it.by.as_ref() == Some(&door.caller().party)
    };
    Ok(page.approvals.iter().any(is_it))
}

async fn cancel(door: &Arc<Door>, id: &str) -> Result<Source, Fault> {
    let source = door.source(id).await?;
    let state = source.status().state;
    if state.is_terminal() {
        let message = format!("task {id} has ended already");
        return Err(Fault::new(error_code::TASK_NOT_CANCELABLE, message));
    }
    match &source {
        Source::Said(said) if state == TaskState::Submitted => {
            let message = format!(
                "{} has not begun with task {id}, and what was said cannot be taken back; cancel it once it is working",
                said.aspect
            );
            return Err(Fault::new(error_code::TASK_NOT_CANCELABLE, message));
        }
        Source::Said(said) => {
            let thread = Some(said.message.thread);
            let cancel = TurnCancel { of: said.aspect.clone(), thread, turn: None, reason: None };
            let _: SessionOrdered = door.ask(cancel).await?;
        }
        Source::Work(work) => {
            let cancel = DispatchCancel { dispatch: work.info.id, reason: None };
            let _: CancelReceipt = door.ask(cancel).await?;
        }
    }
    settled(door, id, Until::End, Instant::now() + CANCEL_PATIENCE).await
}
