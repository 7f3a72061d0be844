//! Tokens as a tree, by precedence: `or`, `and`, `not`, comparisons, then values.

use serde_json::Value;
use thiserror::Error;

use crate::token::{Token, Tokens};
use crate::{DEPTH_MAX, Place, TEXT_BYTES_MAX};

/// What is wrong with an expression or a template, and where.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}:{}: {message}", place.line, place.column)]
pub struct ParseError {
    /// Within the text that was parsed.
    pub place: Place,
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Contains,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Both {
    And,
    Or,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Name(String),
    Index(u64),
}

/// `payload.items[0].name`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) place: Place,
    pub(crate) root: String,
    pub(crate) parts: Vec<Part>,
}

impl Path {
    /// The first `parts` of it, as it is written.
    pub(crate) fn shown(&self, parts: usize) -> String {
        let mut shown = self.root.clone();
        for part in self.parts.iter().take(parts) {
            match part {
                Part::Name(name) if name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) => {
                    shown.push('.');
                    shown.push_str(name);
                }
                Part::Name(name) => shown.push_str(&format!("[{}]", Value::from(name.as_str()))),
                Part::Index(index) => shown.push_str(&format!("[{index}]")),
            }
        }
        shown
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Literal(Value),
    List(Vec<Self>),
    Path(Path),
    Not(Box<Self>),
    Both(Both, Box<Self>, Box<Self>),
    Compare(Compare, Box<Self>, Box<Self>),
    Len(Box<Self>),
    /// Whether there is something, and it is not null.
    Has(Path),
    /// What is there, and if nothing or null is, something else.
    Default(Path, Box<Self>),
}

impl Node {
    pub(crate) fn paths<'a>(&'a self, found: &mut Vec<Vec<&'a str>>) {
        let mut add = |path: &'a Path| {
            let names = path.parts.iter().map_while(|part| match part {
                Part::Name(name) => Some(name.as_str()),
                Part::Index(_) => None,
            });
            found.push(std::iter::once(path.root.as_str()).chain(names).collect());
        };
        match self {
            Self::Literal(_) => {}
            Self::Path(path) | Self::Has(path) => add(path),
            Self::Default(path, otherwise) => {
                add(path);
                otherwise.paths(found);
            }
            Self::List(items) => items.iter().for_each(|item| item.paths(found)),
            Self::Not(inner) | Self::Len(inner) => inner.paths(found),
            Self::Both(_, left, right) | Self::Compare(_, left, right) => {
                left.paths(found);
                right.paths(found);
            }
        }
    }
}

pub(crate) fn expression(text: &str) -> Result<Node, ParseError> {
    let start = Place { line: 1, column: 1 };
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the expression is {} bytes; {TEXT_BYTES_MAX} is the most", text.len());
        return Err(ParseError::new(start, message));
    }
    let mut parser = Parser::new(Tokens::new(text, start))?;
    let node = parser.or()?;
    parser.expect_end("a comparison, `and`, `or` or the end")?;
    if parser.tokens.at() < text.len() {
        return Err(ParseError::new(
            parser.place,
            "`}}` ends a place in a template; this is an expression alone",
        ));
    }
    Ok(node)
}

pub(crate) struct Parser<'a> {
    pub(crate) tokens: Tokens<'a>,
    next: Token,
    /// Of `next`.
    place: Place,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(mut tokens: Tokens<'a>) -> Result<Self, ParseError> {
        let (next, place) = tokens.next()?;
        Ok(Self { tokens, next, place, depth: 0 })
    }

    fn advance(&mut self) -> Result<Token, ParseError> {
        let (next, place) = self.tokens.next()?;
        self.place = place;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn expected<T>(&self, what: &str) -> Result<T, ParseError> {
        Err(ParseError::new(self.place, format!("expected {what}, found {}", self.next.shown())))
    }

    pub(crate) fn expect_end(&self, what: &str) -> Result<(), ParseError> {
        if self.next == Token::End { Ok(()) } else { self.expected(what) }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.next, Token::Sign(next) if *next == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.next, Token::Name(next) if next == word)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if !self.is_sign(sign) {
            return self.expected(&format!("`{sign}`"));
        }
        self.advance().map(drop)
    }

    /// The filter behind a template's expression.
    pub(crate) fn filter(&mut self) -> Result<bool, ParseError> {
        if !self.is_sign("|") {
            return Ok(false);
        }
        self.advance()?;
        if !self.is_word("json") {
            return self.expected("`json`, which is the only filter there is");
        }
        self.advance()?;
        Ok(true)
    }

    pub(crate) fn or(&mut self) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("the expression nests deeper than {DEPTH_MAX}");
            return Err(ParseError::new(self.place, message));
        }
        let mut left = self.and()?;
        // A chain nests to the left, so its length counts as depth, too.
        let mut links = 0;
        while self.is_word("or") {
            self.link(&mut links)?;
            self.advance()?;
            left = Node::Both(Both::Or, Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, ParseError> {
        let mut left = self.not()?;
        let mut links = 0;
        while self.is_word("and") {
            self.link(&mut links)?;
            self.advance()?;
            left = Node::Both(Both::And, Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn link(&self, links: &mut usize) -> Result<(), ParseError> {
        *links += 1;
        if *links <= DEPTH_MAX {
            return Ok(());
        }
        let message = format!("more than {DEPTH_MAX} conditions in a row; group them with parentheses");
        Err(ParseError::new(self.place, message))
    }

    fn not(&mut self) -> Result<Node, ParseError> {
        let mut negations = 0;
        while self.is_word("not") {
            self.link(&mut negations)?;
            self.advance()?;
        }
        let mut node = self.comparison()?;
        for _ in 0..negations {
            node = Node::Not(Box::new(node));
        }
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, ParseError> {
        let left = self.operand()?;
        let Some(compare) = self.compare() else { return Ok(left) };
        self.advance()?;
        let right = self.operand()?;
        if self.compare().is_some() {
            let message = "comparisons do not chain; join two of them with `and`";
            return Err(ParseError::new(self.place, message));
        }
        Ok(Node::Compare(compare, Box::new(left), Box::new(right)))
    }

    fn compare(&self) -> Option<Compare> {
        match &self.next {
            Token::Sign("==") => Some(Compare::Equal),
            Token::Sign("!=") => Some(Compare::Unequal),
            Token::Sign("<") => Some(Compare::Less),
            Token::Sign("<=") => Some(Compare::LessOrEqual),
            Token::Sign(">") => Some(Compare::More),
            Token::Sign(">=") => Some(Compare::MoreOrEqual),
            Token::Name(name) if name == "contains" => Some(Compare::Contains),
            Token::Sign(_) | Token::Name(_) | Token::Text(_) | Token::Number(_) | Token::End => None,
        }
    }

    fn operand(&mut self) -> Result<Node, ParseError> {
        const WANTED: &str = "a value: a name, a text in quotes, a number, true, false, null, `[` or `(`";
        let place = self.place;
        match &self.next {
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.or()?;
                self.sign(")")?;
                Ok(inner)
            }
            Token::Sign("[") => self.list(),
            Token::Sign(_) | Token::End => self.expected(WANTED),
            Token::Text(text) => {
                let value = Value::from(text.as_str());
                self.advance()?;
                Ok(Node::Literal(value))
            }
            Token::Number(number) => {
                let value = Value::Number(number.clone());
                self.advance()?;
                Ok(Node::Literal(value))
            }
            Token::Name(name) if ["and", "or", "not", "contains"].contains(&name.as_str()) => {
                self.expected(WANTED)
            }
            Token::Name(_) => self.named(place),
        }
    }

    fn list(&mut self) -> Result<Node, ParseError> {
        self.advance()?;
        let mut items = Vec::new();
        while !self.is_sign("]") {
            items.push(self.or()?);
            if !self.is_sign("]") {
                self.sign(",")?;
            }
        }
        self.advance()?;
        Ok(Node::List(items))
    }

    /// A word of the language, a call, or a path.
    fn named(&mut self, place: Place) -> Result<Node, ParseError> {
        let Token::Name(name) = self.advance()? else { return self.expected("a name") };
        let literal = match name.as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            _ => None,
        };
        if let Some(value) = literal {
            return Ok(Node::Literal(value));
        }
        if !self.is_sign("(") {
            return self.path(place, name).map(Node::Path);
        }
        if !["len", "has", "default"].contains(&name.as_str()) {
            let message = format!("there is no function `{name}`; known are len, has and default");
            return Err(ParseError::new(place, message));
        }
        self.advance()?;
        let node = match name.as_str() {
            "len" => Node::Len(Box::new(self.or()?)),
            "has" => Node::Has(self.only_path()?),
            _ => {
                let path = self.only_path()?;
                self.sign(",")?;
                Node::Default(path, Box::new(self.or()?))
            }
        };
        self.sign(")")?;
        Ok(node)
    }

    fn only_path(&mut self) -> Result<Path, ParseError> {
        let place = self.place;
        let is_literal = ["true", "false", "null", "not"].iter().any(|word| self.is_word(word));
        match &self.next {
            Token::Name(name) if !is_literal => {
                let name = name.clone();
                self.advance()?;
                self.path(place, name)
            }
            Token::Name(_) | Token::Sign(_) | Token::Text(_) | Token::Number(_) | Token::End => {
                self.expected("a name such as input.city")
            }
        }
    }

    fn path(&mut self, place: Place, root: String) -> Result<Path, ParseError> {
        let mut parts = Vec::new();
        loop {
            if parts.len() > DEPTH_MAX {
                let message = format!("a path of more than {DEPTH_MAX} parts");
                return Err(ParseError::new(self.place, message));
            }
            if self.is_sign(".") {
                self.advance()?;
                let Token::Name(name) = &self.next else { return self.expected("a name after `.`") };
                parts.push(Part::Name(name.clone()));
                self.advance()?;
            } else if self.is_sign("[") {
                self.advance()?;
                let part = match &self.next {
                    Token::Text(name) => Part::Name(name.clone()),
                    Token::Number(number) => match number.as_u64() {
                        Some(index) => Part::Index(index),
                        None => return self.expected("a whole number that is not negative"),
                    },
                    Token::Name(_) | Token::Sign(_) | Token::End => {
                        return self.expected("a number or a text in quotes");
                    }
                };
                parts.push(part);
                self.advance()?;
                self.sign("]")?;
            } else {
                return Ok(Path { place, root, parts });
            }
        }
    }
}
