//! Answers what operators ask about the sessions of this home. Reads files that their owners may be writing;
//! takes no lock and changes nothing.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use nexus_wire::limits::{PAGE_MAX, SESSION_ANSWER_BYTES};
use nexus_wire::session::{
    SessionAnswer, SessionAsk, SessionBranch, SessionDiffed, SessionExpanded, SessionInfo, SessionKind,
    SessionNode, SessionPage, SessionQuestion, SessionShown, SessionTreePage,
};
use nexus_wire::{ErrorBody, ErrorCode, Json, Ms};
use uuid::Uuid;

use crate::cli::summary;
use crate::session::{Entry, Parting, Payload, SessionError, SessionKey, Tree, behind};

/// Entries of each branch that a comparison shows.
const DIFF_MAX: usize = 500;

type Answer<T> = Result<T, ErrorBody>;

/// The answer always is a frame: what would not fit is refused.
pub(crate) fn answer(home: &Path, ask: SessionAsk) -> SessionAnswer {
    let SessionAsk { question, about } = ask;
    let answered = match about {
        SessionQuestion::Diff { session, one, other } => {
            diff(home, &session, one, other).map(|it| Json::of(&it))
        }
        SessionQuestion::Expand { session, entry, limit, cursor } => {
            expand(home, &session, entry, limit, cursor.as_deref()).map(|it| Json::of(&it))
        }
        SessionQuestion::List { limit, cursor } => {
            list(home, limit, cursor.as_deref()).map(|it| Json::of(&it))
        }
        SessionQuestion::Tree { session, limit, cursor } => {
            tree(home, &session, limit, cursor.as_deref()).map(|it| Json::of(&it))
        }
        SessionQuestion::Entry { session, entry } => {
            self::entry(home, &session, entry).map(|it| Json::of(&it))
        }
    };
    let fits = answered.and_then(|json| match json.as_str().len() {
        bytes if bytes > SESSION_ANSWER_BYTES => Err(ErrorBody::new(
            ErrorCode::TooLarge,
            format!(
                "it has {bytes} bytes and {SESSION_ANSWER_BYTES} can be shown; see it on its machine with \
                 `agent session show`"
            ),
        )),
        _ => Ok(json),
    });
    match fits {
        Ok(json) => SessionAnswer { question, answer: Some(json), error: None },
        Err(error) => SessionAnswer { question, answer: None, error: Some(error) },
    }
}

fn list(home: &Path, limit: u32, cursor: Option<&str>) -> Answer<SessionPage> {
    let keys = SessionKey::list(home).map_err(|error| unreadable(&error))?;
    let mut sessions: Vec<SessionInfo> = keys.into_iter().filter_map(|key| info(home, key)).collect();
    sessions.sort_by(|a, b| b.at.cmp(&a.at).then(a.session.cmp(&b.session)));
    let from = place(cursor)?;
    let to = from.saturating_add(limit.min(PAGE_MAX) as usize);
    let cursor = (to < sessions.len()).then(|| to.to_string());
    Ok(SessionPage { sessions: sessions.into_iter().skip(from).take(to - from).collect(), cursor })
}

/// `None`: it was there a moment ago.
fn info(home: &Path, key: SessionKey) -> Option<SessionInfo> {
    let metadata = fs::metadata(key.path(home)).ok()?;
    let written = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let kind = match key {
        SessionKey::Global => SessionKind::Global,
        SessionKey::Thread(_) => SessionKind::Thread,
        SessionKey::Fork(_) => SessionKind::Fork,
    };
    let at = written.map_or(0, |since| Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX));
    Some(SessionInfo { session: key.to_string(), kind, bytes: metadata.len(), at })
}

fn tree(home: &Path, session: &str, limit: u32, cursor: Option<&str>) -> Answer<SessionTreePage> {
    let tree = load(home, session)?;
    let active = active_of(&tree);
    let from = place(cursor)?;
    let to = from.saturating_add(limit.min(PAGE_MAX) as usize);
    let entries = tree.entries().skip(from).take(to - from).map(|entry| node(&tree, &active, entry));
    let cursor = (to < tree.len()).then(|| to.to_string());
    Ok(SessionTreePage { session: session.to_owned(), head: tree.head(), entries: entries.collect(), cursor })
}

fn active_of(tree: &Tree) -> HashSet<Uuid> {
    tree.branch(tree.head()).into_iter().map(|entry| entry.id).collect()
}

fn node(tree: &Tree, active: &HashSet<Uuid>, entry: &Entry) -> SessionNode {
    SessionNode {
        id: entry.id,
        parent: tree.parent(entry.id).map(|parent| parent.id),
        kind: entry.payload.kind().to_owned(),
        at: entry.ts.as_millisecond(),
        active: active.contains(&entry.id),
        summary: summary(&entry.payload),
    }
}

fn diff(home: &Path, session: &str, one: Uuid, other: Option<Uuid>) -> Answer<SessionDiffed> {
    let tree = load(home, session)?;
    let other = other.or_else(|| tree.head());
    for leaf in std::iter::once(one).chain(other) {
        known(&tree, session, leaf)?;
    }
    let active = active_of(&tree);
    let parting = Parting::of(&tree, Some(one), other);
    let branch = |leaf, entries: &[&Entry]| SessionBranch {
        leaf,
        left_out: entries.len().saturating_sub(DIFF_MAX) as u64,
        entries: entries.iter().take(DIFF_MAX).map(|entry| node(&tree, &active, entry)).collect(),
    };
    let (one, other) = (branch(Some(one), &parting.one), branch(other, &parting.other));
    Ok(SessionDiffed { session: session.to_owned(), common: parting.common, one, other })
}

fn expand(home: &Path, session: &str, id: Uuid, limit: u32, cursor: Option<&str>) -> Answer<SessionExpanded> {
    let tree = load(home, session)?;
    let entry = known(&tree, session, id)?;
    if !matches!(entry.payload, Payload::Compaction(_) | Payload::BranchSummary(_)) {
        return Err(ErrorBody::new(ErrorCode::Invalid, format!("entry {id} is no summary")));
    }
    let originals = behind(&tree, entry);
    let active = active_of(&tree);
    let from = place(cursor)?;
    let to = from.saturating_add(limit.min(PAGE_MAX) as usize);
    let cursor = (to < originals.len()).then(|| to.to_string());
    let entries = originals.into_iter().skip(from).take(to - from);
    let entries = entries.map(|entry| node(&tree, &active, entry)).collect();
    Ok(SessionExpanded { session: session.to_owned(), entry: id, entries, cursor })
}

fn known<'a>(tree: &'a Tree, session: &str, id: Uuid) -> Answer<&'a Entry> {
    let missing = || ErrorBody::new(ErrorCode::NotFound, format!("session {session} has no entry {id}"));
    tree.entry(id).ok_or_else(missing)
}

fn entry(home: &Path, session: &str, id: Uuid) -> Answer<SessionShown> {
    let tree = load(home, session)?;
    let line = known(&tree, session, id)?.encode();
    let entry = line.and_then(|line| serde_json::from_str(&line));
    Ok(SessionShown { entry: entry.map_err(|error| unreadable(&error))? })
}

fn load(home: &Path, session: &str) -> Answer<Tree> {
    let missing = || ErrorBody::new(ErrorCode::NotFound, format!("there is no session {session:?}"));
    let keys = SessionKey::list(home).map_err(|error| unreadable(&error))?;
    let key = keys.into_iter().find(|key| key.to_string() == session).ok_or_else(missing)?;
    Tree::load(&key.path(home)).map_err(|error| match &error {
        SessionError::Missing(_) => missing(),
        SessionError::Cut(_)
        | SessionError::Copy { .. }
        | SessionError::Journal(_)
        | SessionError::Newer { .. }
        | SessionError::Unstorable { .. } => unreadable(&error),
    })
}

fn place(cursor: Option<&str>) -> Answer<usize> {
    let Some(cursor) = cursor else { return Ok(0) };
    cursor.parse().map_err(|_| ErrorBody::new(ErrorCode::Invalid, "`cursor` is of no page before this one"))
}

/// Paths of the machine stay on it.
fn unreadable(error: &dyn std::error::Error) -> ErrorBody {
    tracing::warn!(%error, "a session that was asked for cannot be read");
    ErrorBody::new(ErrorCode::Internal, "the session cannot be read; the aspect's own log says why")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nexus_wire::QuestionId;

    use super::*;
    use crate::conversation::Block;
    use crate::journal::Durability;
    use crate::session::{Payload, Session, UserTurn};

    fn ask<T: serde::de::DeserializeOwned>(home: &Path, about: SessionQuestion) -> Result<T, ErrorCode> {
        let answered = answer(home, SessionAsk { question: QuestionId(Uuid::nil()), about });
        assert_eq!(answered.question, QuestionId(Uuid::nil()));
        match (answered.answer, answered.error) {
            (Some(json), None) => Ok(json.parse().expect("as it is documented")),
            (None, Some(error)) => Err(error.code),
            both => panic!("one of the two: {both:?}"),
        }
    }

    fn say(text: &str) -> Payload {
        Payload::User(UserTurn { content: vec![Block::Text { text: text.into() }], item: None })
    }

    #[test]
    fn a_home_is_looked_through_from_its_list_to_an_entry() {
        let home = tempfile::tempdir().expect("a folder");
        let none: SessionPage =
            ask(home.path(), SessionQuestion::List { limit: 5, cursor: None }).expect("answered");
        assert_eq!(none, SessionPage { sessions: Vec::new(), cursor: None });
        let key = SessionKey::Thread(Uuid::from_u128(7));
        let mut session =
            Session::open(home.path(), key, Durability::Fsync, Timestamp::now()).expect("a session");
        let ids = session.append_all(vec![say("one"), say("two")], Timestamp::now()).expect("written");
        session.rewind(Some(ids[0]), Timestamp::now()).expect("moved");
        session.append(say("other"), Timestamp::now()).expect("written");

        let page: SessionPage =
            ask(home.path(), SessionQuestion::List { limit: 5, cursor: None }).expect("answered");
        let shown: Vec<_> = page.sessions.iter().map(|it| (it.session.clone(), it.kind)).collect();
        assert_eq!(shown, [(key.to_string(), SessionKind::Thread)]);

        let (mut cursor, mut nodes) = (None, Vec::new());
        loop {
            let about = SessionQuestion::Tree { session: key.to_string(), limit: 2, cursor: cursor.take() };
            let page: SessionTreePage = ask(home.path(), about).expect("answered");
            nodes.extend(page.entries);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let user: Vec<_> = nodes.iter().filter(|node| node.kind == "turn.user").collect();
        assert_eq!(user.iter().map(|node| node.active).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(user[2].parent, Some(ids[0]));
        assert!(user[1].summary.contains("two"), "{}", user[1].summary);

        let about = SessionQuestion::Entry { session: key.to_string(), entry: ids[1] };
        let shown: SessionShown = ask(home.path(), about).expect("answered");
        assert_eq!(shown.entry["payload"]["content"][0]["text"], "two");
    }

    #[test]
    fn what_is_not_there_or_too_large_is_said() {
        let home = tempfile::tempdir().expect("a folder");
        let mut session =
            Session::open(home.path(), SessionKey::Global, Durability::Fsync, Timestamp::now()).expect("one");
        let large =
            session.append(say(&"x".repeat(SESSION_ANSWER_BYTES)), Timestamp::now()).expect("written");
        let entry = |session: &str, entry| SessionQuestion::Entry { session: session.into(), entry };
        let cases = [
            (entry("global", large), ErrorCode::TooLarge),
            (entry("global", Uuid::nil()), ErrorCode::NotFound),
            (entry("../../etc/passwd", large), ErrorCode::NotFound),
            (SessionQuestion::List { limit: 1, cursor: Some("x".into()) }, ErrorCode::Invalid),
        ];
        for (about, code) in cases {
            assert_eq!(ask::<SessionShown>(home.path(), about.clone()), Err(code), "{about:?}");
        }
    }
}
