//! Lines for people. A reader who has closed the pipe has seen enough.

use std::fmt;
use std::io::{self, Write};

pub(super) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

pub(super) fn complain(error: &dyn fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "nexus: {error}");
}

/// Rows under headings, each column as wide as its widest cell.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    for line in lines(headings, rows) {
        say(format_args!("{line}"));
    }
}

fn lines(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let headings: Vec<String> = headings.iter().map(|it| (*it).to_owned()).collect();
    let all = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or(0)).collect();
    all()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["wren".to_owned(), "worker".into()], vec!["a-longer-name".into(), "frame".into()]];
        assert_eq!(
            lines(&["name", "role"], &rows),
            ["name           role", "wren           worker", "a-longer-name  frame"]
        );
    }
}
