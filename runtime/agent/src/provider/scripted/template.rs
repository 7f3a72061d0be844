//! The templates and expressions of a script, on minijinja: made, checked and evaluated with their place in the
//! file, and with the filters in `words` beside the usual ones.

use std::collections::BTreeSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::fault::{At, Fault};
use super::words;

/// Enough for any honest template, and the end of one that loops.
const FUEL: u64 = 2_000_000;

pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    // The delimiters are the usual ones, so the builder has nothing to refuse.
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default());
    env.set_auto_escape_callback(|_| AutoEscape::None);
    // What a tool did not answer is absent all the way down, so that `when` can ask for it; printing it is an
    // error, because a sentence with a hole in it would be posted as an answer.
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_formatter(|out, state, value| {
        if value.is_undefined() {
            return Err(minijinja::Error::new(
                ErrorKind::UndefinedError,
                "a value printed here is not there; test for it, or give it a default with | default(\"…\")",
            ));
        }
        if value.is_none() {
            return Ok(());
        }
        minijinja::escape_formatter(out, state, value)
    });
    words::add_filters(&mut env);
    env
}

/// The names a template or expression may use where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    fn check(
        &self,
        env: &Environment<'_>,
        used: impl IntoIterator<Item = String>,
        at: At,
    ) -> Result<(), Fault> {
        let mut used: Vec<String> = used.into_iter().collect();
        used.sort();
        for name in used {
            if self.0.contains(&name) || env.globals().any(|(global, _)| global == name) {
                continue;
            }
            let nearest = self
                .0
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, &name).total_cmp(&strsim::jaro_winkler(b, &name)));
            let hint = match nearest.filter(|known| strsim::jaro_winkler(known, &name) > 0.8) {
                Some(known) => format!("; did you mean `{known}`?"),
                None => format!("; known here: {}", self.0.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            return Err(at.fault(format!("nothing here is called `{name}`{hint}")));
        }
        Ok(())
    }
}

/// A text with `{{ … }}` and `{% … %}` in it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    source: String,
    at: At,
}

impl Template {
    pub(super) fn new(
        env: &Environment<'static>,
        names: &Names,
        source: &str,
        at: At,
    ) -> Result<Self, Fault> {
        let checked = environment_template(env, source).map_err(|error| fault(at, &error))?;
        names.check(env, checked, at)?;
        Ok(Self { source: source.to_owned(), at })
    }

    pub(super) fn render(&self, env: &Environment<'static>, context: &Value) -> Result<String, Fault> {
        env.render_named_str("script", &self.source, context.clone()).map_err(|error| fault(self.at, &error))
    }
}

fn environment_template(env: &Environment<'static>, source: &str) -> Result<Vec<String>, minijinja::Error> {
    // Borrowed for as long as the source only, which the environment's own lifetime does not allow.
    let mut scratch = env.clone();
    scratch.add_template_owned("script", source.to_owned())?;
    let names = scratch.get_template("script")?.undeclared_variables(false);
    Ok(names.into_iter().collect())
}

/// An expression as it stands between `{{` and `}}`.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    source: String,
    at: At,
}

impl Expr {
    pub(super) fn new(
        env: &Environment<'static>,
        names: &Names,
        source: &str,
        at: At,
    ) -> Result<Self, Fault> {
        let compiled = env.compile_expression_owned(source.to_owned()).map_err(|error| fault(at, &error))?;
        names.check(env, compiled.undeclared_variables(false), at)?;
        Ok(Self { source: source.to_owned(), at })
    }

    pub(super) fn at(&self) -> At {
        self.at
    }

    pub(super) fn eval(&self, env: &Environment<'static>, context: &Value) -> Result<Value, Fault> {
        env.compile_expression_owned(self.source.clone())
            .and_then(|expression| expression.eval(context.clone()))
            .map_err(|error| fault(self.at, &error))
    }

    pub(super) fn is_true(&self, env: &Environment<'static>, context: &Value) -> Result<bool, Fault> {
        self.eval(env, context).map(|value| value.is_true())
    }
}

fn fault(at: At, error: &minijinja::Error) -> Fault {
    let line = at.line + error.line().unwrap_or(1).saturating_sub(1);
    let at = if line == at.line { at } else { At { line, column: 1 } };
    at.fault(
        error
            .detail()
            .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind())),
    )
}

/// A TOML value with templates in it. A text that is one expression and nothing else keeps the type of what the
/// expression gives; where it gives nothing, the field is left out.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Literal(Json),
    Expr(Expr),
    Template(Template),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

impl Shape {
    pub(super) fn new(
        env: &Environment<'static>,
        names: &Names,
        value: &toml::Value,
        at: At,
    ) -> Result<Self, Fault> {
        Ok(match value {
            toml::Value::String(text) => Self::text(env, names, text, at)?,
            toml::Value::Integer(number) => Self::Literal(Json::from(*number)),
            toml::Value::Float(number) => Self::Literal(Json::from(*number)),
            toml::Value::Boolean(value) => Self::Literal(Json::from(*value)),
            toml::Value::Datetime(datetime) => Self::Literal(Json::from(datetime.to_string())),
            toml::Value::Array(items) => Self::List(
                items.iter().map(|item| Self::new(env, names, item, at)).collect::<Result<_, _>>()?,
            ),
            toml::Value::Table(table) => {
                let fields =
                    table.iter().map(|(key, value)| Ok((key.clone(), Self::new(env, names, value, at)?)));
                Self::Table(fields.collect::<Result<_, Fault>>()?)
            }
        })
    }

    fn text(env: &Environment<'static>, names: &Names, text: &str, at: At) -> Result<Self, Fault> {
        let alone = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(inner) = alone
            && env.compile_expression_owned(inner.to_owned()).is_ok()
        {
            return Ok(Self::Expr(Expr::new(env, names, inner, at)?));
        }
        if text.contains("{{") || text.contains("{%") || text.contains("{#") {
            return Ok(Self::Template(Template::new(env, names, text, at)?));
        }
        Ok(Self::Literal(Json::from(text)))
    }

    /// `None` is a value that is not there.
    pub(super) fn eval(&self, env: &Environment<'static>, context: &Value) -> Result<Option<Json>, Fault> {
        Ok(Some(match self {
            Self::Literal(json) => json.clone(),
            Self::Template(template) => Json::from(template.render(env, context)?),
            Self::Expr(expr) => {
                let value = expr.eval(env, context)?;
                if value.is_undefined() {
                    return Ok(None);
                }
                let unfit = |error: serde_json::Error| expr.at().fault(format!("no JSON value: {error}"));
                serde_json::to_value(&value).map_err(unfit)?
            }
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(item.eval(env, context)?);
                }
                Json::Array(list)
            }
            Self::Table(fields) => {
                let mut object = serde_json::Map::new();
                for (key, shape) in fields {
                    if let Some(value) = shape.eval(env, context)? {
                        object.insert(key.clone(), value);
                    }
                }
                Json::Object(object)
            }
        }))
    }
}

/// A JSON value as templates see it.
pub(super) fn value_of(json: &Json) -> Value {
    Value::from(Serde(json))
}
