//! Which places speak most of what a query asks for. Pure.
//!
//! A line counts by the distinct words of the query within a few lines around it, the words of its file's path
//! included; a word that stands in few files counts more than one that stands in most. Equal places come in the
//! order of path and line, so the same files give the same answer.

use std::collections::BTreeSet;

use super::{Match, shown};

/// Lines on each side that count towards a line.
const AROUND: usize = 3;
const PER_FILE_MAX: usize = 3;
/// Lines kept of each file until every file has been seen.
const KEPT_PER_FILE: usize = 24;
const WORDS_MAX: usize = 32;
/// Of a place in tests: they tell how something is used, or quote it, rather than where it is.
const TEST_SHARE: f64 = 0.25;
/// Left out while anything else is in the query: they stand everywhere and say nothing.
const COMMON: &[&str] = &[
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "did", "do", "does", "for",
    "from", "get", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "let", "me",
    "my", "of", "on", "or", "our", "please", "so", "that", "the", "them", "then", "there", "these", "this",
    "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "why", "will", "with",
    "you", "your",
];

/// The words of a query, each once, as a bit in a set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words(Vec<String>);

type Bits = u32;

impl Words {
    /// `None` when there is no word in it.
    pub(super) fn of(query: &str) -> Option<Self> {
        let mut all = Vec::new();
        words(query, |word| all.push(word.to_owned()));
        let telling: Vec<&String> = all.iter().filter(|word| !COMMON.contains(&word.as_str())).collect();
        let chosen = if telling.is_empty() { all.iter().collect() } else { telling };
        let mut seen = BTreeSet::new();
        let stems = chosen.into_iter().map(|word| stem(word)).filter(|stem| seen.insert(*stem));
        let stems: Vec<String> = stems.take(WORDS_MAX).map(str::to_owned).collect();
        (!stems.is_empty()).then_some(Self(stems))
    }

    fn bits(&self, text: &str) -> Bits {
        let mut bits = 0;
        words(text, |word| {
            let stem = stem(word);
            if let Some(index) = self.0.iter().position(|wanted| wanted == stem) {
                bits |= 1 << index;
            }
        });
        bits
    }
}

/// Calls `each` for every word: runs of letters and digits, in small letters. A name like `deliverTo` or `deliver_to`
/// is two words.
fn words(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::new();
    let mut previous_small = false;
    for c in text.chars().chain([' ']) {
        let begins = c.is_uppercase() && previous_small;
        if (!c.is_alphanumeric() || begins) && !word.is_empty() {
            each(&word);
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous_small = c.is_lowercase() || c.is_ascii_digit();
    }
}

/// Forms of a word meet in the same stem; that the stem is no word does not matter.
fn stem(word: &str) -> &str {
    let mut stem = word;
    if !["ss", "us", "is"].iter().any(|end| stem.ends_with(end)) {
        cut(&mut stem, "s", 3);
    }
    let _ = cut(&mut stem, "ing", 3)
        || cut(&mut stem, "ed", 3)
        || cut(&mut stem, "er", 4)
        || cut(&mut stem, "ion", 4);
    cut(&mut stem, "e", 3);
    let _ = cut(&mut stem, "i", 3) || cut(&mut stem, "y", 3);
    stem
}

/// Takes an ending off when at least so many letters are left.
fn cut(stem: &mut &str, end: &str, least: usize) -> bool {
    let rest = stem.strip_suffix(end).filter(|rest| rest.chars().nth(least - 1).is_some());
    if let Some(rest) = rest {
        *stem = rest;
    }
    rest.is_some()
}

/// A line that may be shown.
struct Candidate {
    line: u64,
    own: Bits,
    near: Bits,
    text: String,
    /// It stands in tests.
    test: bool,
    /// It says what something is: documentation, a heading, a definition.
    tells: bool,
}

/// One file as it is read.
pub(super) struct FileScore {
    path: String,
    words: Words,
    path_bits: Bits,
    all: Bits,
    in_tests: bool,
    /// The last lines: number, words, text, and whether the line may be shown.
    recent: Vec<(u64, Bits, String, bool)>,
    kept: Vec<Candidate>,
}

impl FileScore {
    pub(super) fn line(&mut self, number: u64, text: &str, eligible: bool) {
        let bits = self.words.bits(text);
        self.all |= bits;
        self.in_tests |= text.trim() == "#[cfg(test)]";
        let text = if bits != 0 && eligible { shown(text) } else { String::new() };
        self.recent.push((number, bits, text, eligible));
        if self.recent.len() > 2 * AROUND + 1 {
            self.recent.remove(0);
        }
        // The middle of a full window has all its neighbours.
        if self.recent.len() == 2 * AROUND + 1 {
            self.keep(AROUND);
        } else if self.recent.len() > AROUND {
            self.keep(self.recent.len() - 1 - AROUND);
        }
    }

    fn end(&mut self) {
        let from = self.recent.len().saturating_sub(AROUND);
        for index in from..self.recent.len() {
            self.keep(index);
        }
    }

    fn keep(&mut self, index: usize) {
        let around = index.saturating_sub(AROUND)..(index + AROUND + 1).min(self.recent.len());
        let near = self.recent.get(around).unwrap_or_default().iter().fold(0, |bits, line| bits | line.1);
        let Some((line, own, text, eligible)) = self.recent.get(index) else { return };
        if *own == 0 || !*eligible {
            return;
        }
        let candidate = Candidate {
            line: *line,
            own: *own,
            near,
            text: text.clone(),
            test: self.in_tests,
            tells: tells(text),
        };
        self.kept.push(candidate);
        if self.kept.len() >= 2 * KEPT_PER_FILE {
            self.prune();
        }
    }

    fn prune(&mut self) {
        self.kept.sort_by_key(|it| {
            let words = (it.near | self.path_bits).count_ones() + it.own.count_ones();
            (it.test, std::cmp::Reverse(words), it.line)
        });
        self.kept.truncate(KEPT_PER_FILE);
    }
}

fn tells(line: &str) -> bool {
    ["//!", "///", "# ", "## ", "### ", "\"\"\""].iter().any(|mark| line.starts_with(mark))
        || line.split_whitespace().take(4).any(|word| {
            matches!(
                word,
                "class" | "def" | "enum" | "fn" | "func" | "function" | "interface" | "struct" | "trait"
            )
        })
}

fn is_test(path: &str) -> bool {
    path.split(['/', '.', '_', '-']).any(|part| matches!(part, "test" | "tests" | "spec" | "specs"))
}

/// Every file that has any of the words.
pub(super) struct Ranking {
    words: Words,
    files: Vec<FileScore>,
    seen: u64,
}

impl Ranking {
    pub(super) fn new(words: Words) -> Self {
        Self { words, files: Vec::new(), seen: 0 }
    }

    pub(super) fn file(&self, path: &str) -> FileScore {
        let path_bits = self.words.bits(path);
        FileScore {
            path: path.to_owned(),
            words: self.words.clone(),
            path_bits,
            all: path_bits,
            in_tests: is_test(path),
            recent: Vec::new(),
            kept: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, mut file: FileScore) {
        self.seen += 1;
        file.end();
        file.prune();
        file.recent = Vec::new();
        if file.all != 0 {
            self.files.push(file);
        }
    }

    /// The best `limit` places, and whether there are more.
    pub(super) fn best(self, limit: usize) -> (Vec<Match>, bool) {
        let weights = self.weights();
        let weigh = |bits: Bits| -> f64 {
            weights
                .iter()
                .enumerate()
                .filter(|(index, _)| bits & (1 << index) != 0)
                .map(|(_, weight)| weight)
                .sum()
        };
        let total = weigh(Bits::MAX);
        let mut found = Vec::new();
        for file in self.files {
            let mut scored: Vec<(f64, Candidate)> = file
                .kept
                .into_iter()
                .map(|it| {
                    let covered = weigh(it.near | file.path_bits) / total;
                    let score = covered * covered
                        + 0.5 * weigh(it.own) / total
                        + 0.25 * weigh(file.path_bits) / total
                        + 0.1 * weigh(file.all) / total
                        + if it.tells { 0.1 } else { 0.0 };
                    (if it.test { score * TEST_SHARE } else { score }, it)
                })
                .collect();
            scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.line.cmp(&right.line)));
            let mut taken: Vec<u64> = Vec::new();
            for (score, it) in scored {
                let apart = |other: &u64| it.line.abs_diff(*other) > 2 * AROUND as u64;
                if taken.len() < PER_FILE_MAX && taken.iter().all(apart) {
                    taken.push(it.line);
                    let score = (score * 1000.0).round() / 1000.0;
                    found.push(Match { path: file.path.clone(), line: it.line, text: it.text, score });
                }
            }
        }
        found.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| (&a.path, a.line).cmp(&(&b.path, b.line)))
        });
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    }

    /// What each word counts, by how many files have it.
    fn weights(&self) -> Vec<f64> {
        let files = self.seen.max(1) as f64;
        (0..self.words.0.len())
            .map(|index| {
                let having = self.files.iter().filter(|file| file.all & (1 << index) != 0).count() as f64;
                (1.0 + files / (1.0 + having)).ln()
            })
            .collect()
    }
}
