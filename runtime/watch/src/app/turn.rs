//! One turn of an aspect as it streams: text, thinking, tool calls with their results, and how it ended. Holds a
//! bounded part of it, the latest.

use std::collections::VecDeque;

use nexus_wire::chat::Usage;
use nexus_wire::inbox::Decision;
use nexus_wire::observe::{ObserveEnd, ObserveEvent, TurnEvent};
use nexus_wire::{DispatchId, Ms, ThreadId, TurnId};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::line::clipped;

const BLOCKS_MAX: usize = 256;
const TURN_BYTES_MAX: usize = 64 * 1024;
/// What one call was given, as text.
const INPUT_BYTES_MAX: usize = 4 * 1024;
const DIFF_LINES_MAX: usize = 200;
const DIFF_LINE_BYTES_MAX: usize = 400;
/// Finding the difference of longer texts takes too long to do between two frames.
const DIFF_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub id: TurnId,
    pub thread: Option<ThreadId>,
    pub dispatch: Option<DispatchId>,
    pub begun: Ms,
    pub blocks: VecDeque<Block>,
    /// The beginning is held no longer.
    pub is_cut: bool,
    pub end: Option<End>,
    next: u64,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct End {
    pub at: Ms,
    pub decision: Decision,
    pub usage: Usage,
    pub cost_microusd: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Text(String),
    Thinking(String),
    Call(Box<Call>),
    /// What streamed since the last tool result was void.
    Restarted(String),
    /// A worker's note on its dispatch.
    Note(String),
    /// So many things were not sent.
    Missed(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// In a line.
    pub summary: String,
    pub input: String,
    /// What it changes, where it says so.
    pub diff: Vec<DiffLine>,
    pub result: Option<CallResult>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CallResult {
    pub is_error: bool,
    pub preview: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    Added,
    Removed,
    Same,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiffLine {
    pub sign: Sign,
    pub text: String,
}

impl Turn {
    pub(super) fn new(id: TurnId, begun: Ms) -> Self {
        Self {
            id,
            thread: None,
            dispatch: None,
            begun,
            blocks: VecDeque::new(),
            is_cut: false,
            end: None,
            next: 0,
            bytes: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take(&mut self, event: ObserveEvent) {
        if event.n > self.next {
            self.push(Block::Missed(event.n - self.next));
        }
        self.next = self.next.max(event.n.saturating_add(1));
        match event.event {
            TurnEvent::Text { text } => self.append(text, false),
            TurnEvent::Thinking { text } => self.append(text, true),
            TurnEvent::Restarted { reason } => {
                while self
                    .blocks
                    .back()
                    .is_some_and(|block| matches!(block, Block::Text(_) | Block::Thinking(_)))
                {
                    self.bytes -= self.blocks.pop_back().map_or(0, |block| block.weight());
                }
                self.push(Block::Restarted(clipped(reason, INPUT_BYTES_MAX)));
            }
            TurnEvent::ToolCall { call, name, input } => {
                self.push(Block::Call(Box::new(Call::new(call, name, &input))));
            }
            TurnEvent::ToolResult { call, is_error, preview, .. } => self.result(&call, is_error, preview),
        }
    }

    pub(super) fn note(&mut self, note: String) {
        self.push(Block::Note(clipped(note, INPUT_BYTES_MAX)));
    }

    pub(super) fn ended(&mut self, end: &ObserveEnd, at: Ms) {
        if end.n > self.next {
            self.push(Block::Missed(end.n - self.next));
            self.next = end.n;
        }
        let (decision, usage, cost_microusd) = (end.decision, end.usage, end.cost_microusd);
        self.end = Some(End { at, decision, usage, cost_microusd });
    }

    fn append(&mut self, text: String, is_thinking: bool) {
        let text = clipped(text, TURN_BYTES_MAX / 2);
        let held = match self.blocks.back_mut() {
            Some(Block::Text(held)) if !is_thinking => held,
            Some(Block::Thinking(held)) if is_thinking => held,
            Some(_) | None => {
                return self.push(if is_thinking { Block::Thinking(text) } else { Block::Text(text) });
            }
        };
        held.push_str(&text);
        self.bytes += text.len();
        self.shrink();
    }

    fn result(&mut self, id: &str, is_error: bool, preview: String) {
        let preview = clipped(preview, INPUT_BYTES_MAX);
        let calls = self.blocks.iter_mut().rev().filter_map(|block| match block {
            Block::Call(call) => Some(call),
            Block::Text(_) | Block::Thinking(_) | Block::Restarted(_) | Block::Note(_) | Block::Missed(_) => {
                None
            }
        });
        if let Some(call) = calls.into_iter().find(|call| call.id == id && call.result.is_none()) {
            self.bytes += preview.len();
            call.result = Some(CallResult { is_error, preview });
            self.shrink();
        }
    }

    fn push(&mut self, block: Block) {
        self.bytes += block.weight();
        self.blocks.push_back(block);
        self.shrink();
    }

    /// Lets go of the beginning until what is left is within the bounds.
    fn shrink(&mut self) {
        while self.blocks.len() > BLOCKS_MAX || (self.bytes > TURN_BYTES_MAX && self.blocks.len() > 1) {
            self.bytes -= self.blocks.pop_front().map_or(0, |block| block.weight());
            self.is_cut = true;
        }
        if self.bytes > TURN_BYTES_MAX
            && let Some(Block::Text(text) | Block::Thinking(text)) = self.blocks.front_mut()
        {
            // Half of it, so that not every piece that comes moves all of the text.
            let from = text.floor_char_boundary(text.len() - TURN_BYTES_MAX / 2);
            let from = text[from..].find('\n').map_or(from, |newline| from + newline + 1);
            text.drain(..from);
            self.bytes -= from;
            self.is_cut = true;
        }
    }
}

impl Block {
    fn weight(&self) -> usize {
        const OVERHEAD: usize = 64;
        OVERHEAD
            + match self {
                Self::Text(text) | Self::Thinking(text) | Self::Restarted(text) | Self::Note(text) => {
                    text.len()
                }
                Self::Missed(_) => 0,
                Self::Call(call) => {
                    let diff: usize = call.diff.iter().map(|line| line.text.len() + 32).sum();
                    let result = call.result.as_ref().map_or(0, |result| result.preview.len());
                    call.id.len() + call.name.len() + call.summary.len() + call.input.len() + diff + result
                }
            }
    }
}

impl Call {
    fn new(id: String, name: String, input: &Value) -> Self {
        let diff = diff_of(input);
        let shown = serde_json::to_string_pretty(input).unwrap_or_default();
        Self {
            id: clipped(id, 256),
            summary: nexus_operator::words::call(&name, input),
            name: clipped(name, 256),
            input: clipped(shown, INPUT_BYTES_MAX),
            diff,
            result: None,
        }
    }

    /// Lines that are added and taken away.
    pub fn changes(&self) -> (usize, usize) {
        let count = |sign| self.diff.iter().filter(|line| line.sign == sign).count();
        (count(Sign::Added), count(Sign::Removed))
    }
}

/// What a call that changes a file would change: of `{edits: [{old_text, new_text}]}`, or `{path, text}`.
fn diff_of(input: &Value) -> Vec<DiffLine> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let pairs: Vec<(String, String)> = match input.get("edits").and_then(Value::as_array) {
        Some(edits) => {
            edits.iter().filter_map(|edit| text(edit, "old_text").zip(text(edit, "new_text"))).collect()
        }
        None if input.get("path").is_some() => {
            text(input, "text").map(|new| (String::new(), new)).into_iter().collect()
        }
        None => Vec::new(),
    };
    let mut lines = Vec::new();
    for (old, new) in &pairs {
        if old.len().max(new.len()) > DIFF_BYTES_MAX {
            continue;
        }
        for change in TextDiff::from_lines(old, new).iter_all_changes() {
            if lines.len() == DIFF_LINES_MAX {
                return lines;
            }
            let sign = match change.tag() {
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Equal => Sign::Same,
                ChangeTag::Insert => Sign::Added,
            };
            let text = clipped(change.value().trim_end_matches('\n').to_owned(), DIFF_LINE_BYTES_MAX);
            lines.push(DiffLine { sign, text });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn turn() -> Turn {
        Turn::new(TurnId(Uuid::from_u128(1)), 0)
    }

    fn event(n: u64, event: TurnEvent) -> ObserveEvent {
        ObserveEvent { turn: TurnId(Uuid::from_u128(1)), n, event }
    }

    fn text(n: u64, text: &str) -> ObserveEvent {
        event(n, TurnEvent::Text { text: text.into() })
    }

    #[test]
    fn pieces_become_one_text_and_what_is_void_goes() {
        let mut turn = turn();
        turn.take(text(0, "Look"));
        turn.take(text(1, "ing."));
        turn.take(event(4, TurnEvent::Thinking { text: "hm".into() }));
        assert_eq!(
            turn.blocks,
            [Block::Text("Looking.".into()), Block::Missed(2), Block::Thinking("hm".into())]
        );
        turn.take(event(5, TurnEvent::Restarted { reason: "overloaded".into() }));
        turn.take(text(6, "Again."));
        let left = [
            Block::Text("Looking.".into()),
            Block::Missed(2),
            Block::Restarted("overloaded".into()),
            Block::Text("Again.".into()),
        ];
        assert_eq!(turn.blocks, left);
    }

    #[test]
    fn an_edit_shows_what_it_changes_and_a_result_belongs_to_its_call() {
        let mut turn = turn();
        let input =
            json!({"path": "work/a.md", "edits": [{"old_text": "one\ntwo\n", "new_text": "one\n2\n"}]});
        let call = |n, id: &str| {
            event(n, TurnEvent::ToolCall { call: id.into(), name: "edit_file".into(), input: input.clone() })
        };
        turn.take(call(0, "a"));
        turn.take(call(1, "b"));
        let (name, preview) = ("edit_file".to_owned(), "{\"path\":".to_owned());
        turn.take(event(2, TurnEvent::ToolResult { call: "a".into(), name, is_error: true, preview }));
        let (Some(Block::Call(a)), Some(Block::Call(b))) = (turn.blocks.front(), turn.blocks.back()) else {
            panic!("two calls: {turn:?}");
        };
        let line = |sign, text: &str| DiffLine { sign, text: text.into() };
        let diff = [line(Sign::Same, "one"), line(Sign::Removed, "two"), line(Sign::Added, "2")];
        assert_eq!((a.diff.as_slice(), a.changes()), (diff.as_slice(), (1, 1)));
        assert!(a.result.as_ref().is_some_and(|result| result.is_error) && b.result.is_none());
        assert_eq!(a.summary, "edit_file work/a.md");
        let written = diff_of(&json!({"path": "b", "text": "x\ny"}));
        assert_eq!(written, [line(Sign::Added, "x"), line(Sign::Added, "y")]);
    }

    #[test]
    fn a_turn_holds_a_bounded_part_the_latest() {
        let mut turn = turn();
        for n in 0..20_000 {
            turn.take(text(n, "0123456789 of a line that goes on\n"));
            assert!(turn.bytes() <= TURN_BYTES_MAX + 128);
        }
        let input = json!({"path": "a", "text": "line\n".repeat(50_000)});
        for n in 20_000..21_000 {
            let (call, name) = (n.to_string(), "write_file".to_owned());
            turn.take(event(n, TurnEvent::ToolCall { call, name, input: input.clone() }));
            assert!(turn.bytes() <= TURN_BYTES_MAX + 32 * 1024, "{}", turn.bytes());
        }
        let weighed: usize = turn.blocks.iter().map(Block::weight).sum();
        assert_eq!((turn.bytes(), turn.is_cut), (weighed, true));
    }
}
