//! The entries of a session as a tree, built line by line. Pure: no file, no clock.
//!
//! **Invariant**: a parent stands before its children in the file, so every walk towards the root ends. What a
//! damaged file breaks of that is mended on reading, the same way each time, and told as a [`Problem`].

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::entry::{Entry, Header, ItemDecision, ItemRef, Payload, UserTurn, VERSION};
use super::index::{Items, Spot};
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
    /// Of the lines' bytes that are held.
    weight: u64,
    /// With it, there is more in the file than is held here.
    part: Option<Part>,
}

/// A part of a file.
#[derive(Debug)]
pub(super) struct Held {
    /// In their order, each with the line of the one that is above it here.
    pub(super) entries: Vec<(Entry, Place, Option<u64>)>,
    pub(super) head: Option<u64>,
    /// Lines whose item is open.
    pub(super) open: Vec<u64>,
    pub(super) items: Items,
    /// Of the file so far.
    pub(super) lines: u64,
    pub(super) id_max: Uuid,
    pub(super) complete_from: u64,
    pub(super) kept_from: u64,
}

/// What is known of the lines that are not held.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    items: Items,
    id_max: Uuid,
    /// The first line whose whole branch is held, as far as it is replayed.
    complete_from: u64,
    /// The first line from which on the active branch is held without a gap.
    kept_from: u64,
    /// A line that was read since is about something that is not held.
    is_in_doubt: bool,
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
        self.doubt(&entry);
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

    /// A line that was read, and not written by us, may be about anything.
    fn doubt(&mut self, entry: &Entry) {
        let from = self.part.as_ref().map_or(0, |part| part.complete_from);
        let is_held = |id: Uuid| self.node(id).is_some_and(|node| node.place.line >= from);
        let to = if let Payload::Head(to) = &entry.payload { to.head } else { None };
        let is_about_others = entry.parent_id.into_iter().chain(to).any(|id| !is_held(id));
        let needs_more = self.needs_more(&entry.payload);
        if let Some(part) = &mut self.part {
            part.is_in_doubt |= entry.id <= part.id_max || is_about_others || needs_more;
        }
    }

    /// Whether it says that more is to be told than is held.
    pub(super) fn needs_more(&self, payload: &Payload) -> bool {
        let Some(part) = &self.part else { return false };
        let Payload::Compaction(compaction) = payload else { return false };
        self.node(compaction.first_kept).is_none_or(|node| node.place.line < part.kept_from)
    }

    /// Holds a part of a file, to which what is read from now on is added.
    pub(super) fn take_part(&mut self, held: Held) {
        let Held { entries, head, open, items, lines, id_max, complete_from, kept_from } = held;
        for (entry, place, above) in entries {
            let this = self.nodes.len();
            let find = |line: u64| self.nodes.iter().rposition(|node: &Node| node.place.line == line);
            let parent = above.and_then(find);
            if open.contains(&place.line) {
                self.taken.push(this);
                if let Payload::User(UserTurn { item: Some(item), .. }) = &entry.payload {
                    self.seen_items.insert(item.id);
                }
            }
            if head == Some(place.line) {
                self.head = Some(this);
            }
            self.weight += place.len;
            self.index.insert(entry.id, this);
            self.nodes.push(Node { entry, place, parent });
        }
        self.lines = lines;
        self.part = Some(Part { items, id_max, complete_from, kept_from, is_in_doubt: false });
    }

    /// Whether all of the file is held.
    pub(super) fn is_whole(&self) -> bool {
        self.part.is_none()
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.is_in_doubt)
    }

    /// Bytes of the lines that are held.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn nodes_after(&self, line: u64) -> impl Iterator<Item = &Node> {
        let from = self.nodes.partition_point(|node| node.place.line <= line);
        self.nodes.iter().skip(from)
    }

    pub(super) fn line_at(&self, position: usize) -> Option<u64> {
        self.nodes.get(position).map(|node| node.place.line)
    }

    pub(super) fn head_line(&self) -> Option<u64> {
        self.head.and_then(|head| self.line_at(head))
    }

    /// The lines of entries whose item is open.
    pub(super) fn open_lines(&self) -> Vec<u64> {
        self.open_items().iter().filter_map(|open| Some(self.node(open.entry)?.place.line)).collect()
    }

    /// Where the line stands that closes the item, among those that are not held.
    pub(super) fn closed_before(&self, item: Uuid) -> Option<Spot> {
        self.part.as_ref().and_then(|part| part.items.get(item).closed)
    }

    fn is_taken_before(&self, item: Uuid) -> bool {
        self.part.as_ref().is_some_and(|part| part.items.get(item).is_taken)
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
        self.weight += place.len;
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
            let is_new = self.seen_items.insert(item.id) && !self.is_taken_before(item.id);
            if is_new && line > 1 + inherited {
                self.taken.push(this);
            }
        } else if let Payload::Decision(decision) = payload
            && self.closed_before(decision.item).is_none()
        {
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
        self.seen_items.contains(&item) || self.is_taken_before(item)
    }

    /// Of the lines that are held; [`super::Session::decision`] knows the others.
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
                let is_closed = self.closed.contains_key(&item.id) || self.closed_before(item.id).is_some();
                (!is_closed).then_some(open)
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
