//! `search_files`: lines that match a pattern, or places that speak of what a question is about.
//!
//! Reads line by line within limits on files, bytes and time; how places are weighed is `rank`'s matter.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use super::list::walk;
use super::roots::{PathError, Place, Roots};
use rank::{Ranking, Words};

mod rank;

const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 200;
const FILES_MAX: usize = 50_000;
const BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The part of a file that is looked at.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const PROBE_BYTES: usize = 1024;
const TEXT_CHARS_MAX: usize = 300;
const PATTERN_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchFiles {
    /// Words, in any order and form; the places that have most of them come first.
    #[serde(default)]
    query: Option<String>,
    /// A regular expression that a line must match; `(?i)` at its start ignores case.
    #[serde(default)]
    pattern: Option<String>,
    /// Where to look, as <root>/<path in that root>; in all roots when absent.
    #[serde(default)]
    path: Option<String>,
    /// How many matches (20; at most 200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Matches {
    pub(super) matches: Vec<Match>,
    /// There are more matches, or not everything could be looked at.
    pub(super) truncated: bool,
}

impl super::Shrink for Matches {
    fn shrink(&mut self) -> bool {
        self.truncated = true;
        let kept = self.matches.len() / 2;
        self.matches.truncate(kept);
        kept > 0
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Match {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) text: String,
    pub(super) score: f64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    #[error("argument `query` or `pattern` is needed: words to look for, or a regular expression")]
    Nothing,
    #[error("argument `query`: there is no word in {0:?}")]
    NoWord(String),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("argument `pattern`: {0}")]
    Pattern(#[from] regex::Error),
}

impl SearchFiles {
    /// `stop` is looked at between files: whoever asked has gone.
    pub(crate) fn run(&self, roots: &Roots, stop: &AtomicBool) -> Result<Matches, SearchError> {
        let limit =
            usize::try_from(self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)).unwrap_or(usize::MAX);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let pattern = match given(&self.pattern) {
            Some(pattern) => Some(RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES_MAX).build()?),
            None => None,
        };
        let words = match given(&self.query) {
            Some(query) => Some(Words::of(&query).ok_or(SearchError::NoWord(query))?),
            None => None,
        };
        let mut scan = Scan { stop, files: 0, bytes: 0, cut: false };
        let places = roots.resolve_or_all(self.path.as_deref())?;
        Ok(match (words, pattern) {
            (None, None) => return Err(SearchError::Nothing),
            (None, Some(pattern)) => matching(&places, &pattern, limit, &mut scan),
            (Some(words), pattern) => ranked(&places, words, pattern.as_ref(), limit, &mut scan),
        })
    }
}

/// In the order of paths and lines.
fn matching(places: &[Place], pattern: &Regex, limit: usize, scan: &mut Scan<'_>) -> Matches {
    let mut matches = Vec::new();
    scan.files(places, |path, file| {
        while let Some((line, text)) = file.next_line() {
            if pattern.is_match(text) {
                if matches.len() == limit {
                    return Go::Stop;
                }
                matches.push(Match { path: path.to_owned(), line, text: excerpt(text), score: 1.0 });
            }
        }
        Go::On
    });
    Matches { matches, truncated: scan.cut }
}

/// In the order of their rank; with a pattern, only lines that match it.
fn ranked(
    places: &[Place],
    words: Words,
    pattern: Option<&Regex>,
    limit: usize,
    scan: &mut Scan<'_>,
) -> Matches {
    let mut ranking = Ranking::new(words);
    scan.files(places, |path, file| {
        let mut this = ranking.file(path);
        while let Some((line, text)) = file.next_line() {
            let eligible = pattern.is_none_or(|pattern| pattern.is_match(text));
            this.line(line, &String::from_utf8_lossy(text), eligible);
        }
        ranking.add(this);
        Go::On
    });
    let (matches, more) = ranking.best(limit);
    Matches { matches, truncated: more || scan.cut }
}

enum Go {
    On,
    Stop,
}

/// What has been looked at, and whether anything was left out.
struct Scan<'a> {
    stop: &'a AtomicBool,
    files: usize,
    bytes: u64,
    cut: bool,
}

impl Scan<'_> {
    fn files(&mut self, places: &[Place], mut look: impl FnMut(&str, &mut Lines) -> Go) {
        for place in places {
            for entry in walk(place, None) {
                if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                    continue;
                }
                if self.files == FILES_MAX || self.bytes > BYTES_MAX || self.stop.load(Ordering::Relaxed) {
                    self.cut = true;
                    return;
                }
                self.files += 1;
                let Some(path) = place.shown_of(entry.path()) else { continue };
                let Ok((file, metadata)) = place.open_found(entry.path()) else { continue };
                let mut lines = Lines::new(file);
                if lines.is_binary() {
                    continue;
                }
                let go = look(&path, &mut lines);
                self.bytes += metadata.len().min(FILE_BYTES_MAX);
                self.cut |= metadata.len() > FILE_BYTES_MAX;
                if let Go::Stop = go {
                    self.cut = true;
                    return;
                }
            }
        }
    }
}

/// The lines of one file with their numbers. A file that cannot be read on simply ends.
struct Lines {
    reader: BufReader<std::io::Take<std::fs::File>>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn new(file: std::fs::File) -> Self {
        let reader = BufReader::with_capacity(64 * 1024, file.take(FILE_BYTES_MAX));
        Self { reader, line: Vec::new(), number: 0 }
    }

    fn is_binary(&mut self) -> bool {
        self.reader.fill_buf().map_or(true, |head| head.iter().take(PROBE_BYTES).any(|byte| *byte == 0))
    }

    fn next_line(&mut self) -> Option<(u64, &[u8])> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line).ok()? == 0 {
            return None;
        }
        self.number += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Some((self.number, line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// A line as it is shown.
fn excerpt(line: &[u8]) -> String {
    shown(&String::from_utf8_lossy(line))
}

fn shown(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
