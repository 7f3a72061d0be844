//! The sessions of the protocol's older generation: who opened each, and how many there may be. Each keeps what it
//! was sent for itself, so that nothing of one can be had through another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, stream};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionManager, LocalSessionManagerError, SessionError, SessionTransport,
    StreamableHttpMessageReceiver,
};
use rmcp::transport::streamable_http_server::session::{
    EventStore, ServerSseMessage, SessionId, SessionManager,
};
use tokio_util::sync::CancellationToken;

use super::RETRY;
use super::link::Link;
use super::replay::Replay;
use crate::identity::Identity;
use crate::task;

/// Of one identity; of more, the one that nobody has used for the longest gives way.
const OF_IDENTITY_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<SessionId, Session>>,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) link: Arc<Link>,
    pub(super) replay: Replay,
    handle: LocalSessionHandle,
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `identity` opened under that name. Others learn nothing of it, not even that it is there.
    pub(super) fn find(&self, name: &str, identity: &Identity) -> Option<Session> {
        let session = self.open().get(name).cloned()?;
        (session.link.identity() == identity).then_some(session)
    }

    fn get(&self, id: &SessionId) -> Result<Session, Failure> {
        self.open().get(id).cloned().ok_or_else(|| Failure::SessionNotFound(Arc::clone(id)))
    }

    /// The identity's own sessions make room for one more.
    fn add(&self, id: SessionId, session: Session) {
        let mut open = self.open();
        let identity = session.link.identity();
        let own = open.iter().filter(|it| it.1.link.identity() == identity);
        let spare = if own.clone().count() < OF_IDENTITY_MAX {
            None
        } else {
            // One that is in use goes only where all are.
            own.min_by_key(|it| it.1.link.idle_since().map_or((true, None), |since| (false, Some(since))))
                .map(|it| Arc::clone(it.0))
        };
        if let Some(gone) = spare.and_then(|id| open.remove(&id)) {
            gone.link.end();
        }
        open.insert(id, session);
    }

    fn remove(&self, id: &SessionId) -> Option<Session> {
        self.open().remove(id)
    }
}

/// What one request may do with sessions: use the one it names, or open one with its link.
#[derive(Debug)]
pub(super) struct Manager {
    sessions: Arc<Sessions>,
    link: Arc<Link>,
    replay: Option<Replay>,
}

impl Manager {
    /// `replay`: of the session that the request names.
    pub(super) fn new(sessions: Arc<Sessions>, link: Arc<Link>, replay: Option<Replay>) -> Self {
        Self { sessions, link, replay }
    }
}

type Failure = LocalSessionManagerError;

impl SessionManager for Manager {
    type Error = Failure;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Failure> {
        let mut manager = LocalSessionManager::default();
        // Idle ones are ended with their links, which know of those who only listen.
        manager.session_config.keep_alive = None;
        manager.session_config.sse_retry = Some(RETRY);
        let replay = Replay::default();
        let manager = manager.with_event_store(Arc::new(replay.clone()));
        let (id, transport) = manager.create_session().await?;
        let handle = manager.sessions.read().await.get(&id).cloned();
        let handle = handle.ok_or_else(|| Failure::SessionNotFound(Arc::clone(&id)))?;
        task::spawn(forget(Arc::clone(&self.sessions), Arc::clone(&id), self.link.gone(), handle.clone()));
        self.sessions.add(Arc::clone(&id), Session { link: Arc::clone(&self.link), replay, handle });
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Failure> {
        Ok(self.sessions.get(id)?.handle.initialize(message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Failure> {
        Ok(self.sessions.get(id).is_ok())
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Failure> {
        // What serves it ends with its link.
        if let Some(session) = self.sessions.remove(id) {
            session.link.end();
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        let handle = self.sessions.get(id)?.handle;
        let channel = handle.establish_request_wise_channel().await?;
        handle.push_message(message, channel.http_request_id).await?;
        Ok(events(channel))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Failure> {
        Ok(self.sessions.get(id)?.handle.push_message(message, None).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        Ok(events(self.sessions.get(id)?.handle.establish_common_channel().await?))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        let replayed = self.sessions.get(id)?.replay.replay_events_after(&last_event_id).await;
        Ok(replayed.map_err(SessionError::EventStore)?)
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.replay.clone().map(|replay| Arc::new(replay) as Arc<dyn EventStore>)
    }
}

/// A session goes with its link, also one whose client never said that it is ready.
async fn forget(sessions: Arc<Sessions>, id: SessionId, gone: CancellationToken, handle: LocalSessionHandle) {
    gone.cancelled().await;
    sessions.remove(&id);
    // One that has ended by itself does not need to be told.
    let _ = handle.close().await;
}

fn events(
    channel: StreamableHttpMessageReceiver,
) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
    let mut receiver = channel.inner;
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}
