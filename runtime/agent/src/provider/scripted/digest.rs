//! What a text says in short, by picking from it: nothing is worded anew, so nothing can be made up.

/// The sentences of a piece of prose.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut sentences = Vec::new();
    let mut begin = 0;
    let mut ends = text.char_indices().peekable();
    while let Some((index, c)) = ends.next() {
        let followed = ends.peek().is_none_or(|(_, next)| *next == ' ');
        // "e.g. this" goes on; a sentence that ends is followed by something that begins.
        let begins =
            text[index + c.len_utf8()..].trim_start().chars().next().is_none_or(|next| !next.is_lowercase());
        if matches!(c, '.' | '!' | '?') && followed && begins {
            sentences.push(text[begin..=index].trim().to_owned());
            begin = index + 1;
        }
    }
    let rest = text[begin..].trim();
    if !rest.is_empty() {
        sentences.push(rest.to_owned());
    }
    sentences
}

/// The points a file makes, in its own words: what its head says, then what its headings, documented items or
/// paragraphs begin with.
pub(super) fn key_points(text: &str, max: usize) -> Vec<String> {
    let mut points = Vec::new();
    let head = comment(text, "//!");
    points.extend(sentences(&head).into_iter().take(2));
    let is_markdown = text.lines().any(|line| heading(line).is_some());
    let is_code = !head.is_empty() || text.lines().any(|line| line.trim_start().starts_with("///"));
    if is_code {
        points.extend(items(text));
    } else if is_markdown {
        points.extend(sections(text));
    } else {
        points
            .extend(paragraphs(text).iter().filter_map(|paragraph| sentences(paragraph).into_iter().next()));
    }
    points.dedup();
    points.truncate(max);
    points
}

/// The first run of lines that begin with `mark`.
fn comment(text: &str, mark: &str) -> String {
    let lines = text.lines().map(str::trim_start).skip_while(|line| !line.starts_with(mark));
    let lines = lines.map_while(|line| line.strip_prefix(mark)).map(str::trim);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Documented items of a source file: `name: its first sentence`.
fn items(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut doc = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            doc.push(more.trim());
        } else if line.starts_with("#[") {
            // An attribute stands between a comment and its item.
        } else {
            if let (Some(first), Some(name)) = (sentences(&doc.join(" ")).into_iter().next(), item_name(line))
            {
                found.push(format!("`{name}`: {first}"));
            }
            doc.clear();
        }
    }
    found
}

fn item_name(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.find(|word| {
        matches!(*word, "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "mod")
    })?;
    words.next()
}

fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    let depth = line.len() - title.len();
    ((1..=6).contains(&depth) && title.starts_with(' ')).then(|| title.trim())
}

/// Each heading with the first sentence under it.
fn sections(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut title = None;
    let mut body = String::new();
    let mut fenced = false;
    for line in text.lines().chain(["# "]) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let Some(next) = heading(line).filter(|_| !fenced || line == "# ") else {
            if !fenced && !line.trim_start().starts_with('|') {
                body.push_str(line);
                body.push('\n');
            }
            continue;
        };
        let first = paragraphs(&body).first().and_then(|paragraph| sentences(paragraph).into_iter().next());
        match (title.replace(next), first) {
            (Some(title), Some(first)) => found.push(format!("{title}: {first}")),
            (None, Some(first)) => found.push(first),
            (Some(_) | None, None) => {}
        }
        body.clear();
    }
    found
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(last) = paragraphs.last_mut() {
            last.push_str(line.trim());
            last.push(' ');
        }
    }
    paragraphs.retain(|paragraph| !paragraph.trim().is_empty());
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_another_begins() {
        assert_eq!(
            sentences("One, e.g. this\none. Two?  Version 1.2 is out! and so on"),
            ["One, e.g. this one.", "Two?", "Version 1.2 is out! and so on"]
        );
        assert!(sentences(" \n").is_empty());
    }

    #[test]
    fn a_source_file_is_told_by_its_comments() {
        let text = "//! Routes frames. Knows no socket.\n//! Really.\n//!\n//! More.\n\nuse x;\n\n\
                    /// Who gets it. Always.\n#[must_use]\npub fn route() {}\n\n/// Dangling.\n\nfn plain() {}\n\
                    /// A limit\npub const LIMIT: u32 = 1;\n";
        assert_eq!(
            key_points(text, 9),
            ["Routes frames.", "Knows no socket.", "`route`: Who gets it.", "`LIMIT`: A limit"]
        );
        assert_eq!(key_points(text, 1), ["Routes frames."]);
    }

    #[test]
    fn a_document_is_told_by_its_headings() {
        let text = "Before all.\n# Bus\n\nFrames go here. They do.\n\n## Link\n```\n# not a heading\n```\n| a | b |\n\n## Inbox\nDurable. Yes.\n";
        assert_eq!(key_points(text, 9), ["Before all.", "Bus: Frames go here.", "Inbox: Durable."]);
    }

    #[test]
    fn prose_is_told_by_its_paragraphs() {
        assert_eq!(key_points("One. Two.\nThree.\n\n\nFour five", 9), ["One.", "Four five"]);
        assert!(key_points("", 9).is_empty());
    }
}
