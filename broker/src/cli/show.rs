//! `nexus config show`.

use std::path::Path;

use clap::Subcommand;

use super::print::{say, table};
use crate::config::{Effective, SETTINGS, Setting};

#[derive(Debug, Subcommand)]
pub(super) enum Show {
    /// Print every setting with its value and where it came from
    Show,
}

pub(super) fn run(data: &Path, effective: &Effective) {
    say(format_args!("data directory: {}", data.display()));
    let about = |key: &str| SETTINGS.iter().find(|it: &&Setting| it.key == key).map_or("", |it| it.about);
    let rows: Vec<Vec<String>> = effective
        .rows()
        .map(|(key, value, source)| {
            let value = if value.is_empty() { "-" } else { value };
            vec![key.to_owned(), value.to_owned(), source.to_string(), about(key).to_owned()]
        })
        .collect();
    table(&["setting", "value", "from", ""], &rows);
}
