//! One span, running or over, and how its place in a trace is written on the wire and in OpenTelemetry's types.

use std::borrow::Cow;
use std::str::FromStr as _;
use std::time::SystemTime;

use nexus_wire::TraceContext;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SpanData, SpanEvents, SpanLinks};

/// Marks a span that nobody is to see.
pub(crate) const FORGOTTEN: &str = "nexus.forgotten";

/// A span that runs; it ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    span: opentelemetry_sdk::trace::Span,
    context: TraceContext,
}

/// A span that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its own place; one that is not sampled is not told.
    pub context: TraceContext,
    pub parent: Option<TraceContext>,
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<KeyValue>,
    pub links: Vec<TraceContext>,
    /// It came to nothing, and why.
    pub error: Option<String>,
}

impl Span {
    pub(crate) fn start(
        tracer: &SdkTracer,
        name: Cow<'static, str>,
        kind: SpanKind,
        parent: Option<&TraceContext>,
        attributes: Vec<KeyValue>,
    ) -> Option<Self> {
        let around = match parent {
            Some(parent) => Context::new().with_remote_span_context(to_span_context(parent, true)),
            None => Context::new(),
        };
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = builder.start_with_context(tracer, &around);
        // None once the provider was shut down.
        let context = of_span_context(span.span_context())?;
        Some(Self { span, context })
    }

    /// What its children, here and elsewhere, are told.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Whether anybody will see it.
    pub fn is_recorded(&self) -> bool {
        self.context.is_sampled()
    }

    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// Another span that has to do with it.
    pub fn link(&mut self, other: &TraceContext) {
        self.span.add_link(to_span_context(other, true), Vec::new());
    }

    /// Nobody is to see it after all.
    pub fn forget(&mut self) {
        self.span.set_attribute(KeyValue::new(FORGOTTEN, true));
    }

    /// It came to nothing: `kind` is a word of a fixed list, `why` is for people.
    pub fn fail(&mut self, kind: impl Into<String>, why: impl Into<Cow<'static, str>>) {
        self.span.set_attribute(KeyValue::new("error.type", kind.into()));
        self.span.set_status(Status::error(why));
    }
}

impl Finished {
    pub(crate) fn into_data(self, instrumentation_scope: InstrumentationScope) -> SpanData {
        let Self { context, parent, name, kind, start, end, attributes, links, error } = self;
        let mut span_links = SpanLinks::default();
        span_links.links = links.iter().map(|it| Link::with_context(to_span_context(it, false))).collect();
        SpanData {
            span_context: to_span_context(&context, false),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span())),
            parent_span_is_remote: false,
            span_kind: kind,
            name,
            start_time: start,
            end_time: end.max(start),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: span_links,
            status: error.map_or(Status::Unset, Status::error),
            instrumentation_scope,
        }
    }
}

fn to_span_context(context: &TraceContext, is_remote: bool) -> SpanContext {
    let state = context.state().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    SpanContext::new(
        TraceId::from_bytes(context.trace()),
        SpanId::from_bytes(context.span()),
        TraceFlags::new(context.flags()),
        is_remote,
        state,
    )
}

fn of_span_context(context: &SpanContext) -> Option<TraceContext> {
    let (trace, span) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
    let flags = context.trace_flags();
    let read = TraceContext::new(trace, span, flags.is_sampled())?.with_flags(flags.to_u8());
    Some(read.with_state(&context.trace_state().header()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_in_a_trace_is_the_same_in_both_types(
            trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), flags in 0_u8..4, state in "([a-z]{1,9}=[a-z0-9]{1,9})?",
        ) {
            if let Some(context) = TraceContext::new(trace, span, false) {
                let context = context.with_flags(flags).with_state(&state);
                prop_assert_eq!(of_span_context(&to_span_context(&context, true)), Some(context));
            }
        }
    }
}
