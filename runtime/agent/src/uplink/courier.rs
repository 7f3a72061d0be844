//! Carries what the process asks and posts to the broker, over any number of links, until it is answered.

use std::sync::Arc;
use std::time::Duration;

use nexus_client::{CallError, Caller, Reply, RequestError};
use nexus_wire::hands::{DispatchResult, HandFailure};
use nexus_wire::{ErrorBody, ErrorCode, Json, RequestId, ToBroker, TraceContext, derive};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::books::{Books, BooksError};
use super::line::{LineEnd, Request};
use crate::outbox::Post;

/// Requests on their way at the same time.
const ASKING_MAX: usize = 64;
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Any frame as a request; its answer stays what it is.
#[derive(Clone, Debug)]
struct Any(ToBroker);

impl From<Any> for ToBroker {
    fn from(frame: Any) -> Self {
        frame.0
    }
}

impl nexus_client::Request for Any {
    type Reply = Json;

    fn read(reply: Reply) -> Result<Json, RequestError> {
        match reply {
            Reply::Ok(json) => Ok(json),
            Reply::Registered(_) => Err(RequestError::BadReply("registered, and no ok".to_owned())),
        }
    }
}

/// Serves the requests of a [`super::Line`] until all of them are dropped.
pub(crate) async fn serve(caller: Caller, end: LineEnd) {
    let LineEnd { mut requests, mut shown } = end;
    let permits = Arc::new(Semaphore::new(ASKING_MAX));
    let mut asking = JoinSet::new();
    let showing = async {
        while let Some(frame) = shown.recv().await {
            // Without a link, or with a slow one, nobody sees it; the numbers in the frames show the gap.
            if let Some(link) = caller.link() {
                let _ = link.try_send(frame);
            }
        }
    };
    let serving = async {
        while let Some(request) = requests.recv().await {
            // Never closed; should it be, the bound is the line's own.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            let caller = caller.clone();
            asking.spawn(async move {
                let _permit = permit;
                answer(&caller, request).await;
            });
            while asking.try_join_next().is_some() {}
        }
    };
    tokio::join!(showing, serving);
}

async fn answer(caller: &Caller, request: Request) {
    let Request { id, trace, frame, mut reply } = request;
    let asked = tokio::select! {
        asked = call(caller, id, frame, trace.as_deref()) => asked,
        // Nobody waits any more.
        () = reply.closed() => return,
    };
    let answer = match asked {
        Ok(json) => Ok(json),
        Err(CallError::Refused(body)) => Err(body),
        Err(CallError::BadReply(error)) => {
            Err(ErrorBody::new(ErrorCode::Internal, format!("its answer cannot be read: {error}")))
        }
        // Dropping the sender says that there will be no answer.
        Err(CallError::Over(_)) => return,
    };
    let _ = reply.send(answer);
}

/// Asks until there is an answer that asking again cannot change.
async fn call(
    caller: &Caller,
    id: RequestId,
    frame: ToBroker,
    trace: Option<&TraceContext>,
) -> Result<Json, CallError> {
    let mut wait = RETRY_MIN;
    loop {
        match caller.call_traced(id, Any(frame.clone()), trace).await {
            Err(CallError::Refused(body)) if passes(body.code) => {
                tracing::info!(error = %body, "asking the broker again in {} ms", wait.as_millis());
            }
            outcome => return outcome,
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// Whether it is about the broker's moment rather than about what was asked. A full queue is the model's to hear.
fn passes(code: ErrorCode) -> bool {
    code.is_retryable() && code != ErrorCode::QueueFull
}

/// Carries posts in their order, each until the broker has taken it or never will. Tells of each that is done.
pub(crate) async fn carry_posts(
    caller: Caller,
    books: Books,
    done: mpsc::Sender<Post>,
) -> Result<(), BooksError> {
    loop {
        let post = books.next_post().await?;
        match call(&caller, post.id, post.frame.clone(), post.trace.as_deref()).await {
            Ok(_) => {}
            Err(CallError::Over(_)) => return Ok(()),
            Err(CallError::Refused(body)) if body.code == ErrorCode::InvalidOutput => {
                if let Some((id, frame)) = given_up(&post, &body) {
                    match call(&caller, id, frame, post.trace.as_deref()).await {
                        Ok(_) => tracing::warn!(%body, "an output was handed in as a failure"),
                        Err(CallError::Over(_)) => return Ok(()),
                        Err(error @ (CallError::Refused(_) | CallError::BadReply(_))) => {
                            refused(&post, &error);
                        }
                    }
                }
            }
            Err(error @ (CallError::Refused(_) | CallError::BadReply(_))) => refused(&post, &error),
        }
        books.sent(post.id).await?;
        if done.send(post).await.is_err() {
            return Ok(());
        }
    }
}

/// The failure that stands for a result whose output the broker does not take. Its task has ended, with an output
/// that was right by the schema it knew, so nobody is left to put it right.
fn given_up(post: &Post, body: &ErrorBody) -> Option<(RequestId, ToBroker)> {
    let ToBroker::DispatchResult(result) = &post.frame else { return None };
    let error = HandFailure { code: "invalid_output".to_owned(), message: body.message.clone() };
    let frame = DispatchResult { output: None, error: Some(error), ..result.clone() };
    Some((RequestId(derive::derived(post.id.0, "given up", 0)), frame.into()))
}

fn refused(post: &Post, error: &CallError) {
    use nexus_wire::frame::FrameSet as _;

    let (kind, id) = (post.frame.kind(), post.id);
    let code = match error {
        CallError::Refused(body) => Some(body.code),
        CallError::Over(_) | CallError::BadReply(_) => None,
    };
    match code {
        // Done by an earlier attempt of the same thing, or not wanted any more.
        Some(ErrorCode::IdReused | ErrorCode::StaleToken) => {
            tracing::info!(kind, %id, %error, "a post has become void");
        }
        _ => {
            tracing::error!(kind, %id, %error, "the broker will not take a post; its content is in the session");
        }
    }
}
