//! The index beside a large session file: where each line stands and what it hangs on, so that opening the file at
//! its head reads the active branch and nothing else.
//!
//! A cache, made from the session file alone. Whatever it says is checked against the file as far as it is used, and
//! when anything is in doubt it is as if it were not there: the session file is the only truth. Its form is in
//! `docs/session-format.md`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::entry::{Entry, Payload};
use super::tree::{Held, Place, Tree};
use crate::journal::Journal;

const MAGIC: &str = "nexus-session-index 1";
/// One for each line of the session: offset, length, parent's line, line of the nearest system prompt above it,
/// kind, check.
const RECORD_BYTES: usize = 40;
/// One for each item: id, how it was taken, where the line stands that closes it, check.
const ITEM_BYTES: usize = 40;
/// A header is a few hundred bytes, and open items are few.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// What an index says of its session file, as its first two lines.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Head {
    session: Uuid,
    /// Of the session file when this was written.
    inode: u64,
    modified_ns: i64,
    bytes: u64,
    lines: u64,
    /// Line of the head; 0: before the first entry.
    head: u64,
    last: Spot,
    last_sha256: String,
    /// Of all entries; a greater id is a new one.
    id_max: Uuid,
    /// Lines that took items which are open.
    open: Vec<u64>,
    items: u64,
    items_sha256: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Spot {
    pub(super) offset: u64,
    pub(super) len: u64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Record {
    spot: Spot,
    /// 0: none.
    parent: u64,
    prompt_above: u64,
    is_prompt: bool,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let fields = [self.spot.offset, self.spot.len, self.parent, self.prompt_above];
        for (to, field) in bytes.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&field.to_le_bytes());
        }
        bytes[32] = u8::from(self.is_prompt);
        sign(&mut bytes);
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let fields = signed(bytes)?;
        let [offset, len, parent, prompt_above] = four(fields);
        let is_prompt = *fields.get(32)? != 0;
        Some(Self { spot: Spot { offset, len }, parent, prompt_above, is_prompt })
    }
}

/// What is known of an item.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Known {
    pub(super) is_taken: bool,
    /// The first line that closes it.
    pub(super) closed: Option<Spot>,
}

/// The items of the part of a session that is not in memory, sorted by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Items(Vec<u8>);

impl Items {
    pub(super) fn get(&self, item: Uuid) -> Known {
        let count = self.0.len() / ITEM_BYTES;
        let at = |n: usize| self.0.get(n * ITEM_BYTES..(n + 1) * ITEM_BYTES).unwrap_or_default();
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match at(middle).get(..16).unwrap_or_default().cmp(item.as_bytes().as_slice()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return known_of(at(middle)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Known::default()
    }

    fn all(&self) -> impl Iterator<Item = (Uuid, Known)> {
        self.0.chunks_exact(ITEM_BYTES).filter_map(|bytes| {
            let id = Uuid::from_slice(bytes.get(..16)?).ok()?;
            Some((id, known_of(bytes)))
        })
    }
}

fn known_of(bytes: &[u8]) -> Known {
    let number = |from: usize| {
        let bytes = bytes.get(from..from + 8).and_then(|bytes| bytes.try_into().ok());
        u64::from_le_bytes(bytes.unwrap_or_default())
    };
    let (flags, offset, len) = (number(16), number(24), number(32));
    Known { is_taken: flags & 1 == 1, closed: (flags & 2 == 2).then_some(Spot { offset, len }) }
}

fn item_bytes(id: Uuid, known: Known) -> [u8; ITEM_BYTES] {
    let closed = known.closed.unwrap_or_default();
    let flags = u64::from(known.is_taken) | (u64::from(known.closed.is_some()) << 1);
    let mut bytes = [0; ITEM_BYTES];
    bytes[..16].copy_from_slice(id.as_bytes());
    for (to, field) in bytes[16..].chunks_exact_mut(8).zip([flags, closed.offset, closed.len]) {
        to.copy_from_slice(&field.to_le_bytes());
    }
    bytes
}

/// The first 32 bytes as numbers.
fn four(bytes: &[u8]) -> [u64; 4] {
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    numbers
}

/// The last four bytes say whether the rest is as it was written.
fn sign(bytes: &mut [u8; RECORD_BYTES]) {
    let check = fold(&bytes[..RECORD_BYTES - 4]);
    bytes[RECORD_BYTES - 4..].copy_from_slice(&check);
}

fn signed(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, check) = bytes.split_at_checked(RECORD_BYTES - 4)?;
    (fold(rest) == check).then_some(rest)
}

/// FNV-1a, its halves folded: against what a disk or a torn write does, not against a forger, who could write the
/// session file as well.
fn fold(bytes: &[u8]) -> [u8; 4] {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    u32::try_from(folded).unwrap_or(u32::MAX).to_le_bytes()
}

/// An index that fits its session file as far as can be told without reading that.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    records_at: u64,
    head: Head,
    items: Items,
}

/// `<session>.index`
pub(super) fn path_of(session: &Path) -> PathBuf {
    session.with_extension("index")
}

impl Index {
    /// `None`: there is none, or it is in doubt.
    pub(super) fn open(session: &Path) -> Option<Self> {
        let file = File::open(session).ok()?;
        let metadata = file.metadata().ok()?;
        let index = Self::read(&path_of(session)).ok()?;
        let head = &index.head;
        if head.inode != metadata.ino() || head.bytes > metadata.len() || head.lines < 2 {
            return None;
        }
        // Of the same length it has to be untouched; one that has grown has been appended to.
        if head.bytes == metadata.len() && head.modified_ns != modified_ns(&metadata) {
            return None;
        }
        let last_end = head.last.offset.checked_add(head.last.len)?.checked_add(1)?;
        let last =
            read_spot(&file, Spot { offset: head.last.offset, len: head.last.len.checked_add(1)? }).ok()?;
        let (newline, last) = last.split_last()?;
        (last_end == head.bytes && *newline == b'\n' && hash(last) == head.last_sha256).then_some(index)
    }

    fn read(path: &Path) -> io::Result<Self> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut begin = vec![0; usize::try_from(length.min(HEADER_BYTES_MAX)).unwrap_or(0).min(4096)];
        file.read_exact_at(&mut begin, 0)?;
        let mut lines = begin.splitn(3, |byte| *byte == b'\n');
        let first = lines.next().ok_or_else(bad)?;
        let first = std::str::from_utf8(first).map_err(|_| bad())?;
        let (check, size) = first
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(bad)?;
        let size: u64 = size.parse().map_err(|_| bad())?;
        if size > HEADER_BYTES_MAX {
            return Err(bad());
        }
        let head_at = first.len() as u64 + 1;
        let text = read_spot(&file, Spot { offset: head_at, len: size })?;
        if hash(&text) != check {
            return Err(bad());
        }
        let head: Head = serde_json::from_slice(&text).map_err(|_| bad())?;
        let records_at = head_at + size + 1;
        let sizes = head
            .lines
            .checked_mul(RECORD_BYTES as u64)
            .zip(head.items.checked_mul(ITEM_BYTES as u64))
            .and_then(|(records, items)| Some((records_at.checked_add(records)?, items)));
        let (items_at, items_len) = sizes.ok_or_else(bad)?;
        if items_at.checked_add(items_len) != Some(length) {
            return Err(bad());
        }
        let items = read_spot(&file, Spot { offset: items_at, len: items_len })?;
        if hash(&items) != head.items_sha256 {
            return Err(bad());
        }
        Ok(Self { file, records_at, head, items: Items(items) })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.head.bytes
    }

    pub(super) fn lines(&self) -> u64 {
        self.head.lines
    }

    fn record(&self, line: u64) -> Option<Record> {
        if line == 0 || line > self.head.lines {
            return None;
        }
        let mut bytes = [0; RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, self.records_at + (line - 1) * RECORD_BYTES as u64).ok()?;
        Record::of_bytes(&bytes)
    }

    /// The part of the tree that a turn needs: the active branch as far as it is replayed, with the system prompts
    /// before that. `None` when anything does not fit.
    pub(super) fn load(&self, session: &File, mut tree: Tree) -> Option<Tree> {
        if tree.header()?.id != self.head.session {
            return None;
        }
        // From the head upwards; the parent of each by what it says itself.
        let mut found: BTreeMap<u64, (Entry, Place, Option<u64>)> = BTreeMap::new();
        // Of the last summary, and where that stands.
        let (mut first_kept, mut summary): (Option<Uuid>, u64) = (None, 0);
        let mut kept_from = 0;
        let (mut is_kept_whole, mut has_round, mut only_prompts) = (false, false, false);
        let mut line = self.head.head;
        let mut says: Option<Uuid> = None;
        while line != 0 {
            let record = self.record(line)?;
            let (entry, place) = self.entry(session, line, record)?;
            // Who hangs on this one has said so, unless prompts are all that was wanted in between.
            if says.is_some_and(|parent| parent != entry.id) || entry.payload.is_rewind() {
                return None;
            }
            if only_prompts && !matches!(entry.payload, Payload::SystemPrompt(_)) {
                return None;
            }
            match &entry.payload {
                Payload::Compaction(compaction) => {
                    if first_kept.is_none() {
                        (first_kept, summary) = (Some(compaction.first_kept), line);
                    }
                }
                // One behind the summary is of no use to a head that a rewind puts between the two.
                Payload::Assistant(_) => has_round = has_round || first_kept.is_some(),
                Payload::User(_)
                | Payload::ToolResult(_)
                | Payload::SystemPrompt(_)
                | Payload::BranchSummary(_)
                | Payload::Situation(_)
                | Payload::Decision(_)
                | Payload::Head(_)
                | Payload::ToolStarted(_)
                | Payload::Other { .. } => {}
            }
            if first_kept == Some(entry.id) {
                (is_kept_whole, kept_from) = (true, line);
            }
            // The last round says which calls are open, also when it is not replayed.
            only_prompts = is_kept_whole && has_round;
            let next = if only_prompts { record.prompt_above } else { record.parent };
            says = entry.parent_id.filter(|_| !only_prompts);
            if next >= line || (next == 0 && says.is_some()) {
                return None;
            }
            found.insert(line, (entry, place, Some(next).filter(|next| *next != 0)));
            line = next;
        }
        if self.head.open.iter().any(|line| !found.contains_key(line)) {
            return None;
        }
        tree.take_part(Held {
            entries: found.into_values().collect(),
            head: Some(self.head.head).filter(|head| *head != 0),
            open: self.head.open.clone(),
            items: self.items.clone(),
            lines: self.head.lines,
            id_max: self.head.id_max,
            // Without the summary, what it stands for would be wanted.
            complete_from: if only_prompts { summary } else { 0 },
            kept_from: if only_prompts { kept_from } else { 0 },
        });
        Some(tree)
    }

    fn entry(&self, session: &File, line: u64, record: Record) -> Option<(Entry, Place)> {
        let Spot { offset, len } = record.spot;
        if offset.checked_add(len)? >= self.head.bytes {
            return None;
        }
        let bytes = read_spot(session, record.spot).ok()?;
        let (entry, fault) = Entry::decode(&bytes).ok()?;
        fault.is_none().then_some((entry, Place { line, offset, len }))
    }
}

/// Writes the index anew, from the tree and, for what is not in it, from the index it was opened by.
pub(super) fn save(journal: &Journal, tree: &Tree, before: Option<&Index>) -> io::Result<()> {
    let (path, session) = (journal.path(), journal.file());
    let metadata = session.metadata()?;
    let header = tree.header().ok_or(io::ErrorKind::InvalidData)?;
    let from = before.map_or(1, Index::lines);
    let mut records: Vec<Record> = Vec::new();
    let mut items: BTreeMap<Uuid, Known> = BTreeMap::new();
    let mut id_max = before.map_or(Uuid::nil(), |before| before.head.id_max);
    let mut last = Spot::default();
    for (expected, node) in (from + 1..).zip(tree.nodes_after(from)) {
        if node.place.line != expected {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let parent = node.parent.and_then(|parent| tree.line_at(parent)).unwrap_or(0);
        let above = match parent.checked_sub(from + 1).and_then(|at| usize::try_from(at).ok()) {
            Some(at) => records.get(at).copied(),
            None => before.filter(|_| parent > 1).and_then(|before| before.record(parent)),
        };
        let prompt_above = above.map_or(0, |above| if above.is_prompt { parent } else { above.prompt_above });
        last = Spot { offset: node.place.offset, len: node.place.len };
        id_max = id_max.max(node.entry.id);
        match &node.entry.payload {
            Payload::User(said) => {
                if let Some(item) = &said.item {
                    items.entry(item.id).or_default().is_taken = true;
                }
            }
            Payload::Decision(decision) => {
                items.entry(decision.item).or_default().closed.get_or_insert(last);
            }
            Payload::Assistant(_)
            | Payload::ToolResult(_)
            | Payload::SystemPrompt(_)
            | Payload::Compaction(_)
            | Payload::BranchSummary(_)
            | Payload::Situation(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_)
            | Payload::Other { .. } => {}
        }
        let is_prompt = matches!(node.entry.payload, Payload::SystemPrompt(_));
        records.push(Record { spot: last, parent, prompt_above, is_prompt });
    }
    if records.is_empty() {
        return Ok(());
    }
    for (id, known) in before.into_iter().flat_map(|before| before.items.all()) {
        let entry = items.entry(id).or_default();
        entry.is_taken |= known.is_taken;
        entry.closed = known.closed.or(entry.closed);
    }
    let items: Vec<u8> = items.into_iter().flat_map(|(id, known)| item_bytes(id, known)).collect();
    let head = Head {
        session: header.id,
        inode: metadata.ino(),
        modified_ns: modified_ns(&metadata),
        bytes: last.offset + last.len + 1,
        lines: from + records.len() as u64,
        head: tree.head_line().unwrap_or(0),
        last,
        last_sha256: hash(&read_spot(session, last)?),
        id_max,
        open: tree.open_lines(),
        items: (items.len() / ITEM_BYTES) as u64,
        items_sha256: hash(&items),
    };
    if head.bytes != metadata.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    write(&path_of(path), &head, before, &records, &items)
}

fn write(path: &Path, head: &Head, before: Option<&Index>, new: &[Record], items: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("index.new");
    let mut out = BufWriter::with_capacity(256 * 1024, File::create(&beside)?);
    let text = serde_json::to_vec(head)?;
    writeln!(out, "{MAGIC} {} {}", hash(&text), text.len())?;
    out.write_all(&text)?;
    out.write_all(b"\n")?;
    match before {
        // As they were checked when they were written, and are again when they are read.
        Some(before) => {
            let mut at = before.records_at;
            let end = at + before.lines() * RECORD_BYTES as u64;
            let mut buffer = vec![0; 256 * 1024];
            while at < end {
                let part = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
                let part = buffer.get_mut(..part).unwrap_or_default();
                before.file.read_exact_at(part, at)?;
                out.write_all(part)?;
                at += part.len() as u64;
            }
        }
        // The session's header has a line and is no entry.
        None => out.write_all(&Record::default().to_bytes())?,
    }
    for record in new {
        out.write_all(&record.to_bytes())?;
    }
    out.write_all(items)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    fs::rename(&beside, path)
}

fn read_spot(file: &File, spot: Spot) -> io::Result<Vec<u8>> {
    if spot.offset.checked_add(spot.len).is_none_or(|end| file.metadata().map_or(true, |it| it.len() < end)) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; usize::try_from(spot.len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, spot.offset)?;
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn modified_ns(metadata: &fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod fuzz;
