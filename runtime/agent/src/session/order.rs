//! What an operator wants done with a session, so that doing it again after a kill at any point does nothing more.
//!
//! A rewind is known as done by the decision on its item in the session; a fork by its file, whose name derives from
//! the item; a summary by the item in its entry.

use std::path::Path;

use jiff::Timestamp;
use nexus_wire::inbox::Decision;
use nexus_wire::session::{SessionAct, SessionOutcome};
use nexus_wire::{ErrorBody, ErrorCode, derive};
use uuid::Uuid;

use super::{
    CutError, Entry, HeadMove, ItemDecision, Payload, Session, SessionError, SessionKey, Tree, UserTurn,
};
use crate::conversation::Block;

impl Session {
    /// Carries out what item `item` asks for. What cannot be done is an outcome, too; an error is the disk's.
    pub fn carry_out(
        &mut self,
        home: &Path,
        key: SessionKey,
        item: Uuid,
        act: &SessionAct,
        now: Timestamp,
    ) -> Result<SessionOutcome, SessionError> {
        self.whole()?;
        let done = match act {
            SessionAct::Rewind { entry } => self.rewind_once(key, item, *entry, now),
            SessionAct::Fork { entry, say } => self.fork_once(home, item, *entry, say.clone(), now),
            SessionAct::CancelTurns { .. } | SessionAct::GoOn { .. } => Ok(failed(
                ErrorCode::Invalid,
                "this is about turns that are under way, and no session's matter",
            )),
            // Whoever asks a provider for the summary sees to these.
            SessionAct::Compact | SessionAct::Summarise { .. } => {
                Ok(failed(ErrorCode::Internal, "a summary is not made here; this is a defect"))
            }
        };
        match done {
            Err(SessionError::Cut(cut)) => Ok(cannot_cut(&cut)),
            done => done,
        }
    }

    fn rewind_once(
        &mut self,
        key: SessionKey,
        item: Uuid,
        to: Option<Uuid>,
        now: Timestamp,
    ) -> Result<SessionOutcome, SessionError> {
        let outcome = SessionOutcome { session: Some(key.to_string()), head: to, ..Default::default() };
        if self.tree().decision(item).is_some() {
            return Ok(outcome);
        }
        self.tree().check_cut(to)?;
        let moved = Payload::Head(HeadMove { head: to });
        self.append_all(vec![moved, Payload::Decision(acted(item))], now)?;
        Ok(outcome)
    }

    /// What came of a summary that was asked for before; `None` when it is not on record.
    pub fn condensed(
        &mut self,
        key: SessionKey,
        item: Uuid,
        now: Timestamp,
    ) -> Result<Option<SessionOutcome>, SessionError> {
        self.whole()?;
        let asked = |entry: &&Entry| match &entry.payload {
            Payload::Compaction(compaction) => compaction.item == Some(item),
            Payload::BranchSummary(branch) => branch.item == Some(item),
            Payload::User(_)
            | Payload::Assistant(_)
            | Payload::ToolResult(_)
            | Payload::SystemPrompt(_)
            | Payload::Situation(_)
            | Payload::Decision(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_)
            | Payload::Other { .. } => false,
        };
        let branch = self.tree().branch(self.tree().head());
        if !branch.iter().any(asked) {
            return Ok(None);
        }
        let closes = |entry: &&&Entry| match &entry.payload {
            Payload::Decision(decision) => decision.item == item,
            Payload::User(_)
            | Payload::Assistant(_)
            | Payload::ToolResult(_)
            | Payload::SystemPrompt(_)
            | Payload::Compaction(_)
            | Payload::BranchSummary(_)
            | Payload::Situation(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_)
            | Payload::Other { .. } => false,
        };
        let head = match branch.iter().find(closes).map(|entry| entry.id) {
            Some(closed) => closed,
            // A kill came between the two.
            None => self.append(Payload::Decision(acted(item)), now)?,
        };
        let session = Some(key.to_string());
        Ok(Some(SessionOutcome { session, head: Some(head), ..SessionOutcome::default() }))
    }

    fn fork_once(
        &mut self,
        home: &Path,
        item: Uuid,
        entry: Option<Uuid>,
        say: Option<String>,
        now: Timestamp,
    ) -> Result<SessionOutcome, SessionError> {
        let id = derive::derived(item, "fork", 0);
        let key = SessionKey::Fork(id);
        let path = key.path(home);
        let head = if path.is_file() {
            // Somebody may have gone on in it since: where it began is what counts.
            let made = Tree::load(&path)?;
            let from = made.header().and_then(|header| header.forked_from.as_ref());
            let said = from.filter(|_| say.is_some()).and_then(|from| {
                let copied = usize::try_from(from.lines).unwrap_or(usize::MAX);
                made.entries().nth(copied).map(|entry| entry.id)
            });
            said.or_else(|| from.and_then(|from| from.entry))
        } else {
            let at = entry.or_else(|| self.tree().head());
            let say = say.map(|text| UserTurn { content: vec![Block::Text { text }], item: None });
            self.fork_as(home, id, at, say, now)?.head
        };
        Ok(SessionOutcome { session: Some(key.to_string()), head, ..SessionOutcome::default() })
    }
}

fn acted(item: Uuid) -> ItemDecision {
    ItemDecision { item, decision: Decision::Acted, reason: None, message: None }
}

fn cannot_cut(cut: &CutError) -> SessionOutcome {
    let code = match cut {
        CutError::Unknown(_) => ErrorCode::NotFound,
        CutError::Rewind(_) | CutError::SplitsToolCall { .. } => ErrorCode::Invalid,
    };
    failed(code, cut.to_string())
}

/// Nothing was done.
pub fn failed(code: ErrorCode, message: impl Into<String>) -> SessionOutcome {
    SessionOutcome { error: Some(ErrorBody::new(code, message)), ..SessionOutcome::default() }
}

#[cfg(test)]
mod tests {
    use super::super::Compaction;
    use super::*;
    use crate::journal::Durability;

    const ITEM: Uuid = Uuid::from_u128(0x0199_a0b1_c2d3_7123_8456_789a_bcde_f00a);

    fn say(text: &str) -> Payload {
        Payload::User(UserTurn { content: vec![Block::Text { text: text.into() }], item: None })
    }

    fn open(home: &Path) -> Session {
        Session::open(home, SessionKey::Global, Durability::Fsync, Timestamp::now()).expect("a session")
    }

    fn act(session: &mut Session, home: &Path, act: &SessionAct) -> SessionOutcome {
        session.carry_out(home, SessionKey::Global, ITEM, act, Timestamp::now()).expect("the disk is well")
    }

    fn texts(session: &Session) -> Vec<String> {
        let blocks = session.replay().messages.into_iter().flat_map(|message| message.content);
        blocks.filter_map(|block| if let Block::Text { text } = block { Some(text) } else { None }).collect()
    }

    #[test]
    fn a_rewind_is_done_once_wherever_a_kill_cuts_it_off() {
        let home = tempfile::tempdir().expect("a folder");
        let mut session = open(home.path());
        let ids = session.append_all(vec![say("one"), say("two")], Timestamp::now()).expect("written");
        let rewind = SessionAct::Rewind { entry: Some(ids[0]) };
        let outcome =
            SessionOutcome { session: Some("global".into()), head: Some(ids[0]), ..Default::default() };
        let path = SessionKey::Global.path(home.path());
        let before = std::fs::read(&path).expect("the file").len();
        assert_eq!(act(&mut session, home.path(), &rewind), outcome);
        let whole = std::fs::read(&path).expect("the file");
        drop(session);
        for cut in before..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("the file is ours");
            let mut session = open(home.path());
            assert_eq!(act(&mut session, home.path(), &rewind), outcome, "cut at {cut}");
            session.append(say("three"), Timestamp::now()).expect("written");
            let expected = ["one", "three"];
            assert_eq!(texts(&session), expected, "cut at {cut}");
            // Told again, it does not take back what was said since.
            assert_eq!(act(&mut session, home.path(), &rewind), outcome);
            assert_eq!(texts(&session), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_summary_is_known_as_made_once_it_is_whole_wherever_a_kill_cuts_it_off() {
        let home = tempfile::tempdir().expect("a folder");
        let mut session = open(home.path());
        let ids = session.append_all(vec![say("one"), say("two")], Timestamp::now()).expect("written");
        let condensed = |session: &mut Session| {
            session.condensed(SessionKey::Global, ITEM, Timestamp::now()).expect("the disk is well")
        };
        assert_eq!(condensed(&mut session), None);
        let path = SessionKey::Global.path(home.path());
        let before = std::fs::read(&path).expect("the file").len();
        let compaction = Compaction {
            summary: "one".into(),
            first_kept: ids[1],
            tokens_before: None,
            turns: Some(1),
            item: Some(ITEM),
            by: None,
        };
        let written = vec![Payload::Compaction(compaction), Payload::Decision(acted(ITEM))];
        let written = session.append_all(written, Timestamp::now()).expect("written");
        let whole = std::fs::read(&path).expect("the file");
        let end_of_summary = before + whole[before..].iter().position(|byte| *byte == b'\n').expect("a line");
        drop(session);
        for cut in before..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("the file is ours");
            let mut session = open(home.path());
            let outcome = condensed(&mut session);
            assert_eq!(outcome.is_some(), cut >= end_of_summary, "cut at {cut}");
            let Some(outcome) = outcome else { continue };
            assert_eq!(outcome.head, session.tree().head(), "cut at {cut}");
            assert!(session.tree().decision(ITEM).is_some(), "cut at {cut}");
            let len = session.tree().len();
            assert_eq!(condensed(&mut session).as_ref(), Some(&outcome), "told again");
            assert_eq!(session.tree().len(), len, "cut at {cut}");
            if cut == whole.len() {
                assert_eq!(outcome.head, written.last().copied());
            }
        }
    }

    #[test]
    fn a_fork_is_made_once_and_goes_on_from_its_entry_or_the_head() {
        let home = tempfile::tempdir().expect("a folder");
        let mut session = open(home.path());
        let ids = session.append_all(vec![say("one"), say("two")], Timestamp::now()).expect("written");
        let fork = SessionAct::Fork { entry: Some(ids[0]), say: Some("other".into()) };
        let outcome = act(&mut session, home.path(), &fork);
        let name: Uuid = outcome.session.clone().expect("it is named").parse().expect("an id");
        let key = SessionKey::Fork(name);
        let mut made = Session::open_existing(home.path(), key, Durability::Fsync, Timestamp::now())
            .expect("it is there");
        assert_eq!((texts(&made), made.tree().head()), (vec!["one".into(), "other".into()], outcome.head));
        made.append(say("more"), Timestamp::now()).expect("written");
        session.append(say("three"), Timestamp::now()).expect("written");
        assert_eq!(act(&mut session, home.path(), &fork), outcome);
        assert_eq!(SessionKey::list(home.path()).expect("listed"), [SessionKey::Global, key]);
        let mut at = |entry| {
            let fork = SessionAct::Fork { entry, say: None };
            let item = Uuid::now_v7();
            let key = SessionKey::Global;
            session.carry_out(home.path(), key, item, &fork, Timestamp::now()).expect("made").head
        };
        assert_eq!(at(Some(ids[1])), Some(ids[1]));
        assert_ne!(at(None), Some(ids[1]), "the head has gone on");
    }

    #[test]
    fn what_cannot_be_done_is_said_and_changes_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let mut session = open(home.path());
        session.append(say("one"), Timestamp::now()).expect("written");
        let unknown = Some(Uuid::from_u128(7));
        let cases = [
            (SessionAct::Rewind { entry: unknown }, ErrorCode::NotFound),
            (SessionAct::Fork { entry: unknown, say: None }, ErrorCode::NotFound),
        ];
        let before = session.tree().len();
        for (what, code) in cases {
            let outcome = act(&mut session, home.path(), &what);
            assert_eq!(outcome.error.map(|error| error.code), Some(code), "{what:?}");
            assert_eq!((outcome.session, outcome.head), (None, None));
        }
        assert_eq!((session.tree().len(), SessionKey::list(home.path()).expect("listed").len()), (before, 1));
    }
}
