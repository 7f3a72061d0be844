//! An expression's text as tokens, each with its place.

use crate::Place;
use crate::parse::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Number(serde_json::Number),
    /// One of `. [ ] ( ) , | == != < <= > >=`.
    Sign(&'static str),
    End,
}

impl Token {
    /// As it is named to whoever wrote it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Text(_) => "a text".to_owned(),
            Self::Number(number) => format!("the number {number}"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

const SIGNS: [&str; 13] = ["==", "!=", "<=", ">=", "<", ">", ".", "[", "]", "(", ")", ",", "|"];

/// Reads tokens one by one; stops before `}}` when it is inside of a template.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str, place: Place) -> Self {
        Self { text, at: 0, place }
    }

    /// How many bytes have been read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        for character in self.text[self.at..self.at + bytes].chars() {
            if character == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        self.at += bytes;
    }

    pub(crate) fn skip_space(&mut self) {
        let rest = self.rest();
        self.take(rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
    }

    pub(crate) fn next(&mut self) -> Result<(Token, Place), ParseError> {
        self.skip_space();
        let (place, rest) = (self.place, self.rest());
        let Some(first) = rest.chars().next() else { return Ok((Token::End, place)) };
        if rest.starts_with("}}") {
            return Ok((Token::End, place));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.take(sign.len());
            return Ok((Token::Sign(sign), place));
        }
        let token = match first {
            '\'' | '"' => self.quoted(first)?,
            '-' | '0'..='9' => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' => self.name(),
            '=' => return Err(ParseError::new(place, "`=` compares nothing; two are equal with `==`")),
            '&' => return Err(ParseError::new(place, "`&` means nothing here; write `and`")),
            '!' => return Err(ParseError::new(place, "`!` means nothing here; write `not`, or `!=`")),
            other => {
                return Err(ParseError::new(place, format!("{other:?} means nothing in an expression")));
            }
        };
        Ok((token, place))
    }

    fn name(&mut self) -> Token {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        self.take(name.len());
        Token::Name(name.to_owned())
    }

    /// As JSON writes it.
    fn number(&mut self) -> Result<Token, ParseError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        let (place, rest) = (self.place, self.rest());
        let text = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let number = serde_json::from_str(text).map_err(|_| {
            ParseError::new(place, format!("{text:?} is no number; one is written like 12, -3 or 0.5"))
        })?;
        self.take(text.len());
        Ok(Token::Number(number))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, ParseError> {
        let opened = self.place;
        self.take(1);
        let mut text = String::new();
        loop {
            let (place, mut rest) = (self.place, self.rest().chars());
            let Some(next) = rest.next() else {
                return Err(ParseError::new(opened, format!("this text has no end; close it with {quote}")));
            };
            self.take(next.len_utf8());
            if next == quote {
                return Ok(Token::Text(text));
            }
            if next != '\\' {
                text.push(next);
                continue;
            }
            let escaped = match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(same @ ('\\' | '\'' | '"')) => same,
                Some(_) | None => {
                    return Err(ParseError::new(
                        place,
                        "after `\\` comes one of `n`, `t`, `\\`, `'` and `\"`",
                    ));
                }
            };
            self.take(1);
            text.push(escaped);
        }
    }
}
