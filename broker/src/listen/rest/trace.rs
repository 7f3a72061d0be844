//! The trace a request belongs to, as its headers say (W3C Trace Context), and the span it is told as.

use axum::extract::{MatchedPath, Request};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use nexus_telemetry::Span;
use nexus_wire::TraceContext;

use crate::edge::Edge;
use crate::hub::Traced;
use crate::traces;

pub(super) const PARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const STATE: HeaderName = HeaderName::from_static("tracestate");

/// What begins work, and so a trace where there is none.
const WORK: [&str; 3] = ["/api/v1/messages", "/api/v1/dispatches", "/api/v1/gathers"];

/// A request on its way.
pub(super) struct Begun {
    context: Option<TraceContext>,
    span: Option<Span>,
}

impl Begun {
    pub(super) fn of(edge: &Edge, request: &Request) -> Self {
        let context = context(request.headers(), || edge.published.meter.trace_ignored());
        let method = request.method();
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let is_work = !method.is_safe() && WORK.iter().any(|work| route.starts_with(work));
        // Strangers leave no spans: whoever shows nothing has none, and whoever is not known loses theirs.
        let shows_something =
            request.headers().contains_key(AUTHORIZATION) || request.headers().contains_key(COOKIE);
        let is_told = shows_something && (context.is_some() || is_work);
        let traces = &edge.published.traces;
        let span = is_told.then(|| traces.http(method.as_str(), route, context.as_ref())).flatten();
        Self { context, span }
    }

    /// What is asked of the core on its account.
    pub(super) fn traced(&self) -> Option<Traced> {
        match &self.span {
            Some(span) => Some(traces::traced(span)),
            None => self.context.clone().map(Traced::passed_on),
        }
    }

    /// A line of the log written on its account names the trace.
    pub(super) fn log_span(&self) -> tracing::Span {
        match self.span.as_ref().map(Span::context).or(self.context.as_ref()) {
            Some(context) => tracing::info_span!("request", trace_id = context.trace_text()),
            None => tracing::Span::none(),
        }
    }

    pub(super) fn end(self, status: StatusCode) {
        let Some(mut span) = self.span else { return };
        if status == StatusCode::UNAUTHORIZED {
            span.forget();
            return;
        }
        span.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.fail(status.as_str().to_owned(), "it could not be done");
        }
    }
}

/// What the headers say; `None` as well when it is malformed, which is then told by `ignored`.
pub(super) fn context(headers: &HeaderMap, ignored: impl FnOnce()) -> Option<TraceContext> {
    let mut parents = headers.get_all(PARENT).iter();
    let parent = parents.next()?;
    // Several states are one list; several parents are no parent.
    let states: Vec<&str> = headers.get_all(STATE).iter().filter_map(|state| state.to_str().ok()).collect();
    let state = (!states.is_empty()).then(|| states.join(","));
    let parent = parent.to_str().ok().filter(|_| parents.next().is_none());
    let context = parent.and_then(|parent| TraceContext::parse(parent, state.as_deref()));
    if context.is_none() {
        ignored();
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn headers_are_read_as_the_recommendation_says() {
        let of = |headers: &[(&'static str, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| _ = map.append(name, value));
            let mut ignored = false;
            let context = context(&map, || ignored = true);
            (context.map(|it| (it.parent(), it.state().map(str::to_owned))), ignored)
        };
        let read = |state: Option<&str>| (Some((ONE.to_owned(), state.map(str::to_owned))), false);
        assert_eq!(of(&[]), (None, false));
        assert_eq!(of(&[("tracestate", "a=1")]), (None, false), "a state without a parent says nothing");
        assert_eq!(of(&[("traceparent", ONE)]), read(None));
        assert_eq!(
            of(&[("traceparent", ONE), ("tracestate", "a=1"), ("tracestate", "b=2")]),
            read(Some("a=1,b=2"))
        );
        assert_eq!(of(&[("traceparent", ONE), ("tracestate", "a=1,a=2")]), read(None));
        assert_eq!(of(&[("traceparent", "00-x"), ("tracestate", "a=1")]), (None, true));
        assert_eq!(of(&[("traceparent", ONE), ("traceparent", ONE)]), (None, true));
    }
}
