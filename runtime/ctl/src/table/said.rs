//! Threads and what is said in them.

use jiff::tz::TimeZone;
use nexus_wire::Ms;
use nexus_wire::attachment::Attachment;
use nexus_wire::chat::{ChatHit, Message, Piece, ThreadInfo};
use nexus_wire::thread::Receipt;

use super::grid::Give::{Cut, Go, Id, Keep, Wide};
use super::grid::Grid;
use super::{TITLE_CHARS, ago, exact, names, or_dash, title};
use crate::ui::{Ui, printable, shortened};

pub fn threads(ui: &Ui, threads: &[ThreadInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("THREAD", Id),
            ("LAST", Keep),
            ("MESSAGES", Go(2)),
            ("UNREAD", Go(1)),
            ("WITH", Cut),
            ("TITLE", Cut),
            ("CREATED", Wide),
        ],
    );
    for thread in threads {
        let title = title(ui, &thread.title);
        let title = if thread.paused { format!("(paused) {title}") } else { title };
        table.add_row(vec![
            thread.id.to_string(),
            ago(thread.last_at, now),
            thread.messages.to_string(),
            if thread.unread == 0 { "-".to_owned() } else { thread.unread.to_string() },
            or_dash(&names(&thread.participants)),
            title,
            ago(thread.created_at, now),
        ]);
    }
    table.text()
}

pub fn receipts(ui: &Ui, receipts: &[Receipt], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[("RECIPIENT", Keep), ("STATE", Keep), ("SINCE", Keep), ("DECISION", Keep), ("REPLY", Id)],
    );
    for receipt in receipts {
        let decision = receipt.decision.map(|decision| format!("{decision:?}").to_lowercase());
        let dash = || "-".to_owned();
        table.add_row(vec![
            receipt.party.to_string(),
            receipt.state.as_str().to_owned(),
            receipt.at.map_or_else(dash, |at| ago(at, now)),
            decision.unwrap_or_else(dash),
            receipt.reply.map_or_else(dash, |reply| reply.to_string()),
        ]);
    }
    table.text()
}

/// Messages as they would be read, not as a table.
pub fn messages(messages: &[Message], zone: &TimeZone) -> String {
    let mut text = String::new();
    for message in messages {
        let to = if message.to.is_empty() { String::new() } else { format!(" → {}", names(&message.to)) };
        let when = exact(message.at, zone);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}{to}  {when}  {}\n", message.from, message.id));
        for line in printable(&message.content).trim_end().lines() {
            text.push_str(format!("  {line}").trim_end());
            text.push('\n');
        }
        for Attachment { name, blob, .. } in &message.attachments {
            text.push_str(&format!("  [{}: {blob}]\n", printable(name)));
        }
        if !message.reactions.is_empty() {
            let signs =
                message.reactions.iter().map(|it| format!("{} {}", printable(&it.emoji), names(&it.by)));
            text.push_str(&format!("  ({})\n", signs.collect::<Vec<_>>().join("; ")));
        }
    }
    text
}

/// What a search has found; what matches stands between `*`.
pub fn hits(hits: &[ChatHit], zone: &TimeZone) -> String {
    let mut text = String::new();
    for hit in hits {
        if !text.is_empty() {
            text.push('\n');
        }
        let (when, title) = (exact(hit.at, zone), shortened(&hit.title, TITLE_CHARS));
        text.push_str(&format!("{}  {when}  {}  {title}\n", hit.from, hit.message));
        let piece = |piece: &Piece| if piece.hit { format!("*{}*", piece.text) } else { piece.text.clone() };
        let snippet: String = hit.snippet.iter().map(piece).collect();
        let snippet = printable(&snippet).split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("  {snippet}\n"));
    }
    text
}
