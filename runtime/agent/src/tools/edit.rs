//! `edit_file`: places of a file that are named by what stands there. All edits of a call are made, or none.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::diff::{self, Diff};
use super::read::is_binary;
use super::roots::Roots;
use super::seen::Seen;
use super::write::{FILE_BYTES_MAX, WriteError, Written, contents, put};

const EDITS_MAX: usize = 100;
/// Lines compared to say which is nearest to a text that is not there.
const NEAREST_LINES_MAX: usize = 20_000;
const NEAREST_CHARS_MAX: usize = 200;
/// A line that has less in common says nothing.
const NEAREST_LIKENESS: f64 = 0.5;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditFile {
    /// The file, as <root>/<path in that root>. It has to exist; write_file makes a new one.
    path: String,
    /// Made one after the other, each on what the one before it left. If one cannot be made, none is.
    edits: Vec<Edit>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// What stands there, exactly, white space included; it has to occur once. Take in lines around it until it does.
    old_text: String,
    /// What shall stand there.
    new_text: String,
    /// Replace every place where `old_text` occurs.
    #[serde(default)]
    replace_all: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("argument `edits[{at}].old_text` is empty; name what is to be replaced, or use write_file")]
    Empty { at: usize },
    #[error("{path} is not UTF-8 text, so it cannot be edited")]
    Encoding { path: String },
    #[error(
        "argument `edits[{at}].old_text` occurs {times} times in {path}, at lines {lines}; take in more of what stands around the one that is meant, or set replace_all. Nothing was changed"
    )]
    Many { at: usize, path: String, times: usize, lines: String },
    #[error("argument `edits[{at}].old_text` does not occur in {path}{nearest}. Nothing was changed")]
    None { at: usize, path: String, nearest: String },
    #[error("argument `edits`: {count} edits; from 1 to {EDITS_MAX} can be made at once")]
    Number { count: usize },
    #[error("argument `edits[{at}]`: old_text and new_text are the same")]
    Same { at: usize },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl EditFile {
    pub(crate) fn run(&self, roots: &Roots, seen: &Seen, by: Uuid) -> Result<Written, EditError> {
        if self.edits.is_empty() || self.edits.len() > EDITS_MAX {
            return Err(EditError::Number { count: self.edits.len() });
        }
        let target = roots.resolve_to_write(&self.path).map_err(WriteError::from)?;
        let path = target.place.shown.clone();
        let (old, stamp) = contents(&target)?;
        if is_binary(&old) {
            return Err(WriteError::Binary { path }.into());
        }
        let Ok(old) = String::from_utf8(old) else { return Err(EditError::Encoding { path }) };
        let changed_since = seen.stamp(by, &target.place.real).is_some_and(|read| read != stamp);
        let new = match self.apply(&path, &old) {
            Ok(new) => new,
            Err(EditError::None { .. }) if self.is_made(&old) => {
                let bytes = old.len() as u64;
                let diff = Diff::default();
                return Ok(Written { path, created: false, changed: false, bytes, diff });
            }
            // That the file is another one than was read is what helps more.
            Err(EditError::None { .. } | EditError::Many { .. }) if changed_since => {
                return Err(WriteError::Changed { path }.into());
            }
            Err(error) => return Err(error),
        };
        if changed_since {
            return Err(WriteError::Changed { path }.into());
        }
        if new.len() > FILE_BYTES_MAX {
            return Err(WriteError::TooLarge { path, bytes: new.len() }.into());
        }
        if is_binary(new.as_bytes()) {
            return Err(WriteError::Binary { path }.into());
        }
        let written = put(&target, &new, Some(stamp))?;
        seen.note(by, &target.place.real, written);
        let diff = diff::of(&path, &old, &new);
        Ok(Written { path, created: false, changed: true, bytes: new.len() as u64, diff })
    }

    fn apply(&self, path: &str, text: &str) -> Result<String, EditError> {
        let mut text = text.to_owned();
        for (at, edit) in self.edits.iter().enumerate() {
            if edit.old_text.is_empty() {
                return Err(EditError::Empty { at });
            }
            if edit.old_text == edit.new_text {
                return Err(EditError::Same { at });
            }
            let (old, new) = edit.as_in(&text);
            let times = text.matches(old.as_str()).count();
            let path = path.to_owned();
            text = match times {
                0 => {
                    let nearest = nearest(&text, &old);
                    return Err(EditError::None { at, path, nearest });
                }
                1 => text.replacen(old.as_str(), &new, 1),
                _ if edit.replace_all => text.replace(old.as_str(), &new),
                times => {
                    let lines = lines_of(&text, &old);
                    return Err(EditError::Many { at, path, times, lines });
                }
            };
            // Also on the way, so that edits that double a text do not fill the memory.
            if text.len() > 2 * FILE_BYTES_MAX {
                return Err(WriteError::TooLarge { path, bytes: text.len() }.into());
            }
        }
        Ok(text)
    }

    /// Whether the file already says what the edits would have made it say: none of the old texts is there, and every
    /// new one is.
    fn is_made(&self, text: &str) -> bool {
        self.edits.iter().all(|edit| {
            let (old, new) = edit.as_in(text);
            !new.is_empty() && !text.contains(old.as_str()) && text.contains(new.as_str())
        })
    }
}

impl Edit {
    /// Old and new text with the line ends of the file, which models write as `\n` whatever they are.
    fn as_in(&self, text: &str) -> (String, String) {
        let has_crlf = text.contains("\r\n") && !text.replace("\r\n", "").contains('\n');
        if !has_crlf || self.old_text.contains("\r\n") {
            return (self.old_text.clone(), self.new_text.clone());
        }
        let crlf = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
        (crlf(&self.old_text), crlf(&self.new_text))
    }
}

/// Where a text begins, as a few line numbers.
fn lines_of(text: &str, old: &str) -> String {
    const SHOWN: usize = 8;
    let numbers: Vec<String> = text
        .match_indices(old)
        .take(SHOWN + 1)
        .map(|(at, _)| (text[..at].matches('\n').count() + 1).to_string())
        .collect();
    match numbers.get(..SHOWN) {
        Some(first) if numbers.len() > SHOWN => format!("{}, …", first.join(", ")),
        Some(_) | None => numbers.join(", "),
    }
}

/// The line that is most like the first one that was looked for.
fn nearest(text: &str, old: &str) -> String {
    let Some(wanted) = old.lines().map(str::trim).find(|line| !line.is_empty()) else { return String::new() };
    let wanted = beginning(wanted);
    let best = text
        .lines()
        .take(NEAREST_LINES_MAX)
        .enumerate()
        .map(|(at, line)| (strsim::sorensen_dice(wanted, beginning(line.trim())), at, line))
        .filter(|(likeness, ..)| *likeness >= NEAREST_LIKENESS)
        // The first of equals, so that the answer is the same every time.
        .fold(None, |best: Option<(f64, usize, &str)>, this| match best {
            Some(best) if best.0 >= this.0 => Some(best),
            Some(_) | None => Some(this),
        });
    match best {
        Some((likeness, at, line)) if likeness >= 1.0 && old.lines().count() > 1 => {
            format!("; line {} is its first line, and what follows differs: {:?}", at + 1, beginning(line))
        }
        Some((_, at, line)) => format!("; the nearest is line {}: {:?}", at + 1, beginning(line)),
        None => String::new(),
    }
}

fn beginning(line: &str) -> &str {
    line.char_indices().nth(NEAREST_CHARS_MAX).map_or(line, |(end, _)| &line[..end])
}
