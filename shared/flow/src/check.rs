//! What is wrong with a flow, whichever way it came.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use nexus_expr::{Expr, Place, Shape, Template};
use nexus_wire::Ms;
use nexus_wire::flow::{
    Flow, FlowStep, OnError, StepAct, StepApprove, StepDispatch, StepEvent, StepRetry, StepWait, StepWrite,
};
use nexus_wire::hands::{HAND_OR_CAPABILITY, Wanted};
use nexus_wire::limits::{
    APPROVAL_DEADLINE_DEFAULT, APPROVAL_DEADLINE_MAX, FLOW_BYTES_MAX, FLOW_DESCRIPTION_BYTES_MAX,
    FLOW_GROUPS_MAX, FLOW_PARALLEL_DEFAULT, FLOW_PARALLEL_MAX, FLOW_STEPS_MAX, KINDS_MAX,
    STEP_BACKOFF_DEFAULT, STEP_BACKOFF_MAX, STEP_RETRIES_MAX, STEP_WAIT_MAX, TOPIC_BYTES_MAX,
};
use nexus_wire::name::StepName;
use serde_json::Value;
use thiserror::Error;

use crate::act::{DATE_NAMES, Moment, zone};
use crate::graph::Graph;
use crate::keys::instead;
use crate::plan::{Act, OnFailure, Plan, Step};

/// Something wrong with a flow.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}{message}", shown(path, *within))]
pub struct Problem {
    /// Where in the flow: `steps[1].do.ask.text`; empty: the flow as a whole.
    pub path: String,
    /// Where in the text that is there.
    pub within: Option<Place>,
    pub message: String,
}

fn shown(path: &str, within: Option<Place>) -> String {
    match (path, within) {
        ("", _) => String::new(),
        (path, Some(at)) => format!("{path}, at {}:{}: ", at.line, at.column),
        (path, None) => format!("{path}: "),
    }
}

/// Everything that is wrong with it; nothing if it can run.
pub fn check(flow: &Flow) -> Vec<Problem> {
    Plan::of(flow).err().unwrap_or_default()
}

pub(crate) struct Checker<'a> {
    flow: &'a Flow,
    places: BTreeMap<&'a StepName, usize>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) fn plan(flow: &'a Flow) -> Result<Plan, Vec<Problem>> {
        let mut checker = Self { flow, places: BTreeMap::new(), problems: Vec::new() };
        checker.size();
        if !checker.problems.is_empty() {
            return Err(checker.problems);
        }
        for (place, step) in flow.steps.iter().enumerate() {
            if checker.places.insert(&step.id, place).is_some() {
                checker.wrong(format!("steps[{place}].id"), format!("there is a step `{}` before", step.id));
            }
        }
        let graph = checker.graph();
        if !checker.problems.is_empty() {
            return Err(checker.problems);
        }
        let steps = (0..flow.steps.len()).filter_map(|place| checker.step(place, &graph)).collect();
        let everything = checker.shape((0..flow.steps.len()).collect(), false);
        let output = flow.output.as_ref().and_then(|output| checker.template("output", output, &everything));
        let beginning = Shape::fields([("input", Shape::Any), ("run", run_shape()), ("date", date_shape())]);
        let groups = flow.concurrency_group.iter().enumerate();
        let groups = groups
            .filter_map(|(at, group)| checker.text(&format!("concurrency_group[{at}]"), group, &beginning))
            .collect();
        let parallel = flow.max_parallel.unwrap_or(FLOW_PARALLEL_DEFAULT) as usize;
        let timezone = zone(flow.timezone.as_deref());
        if let Err(fault) = &timezone {
            checker.wrong("timezone", fault);
        }
        if checker.problems.is_empty() {
            return Ok(Plan { steps, output, groups, parallel, timezone: timezone.unwrap_or(TimeZone::UTC) });
        }
        Err(checker.problems)
    }

    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), within: None, message: message.into() });
    }

    fn range(&mut self, path: String, given: u64, least: u64, most: u64) {
        if !(least..=most).contains(&given) {
            self.wrong(path, format!("{given} is not from {least} to {most}"));
        }
    }

    fn size(&mut self) {
        let flow = self.flow;
        let bytes = serde_json::to_string(flow).map_or(usize::MAX, |text| text.len());
        if bytes > FLOW_BYTES_MAX {
            self.wrong("", format!("the flow is {bytes} bytes as JSON; {FLOW_BYTES_MAX} is the most"));
        }
        if flow.steps.is_empty() {
            self.wrong("steps", "a flow has at least one step");
        }
        if flow.steps.len() > FLOW_STEPS_MAX {
            let message = format!("{} steps; {FLOW_STEPS_MAX} is the most", flow.steps.len());
            self.wrong("steps", message);
        }
        if flow.description.len() > FLOW_DESCRIPTION_BYTES_MAX {
            let message =
                format!("{} bytes; {FLOW_DESCRIPTION_BYTES_MAX} is the most", flow.description.len());
            self.wrong("description", message);
        }
        if flow.concurrency_group.len() > FLOW_GROUPS_MAX {
            let message = format!("{} groups; {FLOW_GROUPS_MAX} is the most", flow.concurrency_group.len());
            self.wrong("concurrency_group", message);
        }
        if let Some(most) = flow.max_parallel {
            self.range("max_parallel".to_owned(), most.into(), 1, FLOW_PARALLEL_MAX.into());
        }
        if flow.input.as_ref().is_some_and(|schema| !schema.is_object() && !schema.is_boolean()) {
            self.wrong("input", "this is a JSON Schema: an object, or true or false");
        }
    }

    /// By `needs` and `goto`; a step that is not there, or a circle, is told.
    fn graph(&mut self) -> Graph {
        let flow = self.flow;
        let mut before = vec![BTreeSet::new(); flow.steps.len()];
        for (place, step) in flow.steps.iter().enumerate() {
            for (at, need) in step.needs.iter().enumerate() {
                if let Some(needed) = self.other(format!("steps[{place}].needs[{at}]"), need, step) {
                    before[place].insert(needed);
                }
            }
            if let OnError::Goto(to) = &step.on_error
                && let Some(to) = self.other(format!("steps[{place}].on_error.goto"), to, step)
            {
                before[to].insert(place);
            }
        }
        let graph = Graph::new(before);
        if let Some(circle) = graph.circle() {
            let names: Vec<String> = circle.iter().map(|place| flow.steps[*place].id.to_string()).collect();
            let first = circle.first().copied().unwrap_or(0);
            self.wrong(
                format!("steps[{first}].id"),
                format!("steps wait in a circle: {}", names.join(" → ")),
            );
        }
        graph
    }

    fn other(&mut self, path: String, named: &StepName, step: &FlowStep) -> Option<usize> {
        if *named == step.id {
            self.wrong(path, "a step cannot name itself here");
            return None;
        }
        let found = self.places.get(named).copied();
        if found.is_none() {
            let known = self.places.keys().map(|id| id.as_str()).filter(|id| *id != step.id.as_str());
            let message =
                format!("there is no step `{named}`; {}", instead(named.as_str(), known, "there are"));
            self.wrong(path, message);
        }
        found
    }

    fn step(&mut self, place: usize, graph: &Graph) -> Option<Step> {
        let step = &self.flow.steps[place];
        let at = format!("steps[{place}]");
        let before = graph.all_before(place);
        let (once, each) = (self.shape(before.clone(), false), self.shape(before, step.for_each.is_some()));
        let when = step.when.as_ref().map(|text| self.expression(&format!("{at}.if"), text, &once));
        let for_each =
            step.for_each.as_ref().map(|text| self.expression(&format!("{at}.for_each"), text, &once));
        let act = self.act(&format!("{at}.do"), &step.act, &each);
        if let Some(timeout) = step.timeout_s {
            self.range(format!("{at}.timeout_s"), timeout.into(), 1, STEP_WAIT_MAX.as_secs());
        }
        let mut backoff_s = STEP_BACKOFF_DEFAULT.as_secs();
        let mut retries = 0;
        if let Some(StepRetry { times, backoff_s: given }) = step.retry {
            self.range(format!("{at}.retry.times"), times.into(), 1, STEP_RETRIES_MAX.into());
            retries = times;
            if let Some(given) = given {
                self.range(format!("{at}.retry.backoff_s"), given.into(), 1, STEP_BACKOFF_MAX.as_secs());
                backoff_s = given.into();
            }
        }
        let place_of = |id: &StepName| self.places.get(id).copied();
        let leads_here = |(from, step): (usize, &FlowStep)| match &step.on_error {
            OnError::Goto(to) => (place_of(to) == Some(place)).then_some(from),
            OnError::Fail | OnError::Continue | OnError::SkipRest => None,
        };
        let on_error = match &step.on_error {
            OnError::Fail => OnFailure::Fail,
            OnError::Continue => OnFailure::Continue,
            OnError::SkipRest => OnFailure::SkipRest,
            OnError::Goto(to) => OnFailure::Goto(place_of(to)?),
        };
        Some(Step {
            id: step.id.clone(),
            act: act?,
            needs: step.needs.iter().filter_map(place_of).collect(),
            led_from: self.flow.steps.iter().enumerate().filter_map(leads_here).collect(),
            when: when.flatten(),
            for_each: for_each.flatten(),
            on_error,
            retries,
            backoff_ms: backoff_s as Ms * 1000,
            timeout_s: step.timeout_s,
        })
    }

    fn act(&mut self, at: &str, act: &StepAct, shape: &Shape) -> Option<Act> {
        match act {
            StepAct::Approve(approve) => self.approve(&format!("{at}.approve"), approve, shape),
            StepAct::Ask(ask) => {
                let text = self.text(&format!("{at}.ask.text"), &ask.text, shape)?;
                Some(Act::Ask { aspect: ask.aspect.clone(), text })
            }
            StepAct::Dispatch(dispatch) => self.dispatch(&format!("{at}.dispatch"), dispatch, shape),
            StepAct::Flow(flow) => {
                let input = self.template(&format!("{at}.flow.input"), &flow.input, shape)?;
                if flow.id == self.flow.id {
                    self.wrong(format!("{at}.flow.id"), "a flow cannot be a step of itself");
                }
                Some(Act::Flow { id: flow.id.clone(), input })
            }
            StepAct::Wait(wait) => self.wait(&format!("{at}.wait"), wait, shape),
            StepAct::Write(write) => self.write(&format!("{at}.write"), write, shape),
        }
    }

    fn approve(&mut self, at: &str, approve: &StepApprove, shape: &Shape) -> Option<Act> {
        let StepApprove { text, by, expires_s, on_timeout } = approve;
        let mut expires = APPROVAL_DEADLINE_DEFAULT.as_secs();
        if let Some(given) = expires_s {
            expires = u64::from(*given);
            self.range(format!("{at}.expires_s"), expires, 1, APPROVAL_DEADLINE_MAX.as_secs());
        }
        let text = self.text(&format!("{at}.text"), text, shape)?;
        Some(Act::Approve { text, by: by.clone(), expires_ms: expires as Ms * 1000, on_timeout: *on_timeout })
    }

    fn dispatch(&mut self, at: &str, dispatch: &StepDispatch, shape: &Shape) -> Option<Act> {
        let StepDispatch { hand, capability, input } = dispatch;
        if hand.is_some() == capability.is_some() {
            self.wrong(at, HAND_OR_CAPABILITY);
        }
        if let Some(fault) = capability.as_ref().and_then(Wanted::fault) {
            self.wrong(format!("{at}.capability"), fault);
        }
        let input = self.template(&format!("{at}.input"), input, shape)?;
        Some(Act::Dispatch { hand: hand.clone(), capability: capability.clone(), input })
    }

    fn wait(&mut self, at: &str, wait: &StepWait, shape: &Shape) -> Option<Act> {
        let moment = match (&wait.event, wait.seconds, &wait.until) {
            (Some(event), None, None) => return self.event(&format!("{at}.event"), event),
            (None, Some(seconds), None) => {
                self.range(format!("{at}.seconds"), seconds.into(), 1, STEP_WAIT_MAX.as_secs());
                Moment::After(Ms::from(seconds) * 1000)
            }
            (None, None, Some(until)) => Moment::Until(self.text(&format!("{at}.until"), until, shape)?),
            _ => {
                self.wrong(at, "say one of how many `seconds`, `until` when, and which `event`");
                return None;
            }
        };
        Some(Act::Wait(moment))
    }

    fn event(&mut self, at: &str, event: &StepEvent) -> Option<Act> {
        let count = event.kinds.len();
        if count == 0 || count > KINDS_MAX {
            self.wrong(format!("{at}.kinds"), format!("{count} kinds; it can be from 1 to {KINDS_MAX}"));
        }
        for (place, kind) in event.kinds.iter().enumerate() {
            if kind.is_empty() || kind.len() > TOPIC_BYTES_MAX {
                let message = format!("a kind has from 1 to {TOPIC_BYTES_MAX} bytes");
                self.wrong(format!("{at}.kinds[{place}]"), message);
            }
        }
        Some(Act::Hear(event.clone()))
    }

    fn write(&mut self, at: &str, write: &StepWrite, shape: &Shape) -> Option<Act> {
        let StepWrite { registry, row, values } = write;
        if !values.is_object() {
            self.wrong(format!("{at}.values"), "this is an object: the fields of the row by their names");
            return None;
        }
        let row = match row {
            Some(row) => Some(self.text(&format!("{at}.row"), row, shape)?),
            None => None,
        };
        let values = self.template(&format!("{at}.values"), values, shape)?;
        Some(Act::Write { registry: registry.clone(), row, values })
    }

    fn expression(&mut self, path: &str, text: &str, shape: &Shape) -> Option<Expr> {
        match Expr::parse(text) {
            Ok(expr) => {
                self.missing(path, expr.check(shape), expr.paths());
                Some(expr)
            }
            Err(error) => {
                let (within, message) = (Some(error.place), error.message);
                self.problems.push(Problem { path: path.to_owned(), within, message });
                None
            }
        }
    }

    fn text(&mut self, path: &str, text: &str, shape: &Shape) -> Option<Template> {
        self.template(path, &Value::from(text), shape)
    }

    fn template(&mut self, path: &str, value: &Value, shape: &Shape) -> Option<Template> {
        match Template::parse(value) {
            Ok(template) => {
                let missing = template.check(shape);
                if !missing.is_empty() {
                    let path = place_of(path, value, shape);
                    self.missing(&path, missing, template.paths());
                }
                Some(template)
            }
            Err((inner, error)) => {
                let (within, message) = (Some(error.place), error.message);
                self.problems.push(Problem { path: format!("{path}{inner}"), within, message });
                None
            }
        }
    }

    /// A step that is there but need not have ended is told apart from one that is not.
    fn missing(&mut self, path: &str, missing: Vec<nexus_expr::Missing>, paths: Vec<Vec<&str>>) {
        let unneeded = |shown: &str| {
            let mut named = paths.iter().filter(|path| path.first() == Some(&"steps"));
            let step = named.find_map(|path| path.get(1).filter(|step| format!("steps.{step}") == shown))?;
            self.places.keys().find(|id| id.as_str() == *step).map(|id| id.to_string())
        };
        let told: Vec<Problem> = missing
            .into_iter()
            .map(|it| {
                let message = match unneeded(&it.path) {
                    Some(step) => format!("step `{step}` need not have ended by then; name it in `needs`"),
                    None => it.to_string(),
                };
                Problem { path: path.to_owned(), within: Some(it.place), message }
            })
            .collect();
        self.problems.extend(told);
    }

    /// The names there are when those steps have ended.
    fn shape(&self, ended: BTreeSet<usize>, is_item: bool) -> Shape {
        let step = || Shape::fields([("error", Shape::Any), ("output", Shape::Any), ("state", Shape::Any)]);
        let steps = ended.iter().map(|place| (self.flow.steps[*place].id.as_str(), step()));
        let mut roots = vec![
            ("date", date_shape()),
            ("input", Shape::Any),
            ("run", run_shape()),
            ("steps", Shape::fields(steps)),
        ];
        if is_item {
            roots.extend([("item", Shape::Any), ("index", Shape::Any)]);
        }
        Shape::fields(roots)
    }
}

fn run_shape() -> Shape {
    Shape::fields([("by", Shape::Any), ("flow", Shape::Any), ("id", Shape::Any)])
}

fn date_shape() -> Shape {
    Shape::fields(DATE_NAMES.map(|name| (name, Shape::Any)))
}

/// The path of the first text in `value` that names what is not there.
fn place_of(path: &str, value: &Value, shape: &Shape) -> String {
    let is_there = |value: &Value| Template::parse(value).is_ok_and(|it| it.check(shape).is_empty());
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, it)| (format!("{path}[{at}]"), it)).collect()
        }
        Value::Object(fields) => fields.iter().map(|(name, it)| (format!("{path}.{name}"), it)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    match inner.into_iter().find(|(_, value)| !is_there(value)) {
        Some((path, value)) => place_of(&path, value, shape),
        None => path.to_owned(),
    }
}
