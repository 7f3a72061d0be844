//! A session's tree, and its entries, as text for a terminal.
//!
//! What stands in a session came from models and from outside: no control character of it reaches the terminal.

use std::collections::HashSet;
use std::io::{self, Write};

use uuid::Uuid;

use crate::conversation::{Block, StopReason};
use crate::session::{Entry, Payload, Tree};

const SUMMARY_CHARS: usize = 72;

/// The end of an id, where it is random: enough to name an entry of a session.
pub(super) fn short(id: Uuid) -> String {
    id.simple().to_string().split_off(24)
}

/// Draws the tree, oldest entry first. Records of rewinds are left out: the marks say where the head is.
pub(super) fn draw(tree: &Tree, out: &mut dyn Write) -> io::Result<()> {
    let children = tree.children();
    let below = |id: Option<Uuid>| -> Vec<&Entry> {
        let all = children.get(&id).into_iter().flatten().copied();
        all.filter(|entry| !entry.payload.is_rewind()).collect()
    };
    let active: HashSet<Uuid> = tree.branch(tree.head()).iter().map(|entry| entry.id).collect();
    // The entry, what stands before it, and what stands before whatever hangs on it.
    let mut stack: Vec<(&Entry, String, String)> = Vec::new();
    let push = |stack: &mut Vec<_>, entries: Vec<_>, prefix: &str| {
        let last = entries.len().saturating_sub(1);
        for (at, entry) in entries.into_iter().enumerate().rev() {
            let (first, rest) = match (last, at == last) {
                (0, _) => ("", ""),
                (_, true) => ("└─ ", "   "),
                (_, false) => ("├─ ", "│  "),
            };
            stack.push((entry, format!("{prefix}{first}"), format!("{prefix}{rest}")));
        }
    };
    push(&mut stack, below(None), "");
    while let Some((entry, first, rest)) = stack.pop() {
        let mark = match (tree.head() == Some(entry.id), active.contains(&entry.id)) {
            (true, _) => '◉',
            (false, true) => '●',
            (false, false) => '○',
        };
        let head = if tree.head() == Some(entry.id) { "  ← head" } else { "" };
        let time = entry.ts.strftime("%m-%d %H:%M:%S");
        let kind = entry.payload.kind();
        writeln!(out, "{first}{mark} {} {time} {kind}  {}{head}", short(entry.id), summary(&entry.payload))?;
        push(&mut stack, below(Some(entry.id)), &rest);
    }
    if tree.head().is_none() && !tree.is_empty() {
        writeln!(out, "◉ the head is before the first entry")?;
    }
    Ok(())
}

/// One line about an entry.
pub(crate) fn summary(payload: &Payload) -> String {
    match payload {
        Payload::User(turn) => {
            let from = turn.item.as_ref().map(|item| format!("{}: ", item.from)).unwrap_or_default();
            excerpt(&format!("{from}{}", said(&turn.content)))
        }
        Payload::Assistant(turn) => excerpt(&said(&turn.content)),
        Payload::ToolResult(results) => excerpt(&said(&results.content)),
        Payload::SystemPrompt(prompt) => excerpt(&prompt.source),
        Payload::Compaction(compaction) => excerpt(&compaction.summary),
        Payload::BranchSummary(branch) => excerpt(&branch.summary),
        Payload::Situation(situation) => excerpt(&situation.text),
        Payload::Decision(decision) => {
            let reason = decision.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            excerpt(&format!("{:?}{reason}", decision.decision).to_lowercase())
        }
        Payload::Head(to) => {
            to.head.map_or_else(|| "to the start".to_owned(), |id| format!("to {}", short(id)))
        }
        Payload::ToolStarted(call) => excerpt(&call.tool_use_id),
        Payload::Other { payload, .. } => excerpt(&payload.to_string()),
    }
}

fn said(content: &[Block]) -> String {
    let parts: Vec<String> = content
        .iter()
        .map(|block| match block {
            Block::Text { text } => text.clone(),
            Block::Thinking { .. } => "(thinks)".to_owned(),
            Block::ToolUse { name, input, .. } => format!("→ {name} {input}"),
            Block::ToolResult { content, is_error: false, .. } => format!("← {content}"),
            Block::ToolResult { content, is_error: true, .. } => format!("← failed: {content}"),
        })
        .collect();
    parts.join(" ")
}

fn excerpt(text: &str) -> String {
    // A result may have megabytes; only its beginning is looked at.
    let beginning: String =
        text.chars().take(SUMMARY_CHARS * 4).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = beginning.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= SUMMARY_CHARS && beginning.len() == text.len() {
        return line;
    }
    let mut cut: String = line.chars().take(SUMMARY_CHARS).collect();
    cut.push('…');
    cut
}

/// An entry with everything in it.
pub(super) fn show(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let parent = entry.parent_id.map_or_else(|| "the start".to_owned(), |id| id.to_string());
    writeln!(out, "── {} {} {}", entry.payload.kind(), entry.id, entry.ts)?;
    writeln!(out, "   after {parent}")?;
    match &entry.payload {
        Payload::User(turn) => {
            if let Some(item) = &turn.item {
                let (kind, from) = (plain(&item.kind), plain(&item.from));
                writeln!(out, "   item {} ({kind} from {from})", item.id)?;
            }
        }
        Payload::Assistant(turn) => {
            let usage = turn.usage;
            let cost = turn
                .cost_microusd
                .filter(|cost| *cost > 0)
                .map(|cost| format!(", {cost} µ$"))
                .unwrap_or_default();
            writeln!(
                out,
                "   {} {}, stopped by {}, {} tokens in (+{} cached), {} out{cost}",
                plain(&turn.provider),
                plain(&turn.model),
                stopped_by(turn.stop),
                usage.input_tokens,
                usage.cache_read_tokens,
                usage.output_tokens
            )?;
        }
        Payload::SystemPrompt(prompt) => {
            writeln!(out, "   from {}\n{}", plain(&prompt.source), plain(&prompt.text))?;
        }
        Payload::Compaction(compaction) => {
            let (first, summary) = (compaction.first_kept, plain(&compaction.summary));
            writeln!(out, "   stands for everything before {first}\n{summary}")?;
        }
        Payload::BranchSummary(branch) => writeln!(out, "   of {}\n{}", branch.of, plain(&branch.summary))?,
        Payload::Situation(situation) => writeln!(out, "{}", plain(&situation.text))?,
        Payload::Decision(decision) => {
            writeln!(out, "   item {}\n{}", decision.item, summary(&entry.payload))?;
        }
        Payload::Head(_) | Payload::ToolStarted(_) => writeln!(out, "{}", summary(&entry.payload))?,
        Payload::Other { payload, .. } => writeln!(out, "{}", plain(&format!("{payload:#}")))?,
        Payload::ToolResult(_) => {}
    }
    for block in entry.payload.content() {
        match block {
            Block::Text { text } => writeln!(out, "{}", plain(text))?,
            Block::Thinking { text, .. } => writeln!(out, "(thinks) {}", plain(text))?,
            Block::ToolUse { id, name, input } => {
                writeln!(out, "→ {} [{}]\n{}", plain(name), plain(id), plain(&format!("{input:#}")))?;
            }
            Block::ToolResult { tool_use_id, content, is_error } => {
                let failed = if *is_error { " failed" } else { "" };
                writeln!(out, "← [{}]{failed}\n{}", plain(tool_use_id), plain(content))?;
            }
        }
    }
    writeln!(out)
}

/// As the file has it.
fn stopped_by(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Refusal => "refusal",
    }
}

/// Text as it is, with control characters made visible.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
