//! What to do in this round: the turn's rules are played from their first step over the calls already answered,
//! up to the first call that is not.
//!
//! Pure. The same messages and the same script give the same plan, so a restart changes nothing.

use std::time::Duration;

use minijinja::{Environment, Value};
use serde_json::{Map, Value as Json, json};

use super::fault::Fault;
use super::script::{Action, Rule, Script, Step};
use super::summary;
use super::template::value_of;
use super::turn::{Answered, Turn};
use crate::conversation::{ModelRequest, Origin, ProviderErrorKind};

/// Calls one `for_each` may make.
const CALLS_MAX: usize = 32;

/// A round, decided.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) acts: Vec<Act>,
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// Wait until this file exists.
    Hold(String),
    Say {
        text: String,
        pace: Duration,
    },
    /// Fail the first attempts of this round.
    Fail {
        kind: ProviderErrorKind,
        times: u32,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) input: Json,
}

/// How far a rule came.
enum Ended {
    /// Through all its steps.
    Done,
    /// To calls whose results are not there.
    Calling(Vec<Call>),
    /// To a failure, which ends the round as well.
    Failing,
    /// To a call that is not the one the turn made here.
    Changed,
}

pub(super) fn plan(
    env: &Environment<'static>,
    script: &Script,
    request: &ModelRequest,
) -> Result<Plan, Fault> {
    let turn = Turn::of(request);
    let mut answered = turn.calls.as_slice();
    let mut acts = Vec::new();
    let last = turn.asked.len().saturating_sub(1);
    // A request in which nobody says anything is met like any other text no rule knows.
    let asked = if turn.asked.is_empty() { vec![String::new()] } else { turn.asked.clone() };
    for (index, text) in asked.into_iter().enumerate() {
        let player = Player { env, script, request, history: &turn.history };
        let mut said = Vec::new();
        match player.play(&text, &mut answered, &mut said) {
            Ok(Ended::Done) => acts.append(&mut said),
            // What was asked before is answered in the round that ends the turn, once and together with this.
            Ok(Ended::Calling(calls)) => return Ok(Plan { acts: said, calls }),
            // What failed before does not stand in the way of what was asked since.
            Ok(Ended::Failing) | Err(_) if index < last => {}
            Ok(Ended::Failing) => {
                acts.append(&mut said);
                return Ok(Plan { acts, calls: Vec::new() });
            }
            Ok(Ended::Changed) => {
                let text =
                    "My script was changed while I was at work on this, so I stop here. Please ask again.";
                acts.push(Act::Say { text: text.to_owned(), pace: Duration::ZERO });
                return Ok(Plan { acts, calls: Vec::new() });
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(Plan { acts, calls: Vec::new() })
}

struct Player<'a> {
    env: &'a Environment<'static>,
    script: &'a Script,
    request: &'a ModelRequest,
    history: &'a [Json],
}

/// A rule, and what its templates may ask for.
struct Chosen<'a> {
    rule: &'a Rule,
    context: Map<String, Json>,
}

impl Player<'_> {
    /// `said` holds what belongs to this round when it returns: a call that was answered clears it.
    fn play(&self, text: &str, answered: &mut &[Answered], said: &mut Vec<Act>) -> Result<Ended, Fault> {
        let Some(Chosen { rule, mut context }) = self.choose(text)? else {
            let text = if self.request.origin.summary { summary::of(text) } else { self.unknown() };
            said.push(Act::Say { text, pace: Duration::ZERO });
            return Ok(Ended::Done);
        };
        let mut results = Vec::new();
        for step in &rule.steps {
            let value = value_of(&Json::Object(context.clone()));
            if let Some(when) = &step.when
                && !when.is_true(self.env, &value)?
            {
                continue;
            }
            if let Some(hold) = &step.hold {
                said.push(Act::Hold(hold.render(self.env, &value)?));
            }
            match &step.action {
                Some(Action::Say(template)) => {
                    push_say(said, template.render(self.env, &value)?.trim(), rule.pace);
                }
                Some(Action::Answer(shape)) => {
                    let json = shape.eval(self.env, &value)?.unwrap_or_default();
                    push_say(said, &json.to_string(), rule.pace);
                }
                Some(Action::Set(fields)) => {
                    for (name, shape) in fields {
                        match shape.eval(self.env, &value)? {
                            Some(json) => context.insert(name.clone(), json),
                            None => context.remove(name),
                        };
                    }
                }
                Some(Action::Fail { kind, times }) => {
                    said.push(Act::Fail { kind: kind.clone(), times: *times });
                    if *times == u32::MAX {
                        return Ok(Ended::Failing);
                    }
                }
                Some(Action::Call { .. }) => {
                    let calls = self.calls(step, &context)?;
                    if answered.is_empty() && !calls.is_empty() {
                        return Ok(Ended::Calling(calls));
                    }
                    let Some((done, rest)) = answered.split_at_checked(calls.len()) else {
                        return Ok(Ended::Changed);
                    };
                    if calls.iter().zip(done).any(|(call, done)| call.tool != done.tool) {
                        return Ok(Ended::Changed);
                    }
                    *answered = rest;
                    if !calls.is_empty() {
                        said.clear();
                    }
                    remember(step, done, &mut results, &mut context);
                }
                None => {}
            }
            if step.stop {
                break;
            }
        }
        Ok(Ended::Done)
    }

    /// The first rule whose conditions hold, with everything its templates may ask for.
    fn choose(&self, text: &str) -> Result<Option<Chosen<'_>>, Fault> {
        let origin = &self.request.origin;
        for rule in &self.script.rules {
            if rule.summary != origin.summary
                || !fits_hand(rule.hand.as_deref(), origin)
                || !fits_from(rule.from.as_deref(), origin.from.as_deref())
            {
                continue;
            }
            let mut context = self.given(text);
            if let Some(pattern) = &rule.pattern {
                let Some(captures) = pattern.captures(text) else { continue };
                let named: Map<String, Json> = pattern
                    .capture_names()
                    .flatten()
                    .map(|name| {
                        let capture = captures.name(name).map_or("", |capture| capture.as_str().trim());
                        (name.to_owned(), json!(capture))
                    })
                    .collect();
                context.insert("captures".to_owned(), Json::Object(named.clone()));
                context.extend(named);
            }
            if let Some(when) = &rule.when
                && !when.is_true(self.env, &value_of(&Json::Object(context.clone())))?
            {
                continue;
            }
            return Ok(Some(Chosen { rule, context }));
        }
        Ok(None)
    }

    fn given(&self, text: &str) -> Map<String, Json> {
        let origin = &self.request.origin;
        let tools: Vec<&str> = self.request.tools.iter().map(|tool| tool.name.as_str()).collect();
        let mut context = Map::new();
        let mut put = |name: &str, value: Json| {
            context.insert(name.to_owned(), value);
        };
        put("text", json!(text));
        put("aspect", json!(origin.aspect));
        put("hand", json!(origin.hand));
        put("from", json!(origin.from));
        put("by_operator", json!(origin.from.as_deref().is_none_or(is_operator)));
        put("thread", json!(origin.thread));
        put("tools", json!(tools));
        put("history", json!(self.history));
        put("rules", json!(self.known()));
        put("captures", json!({}));
        put("results", json!([]));
        put("input", object_in(text).unwrap_or_default());
        context
    }

    /// What a reader can be told about the rules that apply to this kind of turn.
    fn known(&self) -> Vec<Json> {
        let origin = &self.request.origin;
        let fits = |rule: &&Rule| rule.summary == origin.summary && fits_hand(rule.hand.as_deref(), origin);
        let fitting = self.script.rules.iter().filter(fits);
        fitting.filter_map(|rule| Some(json!({"name": rule.name, "help": rule.help.as_ref()?}))).collect()
    }

    fn unknown(&self) -> String {
        let known = self.known();
        let lines = known.iter().filter_map(|rule| Some(format!("- {}", rule.get("help")?.as_str()?)));
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() {
            return "I am scripted, and no rule in my script.toml fits this.".to_owned();
        }
        format!("I am scripted, and no rule in my script.toml fits this. What I know:\n{}", lines.join("\n"))
    }

    fn calls(&self, step: &Step, context: &Map<String, Json>) -> Result<Vec<Call>, Fault> {
        let Some(Action::Call { tool, args, for_each }) = &step.action else { return Ok(Vec::new()) };
        let call = |context: &Value| {
            let input = args.eval(self.env, context)?.unwrap_or_else(|| json!({}));
            Ok(Call { tool: tool.clone(), input })
        };
        let value = value_of(&Json::Object(context.clone()));
        let Some(for_each) = for_each else { return Ok(vec![call(&value)?]) };
        let items = for_each.eval(self.env, &value)?;
        let items =
            items.try_iter().map_err(|_| for_each.at().fault("`for_each` gives no list to go through"))?;
        let mut calls = Vec::new();
        for (index, item) in items.take(CALLS_MAX).enumerate() {
            let unfit =
                |error: serde_json::Error| for_each.at().fault(format!("an item is no JSON value: {error}"));
            let mut context = context.clone();
            context.insert("item".to_owned(), serde_json::to_value(&item).map_err(unfit)?);
            context.insert("index".to_owned(), json!(index));
            calls.push(call(&value_of(&Json::Object(context)))?);
        }
        Ok(calls)
    }
}

fn push_say(said: &mut Vec<Act>, text: &str, pace: Duration) {
    if !text.is_empty() {
        said.push(Act::Say { text: text.to_owned(), pace });
    }
}

fn remember(step: &Step, done: &[Answered], results: &mut Vec<Json>, context: &mut Map<String, Json>) {
    let mut done: Vec<Json> = done.iter().map(Answered::as_json).collect();
    results.extend(done.iter().cloned());
    context.insert("results".to_owned(), Json::Array(results.clone()));
    let Some(name) = &step.name else { return };
    let many = matches!(&step.action, Some(Action::Call { for_each: Some(_), .. }));
    let value = if many { Json::Array(done) } else { done.pop().unwrap_or_default() };
    context.insert(name.clone(), value);
}

/// A rule without a Hand is for conversations, and for `self`, the Hand that is the aspect afresh.
fn fits_hand(wanted: Option<&str>, origin: &Origin) -> bool {
    match (wanted, origin.hand.as_deref()) {
        (None, None | Some("self")) => true,
        (None, Some(_)) | (Some(_), None) => false,
        (Some(wanted), Some(hand)) => wanted == "*" || wanted == hand,
    }
}

/// `operator` in a script is any of them; `operator/ada` is one.
fn fits_from(wanted: Option<&str>, from: Option<&str>) -> bool {
    match wanted {
        None => true,
        Some("operator") => from.is_none_or(is_operator),
        Some(wanted) => from == Some(wanted),
    }
}

fn is_operator(from: &str) -> bool {
    from == "operator" || from.starts_with("operator/")
}

/// The JSON object a text consists of or ends with: a Hand's input.
fn object_in(text: &str) -> Option<Json> {
    let parse = |text: &str| {
        let text = text.trim().trim_end_matches("```");
        serde_json::from_str::<Json>(text).ok().filter(Json::is_object)
    };
    parse(text).or_else(|| parse(&text[text.find("\n{")? + 1..])).or_else(|| parse(&text[text.find('{')?..]))
}

#[cfg(test)]
mod tests;
