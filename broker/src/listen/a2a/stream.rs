//! A task's events on the wire: server-sent events of one binding or the other.

use std::convert::Infallible;
use std::time::Duration;

use a2a::{JsonRpcId, JsonRpcResponse};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fault::Fault;
use super::follow::Seen;

/// A proxy that hears nothing for long gives a connection up.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which binding an answer is of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Binding {
    JsonRpc(JsonRpcId),
    Rest,
}

impl Binding {
    fn wrap(&self, value: Value) -> Value {
        match self {
            // A response is made of JSON and cannot fail to be.
            Self::JsonRpc(id) => {
                serde_json::to_value(JsonRpcResponse::success(id.clone(), value)).unwrap_or_default()
            }
            Self::Rest => value,
        }
    }

    fn fault(&self, fault: &Fault) -> Value {
        match self {
            Self::JsonRpc(id) => serde_json::to_value(fault.rpc(id.clone())).unwrap_or_default(),
            Self::Rest => fault.rest(),
        }
    }

    pub(super) fn answer(&self, value: Value) -> Response {
        let headers = [(header::CACHE_CONTROL, "no-store")];
        (headers, axum::Json(self.wrap(value))).into_response()
    }

    pub(super) fn refuse(self, fault: Fault) -> Response {
        match self {
            Self::JsonRpc(id) => fault.into_rpc_response(id),
            Self::Rest => fault.into_rest_response(),
        }
    }

    /// `id` is the `seq` of the entry of the log that an event is about.
    fn event(&self, seen: &Seen) -> String {
        match seen {
            Seen::Event { seq, event } => {
                let data = self.wrap(serde_json::to_value(event).unwrap_or_default());
                let id = seq.map(|seq| format!("id: {seq}\n")).unwrap_or_default();
                format!("{id}data: {data}\n\n")
            }
            Seen::Failed(fault) => format!("event: error\ndata: {}\n\n", self.fault(fault)),
        }
    }

    pub(super) fn stream(self, seen: mpsc::Receiver<Seen>) -> Response {
        let pieces = stream::unfold((self, seen), async |(binding, mut seen)| {
            let piece = match timeout(HEARTBEAT, seen.recv()).await {
                Ok(Some(it)) => binding.event(&it),
                Ok(None) => return None,
                Err(_) => ":\n\n".to_owned(),
            };
            Some((Ok::<_, Infallible>(Bytes::from(piece)), (binding, seen)))
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
            // Proxies that gather an answer before they pass it on.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, Body::from_stream(pieces)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use a2a::{StreamResponse, TaskState, TaskStatus, TaskStatusUpdateEvent, error_code};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_what_its_binding_has_as_an_answer() {
        let event = StreamResponse::StatusUpdate(TaskStatusUpdateEvent {
            task_id: "t".into(),
            context_id: "c".into(),
            status: TaskStatus { state: TaskState::Working, message: None, timestamp: None },
            metadata: None,
        });
        let seen = Seen::Event { seq: Some(7), event: Box::new(event) };
        let update = json!({"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}});
        assert_eq!(Binding::Rest.event(&seen), format!("id: 7\ndata: {update}\n\n"));
        let rpc = Binding::JsonRpc(JsonRpcId::String("r".into()));
        let wrapped = json!({"jsonrpc": "2.0", "id": "r", "result": update});
        let text = rpc.event(&seen);
        let data = text.strip_prefix("id: 7\ndata: ").unwrap();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), wrapped);
        let failed = Seen::Failed(Fault::new(error_code::TASK_NOT_FOUND, "gone"));
        assert!(
            rpc.event(&failed).starts_with("event: error\ndata: {"),
            "a client's stream fails, and never hangs"
        );
    }
}
