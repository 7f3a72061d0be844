//! `read_file`: some lines of a text file, and where to go on.

use std::io::{BufRead, BufReader, Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::args::whole;
use super::replace::Stamp;
use super::roots::{PathError, Roots};
use super::seen::Seen;

/// Of one line; what is longer is no text a person wrote.
const LINE_BYTES_MAX: usize = 8 * 1024;
const LINES_DEFAULT: u64 = 400;
const LINES_MAX: u64 = 2000;
/// Beyond this even counting the lines takes too long.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A NUL within the first bytes makes a file binary.
const PROBE_BYTES: usize = 8 * 1024;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadFile {
    /// The file, as <root>/<path in that root>.
    path: String,
    /// The first line wanted, counted from 1.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    from_line: Option<u64>,
    /// How many lines (400; at most 2000).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    lines: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct FileText {
    path: String,
    #[serde(flatten)]
    lines: Lines,
}

/// Some lines of a text, and where to go on.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Lines {
    from_line: u64,
    text: String,
    total_lines: u64,
    /// There are lines after the last one given.
    truncated: bool,
    /// Where they begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_line: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{path} is a binary file ({bytes} bytes), not text")]
    Binary { path: String, bytes: u64 },
    #[error("argument `from_line`: {path} has {total} lines, so nothing stands at line {asked}")]
    BeyondEnd { path: String, total: u64, asked: u64 },
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(
        "{path} has {bytes} bytes, more than the {FILE_BYTES_MAX} that are read; search_files finds the part you need"
    )]
    TooLarge { path: String, bytes: u64 },
}

impl ReadFile {
    /// `text_max`: bytes of text in one result.
    pub(crate) fn run(
        &self,
        roots: &Roots,
        text_max: usize,
        seen: &Seen,
        by: Uuid,
    ) -> Result<FileText, ReadError> {
        let place = roots.resolve(&self.path)?;
        let (file, metadata) = place.open()?;
        let path = place.shown.clone();
        if metadata.len() > FILE_BYTES_MAX {
            return Err(ReadError::TooLarge { path, bytes: metadata.len() });
        }
        // A file that grows while it is read, or has no size, still ends.
        let mut reader = BufReader::with_capacity(64 * 1024, file.take(FILE_BYTES_MAX));
        let io = |source| ReadError::Io { path: path.clone(), source };
        if is_binary(reader.fill_buf().map_err(io)?) {
            return Err(ReadError::Binary { path, bytes: metadata.len() });
        }
        let lines = lines(&path, &mut reader, Asked::new(self.from_line, self.lines), text_max)?;
        seen.note(by, &place.real, Stamp::of(&metadata));
        Ok(FileText { path, lines })
    }
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    from: u64,
    lines: u64,
}

impl Asked {
    pub(super) fn new(from: Option<u64>, lines: Option<u64>) -> Self {
        Self { from: from.unwrap_or(1).max(1), lines: lines.unwrap_or(LINES_DEFAULT).clamp(1, LINES_MAX) }
    }
}

/// Told by its beginning.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(PROBE_BYTES).any(|byte| *byte == 0)
}

/// The lines asked for, of the text at `path`; `text_max` bytes of them at most.
pub(super) fn lines(
    path: &str,
    reader: &mut impl BufRead,
    Asked { from, lines }: Asked,
    text_max: usize,
) -> Result<Lines, ReadError> {
    let mut window = Window::new(from, lines, text_max);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|source| ReadError::Io { path: path.to_owned(), source })? == 0 {
            break;
        }
        window.take(&line);
    }
    let total_lines = window.seen;
    if from > total_lines && from > 1 {
        return Err(ReadError::BeyondEnd { path: path.to_owned(), total: total_lines, asked: from });
    }
    let next = from + window.given;
    let truncated = next <= total_lines;
    let next_line = truncated.then_some(next);
    Ok(Lines { from_line: from, text: window.text, total_lines, truncated, next_line })
}

/// The lines asked for, of all that pass.
struct Window {
    from: u64,
    wanted: u64,
    text_max: usize,
    seen: u64,
    given: u64,
    full: bool,
    text: String,
}

impl Window {
    fn new(from: u64, wanted: u64, text_max: usize) -> Self {
        Self { from, wanted, text_max, seen: 0, given: 0, full: false, text: String::new() }
    }

    fn take(&mut self, line: &[u8]) {
        self.seen += 1;
        if self.seen < self.from || self.given == self.wanted || self.full {
            return;
        }
        let line = shortened(line);
        if !self.text.is_empty() && self.text.len() + line.len() > self.text_max {
            self.full = true;
            return;
        }
        self.text.push_str(&line);
        self.given += 1;
    }
}

/// A line as text, ending as it ends in the file.
pub(super) fn shortened(line: &[u8]) -> String {
    if line.len() <= LINE_BYTES_MAX {
        return String::from_utf8_lossy(line).into_owned();
    }
    let kept = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line)).into_owned();
    let end = if line.ends_with(b"\n") { "\n" } else { "" };
    format!(
        "{}… [{} more bytes in this line]{end}",
        kept.trim_end_matches('\u{fffd}'),
        line.len() - LINE_BYTES_MAX
    )
}
