//! Ids as people type them: whole, or a piece that only one has.

use std::fmt::Display;
use std::str::FromStr;

use nexus_client::{CallError, Client};
use nexus_wire::approval::ApprovalList;
use nexus_wire::audit::AuditList;
use nexus_wire::chat::ChatThreads;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::session::{SessionList, SessionTree};
use nexus_wire::{ApprovalId, AspectName, DispatchId, GatherId, ItemId, MessageId, RunId, ThreadId};
use uuid::Uuid;

use crate::failure::Failure;
use crate::trail;

/// Fewer digits would fit too many.
const PIECE_MIN: usize = 4;
/// What is older than so many pages is named by its whole id.
const PAGES_MAX: usize = 20;

/// An id, or its beginning or end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Short<T> {
    Whole(T),
    Piece(String),
}

impl<T: FromStr> FromStr for Short<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Whole(id));
        }
        let piece = text.trim_matches('…').to_ascii_lowercase();
        let is_piece = piece.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_piece || piece.len() < PIECE_MIN || piece.len() >= 36 {
            return Err(format!(
                "an id is wanted, or {PIECE_MIN} digits and more of its beginning or its end, as lists show it"
            ));
        }
        Ok(Self::Piece(piece))
    }
}

/// What ids are looked for among.
struct Among<T> {
    found: Vec<T>,
    pages: usize,
}

impl<T: Copy + Display + PartialEq> Among<T> {
    fn new() -> Self {
        Self { found: Vec::new(), pages: 0 }
    }

    /// Whether it is worth to look at one more page.
    fn look(&mut self, piece: &str, ids: impl Iterator<Item = T>) -> bool {
        for id in ids.filter(|id| fits(&id.to_string(), piece)) {
            if !self.found.contains(&id) {
                self.found.push(id);
            }
        }
        self.pages += 1;
        self.pages < PAGES_MAX
    }

    fn only(self, what: &str, piece: &str, see: &str) -> Result<T, Failure> {
        match self.found[..] {
            [one] => Ok(one),
            [] => Err(Failure::Failed(format!("no {what} has an id like {piece:?}; see: nexctl {see}"))),
            [..] => {
                let ids: Vec<String> = self.found.iter().map(ToString::to_string).collect();
                Err(Failure::Failed(format!("more than one has an id like {piece:?}: {}", ids.join(", "))))
            }
        }
    }
}

fn fits(id: &str, piece: &str) -> bool {
    id.starts_with(piece) || id.ends_with(piece)
}

pub(crate) async fn approval(client: &mut Client, short: &Short<ApprovalId>) -> Result<ApprovalId, Failure> {
    let piece = match short {
        Short::Whole(id) => return Ok(*id),
        Short::Piece(piece) => piece,
    };
    let (mut among, mut before) = (Among::new(), None);
    // What waits comes first: an id that names one of those names nothing that is over.
    for all in [false, true] {
        loop {
            let page = client.call(ApprovalList { all, before, limit: Some(PAGE_MAX) }).await?;
            before = page.approvals.last().map(|info| info.id).filter(|_| page.more);
            if !among.look(piece, page.approvals.iter().map(|info| info.id)) || before.is_none() {
                break;
            }
        }
        if !among.found.is_empty() {
            break;
        }
    }
    among.only("question to people", piece, "get approvals")
}

pub(crate) async fn dispatch(client: &mut Client, short: &Short<DispatchId>) -> Result<DispatchId, Failure> {
    logged(client, short, "dispatch", "dispatch.accepted", "get dispatches").await
}

pub(crate) async fn gather(client: &mut Client, short: &Short<GatherId>) -> Result<GatherId, Failure> {
    logged(client, short, "gather", "gather.accepted", "get gathers").await
}

pub(crate) async fn item(client: &mut Client, short: &Short<ItemId>) -> Result<ItemId, Failure> {
    logged(client, short, "command that was carried out", "item.closed", "audit --kind item.closed").await
}

pub(crate) async fn message(client: &mut Client, short: &Short<MessageId>) -> Result<MessageId, Failure> {
    logged(client, short, "message", "message", "get messages <thread>").await
}

pub(crate) async fn run(client: &mut Client, short: &Short<RunId>) -> Result<RunId, Failure> {
    logged(client, short, "run", "run.started", "run list --all").await
}

/// Everything that has an id of its own came into being by an entry of the log.
async fn logged<T: Copy + Display + FromStr + PartialEq>(
    client: &mut Client,
    short: &Short<T>,
    what: &str,
    kind: &str,
    see: &str,
) -> Result<T, Failure> {
    let piece = match short {
        Short::Whole(id) => return Ok(*id),
        Short::Piece(piece) => piece,
    };
    let (mut among, mut before) = (Among::new(), None);
    loop {
        let list =
            AuditList { kind: Some(kind.to_owned()), before, limit: Some(PAGE_MAX), ..AuditList::default() };
        let page = trail::page(client, list).await?;
        before = page.next;
        let ids = page.entries.iter().filter_map(|entry| entry.subject.parse().ok());
        if !among.look(piece, ids) || before.is_none() {
            return among.only(what, piece, see);
        }
    }
}

pub(crate) async fn thread(client: &mut Client, short: &Short<ThreadId>) -> Result<ThreadId, Failure> {
    let piece = match short {
        Short::Whole(id) => return Ok(*id),
        Short::Piece(piece) => piece,
    };
    let (mut among, mut before) = (Among::new(), None);
    loop {
        let page =
            client.call(ChatThreads { before, limit: Some(PAGE_MAX), ..ChatThreads::default() }).await?;
        before = page.next;
        if !among.look(piece, page.threads.iter().map(|info| info.id)) || before.is_none() {
            return among.only("thread", piece, "get threads");
        }
    }
}

/// Where none may be named.
pub(crate) async fn optional<T: Copy>(
    client: &mut Client,
    short: Option<&Short<T>>,
    resolve: impl AsyncFnOnce(&mut Client, &Short<T>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    match short {
        None => Ok(None),
        Some(Short::Whole(id)) => Ok(Some(*id)),
        Some(short) => Ok(Some(resolve(client, short).await?)),
    }
}

/// A session by its name, or by a piece of the id it has for one.
pub(crate) async fn session(client: &mut Client, of: &AspectName, typed: &str) -> Result<String, Failure> {
    let piece = match typed.parse::<Short<Uuid>>() {
        Ok(Short::Piece(piece)) => piece,
        // `global`, an id, or what the broker has to say something about.
        Ok(Short::Whole(_)) | Err(_) => return Ok(typed.to_owned()),
    };
    let (mut found, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = client.call(SessionList { of: of.clone(), limit: Some(PAGE_MAX), cursor }).await?;
        cursor = page.cursor;
        found.extend(page.sessions.into_iter().map(|info| info.session).filter(|name| fits(name, &piece)));
        if cursor.is_none() {
            break;
        }
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Failed(format!(
            "no session of {of} has an id like {piece:?}; see: nexctl session list {of}"
        ))),
        [..] => Err(Failure::Failed(format!("more than one has an id like {piece:?}: {}", found.join(", ")))),
    }
}

/// An entry of a session.
pub(crate) async fn entry(
    client: &mut Client,
    of: &AspectName,
    session: &str,
    short: &Short<Uuid>,
) -> Result<Uuid, Failure> {
    let piece = match short {
        Short::Whole(id) => return Ok(*id),
        Short::Piece(piece) => piece,
    };
    let (mut among, mut cursor) = (Among::new(), None);
    loop {
        let ask = SessionTree { of: of.clone(), session: session.to_owned(), limit: Some(PAGE_MAX), cursor };
        let page = client.call(ask).await.map_err(|error: CallError| Failure::from(error))?;
        cursor = page.cursor;
        if !among.look(piece, page.entries.iter().map(|node| node.id)) || cursor.is_none() {
            return among.only("entry", piece, &format!("session tree {of} {session}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole_or_enough_of_it() {
        let whole = "01a1fda6-6863-8f81-9de1-76c52d2b6209";
        assert_eq!(whole.parse(), Ok(Short::Whole(ThreadId(whole.parse().expect("an id")))));
        for (typed, piece) in
            [("76c52d2b6209", "76c52d2b6209"), ("01A1FDA6-6", "01a1fda6-6"), ("…6209", "6209")]
        {
            assert_eq!(typed.parse::<Short<ThreadId>>(), Ok(Short::Piece(piece.to_owned())));
        }
        for wrong in ["", "620", "wren", "x", &format!("{whole}0"), "-h"] {
            assert!(wrong.parse::<Short<ThreadId>>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_piece_names_what_only_one_has() {
        let ids = ["01a1fda6-6863-8f81-9de1-76c52d2b6209", "01a1fda6-6863-8f81-9de1-76c52d2b620a"];
        let only = |piece: &str| {
            let mut among = Among::<Uuid>::new();
            among.look(piece, ids.iter().map(|id| id.parse().expect("an id")));
            among.only("thread", piece, "get threads").map_err(|failure| failure.to_string())
        };
        assert_eq!(only("620a"), Ok(ids[1].parse().expect("an id")));
        assert_eq!(
            only("01a1"),
            Err(format!("more than one has an id like \"01a1\": {}, {}", ids[0], ids[1]))
        );
        assert_eq!(only("beef"), Err("no thread has an id like \"beef\"; see: nexctl get threads".into()));
    }
}
