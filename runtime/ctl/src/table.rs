//! Lists as tables. Pure: the time is an argument, and so is the width.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_wire::Ms;
use nexus_wire::name::Party;

pub use nexus_operator::shown::{ago, span};

use crate::ui::{Hue, Ui, printable, shortened};

mod asked;
mod flows;
mod grid;
mod kept;
mod registries;
mod reports;
mod said;
mod team;
mod triggers;
mod work;

pub use asked::{alerts, approvals};
pub use flows::{flows, run_steps, runs};
use grid::Cell;
pub use kept::{blobs, contexts, credentials, grants, knowledge, skills};
pub use registries::{registries, registry_changes, registry_rows};
pub use reports::{audit, gathers, members, operators, role, tokens, top, usage};
pub use said::{hits, messages, receipts, threads};
pub use team::{aspects, hands, session_tree, sessions};
pub use triggers::{plan, plans, proposed, slots, triggers};
pub use work::{budgets, dispatches};

const TITLE_CHARS: usize = 60;

/// One line of what people or models wrote; as long as it is where all was asked for.
fn title(ui: &Ui, text: &str) -> String {
    shortened(text, if ui.is_wide() { usize::MAX } else { TITLE_CHARS })
}

fn marked(state: &str, (mark, colour): (char, Hue)) -> Cell {
    Cell::new(format!("{mark} {state}")).fg(colour)
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
