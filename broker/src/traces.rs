//! Whose trace it is that something happens on account of, from where it comes in to the command that carries it on;
//! and what the broker tells of it as spans, if a collector was named.
//!
//! A span of a request begins where it is admitted and ends with its answer. Those of a dispatch are told by the hub's
//! milestones, under ids that derive from the dispatch, so that they are the same across a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nexus_telemetry::{Counts, Finished, KeyValue, Span, SpanKind, Telemetry};
use nexus_wire::hands::{DispatchState, Outcome};
use nexus_wire::{ErrorBody, FromBroker, LinkId, Ms, Party, TraceContext, derive};

use crate::hub::records::DispatchTrace;
use crate::hub::{Milestone, Origin, Traced};

/// Requests whose answer is awaited, and deliveries that are not acknowledged, that are told as spans at a time.
const OPEN_MAX: usize = 4_096;
/// Of a word that says how a dispatch failed.
const ERROR_TYPE_BYTES_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: Traced;
}

/// Of the request that this task answers.
pub(crate) fn current() -> Option<Traced> {
    CURRENT.try_with(Traced::clone).ok()
}

/// What `work` asks of the core is asked on this account.
pub(crate) async fn on_account_of<T>(trace: Option<Traced>, work: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => CURRENT.scope(trace, work).await,
        None => work.await,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Traces {
    telemetry: Telemetry,
    requests: Mutex<HashMap<Origin, Span>>,
    deliveries: Mutex<Deliveries>,
}

/// What was pushed on each link and not acknowledged.
#[derive(Debug, Default)]
struct Deliveries {
    links: HashMap<LinkId, VecDeque<(u64, Span)>>,
    count: usize,
}

/// Kinds that begin work, and so a trace where there is none.
fn begins_work(kind: &str) -> bool {
    ["chat.send", "dispatch", "dispatch.retry", "gather"].contains(&kind)
}

impl Traces {
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self { telemetry, ..Self::default() }
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(crate) fn counts(&self) -> Counts {
        self.telemetry.counts()
    }

    /// A change that a frame asks for: its span ends with the answer. Whose trace it belongs to from here on.
    pub(crate) fn requested(
        &self,
        origin: Origin,
        kind: &'static str,
        party: &Party,
        context: Option<Box<TraceContext>>,
    ) -> Option<Box<Traced>> {
        let Some(span) = self.frame(kind, party, context.as_deref()) else {
            return context.map(|context| Box::new(Traced::passed_on(*context)));
        };
        let traced = traced(&span);
        let mut requests = self.requests();
        // What nobody is told of has no end that could be seen.
        let is_awaited = matches!(origin, Origin::Link { request: Some(_), .. } | Origin::Call(_));
        if span.is_recorded() && is_awaited && requests.len() < OPEN_MAX {
            requests.insert(origin, span);
        }
        Some(Box::new(traced))
    }

    /// The span of a frame, if it is one that is told of.
    pub(crate) fn frame(
        &self,
        kind: &'static str,
        party: &Party,
        context: Option<&TraceContext>,
    ) -> Option<Span> {
        if !self.telemetry.is_on() || context.is_none() && !begins_work(kind) {
            return None;
        }
        let attributes = vec![
            KeyValue::new("rpc.system.name", "nexus"),
            KeyValue::new("rpc.method", kind),
            KeyValue::new("nexus.party", party.to_string()),
        ];
        self.telemetry.start(format!("nexus.{kind}"), SpanKind::Server, context, attributes)
    }

    /// The span of an HTTP request: of one that changes something, or that says whose trace it belongs to.
    pub(crate) fn http(&self, method: &str, route: &str, context: Option<&TraceContext>) -> Option<Span> {
        let attributes = vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route.to_owned()),
        ];
        // What leads nowhere has no route.
        let name = [method, route].join(" ");
        self.telemetry.start(name.trim_end().to_owned(), SpanKind::Server, context, attributes)
    }

    pub(crate) fn answered(&self, origin: Origin, answer: &Result<FromBroker, ErrorBody>) {
        if !self.telemetry.is_on() {
            return;
        }
        let span = self.requests().remove(&origin);
        if let (Some(mut span), Err(body)) = (span, answer) {
            refused(&mut span, body);
        }
    }

    /// An item is on its way to an aspect.
    pub(crate) fn pushed(&self, link: LinkId, to: &Party, offset: u64, context: &TraceContext) {
        if !(self.telemetry.is_on() && context.is_sampled()) {
            return;
        }
        let attributes = vec![
            KeyValue::new("messaging.system", "nexus"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.operation.name", "deliver"),
            KeyValue::new("messaging.destination.name", to.to_string()),
        ];
        let mut deliveries = self.deliveries();
        if deliveries.count >= OPEN_MAX {
            return;
        }
        let name = format!("deliver {to}");
        if let Some(span) = self.telemetry.start(name, SpanKind::Producer, Some(context), attributes) {
            deliveries.links.entry(link).or_default().push_back((offset, span));
            deliveries.count += 1;
        }
    }

    /// Everything up to `offset` is on the aspect's own disk.
    pub(crate) fn acknowledged(&self, link: LinkId, offset: u64) {
        if !self.telemetry.is_on() {
            return;
        }
        let mut deliveries = self.deliveries();
        let Some(waiting) = deliveries.links.get_mut(&link) else { return };
        let before = waiting.len();
        waiting.retain(|(at, _)| *at > offset);
        let ended = before - waiting.len();
        if waiting.is_empty() {
            deliveries.links.remove(&link);
        }
        deliveries.count -= ended;
    }

    /// What was not acknowledged by now will be sent again on another link.
    pub(crate) fn left(&self, link: LinkId) {
        if !self.telemetry.is_on() {
            return;
        }
        let mut deliveries = self.deliveries();
        let Some(waiting) = deliveries.links.remove(&link) else { return };
        deliveries.count -= waiting.len();
        for (_, mut span) in waiting {
            span.fail("link_lost", "the link ended before the item was acknowledged");
        }
    }

    pub(crate) fn passed(&self, milestone: Milestone) {
        if !self.telemetry.is_on() {
            return;
        }
        self.telemetry.finished(match milestone {
            Milestone::Queued { trace, dispatch, hand, attempt, since, at } => {
                let span =
                    |attempt: u32| trace.context.at(derive::span_id(dispatch, "queued", attempt.into()));
                let attributes = vec![
                    KeyValue::new("nexus.dispatch.id", dispatch.to_string()),
                    KeyValue::new("nexus.hand", hand.to_string()),
                    KeyValue::new("nexus.dispatch.attempt", i64::from(attempt)),
                ];
                Finished {
                    context: span(attempt),
                    parent: Some(trace.context.clone()),
                    name: format!("queue {hand}").into(),
                    kind: SpanKind::Internal,
                    start: time(since),
                    end: time(at),
                    attributes,
                    links: (attempt > 1).then(|| span(attempt - 1)).into_iter().collect(),
                    error: None,
                }
            }
            Milestone::Ended { trace, outcome, invoker, since, at } => {
                ended(trace, &outcome, &invoker, since, at)
            }
        });
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<Origin, Span>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of what a span is about.
pub(crate) fn traced(span: &Span) -> Traced {
    Traced { context: span.context().clone(), is_recorded: span.is_recorded() }
}

pub(crate) fn refused(span: &mut Span, body: &ErrorBody) {
    // The message may quote what was sent.
    span.fail(body.code.as_str(), "refused");
}

/// A worker says what it likes there, also what somebody asked it.
fn error_type(code: String) -> String {
    let is_word = (1..=ERROR_TYPE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_word { code } else { "_OTHER".to_owned() }
}

fn ended(trace: DispatchTrace, outcome: &Outcome, invoker: &Party, since: Ms, at: Ms) -> Finished {
    let mut attributes = vec![
        KeyValue::new("nexus.dispatch.id", outcome.dispatch.to_string()),
        KeyValue::new("nexus.hand", outcome.hand.to_string()),
        KeyValue::new("nexus.invoker", invoker.to_string()),
        KeyValue::new("nexus.dispatch.state", outcome.state.as_str()),
        KeyValue::new("nexus.dispatch.attempts", i64::from(outcome.attempts)),
    ];
    let is_done = outcome.state == DispatchState::Done;
    let code = outcome.error.as_ref().map(|failure| failure.code.clone()).filter(|_| !is_done);
    attributes.extend(code.map(|code| KeyValue::new("error.type", error_type(code))));
    Finished {
        context: trace.context,
        parent: trace.under,
        name: format!("dispatch {}", outcome.hand).into(),
        kind: SpanKind::Internal,
        start: time(since),
        end: time(at),
        attributes,
        links: trace.retries.into_iter().collect(),
        error: (!is_done).then(|| outcome.state.as_str().to_owned()),
    }
}

fn time(at: Ms) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_work_failed_is_told_as_a_word_or_not_at_all() {
        let long = "x".repeat(ERROR_TYPE_BYTES_MAX + 1);
        let cases = [
            ("worker_lost", "worker_lost"),
            ("acme.no-such-page", "acme.no-such-page"),
            ("", "_OTHER"),
            ("they asked: what is the moon made of?", "_OTHER"),
            (&long, "_OTHER"),
        ];
        for (code, expected) in cases {
            assert_eq!(error_type(code.to_owned()), expected, "{code}");
        }
    }
}
