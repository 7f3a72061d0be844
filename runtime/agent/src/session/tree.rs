//! The entries of a session as a tree, built line by line. Pure: no file, no clock.
//!
//! **Invariant**: a parent stands before its children in the file, so every walk towards the root ends. What a
//! damaged file breaks of that is mended on reading, the same way each time, and told as a [`Problem`].

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::entry::{Entry, Header, ItemDecision, ItemRef, Payload, UserTurn, VERSION};
use super::problem::{Problem, ProblemKind};
use crate::journal::{Line, TornTail};

/// Where an entry's line stands in its file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Counted from 1, which is the header's.
    pub line: u64,
    pub offset: u64,
    /// Without the newline.
    pub len: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) entry: Entry,
    pub(super) place: Place,
    /// Always an earlier one.
    pub(super) parent: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    header: Option<Header>,
    pub(super) nodes: Vec<Node>,
    index: HashMap<Uuid, usize>,
    head: Option<usize>,
    /// Entries that took an item, in order; those a fork has copied are not among them.
    taken: Vec<usize>,
    seen_items: HashSet<Uuid>,
    closed: HashMap<Uuid, ItemDecision>,
    problems: Vec<Problem>,
    newer: Option<u32>,
    /// Whole lines so far.
    lines: u64,
}

/// An item that was taken and has no decision yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenItem {
    pub item: ItemRef,
    /// The `turn.user` entry that took it.
    pub entry: Uuid,
    /// False when a rewind has left its branch.
    pub on_active_branch: bool,
}

impl Tree {
    /// Takes the next line of the file and says whether it is a whole one.
    pub(super) fn read_line(&mut self, line: Line<'_>) -> bool {
        let fault = match self.try_line(line) {
            Ok(()) => {
                self.lines = line.number;
                return true;
            }
            Err(fault) => fault,
        };
        // An unterminated last line is the journal's to report.
        if line.terminated {
            self.lines = line.number;
            let reason = fault.to_string();
            let kind =
                if line.number == 1 { ProblemKind::Header(reason) } else { ProblemKind::Unreadable(reason) };
            self.problems.push(Problem { line: line.number, kind });
        }
        false
    }

    fn try_line(&mut self, line: Line<'_>) -> serde_json::Result<()> {
        if line.number == 1 {
            self.newer = Header::version_of(line.bytes).filter(|version| *version > VERSION);
            match Header::decode(line.bytes) {
                Ok(header) => {
                    self.header = Some(header);
                    return Ok(());
                }
                // A file that lost its first line may begin with an entry.
                Err(fault) if Entry::decode(line.bytes).is_err() => return Err(fault),
                Err(fault) => {
                    self.problems.push(Problem { line: 1, kind: ProblemKind::Header(fault.to_string()) });
                }
            }
        }
        let (entry, fault) = Entry::decode(line.bytes)?;
        if let Some(fault) = fault {
            let kind = ProblemKind::Payload {
                entry: entry.id,
                kind: entry.payload.kind().to_owned(),
                reason: fault.to_string(),
            };
            self.problems.push(Problem { line: line.number, kind });
        }
        self.add(entry, Place { line: line.number, offset: line.offset, len: line.bytes.len() as u64 });
        Ok(())
    }

    pub(super) fn note_torn(&mut self, torn: &TornTail) {
        self.problems.push(Problem { line: torn.line, kind: ProblemKind::Torn { bytes: torn.bytes } });
    }

    /// Takes an entry that has just been written as the next line.
    pub(super) fn append(&mut self, entry: Entry, offset: u64, len: u64) {
        self.lines += 1;
        self.add(entry, Place { line: self.lines, offset, len });
    }

    fn add(&mut self, entry: Entry, place: Place) {
        let mut problem = |kind| self.problems.push(Problem { line: place.line, kind });
        if self.index.contains_key(&entry.id) {
            problem(ProblemKind::DuplicateId(entry.id));
            return;
        }
        let parent = match entry.parent_id {
            None => None,
            Some(id) => self.index.get(&id).copied().or_else(|| {
                // Its line was lost. What was the head then is the nearest to it that is left.
                let attached_to = self.head.and_then(|head| self.nodes.get(head)).map(|node| node.entry.id);
                problem(ProblemKind::MissingParent { parent: id, attached_to });
                self.head
            }),
        };
        let this = self.nodes.len();
        if let Payload::Head(to) = &entry.payload {
            match to.head {
                None => self.head = None,
                Some(id) => match self.index.get(&id) {
                    Some(&node) => self.head = Some(node),
                    None => problem(ProblemKind::MissingHead(id)),
                },
            }
        } else if !entry.payload.is_rewind() {
            self.head = Some(this);
            self.note_item(&entry.payload, this, place.line);
        }
        self.index.insert(entry.id, this);
        self.nodes.push(Node { entry, place, parent });
    }

    fn note_item(&mut self, payload: &Payload, this: usize, line: u64) {
        if let Payload::User(turn) = payload
            && let Some(item) = &turn.item
        {
            let inherited = self
                .header
                .as_ref()
                .and_then(|header| header.forked_from.as_ref())
                .map_or(0, |from| from.lines);
            if self.seen_items.insert(item.id) && line > 1 + inherited {
                self.taken.push(this);
            }
        } else if let Payload::Decision(decision) = payload {
            self.closed.entry(decision.item).or_insert_with(|| decision.clone());
        }
    }

    /// `None` when the first line is damaged.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    pub(super) fn set_header(&mut self, header: Header) {
        self.header = Some(header);
        self.lines = 1;
    }

    /// The version of a file this program is too old for.
    pub(super) fn newer(&self) -> Option<u32> {
        self.newer
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Every entry in the order of the file.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.nodes.iter().map(|node| &node.entry)
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn entry(&self, id: Uuid) -> Option<&Entry> {
        self.node(id).map(|node| &node.entry)
    }

    pub fn place(&self, id: Uuid) -> Option<Place> {
        self.node(id).map(|node| node.place)
    }

    /// What the entry hangs on.
    pub fn parent(&self, id: Uuid) -> Option<&Entry> {
        self.node(id)?.parent.and_then(|parent| self.nodes.get(parent)).map(|node| &node.entry)
    }

    pub(super) fn node(&self, id: Uuid) -> Option<&Node> {
        self.position(id).and_then(|position| self.nodes.get(position))
    }

    pub(super) fn position(&self, id: Uuid) -> Option<usize> {
        self.index.get(&id).copied()
    }

    /// The entry the next one hangs on. `None`: the next one begins a new branch at the root.
    pub fn head(&self) -> Option<Uuid> {
        self.head.and_then(|head| self.nodes.get(head)).map(|node| node.entry.id)
    }

    /// The positions from `at` to the root.
    pub(super) fn upwards(&self, at: Option<usize>) -> impl Iterator<Item = &Node> {
        std::iter::successors(at.and_then(|at| self.nodes.get(at)), |node| {
            node.parent.and_then(|parent| self.nodes.get(parent))
        })
    }

    /// The entries from the root to `at`; empty for an unknown one.
    pub fn branch(&self, at: Option<Uuid>) -> Vec<&Entry> {
        let at = at.and_then(|id| self.position(id));
        let mut branch: Vec<&Entry> = self.upwards(at).map(|node| &node.entry).collect();
        branch.reverse();
        branch
    }

    /// For every entry (and for the root, under `None`) what hangs on it, in the order of the file.
    pub fn children(&self) -> HashMap<Option<Uuid>, Vec<&Entry>> {
        let mut children: HashMap<Option<Uuid>, Vec<&Entry>> = HashMap::new();
        for node in &self.nodes {
            let parent = node.parent.and_then(|parent| self.nodes.get(parent)).map(|node| node.entry.id);
            children.entry(parent).or_default().push(&node.entry);
        }
        children
    }

    /// Whether this session, or the one it was forked from, has taken the item.
    pub fn has_taken(&self, item: Uuid) -> bool {
        self.seen_items.contains(&item)
    }

    pub fn decision(&self, item: Uuid) -> Option<&ItemDecision> {
        self.closed.get(&item)
    }

    /// The items that were taken and not closed, in the order they were taken. A fork inherits none.
    pub fn open_items(&self) -> Vec<OpenItem> {
        let mut open: Vec<OpenItem> = self
            .taken
            .iter()
            .filter_map(|&position| {
                let entry = &self.nodes.get(position)?.entry;
                let Payload::User(UserTurn { item: Some(item), .. }) = &entry.payload else { return None };
                let open = OpenItem { item: item.clone(), entry: entry.id, on_active_branch: false };
                (!self.closed.contains_key(&item.id)).then_some(open)
            })
            .collect();
        if !open.is_empty() {
            let active: HashSet<Uuid> = self.upwards(self.head).map(|node| node.entry.id).collect();
            for item in &mut open {
                item.on_active_branch = active.contains(&item.entry);
            }
        }
        open
    }
}
