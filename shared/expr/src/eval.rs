//! The value of an expression. Everything looked at is counted, and there is a most.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};
use thiserror::Error;

use crate::parse::{Both, Compare, Node, Part, Path};
use crate::{OUTPUT_BYTES_MAX, OUTPUT_DEPTH_MAX, STEPS_MAX, nests_within};

/// Why an expression has no value.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum EvalError {
    #[error("there is no `{path}`: {why}")]
    Missing { path: String, why: String },
    #[error("{0}")]
    Type(String),
    #[error("this looks at more than {STEPS_MAX} values")]
    TooLong,
    #[error("this makes more than {OUTPUT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("this makes lists and objects more than {OUTPUT_DEPTH_MAX} deep within one another")]
    TooDeep,
}

pub(crate) struct Run<'a> {
    scope: &'a Value,
    left: usize,
    /// Bytes that may still be copied into lists.
    room: usize,
}

type Evaluated<T> = Result<T, EvalError>;

/// What may be handed on.
pub(crate) fn shallow(value: Value) -> Evaluated<Value> {
    if nests_within(&value, OUTPUT_DEPTH_MAX) { Ok(value) } else { Err(EvalError::TooDeep) }
}

/// What a value is, to whoever wrote the expression.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// About as many as it has as JSON, never many fewer.
pub(crate) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + bytes_of(item)).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + bytes_of(value)).sum::<usize>()
        }
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(scope: &'a Value) -> Self {
        Self { scope, left: STEPS_MAX, room: OUTPUT_BYTES_MAX }
    }

    fn count(&mut self, steps: usize) -> Evaluated<()> {
        self.left = self.left.checked_sub(steps).ok_or(EvalError::TooLong)?;
        Ok(())
    }

    pub(crate) fn value(&mut self, node: &'a Node) -> Evaluated<Value> {
        self.eval(node).map(Cow::into_owned)
    }

    pub(crate) fn truth(&mut self, node: &'a Node) -> Evaluated<bool> {
        let value = self.eval(node)?;
        value.as_bool().ok_or_else(|| {
            let kind = kind(&value);
            EvalError::Type(format!(
                "a condition is true or false, and this is {kind}; compare it with something"
            ))
        })
    }

    pub(crate) fn eval(&mut self, node: &'a Node) -> Evaluated<Cow<'a, Value>> {
        self.count(1)?;
        Ok(match node {
            Node::Literal(value) => Cow::Borrowed(value),
            Node::List(items) => {
                let items: Evaluated<Vec<Value>> = items.iter().map(|item| self.item(item)).collect();
                Cow::Owned(Value::Array(items?))
            }
            Node::Path(path) => Cow::Borrowed(self.find(path)?),
            Node::Not(inner) => Cow::Owned(Value::Bool(!self.truth(inner)?)),
            Node::Both(Both::And, left, right) => {
                Cow::Owned(Value::Bool(self.truth(left)? && self.truth(right)?))
            }
            Node::Both(Both::Or, left, right) => {
                Cow::Owned(Value::Bool(self.truth(left)? || self.truth(right)?))
            }
            Node::Compare(compare, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                Cow::Owned(Value::Bool(self.compare(*compare, &left, &right)?))
            }
            Node::Len(inner) => Cow::Owned(Value::from({
                let inner = self.eval(inner)?;
                self.len(&inner)?
            })),
            Node::Has(path) => Cow::Owned(Value::Bool(self.find(path).is_ok_and(|found| !found.is_null()))),
            Node::Default(path, otherwise) => match self.find(path) {
                Ok(found) if !found.is_null() => Cow::Borrowed(found),
                Ok(_) | Err(EvalError::Missing { .. }) => self.eval(otherwise)?,
                Err(
                    error @ (EvalError::Type(_)
                    | EvalError::TooLong
                    | EvalError::TooLarge
                    | EvalError::TooDeep),
                ) => return Err(error),
            },
        })
    }

    /// What comes into a list. A text of a few letters may name something large in there many times, so what is to be
    /// copied is counted before.
    fn item(&mut self, node: &'a Node) -> Evaluated<Value> {
        let value = self.eval(node)?;
        if let Cow::Borrowed(value) = &value {
            self.room = self.room.checked_sub(bytes_of(value)).ok_or(EvalError::TooLarge)?;
        }
        Ok(value.into_owned())
    }

    fn find(&mut self, path: &Path) -> Evaluated<&'a Value> {
        self.count(1 + path.parts.len())?;
        let missing = |depth: usize, why: String| EvalError::Missing { path: path.shown(depth), why };
        let mut at = self.scope.get(&path.root);
        for (depth, part) in path.parts.iter().enumerate() {
            let Some(value) = at else { break };
            at = match (part, value) {
                (Part::Name(name), Value::Object(fields)) => {
                    let found = fields.get(name);
                    if found.is_none() {
                        return Err(missing(depth + 1, format!("`{}` has no such field", path.shown(depth))));
                    }
                    found
                }
                (Part::Index(index), Value::Array(items)) => {
                    let found = usize::try_from(*index).ok().and_then(|index| items.get(index));
                    if found.is_none() {
                        let has = items.len();
                        let why = format!("`{}` has {has} items, counted from 0", path.shown(depth));
                        return Err(missing(depth + 1, why));
                    }
                    found
                }
                (Part::Name(_) | Part::Index(_), other) => {
                    let why = format!("`{}` is {}", path.shown(depth), kind(other));
                    return Err(missing(depth + 1, why));
                }
            };
        }
        at.ok_or_else(|| missing(0, "nothing has that name here".to_owned()))
    }

    fn len(&mut self, value: &Value) -> Evaluated<u64> {
        let len = match value {
            Value::String(text) => {
                self.count(text.len() / 64)?;
                text.chars().count()
            }
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                let message = format!("len takes a text, a list or an object, and this is {}", kind(value));
                return Err(EvalError::Type(message));
            }
        };
        Ok(len as u64)
    }

    fn compare(&mut self, compare: Compare, left: &Value, right: &Value) -> Evaluated<bool> {
        match compare {
            Compare::Equal => self.same(left, right),
            Compare::Unequal => self.same(left, right).map(|same| !same),
            Compare::Less => self.order(left, right).map(Ordering::is_lt),
            Compare::LessOrEqual => self.order(left, right).map(Ordering::is_le),
            Compare::More => self.order(left, right).map(Ordering::is_gt),
            Compare::MoreOrEqual => self.order(left, right).map(Ordering::is_ge),
            Compare::Contains => self.contains(left, right),
        }
    }

    /// Numbers are the same by what they are, not by how they are written.
    fn same(&mut self, left: &Value, right: &Value) -> Evaluated<bool> {
        self.count(1)?;
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => {
                Ok(number_order(left, right) == Some(Ordering::Equal))
            }
            (Value::String(left), Value::String(right)) => {
                self.count(left.len().min(right.len()) / 64)?;
                Ok(left == right)
            }
            (Value::Array(left), Value::Array(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.iter().zip(right) {
                    if !self.same(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Object(left), Value::Object(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (name, left) in left {
                    let Some(right) = right.get(name) else { return Ok(false) };
                    if !self.same(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (left, right) => Ok(left == right),
        }
    }

    fn order(&mut self, left: &Value, right: &Value) -> Evaluated<Ordering> {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => number_order(left, right),
            (Value::String(left), Value::String(right)) => {
                self.count(left.len().min(right.len()) / 64)?;
                Some(left.cmp(right))
            }
            _ => None,
        };
        order.ok_or_else(|| {
            let (left, right) = (kind(left), kind(right));
            EvalError::Type(format!("{left} and {right} have no order; two numbers have one, and two texts"))
        })
    }

    fn contains(&mut self, whole: &Value, part: &Value) -> Evaluated<bool> {
        match (whole, part) {
            (Value::String(whole), Value::String(part)) => {
                self.count(whole.len() / 64)?;
                Ok(whole.contains(part.as_str()))
            }
            (Value::Array(items), part) => {
                for item in items {
                    if self.same(item, part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Object(fields), Value::String(name)) => Ok(fields.contains_key(name)),
            (whole, part) => Err(EvalError::Type(format!(
                "{} cannot contain {}: a text contains a text, a list a value, an object a field's name",
                kind(whole),
                kind(part)
            ))),
        }
    }
}

/// `None` for what no number is.
fn number_order(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(_) | None, _) => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
