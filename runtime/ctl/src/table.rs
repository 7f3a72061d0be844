//! Lists as tables. Pure: the time is an argument, and so is the width.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_wire::Ms;
use nexus_wire::alert::Alert;
use nexus_wire::approval::{ApprovalInfo, ApprovalState, Asked};
use nexus_wire::attachment::Attachment;
use nexus_wire::blob::BlobInfo;
use nexus_wire::budget::{BudgetInfo, dollars};
use nexus_wire::chat::{ChatHit, Message, Piece, ThreadInfo};
use nexus_wire::credential::CredentialInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeUsage};
use nexus_wire::name::Party;
use nexus_wire::observe::Activity;
use nexus_wire::roster::{AspectInfo, AspectRole};
use nexus_wire::session::{SessionInfo, SessionTreePage};
use nexus_wire::thread::Receipt;

pub use nexus_operator::shown::{ago, span};

use crate::settings::Config;
use crate::ui::{Hue, Ui, aspect_mark, dispatch_mark, printable, shortened};

mod grid;
mod reports;

use grid::Give::{Cut, Go, Id, Keep, Wide};
use grid::{Cell, Grid};
pub use reports::{audit, gathers, members, operators, role, tokens, top, usage};

const TITLE_CHARS: usize = 60;

/// One line of what people or models wrote; as long as it is where all was asked for.
fn title(ui: &Ui, text: &str) -> String {
    shortened(text, if ui.is_wide() { usize::MAX } else { TITLE_CHARS })
}

fn marked(state: &str, (mark, colour): (char, Hue)) -> Cell {
    Cell::new(format!("{mark} {state}")).fg(colour)
}

pub fn blobs(ui: &Ui, blobs: &[BlobInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("BYTES", Keep),
            ("NAME", Cut),
            ("TYPE", Go(2)),
            ("PUT", Go(1)),
            ("BY", Go(3)),
            ("USED", Go(4)),
            ("ID", Keep),
        ],
    );
    for info in blobs {
        let owners: Vec<String> = info.owners.iter().map(Party::to_string).collect();
        table.add_row(vec![
            Cell::new(info.bytes),
            Cell::new(printable(info.name.as_deref().unwrap_or("-"))),
            Cell::new(printable(&info.media_type)),
            Cell::new(ago(info.at, now)),
            Cell::new(owners.join(",")),
            Cell::new(info.references),
            Cell::new(info.id),
        ]);
    }
    table.text()
}

pub fn credentials(ui: &Ui, credentials: &[CredentialInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("NAME", Keep),
            ("KIND", Go(2)),
            ("MODE", Keep),
            ("GOES TO", Cut),
            ("HEADER", Go(3)),
            ("FOR", Cut),
            ("SECRET SET", Go(1)),
        ],
    );
    for info in credentials {
        let aspects: Vec<&str> = info.allowed_aspects.iter().map(nexus_wire::AspectName::as_str).collect();
        table.add_row(vec![
            Cell::new(&info.name),
            Cell::new(info.kind.as_str()),
            Cell::new(info.mode.as_str()),
            Cell::new(printable(info.base_url.as_deref().unwrap_or("-"))),
            Cell::new(printable(&info.header)),
            Cell::new(aspects.join(",")),
            Cell::new(ago(info.rotated_at, now)),
        ]);
    }
    table.text()
}

pub fn alerts(ui: &Ui, alerts: &[Alert], now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("ALERT", Keep), ("STATE", Keep), ("AGE", Keep), ("TIMES", Go(1)), ("MESSAGE", Cut)]);
    for alert in alerts {
        let (state, mark) = match (alert.cleared_at, &alert.acked_by) {
            (Some(_), _) => ("over", ('○', Hue::Grey)),
            (None, Some(_)) => ("seen", ('◐', Hue::Yellow)),
            (None, None) => ("open", ('▲', Hue::Red)),
        };
        table.add_row(vec![
            Cell::new(printable(&alert.key)),
            marked(state, mark),
            Cell::new(ago(alert.raised_at, now)),
            Cell::new(alert.times),
            Cell::new(printable(&alert.message)),
        ]);
    }
    table.text()
}

pub fn approvals(ui: &Ui, approvals: &[ApprovalInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("STATE", Keep),
            ("AGE", Keep),
            ("ASPECT", Keep),
            ("ASKS FOR", Keep),
            ("ABOUT", Cut),
            ("ENDS IN", Go(1)),
            ("ID", Id),
        ],
    );
    for info in approvals {
        let wanted = match &info.asked {
            Asked::Tool { tool, .. } => printable(tool),
            Asked::Question { .. } => "an answer".to_owned(),
        };
        let colour = match info.state {
            ApprovalState::Open => ('▲', Hue::Yellow),
            ApprovalState::Approved | ApprovalState::Answered => ('●', Hue::Green),
            ApprovalState::Denied | ApprovalState::Expired => ('●', Hue::Red),
            ApprovalState::Withdrawn => ('○', Hue::Grey),
        };
        let left = info.ended_at.is_none().then(|| span(info.expires_at - now));
        table.add_row(vec![
            marked(info.state.as_str(), colour),
            Cell::new(ago(info.asked_at, now)),
            Cell::new(&info.aspect),
            Cell::new(wanted),
            Cell::new(or_dash(&title(ui, info.asked.summary()))),
            Cell::new(left.unwrap_or_else(|| "-".into())),
            Cell::new(info.id),
        ]);
    }
    table.text()
}

pub fn budgets(ui: &Ui, budgets: &[BudgetInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("OF", Keep),
            ("PER", Keep),
            ("USED", Keep),
            ("SET ASIDE", Go(2)),
            ("OF TOKENS", Keep),
            ("USED USD", Keep),
            ("SET ASIDE", Go(1)),
            ("OF USD", Keep),
            ("ANEW IN", Go(3)),
            ("WAITING", Go(4)),
        ],
    );
    for budget in budgets {
        let dash = || "-".to_owned();
        let (used, reserved) = (budget.used, budget.reserved);
        table.add_row(vec![
            budget.of.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            budget.per.as_str().to_owned(),
            used.tokens.to_string(),
            reserved.tokens.to_string(),
            budget.limit.tokens.map_or_else(dash, |tokens| tokens.to_string()),
            dollars(used.cost_microusd),
            dollars(reserved.cost_microusd),
            budget.limit.cost_microusd.map_or_else(dash, dollars),
            span((budget.until - now).max(0)),
            budget.waiting.to_string(),
        ]);
    }
    table.text()
}

pub fn aspects(ui: &Ui, aspects: &[AspectInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("NAME", Keep),
            ("STATE", Keep),
            ("SINCE", Keep),
            ("DOING", Cut),
            ("ROLE", Go(1)),
            ("MODEL", Go(2)),
            ("HANDS", Cut),
            ("BACKLOG", Go(3)),
            ("PROVIDER", Wide),
            ("CONTEXT", Wide),
            ("SLOTS", Wide),
            ("CAPABILITIES", Wide),
        ],
    );
    for aspect in aspects {
        let role = match aspect.role {
            AspectRole::Frame => "lead",
            AspectRole::Worker => "worker",
        };
        let hands: Vec<&str> = aspect.hands.iter().map(|hand| hand.name.as_str()).collect();
        table.add_row(vec![
            Cell::new(&aspect.name),
            state(aspect),
            Cell::new(ago(aspect.since, now)),
            Cell::new(doing(aspect)),
            Cell::new(role),
            Cell::new(or_dash(&aspect.model)),
            Cell::new(or_dash(&hands.join(", "))),
            Cell::new(aspect.backlog),
            Cell::new(or_dash(&aspect.provider)),
            Cell::new(format!("{:?}", aspect.context_mode).to_lowercase()),
            Cell::new(aspect.slots),
            Cell::new(or_dash(&aspect.capabilities.join(", "))),
        ]);
    }
    table.text()
}

/// What an admin keeps it from, or how it is.
fn state(aspect: &AspectInfo) -> Cell {
    let word = aspect.restraint.as_ref().map_or(aspect.state.as_str(), |it| it.kind.as_str());
    marked(word, aspect_mark(aspect.state))
}

/// What it does, in how many turns, and at how many dispatches of as many as it can take.
fn doing(aspect: &AspectInfo) -> String {
    let Some(activity) = &aspect.activity else { return "-".to_owned() };
    let mut text = doing_of(activity);
    if activity.approvals > 0 {
        text.push_str(", waits for people");
    }
    if activity.approvals > 1 {
        text.push_str(&format!(" ({})", activity.approvals));
    }
    if activity.dispatches > 0 {
        text.push_str(&format!(", {} of {} dispatches", activity.dispatches, aspect.slots));
    }
    text
}

fn doing_of(activity: &Activity) -> String {
    let doing = match &activity.tool {
        Some(tool) => printable(tool),
        None => activity.doing.as_str().to_owned(),
    };
    if activity.turns > 1 { format!("{doing} ({} turns)", activity.turns) } else { doing }
}

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

pub fn dispatches(ui: &Ui, dispatches: &[DispatchInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("DISPATCH", Id),
            ("STATE", Keep),
            ("AGE", Keep),
            ("TOOK", Go(2)),
            ("HAND", Keep),
            ("FOR", Go(1)),
            ("ATTEMPT", Go(3)),
            ("WHY", Cut),
            ("THREAD", Wide),
            ("PARENT", Wide),
            ("TOKENS", Wide),
            ("USD", Wide),
        ],
    );
    for dispatch in dispatches {
        let took = dispatch.assigned_at.map(|begun| span(dispatch.ended_at.unwrap_or(now) - begun));
        let why = dispatch.error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
        table.add_row(vec![
            Cell::new(dispatch.id),
            marked(dispatch.state.as_str(), dispatch_mark(dispatch.state)),
            Cell::new(ago(dispatch.accepted_at, now)),
            Cell::new(took.unwrap_or_else(|| "-".into())),
            Cell::new(&dispatch.hand),
            Cell::new(&dispatch.invoker),
            Cell::new(dispatch.attempt),
            Cell::new(or_dash(&title(ui, &why.unwrap_or_default()))),
            Cell::new(dispatch.thread.map_or_else(|| "-".to_owned(), |it| it.to_string())),
            Cell::new(dispatch.parent.map_or_else(|| "-".to_owned(), |it| it.to_string())),
            Cell::new(dispatch.usage.tokens()),
            Cell::new(dispatch.cost_microusd.map_or_else(|| "-".to_owned(), dollars)),
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

pub fn knowledge(ui: &Ui, entries: &[KnowledgeHead], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("TOPIC", Cut),
            ("OF", Keep),
            ("VERSION", Go(1)),
            ("AGE", Keep),
            ("SHARED", Go(2)),
            ("BYTES", Go(3)),
            ("FOUND", Go(4)),
            ("RECALLED", Go(5)),
            ("ENTRY", Wide),
        ],
    );
    for head in entries {
        let usage =
            |of: fn(KnowledgeUsage) -> u64| head.usage.map_or_else(|| "-".into(), |it| of(it).to_string());
        let shared = match (head.deleted, head.shared) {
            (true, _) => "deleted",
            (false, true) => "yes",
            (false, false) => "no",
        };
        table.add_row(vec![
            or_dash(&title(ui, &head.topic)),
            head.from.to_string(),
            head.version.to_string(),
            ago(head.at, now),
            shared.to_owned(),
            head.bytes.to_string(),
            usage(|it| it.found),
            usage(|it| it.recalled),
            head.entry.to_string(),
        ]);
    }
    table.text()
}

pub fn grants(ui: &Ui, grants: &[KnowledgeGrantInfo], now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("ASPECT", Keep), ("MAY", Keep), ("OF", Keep), ("BY", Go(1)), ("SINCE", Go(2))]);
    for grant in grants {
        let name = |party: &Option<Party>| party.as_ref().map_or_else(|| "-".to_owned(), Party::to_string);
        table.add_row(vec![
            grant.to.to_string(),
            grant.may.as_str().to_owned(),
            name(&grant.of),
            name(&grant.by),
            grant.at.map_or_else(|| "-".to_owned(), |at| ago(at, now)),
        ]);
    }
    table.text()
}

pub fn sessions(ui: &Ui, sessions: &[SessionInfo], now: Ms) -> String {
    let mut table = Grid::new(ui, &[("SESSION", Id), ("KIND", Keep), ("LAST", Keep), ("BYTES", Go(1))]);
    for session in sessions {
        table.add_row(vec![
            or_dash(&session.session),
            session.kind.as_str().to_owned(),
            ago(session.at, now),
            session.bytes.to_string(),
        ]);
    }
    table.text()
}

/// In the order of the file; the mark says where the active branch is, and its head.
pub fn session_tree(ui: &Ui, tree: &SessionTreePage, now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("", Keep), ("ENTRY", Id), ("AGE", Go(1)), ("KIND", Keep), ("SUMMARY", Cut)]);
    for node in &tree.entries {
        let mark = match (tree.head == Some(node.id), node.active) {
            (true, _) => "◉",
            (false, true) => "●",
            (false, false) => "○",
        };
        table.add_row(vec![
            mark.to_owned(),
            node.id.to_string(),
            ago(node.at, now),
            or_dash(&node.kind),
            or_dash(&title(ui, &node.summary)),
        ]);
    }
    table.text()
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

pub fn contexts(ui: &Ui, config: &Config) -> String {
    let mut table = Grid::new(ui, &[("", Keep), ("NAME", Keep), ("URL", Keep), ("TOKEN", Cut)]);
    for (name, context) in &config.contexts {
        let current = if config.current.as_ref() == Some(name) { "*" } else { "" };
        let token = match (&context.token_file, &context.token) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(_)) => "kept here".to_owned(),
            (None, None) => "none".to_owned(),
        };
        table.add_row(vec![current.to_owned(), name.clone(), context.url.clone(), token]);
    }
    table.text()
}

fn names(parties: &[Party]) -> String {
    parties.iter().map(Party::to_string).collect::<Vec<_>>().join(", ")
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { printable(text) }
}

pub fn exact(at: Ms, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests;
