//! YAML 1.2 with its core schema. Anchors, aliases, tags and further documents are refused: a flow is read by people,
//! and what stands in it stands there.

use nexus_expr::Place;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde_json::Value;

use crate::node::{Builder, Document, Fields, Spot, Unreadable, deep, fraction, join};

type Read<T> = Result<T, Unreadable>;

pub(crate) fn document(text: &str) -> Read<Document> {
    let lines = text.lines().collect();
    let mut reader = Reader { parser: Parser::new_from_str(text), lines, builder: Builder::default() };
    let value = loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, span) => return Unreadable::new(place(&span.start), "there is nothing in it"),
            (event, span) => break reader.value("", None, event, span, 0)?,
        }
    };
    loop {
        match reader.next()? {
            (Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => return Ok(reader.builder.document(value)),
            (_, span) => {
                return Unreadable::new(place(&span.start), "a file holds one document; this begins another");
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    lines: Vec<&'a str>,
    builder: Builder,
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Unreadable::new(place(error.marker()), error.info()),
            None => Unreadable::new(Place { line: 1, column: 1 }, "the file ends too early"),
        }
    }

    /// Whether the text is written in the file as it is, each of its lines from the same column on.
    fn stands(&self, text: &str, at: Place) -> bool {
        text.lines().enumerate().all(|(line, said)| {
            let written = self.lines.get(at.line - 1 + line).copied().unwrap_or_default();
            let mut written = written.chars().skip(at.column - 1);
            said.chars().all(|c| written.next() == Some(c))
        })
    }

    fn value(
        &mut self,
        path: &str,
        key: Option<Place>,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Read<Value> {
        let at = place(&span.start);
        deep(at, depth)?;
        let mut spot = Spot { key: key.unwrap_or(at), value: at, is_verbatim: false };
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(anchor) => (*anchor, false),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (0, false),
        };
        if anchor != 0 {
            return Unreadable::new(at, "anchors and aliases are not read here; write the value out");
        }
        if tag {
            return Unreadable::new(at, "tags are not read here; leave it out");
        }
        match event {
            Event::Scalar(text, style, _, _) => {
                spot.value.column += match style {
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
                    ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
                };
                spot.is_verbatim = style != ScalarStyle::Folded && self.stands(&text, spot.value);
                self.builder.note(path, spot)?;
                Ok(if style == ScalarStyle::Plain {
                    plain(&text, at)?
                } else {
                    Value::String(text.into_owned())
                })
            }
            Event::SequenceStart(..) => {
                self.builder.note(path, spot)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                        (event, span) => {
                            let path = format!("{path}[{}]", items.len());
                            items.push(self.value(&path, None, event, span, depth + 1)?);
                        }
                    }
                }
            }
            Event::MappingStart(..) => {
                self.builder.note(path, spot)?;
                self.mapping(path, depth)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::SequenceEnd
            | Event::MappingEnd => Unreadable::new(at, "expected a value"),
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Read<Value> {
        let mut fields = Fields::new();
        loop {
            let (event, span) = self.next()?;
            let at = place(&span.start);
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(fields)),
                Event::Scalar(key, _, 0, None) => key.into_owned(),
                Event::Scalar(..)
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::MappingStart(..)
                | Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::SequenceEnd => return Unreadable::new(at, "a key is a plain text"),
            };
            if fields.contains_key(&key) {
                return Unreadable::new(at, format!("`{key}` stands here twice"));
            }
            let (event, span) = self.next()?;
            let value = self.value(&join(path, &key), Some(at), event, span, depth + 1)?;
            fields.insert(key, value);
        }
    }
}

/// What a text without quotes means.
fn plain(text: &str, at: Place) -> Read<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
                || (digits.starts_with('.') && digits[1..].starts_with(|c: char| c.is_ascii_digit()));
            if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&digits) {
                return Unreadable::new(
                    at,
                    format!("{text} is no number here; put it in quotes if it is a text"),
                );
            }
            if is_number { number(text).unwrap_or_else(|| Value::from(text)) } else { Value::from(text) }
        }
    };
    Ok(value)
}

fn number(text: &str) -> Option<Value> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Value::from);
    if let Some(hex) = text.strip_prefix("0x") {
        return radix(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return radix(octal, 8);
    }
    if !text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) {
        return None;
    }
    let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
    whole.ok().or_else(|| fraction(text))
}
