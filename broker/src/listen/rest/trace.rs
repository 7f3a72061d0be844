//! The trace a request belongs to, as its headers say: W3C Trace Context.

use axum::http::{HeaderMap, HeaderName};
use nexus_wire::TraceContext;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

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
