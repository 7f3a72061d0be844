//! What a change of a file looks like, as a unified diff that fits into a result. Pure.

use serde::Serialize;
use similar::TextDiff;

/// A diff that is longer is cut at a line.
const DIFF_BYTES_MAX: usize = 12 * 1024;
/// Finding the difference of longer texts takes too long.
const TEXT_LINES_MAX: usize = 20_000;
const CONTEXT_LINES: usize = 3;

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Diff {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) diff: String,
    /// The diff is longer than what is shown of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) diff_truncated: bool,
}

pub(super) fn of(path: &str, old: &str, new: &str) -> Diff {
    if old.lines().count().max(new.lines().count()) > TEXT_LINES_MAX {
        return Diff { diff: String::new(), diff_truncated: true };
    }
    let compared = TextDiff::from_lines(old, new);
    let before = if old.is_empty() { "/dev/null".to_owned() } else { format!("a/{path}") };
    let diff = compared
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(&before, &format!("b/{path}"))
        .to_string();
    if diff.len() <= DIFF_BYTES_MAX {
        return Diff { diff, diff_truncated: false };
    }
    let end = diff.floor_char_boundary(DIFF_BYTES_MAX);
    let end = diff[..end].rfind('\n').map_or(end, |newline| newline + 1);
    Diff { diff: diff[..end].to_owned(), diff_truncated: true }
}
