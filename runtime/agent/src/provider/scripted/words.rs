//! Filters that let a script work with prose and source text: what a question is about, where a line stands,
//! what a text says in short. Pure, and the same for every script.

use std::collections::BTreeSet;

use minijinja::{Environment, Value};
use serde_json::{Value as Json, json};

use super::digest;
use super::template::value_of;

const KEYWORDS_MAX: usize = 8;
const EXCERPT_CHARS: usize = 200;
const KEY_POINTS: usize = 6;

/// Words that say nothing about what is asked.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "ask", "at", "be", "been",
    "before", "but", "by", "can", "check", "could", "did", "do", "does", "each", "explain", "file", "find",
    "for", "from", "get", "give", "had", "happen", "happens", "has", "have", "he", "her", "here", "how", "i",
    "if", "in", "into", "is", "it", "its", "just", "know", "let", "line", "look", "make", "may", "me",
    "mean", "my", "no", "not", "of", "on", "one", "or", "our", "out", "please", "say", "see", "she",
    "should", "show", "so", "some", "tell", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "up", "us", "use", "used", "was", "we", "were", "what", "when", "where",
    "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

pub(super) fn add_filters(env: &mut Environment<'static>) {
    env.add_filter("keywords", |text: String, max: Option<usize>| {
        keywords(&text).into_iter().take(max.unwrap_or(KEYWORDS_MAX)).collect::<Vec<_>>().join(" ")
    });
    env.add_filter("preferring", |hits: Value, part: String| preferring(&hits, &part));
    env.add_test("containing", |text: String, part: String| text.contains(&part));
    env.add_filter("shared_words", |text: String, other: String| shared_words(&text, &other));
    env.add_filter("excerpt", |text: String, max: Option<usize>| {
        excerpt(&text, max.unwrap_or(EXCERPT_CHARS))
    });
    env.add_filter("json", |text: String| match serde_json::from_str::<Json>(&text) {
        Ok(json) => value_of(&json),
        Err(_) => Value::UNDEFINED,
    });
    env.add_filter("numbered", |text: String, from: Option<usize>| numbered(&text, from.unwrap_or(1)));
    env.add_filter("find_line", |text: String, wanted: String, from: Option<usize>| {
        find_line(&text, &wanted, from.unwrap_or(1)).map_or(Value::UNDEFINED, |found| value_of(&found))
    });
    env.add_filter("sentences", |text: String, max: Option<usize>| {
        let sentences = digest::sentences(&text);
        sentences.into_iter().take(max.unwrap_or(usize::MAX)).collect::<Vec<_>>()
    });
    env.add_filter("key_points", |text: String, max: Option<usize>| {
        digest::key_points(&text, max.unwrap_or(KEY_POINTS))
    });
}

/// What a text is about: its words in order, without stop words and repetitions, brought near their stems so
/// that "decides" finds "decide".
fn keywords(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let words =
        text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '\'' | ':')));
    words
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_lowercase())
        .map(|word| word.strip_suffix("'s").map_or_else(|| word.clone(), str::to_owned))
        .filter(|word| word.chars().count() > 1 && !STOP_WORDS.contains(&word.as_str()))
        .map(|word| stem(&word).to_owned())
        .filter(|word| seen.insert(word.clone()))
        .collect()
}

/// Takes the plural's s off a plain word. Names of things in code stay what they are.
fn stem(word: &str) -> &str {
    let plain = word.len() > 4 && word.chars().all(|c| c.is_ascii_lowercase());
    match word.strip_suffix('s') {
        Some(stem) if plain && !stem.ends_with(['s', 'u', 'i']) => stem,
        Some(_) | None => word,
    }
}

/// What a hit in the files preferred counts more.
const PREFERENCE: f64 = 1.5;

/// Search hits (`{path, score, …}`), best first, where those whose path holds `part` count half as much again.
fn preferring(hits: &Value, part: &str) -> Result<Vec<Value>, minijinja::Error> {
    let mut ranked = Vec::new();
    for hit in hits.try_iter()? {
        let score = f64::try_from(hit.get_attr("score")?).unwrap_or(0.0);
        let preferred = hit.get_attr("path")?.as_str().is_some_and(|path| path.contains(part));
        ranked.push((if preferred { score * PREFERENCE } else { score }, hit));
    }
    // Stable, so that equals stay in the order the search gave them.
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Ok(ranked.into_iter().map(|(_, hit)| hit).collect())
}

/// How many of the words `text` is about stand in `other` too.
fn shared_words(text: &str, other: &str) -> usize {
    let other = other.to_lowercase();
    keywords(text).iter().filter(|word| other.contains(root(word))).count()
}

/// What the forms of a plain word have in common, near enough to find one by another.
fn root(word: &str) -> &str {
    let plain = word.len() > 5 && word.chars().all(|c| c.is_ascii_lowercase());
    let root = ["ing", "ed", "es", "s", "e"].iter().find_map(|end| word.strip_suffix(end));
    root.filter(|root| plain && root.len() > 3).unwrap_or(word)
}

/// The beginning of a text on one line, cut between words.
fn excerpt(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((end, _)) = line.char_indices().nth(max) else { return line };
    let cut = &line[..end];
    let cut = match cut.rfind(' ') {
        Some(space) if space * 2 > cut.len() => &cut[..space],
        Some(_) | None => cut,
    };
    format!("{}…", cut.trim_end())
}

/// Each line with its number in front, for quoting source.
fn numbered(text: &str, from: usize) -> String {
    let last = from.saturating_add(text.lines().count());
    let width = last.to_string().len();
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| {
        format!("{:>width$} | {line}", from.saturating_add(index)).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The first line that is `wanted` but for space around it, else the first that holds it. Of a longer text
/// only its first line is looked for.
fn find_line(text: &str, wanted: &str, from: usize) -> Option<Json> {
    let wanted = wanted.lines().map(str::trim).find(|line| !line.is_empty())?;
    let found = text
        .lines()
        .position(|line| line.trim() == wanted)
        .or_else(|| text.lines().position(|line| line.contains(wanted)))?;
    let line = text.lines().nth(found)?;
    Some(json!({"line": from.saturating_add(found), "text": line.trim()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_what_is_asked_about() {
        let cases: &[(&str, &[&str])] = &[
            (
                "where does the broker decide who receives a message?",
                &["broker", "decide", "receive", "message"],
            ),
            ("Please show me `hub/route.rs`, then chat.send's rule.", &["hub/route.rs", "chat.send", "rule"]),
            ("the class of bus statuses: ok, OK", &["class", "bus", "statuse", "ok"]),
            ("MAX_FRAME_BYTES nexus-wire", &["max_frame_bytes", "nexus-wire"]),
            ("what is it?", &[]),
            ("Größe über Häuser", &["größe", "über", "häuser"]),
        ];
        for (text, expected) in cases {
            assert_eq!(keywords(text), *expected, "{text}");
        }
    }

    #[test]
    fn an_excerpt_ends_between_words() {
        assert_eq!(excerpt("one  two\nthree", 99), "one two three");
        assert_eq!(excerpt("one two three four", 12), "one two…");
        assert_eq!(excerpt("ééééé", 2), "éé…");
        assert_eq!(excerpt("", 0), "");
    }

    #[test]
    fn a_line_is_found_as_a_whole_before_in_part() {
        let text = "fn route() {\n  let a = 1; // route\n  route\n}";
        assert_eq!(find_line(text, " route ", 10), Some(json!({"line": 12, "text": "route"})));
        assert_eq!(find_line(text, "let a", 1), Some(json!({"line": 2, "text": "let a = 1; // route"})));
        assert_eq!(find_line(text, "\n\n", 1), None);
        assert_eq!(find_line(text, "gone", 1), None);
    }

    #[test]
    fn forms_of_a_word_are_one_word() {
        let text = "Deciding what is received; main.rs";
        assert_eq!(shared_words("who decides which message receives main.rs?", text), 3);
        assert_eq!(shared_words("the broker", text), 0);
    }

    #[test]
    fn preferred_hits_count_more_but_not_everything() {
        let hit = |path: &str, score: f64| json!({"path": path, "score": score});
        let hits =
            json!([hit("a.md", 3.0), hit("b.md", 2.5), hit("c.rs", 2.0), hit("d.rs", 1.0), {"path": "e.rs"}]);
        let ranked = preferring(&value_of(&hits), ".rs").expect("a list of hits");
        let paths: Vec<_> =
            ranked.iter().map(|hit| hit.get_attr("path").expect("a path").to_string()).collect();
        assert_eq!(paths, ["a.md", "c.rs", "b.md", "d.rs", "e.rs"]);
    }

    #[test]
    fn numbers_stand_in_a_column() {
        assert_eq!(numbered("a\n\nb", 9), " 9 | a\n10 |\n11 | b");
        assert_eq!(numbered("", 1), "");
    }
}
