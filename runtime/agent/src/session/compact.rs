//! What a summary may stand for: where the turns of a branch begin, how long it is, where it can be cut, and what
//! whoever writes the summary is shown. Pure.

use std::collections::HashSet;

use uuid::Uuid;

use super::entry::{Entry, Payload};
use super::replay::{Begin, replay};
use super::tree::Tree;
use crate::conversation::{Block, Usage};

/// Of the window, what is left free for the turn itself: a fifth, and not less than this.
const RESERVE_MIN: u64 = 10_000;
/// Turns that are kept word by word. When they are too long themselves, fewer are.
const TURNS_KEPT: [usize; 4] = [6, 3, 1, 0];
/// What a summary may take, in tokens, as far as it can be guessed beforehand.
const SUMMARY_TOKENS: u64 = 2_000;
/// Of a text or a result in what a summary is made of.
const TEXT_BYTES_MAX: usize = 8 * 1024;
const RESULT_BYTES_MAX: usize = 2 * 1024;
const INPUT_BYTES_MAX: usize = 512;

/// Beyond this many tokens a conversation is compacted. A window too small for its reserve is used by half.
pub fn limit_of(window: u64) -> u64 {
    let reserve = (window / 5).max(RESERVE_MIN);
    window.saturating_sub(reserve).max(window / 2)
}

/// How many tokens the branch takes: what the provider counted of the last round, and a guess of what came since.
pub fn tokens(branch: &[&Entry]) -> u64 {
    // A count from before the last summary is of something longer.
    let begin = Begin::of(branch).map_or(0, |begin| begin.at);
    let counted = branch.iter().enumerate().skip(begin).rev().find_map(|(at, entry)| match &entry.payload {
        Payload::Assistant(round) => Some((at, prompt_of(round.usage))).filter(|(_, tokens)| *tokens > 0),
        Payload::User(_)
        | Payload::ToolResult(_)
        | Payload::SystemPrompt(_)
        | Payload::Compaction(_)
        | Payload::BranchSummary(_)
        | Payload::Situation(_)
        | Payload::Decision(_)
        | Payload::Head(_)
        | Payload::ToolStarted(_)
        | Payload::Other { .. } => None,
    });
    match counted {
        Some((at, tokens)) => {
            let since: usize = branch.iter().skip(at + 1).map(|entry| bytes_of(&entry.payload)).sum();
            tokens.saturating_add(guess(since))
        }
        None => {
            let replay = replay(branch);
            let blocks = replay.messages.iter().flat_map(|message| &message.content);
            guess(replay.system.len() + blocks.map(bytes_in).sum::<usize>())
        }
    }
}

fn prompt_of(usage: Usage) -> u64 {
    let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
    input_tokens
        .saturating_add(cache_read_tokens)
        .saturating_add(cache_write_tokens)
        .saturating_add(output_tokens)
}

/// Rather too many than too few: code and most languages have fewer bytes to a token than English prose.
fn guess(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(3)).unwrap_or(u64::MAX)
}

fn bytes_of(payload: &Payload) -> usize {
    payload.content().iter().map(bytes_in).sum()
}

fn bytes_in(block: &Block) -> usize {
    match block {
        Block::Text { text } | Block::Thinking { text, .. } => text.len(),
        Block::ToolUse { name, input, .. } => name.len() + input.to_string().len(),
        Block::ToolResult { content, .. } => content.len(),
    }
}

/// The turns of a branch, by the places where they begin.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Turns(Vec<usize>);

impl Turns {
    /// A turn begins with an item that is taken after an answer or a decision, or with anything said while no item
    /// is open.
    pub fn of(branch: &[&Entry]) -> Self {
        let mut begins = Vec::new();
        let mut open: HashSet<Uuid> = HashSet::new();
        let mut is_over = true;
        for (at, entry) in branch.iter().enumerate() {
            match &entry.payload {
                Payload::User(said) => {
                    if is_over && (said.item.is_some() || open.is_empty()) {
                        begins.push(at);
                    }
                    open.extend(said.item.as_ref().map(|item| item.id));
                    is_over = false;
                }
                Payload::Assistant(round) => {
                    is_over = !round.content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
                }
                Payload::Decision(decision) => {
                    open.remove(&decision.item);
                    is_over = true;
                }
                Payload::ToolResult(_) => is_over = false,
                Payload::SystemPrompt(_)
                | Payload::Compaction(_)
                | Payload::BranchSummary(_)
                | Payload::Situation(_)
                | Payload::Head(_)
                | Payload::ToolStarted(_)
                | Payload::Other { .. } => {}
            }
        }
        Self(begins)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The places of the turn, counted from 1.
    pub fn range(&self, turn: usize, branch_len: usize) -> Option<std::ops::Range<usize>> {
        let begin = *self.0.get(turn.checked_sub(1)?)?;
        Some(begin..self.0.get(turn).copied().unwrap_or(branch_len))
    }
}

/// Where a summary ends and what is kept begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cut {
    pub first_kept: Uuid,
    /// Its place on the branch.
    pub at: usize,
    /// Turns of the whole branch before it.
    pub turns: u64,
    pub tokens_before: u64,
}

/// Where to cut so that what is left takes at most `limit` tokens, keeping as many turns as may be kept. A turn
/// that is `running` is kept whole and not counted. `None`: there is nothing a new summary could stand for.
pub fn cut(branch: &[&Entry], limit: u64, running: bool) -> Option<Cut> {
    let begin = Begin::of(branch);
    let from = begin.as_ref().map_or(0, |begin| begin.first_kept);
    let before = begin.as_ref().and_then(|begin| begin.compaction.turns);
    let turns = Turns::of(branch.get(from..).unwrap_or_default()).0;
    let tokens_before = tokens(branch);
    let fits = |at: usize| {
        let kept: usize = branch.iter().skip(at).map(|entry| bytes_of(&entry.payload)).sum();
        guess(kept).saturating_add(SUMMARY_TOKENS) <= limit
    };
    let mut chosen = None;
    for kept in TURNS_KEPT {
        let place = turns.len().saturating_sub(kept + usize::from(running));
        let Some(at) = turns.get(place).map(|at| from + at) else { continue };
        if place == 0 {
            // Who only asks has them all kept; what is too long has to lose some.
            if !running && fits(at) {
                return None;
            }
            continue;
        }
        if parts_call(branch, at) {
            continue;
        }
        chosen = Some((place, at));
        if fits(at) {
            break;
        }
    }
    chosen.and_then(|(place, at)| {
        let first_kept = branch.get(at)?.id;
        let turns = before.unwrap_or(0).saturating_add(place as u64);
        Some(Cut { first_kept, at, turns, tokens_before })
    })
}

/// Whether a result at or after `at` answers a call before it.
fn parts_call(branch: &[&Entry], at: usize) -> bool {
    let mut pending: HashSet<&str> = HashSet::new();
    for (place, entry) in branch.iter().enumerate() {
        if let Payload::Assistant(_) = entry.payload {
            if place >= at {
                return false;
            }
            pending.clear();
        }
        for block in entry.payload.content() {
            match block {
                Block::ToolUse { id, .. } => _ = pending.insert(id),
                Block::ToolResult { tool_use_id, .. } => {
                    if pending.remove(tool_use_id.as_str()) && place >= at {
                        return true;
                    }
                }
                Block::Text { .. } | Block::Thinking { .. } => {}
            }
        }
    }
    false
}

/// What a new summary is made of: the last summary, and what was said since up to `to`. At most `bytes`, its
/// middle left out.
pub fn transcript(branch: &[&Entry], to: usize, bytes: usize) -> String {
    let begin = Begin::of(branch);
    let mut text = String::new();
    if let Some(begin) = &begin {
        text.push_str("[summary of what was before]\n");
        text.push_str(&begin.compaction.summary);
        text.push_str("\n\n");
    }
    let from = begin.map_or(0, |begin| begin.first_kept);
    for entry in branch.iter().take(to).skip(from) {
        tell(entry, &mut text);
    }
    without_middle(text, bytes)
}

/// Entries as lines, for whoever summarises them.
pub fn told(entries: &[&Entry], bytes: usize) -> String {
    let mut text = String::new();
    for entry in entries {
        tell(entry, &mut text);
    }
    without_middle(text, bytes)
}

fn tell(entry: &Entry, text: &mut String) {
    let mut line = |who: &str, said: &str, max: usize| {
        let kept = said.get(..said.floor_char_boundary(max)).unwrap_or_default();
        let cut = if kept.len() < said.len() { " […]" } else { "" };
        // Whatever is said, no line of it looks like somebody else's.
        let kept = kept.replace('\n', "\n  ");
        text.push_str(&format!("[{who}] {kept}{cut}\n"));
    };
    match &entry.payload {
        Payload::User(turn) => {
            let who = turn.item.as_ref().map_or("user", |item| item.from.as_str());
            for block in &turn.content {
                if let Block::Text { text } = block {
                    line(who, text, TEXT_BYTES_MAX);
                }
            }
        }
        Payload::Assistant(round) => {
            for block in &round.content {
                match block {
                    Block::Text { text } => line("you", text, TEXT_BYTES_MAX),
                    Block::ToolUse { name, input, .. } => {
                        line("you call", &format!("{name} {input}"), INPUT_BYTES_MAX);
                    }
                    Block::Thinking { .. } | Block::ToolResult { .. } => {}
                }
            }
        }
        Payload::ToolResult(results) => {
            for block in &results.content {
                if let Block::ToolResult { content, is_error, .. } = block {
                    line(if *is_error { "failed" } else { "result" }, content, RESULT_BYTES_MAX);
                }
            }
        }
        Payload::BranchSummary(branch) => line("summary of another branch", &branch.summary, TEXT_BYTES_MAX),
        Payload::SystemPrompt(_)
        | Payload::Compaction(_)
        | Payload::Situation(_)
        | Payload::Decision(_)
        | Payload::Head(_)
        | Payload::ToolStarted(_)
        | Payload::Other { .. } => {}
    }
}

fn without_middle(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    // What came last matters more to whoever goes on.
    let head = text.floor_char_boundary(bytes / 4);
    let tail = text.ceil_char_boundary(text.len() - bytes / 4 * 3);
    let (first, last) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    format!("{first}\n[… {} bytes are left out here …]\n{last}", tail - head)
}

/// The originals behind the summary in `entry`: for a compaction everything on its branch before what it keeps,
/// for the summary of a branch what that one had since it parted. Empty for other entries.
pub fn behind<'a>(tree: &'a Tree, entry: &Entry) -> Vec<&'a Entry> {
    match &entry.payload {
        Payload::Compaction(compaction) => {
            let mut branch = tree.branch(Some(entry.id));
            let kept = branch.iter().position(|entry| entry.id == compaction.first_kept);
            branch.truncate(kept.unwrap_or(0));
            branch
        }
        Payload::BranchSummary(summary) => Parting::of(tree, Some(entry.id), Some(summary.of)).other,
        Payload::User(_)
        | Payload::Assistant(_)
        | Payload::ToolResult(_)
        | Payload::SystemPrompt(_)
        | Payload::Situation(_)
        | Payload::Decision(_)
        | Payload::Head(_)
        | Payload::ToolStarted(_)
        | Payload::Other { .. } => Vec::new(),
    }
}

/// Two branches from where they part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parting<'a> {
    /// The last entry that both have.
    pub common: Option<Uuid>,
    pub one: Vec<&'a Entry>,
    pub other: Vec<&'a Entry>,
}

impl<'a> Parting<'a> {
    pub fn of(tree: &'a Tree, one: Option<Uuid>, other: Option<Uuid>) -> Self {
        let (one, other) = (tree.branch(one), tree.branch(other));
        let shared = one.iter().zip(&other).take_while(|(one, other)| one.id == other.id).count();
        let common = shared.checked_sub(1).and_then(|last| one.get(last)).map(|entry| entry.id);
        Self {
            common,
            one: one.into_iter().skip(shared).collect(),
            other: other.into_iter().skip(shared).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
