//! A JSON value with expressions in its texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::check::{Missing, Shape};
use crate::eval::{EvalError, Run, bytes_of, kind};
use crate::parse::{Node, ParseError, Parser};
use crate::token::Tokens;
use crate::{DEPTH_MAX, OUTPUT_BYTES_MAX, OUTPUT_DEPTH_MAX, Place, TEXT_BYTES_MAX, check, nests_within};

/// Parsed once; what it makes is data and is not looked at again.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// Nothing in it is to be filled in.
    Plain(Value),
    /// A text that is one expression: its value.
    Whole(Spot),
    Text(Vec<Piece>),
    List(Vec<Self>),
    Fields(BTreeMap<String, Self>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Said(String),
    Spot(Spot),
}

#[derive(Clone, Debug, PartialEq)]
struct Spot {
    node: Node,
    /// Written as JSON text, whatever it is.
    as_json: bool,
}

impl Template {
    /// `path` of the error's text in a larger value is told with it; of a text alone it is empty.
    pub fn parse(value: &Value) -> Result<Self, (String, ParseError)> {
        form(value, &mut String::new(), 0).map(Self)
    }

    pub fn parse_text(text: &str) -> Result<Self, ParseError> {
        text_form(text).map(Self)
    }

    /// Every name that `shape` says cannot be there.
    pub fn check(&self, shape: &Shape) -> Vec<Missing> {
        let mut missing = Vec::new();
        self.0.spots(&mut |spot| check::node(&spot.node, shape, &mut missing));
        missing
    }

    /// The paths it reads, as of [`crate::Expr::paths`].
    pub fn paths(&self) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        self.0.spots(&mut |spot| spot.node.paths(&mut paths));
        paths
    }

    /// What it makes, with the fields of the object `scope` as the roots of its paths.
    pub fn value(&self, scope: &Value) -> Result<Value, EvalError> {
        let mut fill = Fill { run: Run::new(scope), room: OUTPUT_BYTES_MAX };
        fill.form(&self.0, OUTPUT_DEPTH_MAX)
    }

    /// The same of a template that has to make a text.
    pub fn text(&self, scope: &Value) -> Result<String, EvalError> {
        match self.value(scope)? {
            Value::String(text) => Ok(text),
            number @ (Value::Number(_) | Value::Bool(_)) => Ok(number.to_string()),
            other @ (Value::Null | Value::Array(_) | Value::Object(_)) => {
                Err(EvalError::Type(format!("this has to be a text, and is {}", kind(&other))))
            }
        }
    }
}

fn form(value: &Value, path: &mut String, depth: usize) -> Result<Form, (String, ParseError)> {
    if depth > DEPTH_MAX {
        let message = format!("the value nests deeper than {DEPTH_MAX}");
        return Err((path.clone(), ParseError::new(Place { line: 1, column: 1 }, message)));
    }
    let mut inner = |part: String, value: &Value| {
        let before = path.len();
        path.push_str(&part);
        let form = form(value, path, depth + 1);
        path.truncate(before);
        form
    };
    match value {
        Value::String(text) => text_form(text).map_err(|error| (path.clone(), error)),
        Value::Array(items) => {
            let forms = items.iter().enumerate().map(|(at, item)| inner(format!("[{at}]"), item));
            forms.collect::<Result<_, _>>().map(Form::List)
        }
        Value::Object(fields) => {
            let forms =
                fields.iter().map(|(name, value)| Ok((name.clone(), inner(format!(".{name}"), value)?)));
            forms.collect::<Result<_, _>>().map(Form::Fields)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Form::Plain(value.clone())),
    }
}

fn text_form(text: &str) -> Result<Form, ParseError> {
    let mut place = Place { line: 1, column: 1 };
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text is {} bytes; {TEXT_BYTES_MAX} is the most", text.len());
        return Err(ParseError::new(place, message));
    }
    let (mut pieces, mut at) = (Vec::new(), 0);
    while let Some(found) = text[at..].find("{{") {
        let mut before = Tokens::new(&text[at..], place);
        if found > 0 {
            pieces.push(Piece::Said(text[at..at + found].to_owned()));
        }
        before.take(found);
        let opened = before.place();
        before.take(2);
        let inside = at + found + 2;
        let mut parser = Parser::new(Tokens::new(&text[inside..], before.place()))?;
        let node = parser.or()?;
        let as_json = parser.filter()?;
        parser.expect_end("`|` or `}}`")?;
        let mut tokens = parser.tokens;
        if !text[inside + tokens.at()..].starts_with("}}") {
            return Err(ParseError::new(opened, "this `{{` has no end; close it with `}}`"));
        }
        tokens.take(2);
        (at, place) = (inside + tokens.at(), tokens.place());
        pieces.push(Piece::Spot(Spot { node, as_json }));
    }
    if at < text.len() {
        pieces.push(Piece::Said(text[at..].to_owned()));
    }
    Ok(match pieces.as_mut_slice() {
        [] => Form::Plain(Value::String(String::new())),
        [Piece::Said(_)] => Form::Plain(Value::String(text.to_owned())),
        [Piece::Spot(spot)] => Form::Whole(spot.clone()),
        [_, ..] => Form::Text(pieces),
    })
}

impl Form {
    fn spots<'a>(&'a self, visit: &mut impl FnMut(&'a Spot)) {
        match self {
            Self::Plain(_) => {}
            Self::Whole(spot) => visit(spot),
            Self::Text(pieces) => pieces.iter().for_each(|piece| match piece {
                Piece::Said(_) => {}
                Piece::Spot(spot) => visit(spot),
            }),
            Self::List(forms) => forms.iter().for_each(|form| form.spots(visit)),
            Self::Fields(forms) => forms.values().for_each(|form| form.spots(visit)),
        }
    }
}

struct Fill<'a> {
    run: Run<'a>,
    /// Bytes that may still be made.
    room: usize,
}

impl<'a> Fill<'a> {
    fn make(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.room = self.room.checked_sub(bytes).ok_or(EvalError::TooLarge)?;
        Ok(())
    }

    /// `levels`: how many may be within it.
    fn form(&mut self, form: &'a Form, levels: usize) -> Result<Value, EvalError> {
        let within = || levels.checked_sub(1).ok_or(EvalError::TooDeep);
        match form {
            Form::Plain(value) => {
                self.make(bytes_of(value))?;
                Ok(value.clone())
            }
            Form::Whole(Spot { node, as_json }) => {
                let value = self.run.eval(node)?;
                if !*as_json && !nests_within(&value, levels) {
                    return Err(EvalError::TooDeep);
                }
                self.make(bytes_of(&value))?;
                Ok(if *as_json { Value::String(value.to_string()) } else { value.into_owned() })
            }
            Form::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    self.piece(piece, &mut text)?;
                }
                Ok(Value::String(text))
            }
            Form::List(forms) => {
                let levels = within()?;
                let items: Result<Vec<Value>, EvalError> =
                    forms.iter().map(|form| self.form(form, levels)).collect();
                items.map(Value::Array)
            }
            Form::Fields(forms) => {
                let (levels, mut fields) = (within()?, Map::new());
                for (name, form) in forms {
                    self.make(name.len() + 4)?;
                    fields.insert(name.clone(), self.form(form, levels)?);
                }
                Ok(Value::Object(fields))
            }
        }
    }

    fn piece(&mut self, piece: &'a Piece, text: &mut String) -> Result<(), EvalError> {
        let Spot { node, as_json } = match piece {
            Piece::Said(said) => return self.say(said, text),
            Piece::Spot(spot) => spot,
        };
        let value = self.run.eval(node)?;
        match value.as_ref() {
            value if *as_json => {
                // Known before it is written, so that nothing large is made for nothing.
                if bytes_of(value) > self.room {
                    return Err(EvalError::TooLarge);
                }
                self.say(&value.to_string(), text)
            }
            Value::Null => Ok(()),
            Value::String(said) => self.say(said, text),
            Value::Bool(_) | Value::Number(_) => self.say(&value.to_string(), text),
            Value::Array(_) | Value::Object(_) => Err(EvalError::Type(format!(
                "{} does not fit into a text as it is; write `| json` behind it",
                kind(&value)
            ))),
        }
    }

    fn say(&mut self, said: &str, text: &mut String) -> Result<(), EvalError> {
        self.make(said.len())?;
        text.push_str(said);
        Ok(())
    }
}
