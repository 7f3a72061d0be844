//! `agent session export`: a branch as a document for people.
//!
//! Whatever stands in a session came from models and from outside: none of it becomes markup, a link or a script of
//! the document, and no control character of it gets out.

use std::io::{self, Write};

use clap::ValueEnum;

use super::draw::plain;
use crate::conversation::Block;
use crate::session::{Entry, Payload};

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Kind {
    Markdown,
    /// One page that needs no other file
    Html,
}

/// A piece of the document.
enum Piece {
    /// What somebody said.
    Said(String),
    /// What is shown as it is: arguments, results.
    Verbatim { title: String, text: String },
}

pub(super) fn export(title: &str, branch: &[&Entry], kind: Kind, out: &mut dyn Write) -> io::Result<()> {
    match kind {
        Kind::Markdown => markdown(title, branch, out),
        Kind::Html => html(title, branch, out),
    }
}

fn markdown(title: &str, branch: &[&Entry], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}", as_markdown(title))?;
    for entry in branch {
        let Some((who, pieces)) = told(entry) else { continue };
        writeln!(out, "\n## {}\n\n*{}, {}*", as_markdown(&who), entry.ts, entry.id)?;
        for piece in pieces {
            match piece {
                Piece::Said(text) => writeln!(out, "\n{}", as_markdown(&text))?,
                Piece::Verbatim { title, text } => {
                    let fence = fence_for(&text);
                    writeln!(out, "\n{}\n\n{fence}\n{text}\n{fence}", as_markdown(&title))?;
                }
            }
        }
    }
    Ok(())
}

/// Text that stays text: nothing in it begins a tag, a link, a heading or a fence.
fn as_markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '|' | '~' => {
                shown.push('\\');
                shown.push(c);
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Longer than any run of backticks in the text.
fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;\
    color:#1c1c1c;background:#fff}article{border-top:1px solid #ccc;padding:.5rem 0}h2{font-size:1rem;margin:.5rem 0}\
    small{color:#666;font-weight:normal}div,pre{white-space:pre-wrap;overflow-wrap:anywhere}pre{background:#f4f4f4;\
    padding:.5rem;font-size:.85rem}@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}\
    pre{background:#242424}article{border-color:#444}}";

fn html(title: &str, branch: &[&Entry], out: &mut dyn Write) -> io::Result<()> {
    let title = as_html(title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<meta \
         name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n"
    )?;
    for entry in branch {
        let Some((who, pieces)) = told(entry) else { continue };
        let (who, ts, id) = (as_html(&who), entry.ts, entry.id);
        writeln!(out, "<article id=\"e-{id}\">\n<h2>{who} <small>{ts}</small></h2>")?;
        for piece in pieces {
            match piece {
                Piece::Said(text) => writeln!(out, "<div>{}</div>", as_html(&text))?,
                Piece::Verbatim { title, text } => {
                    writeln!(out, "<small>{}</small>\n<pre>{}</pre>", as_html(&title), as_html(&text))?;
                }
            }
        }
        writeln!(out, "</article>")?;
    }
    writeln!(out, "</body>\n</html>")
}

fn as_html(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            c => shown.push(c),
        }
    }
    shown
}

/// Who, and what; nothing for what is no part of the conversation.
fn told(entry: &Entry) -> Option<(String, Vec<Piece>)> {
    let said = |text: &str| vec![Piece::Said(plain(text))];
    Some(match &entry.payload {
        Payload::User(turn) => {
            let who = turn.item.as_ref().map_or("user", |item| item.from.as_str());
            (plain(who), pieces(&turn.content))
        }
        Payload::Assistant(round) => (format!("assistant ({})", plain(&round.model)), pieces(&round.content)),
        Payload::ToolResult(results) => ("results".to_owned(), pieces(&results.content)),
        Payload::SystemPrompt(prompt) => {
            let (title, text) = (plain(&prompt.source), plain(&prompt.text));
            ("system".to_owned(), vec![Piece::Verbatim { title, text }])
        }
        Payload::Compaction(compaction) => {
            ("summary of everything before".to_owned(), said(&compaction.summary))
        }
        Payload::BranchSummary(branch) => ("summary of another branch".to_owned(), said(&branch.summary)),
        Payload::Situation(situation) => ("how things stand".to_owned(), said(&situation.text)),
        Payload::Decision(_) | Payload::Head(_) | Payload::ToolStarted(_) | Payload::Other { .. } => {
            return None;
        }
    })
}

fn pieces(content: &[Block]) -> Vec<Piece> {
    let piece = |block: &Block| match block {
        Block::Text { text } => Piece::Said(plain(text)),
        Block::Thinking { text, .. } => Piece::Verbatim { title: "thinking".to_owned(), text: plain(text) },
        Block::ToolUse { name, input, .. } => {
            Piece::Verbatim { title: format!("calls {}", plain(name)), text: plain(&format!("{input:#}")) }
        }
        Block::ToolResult { content, is_error, .. } => {
            let title = if *is_error { "failed" } else { "result" };
            Piece::Verbatim { title: title.to_owned(), text: plain(content) }
        }
    };
    content.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::session::{ToolResults, UserTurn};

    const HOSTILE: &str =
        "</div><script>alert('1')</script> [x](javascript:1) ![](http://x) `` ``` `\n# no\u{1b}[2J&";

    fn document(kind: Kind) -> String {
        let entry = |payload| Entry { id: Uuid::nil(), parent_id: None, ts: Timestamp::UNIX_EPOCH, payload };
        let said = entry(Payload::User(UserTurn {
            content: vec![Block::Text { text: HOSTILE.to_owned() }],
            item: None,
        }));
        let result =
            Block::ToolResult { tool_use_id: "c".to_owned(), content: HOSTILE.to_owned(), is_error: false };
        let result = entry(Payload::ToolResult(ToolResults { content: vec![result] }));
        let mut out = Vec::new();
        export("global <b>", &[&said, &result], kind, &mut out).expect("a buffer takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn nothing_of_a_session_becomes_part_of_a_page() {
        let page = document(Kind::Html);
        assert!(
            !page.contains("<script") && !page.contains("</div><script") && !page.contains('\u{1b}'),
            "{page}"
        );
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)").count(), 2, "{page}");
        assert!(page.contains("<title>global &lt;b&gt;</title>"), "{page}");
        assert!(page.contains("default-src 'none'"));
        let open = |tag: &str| page.matches(&format!("<{tag}")).count();
        let closed = |tag: &str| page.matches(&format!("</{tag}>")).count();
        for tag in ["article", "div", "pre", "h2"] {
            assert_eq!(open(tag), closed(tag), "{tag}");
        }
    }

    #[test]
    fn nothing_of_a_session_is_markup_in_markdown() {
        let text = document(Kind::Markdown);
        assert!(text.contains("&lt;script&gt;") && text.contains("\\[x\\](javascript:1)"), "{text}");
        assert!(text.contains("\n\\# no"), "{text}");
        // The result stands between fences longer than any in it.
        assert!(text.contains("\n````\n</div><script>"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
