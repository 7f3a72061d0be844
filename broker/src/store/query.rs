//! What people type into a search as an FTS5 expression. Any text is a query; no text is an error.
//!
//! Words all have to occur; `"a phrase"` as it stands; `OR` separates alternatives; `-word` excludes; `pre*`
//! matches beginnings. An alternative that only excludes finds nothing, and neither does a query without words.

/// More terms than this are not looked at; FTS5 bounds the depth of an expression.
const TERMS_MAX: usize = 64;

#[derive(Debug, Default)]
struct Alternative {
    wanted: Vec<String>,
    excluded: Vec<String>,
}

/// The FTS5 expression, or `None` if nothing can match.
pub(super) fn fts5(text: &str) -> Option<String> {
    let mut alternatives = vec![Alternative::default()];
    for term in terms(text).take(TERMS_MAX) {
        match term {
            Term::Or => alternatives.push(Alternative::default()),
            Term::Match { expression, excluded } => {
                if let Some(last) = alternatives.last_mut() {
                    if excluded { last.excluded.push(expression) } else { last.wanted.push(expression) }
                }
            }
        }
    }
    let written: Vec<String> =
        alternatives.iter().filter(|it| !it.wanted.is_empty()).map(Alternative::expression).collect();
    (!written.is_empty()).then(|| written.join(" OR "))
}

/// The terms that count in a score, each an FTS5 expression of its own, none twice.
pub(super) fn wanted(text: &str) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for term in terms(text).take(TERMS_MAX) {
        if let Term::Match { expression, excluded: false } = term
            && !wanted.contains(&expression)
        {
            wanted.push(expression);
        }
    }
    wanted
}

impl Alternative {
    fn expression(&self) -> String {
        let wanted = self.wanted.join(" AND ");
        if self.excluded.is_empty() {
            return format!("({wanted})");
        }
        format!("(({wanted}) NOT ({}))", self.excluded.join(" OR "))
    }
}

enum Term {
    Or,
    Match { expression: String, excluded: bool },
}

fn terms(text: &str) -> impl Iterator<Item = Term> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(is_space);
            if rest.is_empty() {
                return None;
            }
            let (excluded, start) = match rest.strip_prefix('-') {
                Some(after) => (true, after),
                None => (false, rest),
            };
            let (body, quoted, after) = match start.strip_prefix('"') {
                Some(inner) => match inner.split_once('"') {
                    Some((phrase, after)) => (phrase, true, after),
                    None => (inner, true, ""),
                },
                None => {
                    let end = start.find(|c: char| is_space(c) || c == '"').unwrap_or(start.len());
                    (&start[..end], false, &start[end..])
                }
            };
            if !quoted && !excluded && body == "OR" {
                rest = after;
                return Some(Term::Or);
            }
            let (is_prefix, after) = match after.strip_prefix('*') {
                Some(after) if quoted => (true, after),
                Some(_) | None => (!quoted && body.ends_with('*'), after),
            };
            rest = after;
            // Quotes cannot occur in `body`; without a letter or digit FTS5 would see an empty phrase.
            if body.chars().any(char::is_alphanumeric) {
                let body: String = body.chars().map(|c| if c == '\0' { ' ' } else { c }).collect();
                let star = if is_prefix { "*" } else { "" };
                return Some(Term::Match { expression: format!("\"{}\"{star}", body.trim()), excluded });
            }
        }
    })
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\0'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_an_expression() {
        let cases: &[(&str, Option<&str>)] = &[
            ("", None),
            ("   ", None),
            ("!!! --- ***", None),
            ("-word", None),
            ("OR", None),
            ("OR OR", None),
            ("one two", Some(r#"("one" AND "two")"#)),
            ("one OR two three", Some(r#"("one") OR ("two" AND "three")"#)),
            ("one or two", Some(r#"("one" AND "or" AND "two")"#)),
            ("one -two -three", Some(r#"(("one") NOT ("two" OR "three"))"#)),
            ("-two OR one", Some(r#"("one")"#)),
            (r#""a phrase" here"#, Some(r#"("a phrase" AND "here")"#)),
            (r#"-"a phrase" here"#, Some(r#"(("here") NOT ("a phrase"))"#)),
            (r#"an "open quote"#, Some(r#"("an" AND "open quote")"#)),
            ("pre*", Some(r#"("pre*"*)"#)),
            (r#""a pre"*"#, Some(r#"("a pre"*)"#)),
            ("topic:x (y) NEAR/2 ^z", Some(r#"("topic:x" AND "(y)" AND "NEAR/2" AND "^z")"#)),
            ("a\0b", Some(r#"("a" AND "b")"#)),
        ];
        for (text, expression) in cases {
            assert_eq!(fts5(text).as_deref(), *expression, "{text:?}");
        }
    }
}
