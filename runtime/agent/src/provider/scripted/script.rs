//! `script.toml`, read and checked: rules in their order, each with its conditions and steps.
//!
//! What is accepted here can be played; a fault names its line and what to do. The language is described in
//! `docs/scripted-provider.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use minijinja::Environment;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use toml::Spanned;

use super::fault::{At, Fault, Source};
use super::template::{Expr, Names, Shape, Template};
use crate::conversation::ProviderErrorKind;

/// Names a template always knows. A capture or a step cannot take one of them.
const GIVEN: [&str; 12] = [
    "aspect",
    "by_operator",
    "captures",
    "from",
    "hand",
    "history",
    "input",
    "results",
    "rules",
    "text",
    "thread",
    "tools",
];

#[derive(Debug)]
pub(super) struct Script {
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct Rule {
    /// As the script has it, or `rule 3`.
    pub(super) name: String,
    pub(super) help: Option<String>,
    pub(super) pattern: Option<Regex>,
    pub(super) hand: Option<String>,
    pub(super) from: Option<String>,
    /// For rounds that ask for a summary, and for no others.
    pub(super) summary: bool,
    pub(super) when: Option<Expr>,
    pub(super) pace: Duration,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) struct Step {
    /// The name its result goes by.
    pub(super) name: Option<String>,
    pub(super) when: Option<Expr>,
    pub(super) hold: Option<Template>,
    pub(super) action: Option<Action>,
    /// Nothing of the rule comes after this step.
    pub(super) stop: bool,
}

#[derive(Debug)]
pub(super) enum Action {
    /// Text for the reader.
    Say(Template),
    /// JSON for the reader: what a Hand returns.
    Answer(Shape),
    Call {
        tool: String,
        args: Shape,
        for_each: Option<Expr>,
    },
    Set(Vec<(String, Shape)>),
    Fail {
        kind: ProviderErrorKind,
        times: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    #[serde(default)]
    pace_ms: u64,
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Option<String>,
    help: Option<String>,
    #[serde(rename = "match")]
    pattern: Option<Spanned<String>>,
    hand: Option<String>,
    from: Option<String>,
    #[serde(default)]
    summary: bool,
    when: Option<Spanned<String>>,
    pace_ms: Option<u64>,
    #[serde(default, rename = "step")]
    steps: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    name: Option<Spanned<String>>,
    when: Option<Spanned<String>>,
    hold: Option<Spanned<String>>,
    say: Option<Spanned<String>>,
    answer: Option<Spanned<toml::Value>>,
    call: Option<String>,
    args: Option<Fields>,
    for_each: Option<Spanned<String>>,
    set: Option<Fields>,
    fail: Option<Spanned<RawFail>>,
    #[serde(default)]
    stop: bool,
}

/// Each with its own place in the file.
type Fields = BTreeMap<String, Spanned<toml::Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFail {
    kind: FailKind,
    message: String,
    /// How many attempts of the round fail; all of them when not given.
    times: Option<u32>,
    retry_after_s: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailKind {
    Auth,
    ContextWindow,
    Invalid,
    Overloaded,
    RateLimit,
    Refused,
    Stalled,
    Transport,
    Truncated,
}

pub(super) fn parse(env: &Environment<'static>, text: &str) -> Result<Script, Fault> {
    let source = Source(text);
    let raw: RawScript = toml::from_str(text).map_err(|error| source.toml_fault(&error))?;
    let reader = Reader { env, source };
    let mut rules = Vec::with_capacity(raw.rules.len());
    for (index, rule) in raw.rules.into_iter().enumerate() {
        let at = source.at(rule.span().start);
        rules.push(reader.rule(index, rule.into_inner(), at, raw.pace_ms)?);
    }
    Ok(Script { rules })
}

struct Reader<'a> {
    env: &'a Environment<'static>,
    source: Source<'a>,
}

impl Reader<'_> {
    fn rule(&self, index: usize, raw: RawRule, at: At, pace_ms: u64) -> Result<Rule, Fault> {
        if raw.steps.is_empty() {
            return Err(at.fault("this rule does nothing; give it a [[rule.step]] with `say` or `call`"));
        }
        let mut names = Names::default();
        for name in GIVEN {
            names.add(name);
        }
        let pattern = raw.pattern.as_ref().map(|pattern| self.pattern(pattern)).transpose()?;
        for capture in pattern.iter().flat_map(Regex::capture_names).flatten() {
            self.check_free(capture, at)?;
            names.add(capture);
        }
        let when = self.expr(raw.when.as_ref(), &names)?;
        let mut steps = Vec::with_capacity(raw.steps.len());
        for step in raw.steps {
            let at = self.source.at(step.span().start);
            steps.push(self.step(step.into_inner(), &mut names, at)?);
        }
        Ok(Rule {
            name: raw.name.unwrap_or_else(|| format!("rule {}", index + 1)),
            help: raw.help,
            pattern,
            hand: raw.hand,
            from: raw.from,
            summary: raw.summary,
            when,
            pace: Duration::from_millis(raw.pace_ms.unwrap_or(pace_ms)),
            steps,
        })
    }

    fn pattern(&self, pattern: &Spanned<String>) -> Result<Regex, Fault> {
        let built = RegexBuilder::new(pattern.get_ref()).case_insensitive(true).build();
        built.map_err(|error| {
            let reason = error.to_string();
            // The regex crate draws a picture over several lines; its last line says what is wrong.
            let reason = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            self.source.text_at(pattern.span()).fault(format!(
                "`match` is no regular expression: {reason} (see docs.rs/regex for the syntax; look-around is not in it)"
            ))
        })
    }

    fn expr(&self, expr: Option<&Spanned<String>>, names: &Names) -> Result<Option<Expr>, Fault> {
        expr.map(|expr| Expr::new(self.env, names, expr.get_ref(), self.source.text_at(expr.span())))
            .transpose()
    }

    fn template(&self, text: &Spanned<String>, names: &Names) -> Result<Template, Fault> {
        Template::new(self.env, names, text.get_ref(), self.source.text_at(text.span()))
    }

    fn check_free(&self, name: &str, at: At) -> Result<(), Fault> {
        if GIVEN.contains(&name) {
            return Err(at.fault(format!("`{name}` is the name of something every rule has; choose another")));
        }
        let mut chars = name.chars();
        let starts = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if !starts || !chars.all(|rest| rest.is_ascii_alphanumeric() || rest == '_') {
            return Err(
                at.fault(format!("`{name}` cannot be used in a template; use letters, digits and _ only"))
            );
        }
        Ok(())
    }

    fn step(&self, raw: RawStep, names: &mut Names, at: At) -> Result<Step, Fault> {
        let when = self.expr(raw.when.as_ref(), names)?;
        let hold = raw.hold.as_ref().map(|hold| self.template(hold, names)).transpose()?;
        let given = [
            ("say", raw.say.is_some()),
            ("answer", raw.answer.is_some()),
            ("call", raw.call.is_some()),
            ("set", raw.set.is_some()),
            ("fail", raw.fail.is_some()),
        ];
        let given: Vec<&str> =
            given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if given.len() > 1 {
            return Err(
                at.fault(format!("a step does one thing, this one has {}; make it two", given.join(" and ")))
            );
        }
        if given.is_empty() && hold.is_none() && !raw.stop {
            return Err(
                at.fault("this step does nothing; give it one of say, answer, call, set, fail, hold, stop")
            );
        }
        if raw.call.is_none() {
            let misplaced = [
                ("args", raw.args.is_some()),
                ("for_each", raw.for_each.is_some()),
                ("name", raw.name.is_some()),
            ];
            if let Some((field, _)) = misplaced.iter().find(|(_, is_given)| *is_given) {
                return Err(at.fault(format!("`{field}` belongs to a step with `call`")));
            }
        }

        let mut action = None;
        if let Some(text) = &raw.say {
            action = Some(Action::Say(self.template(text, names)?));
        } else if let Some(value) = &raw.answer {
            action = Some(Action::Answer(self.shape(value, names)?));
        } else if let Some(tool) = raw.call {
            action = Some(self.call(tool, raw.args.as_ref(), raw.for_each.as_ref(), names, at)?);
        } else if let Some(table) = &raw.set {
            action = Some(Action::Set(self.set(table, names, at)?));
        } else if let Some(fail) = raw.fail {
            let RawFail { kind, message, times, retry_after_s } = fail.into_inner();
            let retry_after = retry_after_s.map(Duration::from_secs);
            action = Some(Action::Fail {
                kind: failure(kind, message, retry_after),
                times: times.unwrap_or(u32::MAX),
            });
        }
        if let Some(name) = &raw.name {
            self.check_free(name.get_ref(), self.source.at(name.span().start))?;
            names.add(name.get_ref());
        }
        Ok(Step { name: raw.name.map(Spanned::into_inner), when, hold, action, stop: raw.stop })
    }

    fn call(
        &self,
        tool: String,
        args: Option<&Fields>,
        for_each: Option<&Spanned<String>>,
        names: &Names,
        at: At,
    ) -> Result<Action, Fault> {
        let for_each = self.expr(for_each, names)?;
        let mut names = names.clone();
        if for_each.is_some() {
            names.add("item");
            names.add("index");
        }
        let args = args.map(|args| self.fields(args, &names)).transpose()?.unwrap_or_default();
        if tool.trim().is_empty() {
            return Err(at.fault("`call` names no tool; write for example call = \"read_file\""));
        }
        Ok(Action::Call { tool, args: Shape::Table(args), for_each })
    }

    fn set(&self, given: &Fields, names: &mut Names, at: At) -> Result<Vec<(String, Shape)>, Fault> {
        for name in given.keys() {
            self.check_free(name, at)?;
        }
        let fields = self.fields(given, names)?;
        for (name, _) in &fields {
            names.add(name);
        }
        Ok(fields)
    }

    fn fields(&self, fields: &Fields, names: &Names) -> Result<Vec<(String, Shape)>, Fault> {
        fields.iter().map(|(name, value)| Ok((name.clone(), self.shape(value, names)?))).collect()
    }

    fn shape(&self, value: &Spanned<toml::Value>, names: &Names) -> Result<Shape, Fault> {
        let at = match value.get_ref() {
            toml::Value::String(_) => self.source.text_at(value.span()),
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => self.source.at(value.span().start),
        };
        Shape::new(self.env, names, value.get_ref(), at)
    }
}

fn failure(kind: FailKind, message: String, retry_after: Option<Duration>) -> ProviderErrorKind {
    match kind {
        FailKind::Auth => ProviderErrorKind::Auth(message),
        FailKind::ContextWindow => ProviderErrorKind::ContextWindow(message),
        FailKind::Invalid => ProviderErrorKind::Invalid(message),
        FailKind::Overloaded => ProviderErrorKind::Overloaded(message),
        FailKind::RateLimit => ProviderErrorKind::RateLimit { message, retry_after },
        FailKind::Refused => ProviderErrorKind::Refused(message),
        FailKind::Stalled => ProviderErrorKind::Stalled(retry_after.unwrap_or_default()),
        FailKind::Transport => ProviderErrorKind::Transport(message),
        FailKind::Truncated => ProviderErrorKind::Truncated(message),
    }
}

#[cfg(test)]
mod tests;
