//! Expressions and templates over JSON, as flows and triggers use them.
//!
//! An expression says yes or no or picks a value: `steps.tests.output.failed > 0 and not input.force`. A template is a
//! JSON value whose texts have such expressions in them: `"{{ input.city }}: {{ steps.look.output | json }}"`; a text
//! that is one expression and nothing else becomes its value, whatever type that has.
//!
//! - Parsing names the place of a fault, line and column, and what was expected there.
//! - [`Expr::check`] and [`Template::check`] find names that nothing can ever have, before anything runs.
//! - What a value says is never read as an expression or a template: a template yields data, once.
//! - There are no effects, no loops and no definitions, and everything is bounded: the length of a text, how deep it
//!   nests, how much is looked at, how much comes out and how deep that nests.

mod check;
mod eval;
mod parse;
mod template;
#[cfg(test)]
mod tests;
mod token;

pub use check::{Missing, Shape};
pub use eval::EvalError;
pub use parse::ParseError;
pub use template::Template;

use eval::shallow;
use parse::Node;
use serde_json::Value;

/// Bytes of one expression, and of one text with expressions in it.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// How deep an expression or the value around templates nests.
pub const DEPTH_MAX: usize = 32;
/// Bytes of what a template makes, as JSON, and of what an evaluation copies into lists, also where they are only looked at.
pub const OUTPUT_BYTES_MAX: usize = 512 * 1024;
/// Lists and objects within one another in what an expression or a template makes. What it reads may be as deep already
/// and is put into more, so without a bound of its own a value could grow deeper than anything reads back.
pub const OUTPUT_DEPTH_MAX: usize = 62;
/// Values looked at in one evaluation.
pub const STEPS_MAX: usize = 200_000;

/// Whether lists and objects stand within one another at most so deep in it; a text or a number takes no level.
pub fn nests_within(value: &Value, levels: usize) -> bool {
    let fits = |inner: &Value| levels.checked_sub(1).is_some_and(|left| nests_within(inner, left));
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(fits),
        Value::Object(fields) => levels > 0 && fields.values().all(fits),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// A place in a text, counted from 1; a column is a character.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    root: Node,
}

impl Expr {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::expression(text).map(|root| Self { root })
    }

    /// Every name that `shape` says cannot be there.
    pub fn check(&self, shape: &Shape) -> Vec<Missing> {
        let mut missing = Vec::new();
        check::node(&self.root, shape, &mut missing);
        missing
    }

    /// Its value, with the fields of the object `scope` as the roots of its paths.
    pub fn value(&self, scope: &Value) -> Result<Value, EvalError> {
        eval::Run::new(scope).value(&self.root).and_then(shallow)
    }

    /// The same of a condition, which has to be true or false.
    pub fn holds(&self, scope: &Value) -> Result<bool, EvalError> {
        eval::Run::new(scope).truth(&self.root)
    }

    /// The paths it reads, as far as their names are written out: `steps.look.output`.
    pub fn paths(&self) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        self.root.paths(&mut paths);
        paths
    }
}
