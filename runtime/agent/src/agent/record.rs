//! What a turn is written into: a session file, or memory for what is stateless.

use jiff::Timestamp;
use uuid::Uuid;

use super::marks;
use crate::conversation::Message;
use crate::session::{Entry, Payload, Session, SessionError, replay};

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the writer of a session broke down")]
    Lost,
}

#[derive(Debug)]
pub(crate) enum Record {
    /// `None` while an append is on its way to the disk.
    File(Option<Box<Session>>),
    Memory(Vec<Entry>),
}

impl Record {
    pub(crate) fn of(session: Session) -> Self {
        Self::File(Some(Box::new(session)))
    }

    /// Puts it at the end; in a file it is on disk when this returns.
    pub(crate) async fn append(&mut self, payload: Payload) -> Result<(), RecordError> {
        match self {
            Self::Memory(entries) => {
                let parent_id = entries.last().map(|entry| entry.id);
                entries.push(Entry { id: Uuid::now_v7(), parent_id, ts: Timestamp::now(), payload });
                Ok(())
            }
            Self::File(kept) => {
                let mut session = kept.take().ok_or(RecordError::Lost)?;
                let writing = tokio::task::spawn_blocking(move || {
                    let appended = session.append(payload, Timestamp::now());
                    (session, appended)
                });
                let (session, appended) = writing.await.map_err(|_| RecordError::Lost)?;
                *kept = Some(session);
                appended?;
                Ok(())
            }
        }
    }

    /// Does something with the session that is more than to append; `None` for what is in no file.
    pub(crate) async fn change<T: Send + 'static>(
        &mut self,
        change: impl FnOnce(&mut Session) -> Result<T, SessionError> + Send + 'static,
    ) -> Result<Option<T>, RecordError> {
        let Self::File(kept) = self else { return Ok(None) };
        let mut session = kept.take().ok_or(RecordError::Lost)?;
        let changing = tokio::task::spawn_blocking(move || {
            let changed = change(&mut session);
            (session, changed)
        });
        let (session, changed) = changing.await.map_err(|_| RecordError::Lost)?;
        *kept = Some(session);
        Ok(Some(changed?))
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::File(session) => session.as_deref(),
            Self::Memory(_) => None,
        }
    }

    /// The active branch from its root.
    pub(crate) fn branch(&self) -> Vec<&Entry> {
        match self {
            Self::File(Some(session)) => session.tree().branch(session.tree().head()),
            Self::File(None) => Vec::new(),
            Self::Memory(entries) => entries.iter().collect(),
        }
    }

    /// What a model is shown of it. With `mark`, what others have said is marked as theirs.
    pub(crate) fn conversation(&self, mark: bool) -> (String, Vec<Message>) {
        let branch = self.branch();
        let replayed = if mark {
            let marked = marks::marked(&branch);
            replay(&marked.iter().collect::<Vec<_>>())
        } else {
            replay(&branch)
        };
        (replayed.system, replayed.messages)
    }
}
