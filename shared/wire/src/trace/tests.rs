use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn parent(version: &str, flags: &str) -> String {
    format!("{version}-{TRACE}-{SPAN}-{flags}")
}

#[test]
fn what_the_recommendation_shows_is_read_and_written_the_same() {
    for flags in ["00", "01", "02", "03"] {
        let text = parent("00", flags);
        let context = TraceContext::parse(&text, None).expect("it is one");
        assert_eq!((context.parent(), context.trace_text()), (text, TRACE.to_owned()));
        assert_eq!(context.is_sampled(), flags.ends_with(['1', '3']));
    }
}

#[test]
fn flags_and_versions_nobody_knows_yet_are_not_passed_on() {
    let cases = [
        (parent("00", "ff"), parent("00", "03")),
        (parent("00", "08"), parent("00", "00")),
        (parent("01", "01"), parent("00", "01")),
        (parent("cc", "ff"), parent("00", "01")),
        (format!("{}-what-the-future-will-be-like", parent("cc", "01")), parent("00", "01")),
        (format!("{}-", parent("01", "09")), parent("00", "01")),
    ];
    for (read, written) in cases {
        assert_eq!(TraceContext::parse(&read, None).map(|it| it.parent()), Some(written), "{read}");
    }
}

/// The cases of the W3C's own test suite for `traceparent`, and some of ours.
#[test]
fn a_parent_that_is_malformed_is_none() {
    let zero_trace = format!("00-{}-{SPAN}-01", "0".repeat(32));
    let zero_span = format!("00-{TRACE}-{}-01", "0".repeat(16));
    let cases = [
        String::new(),
        "00".into(),
        parent("ff", "01"),
        parent("FF", "01"),
        parent("0", "01"),
        parent(".0", "01"),
        parent("0.", "01"),
        parent("000", "01"),
        parent("00", "0"),
        parent("00", ".0"),
        parent("00", "0."),
        parent("00", "001"),
        parent("00", "0X"),
        parent("00", "0A"),
        format!("{}-", parent("00", "01")),
        format!("{}-more", parent("00", "01")),
        format!("{}.", parent("00", "01")),
        format!("{}.what", parent("cc", "01")),
        format!(" {}", parent("00", "01")),
        format!("{} ", parent("00", "01")),
        format!("{}\n", parent("00", "01")),
        parent("00", "01").to_uppercase(),
        parent("00", "01").replace('-', "_"),
        format!("00-{}-{SPAN}-01", TRACE.replace('4', ".")),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", SPAN.replace('f', "g")),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("00{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}01"),
        "00-４bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01".into(),
        zero_trace,
        zero_span,
    ];
    for text in cases {
        assert_eq!(TraceContext::parse(&text, Some("a=1")), None, "{text:?}");
    }
}

#[test]
fn a_state_is_passed_on_whole_or_not_at_all() {
    let state = |text: &str| {
        let context = TraceContext::parse(&parent("00", "01"), Some(text)).expect("its parent is good");
        context.state().map(str::to_owned)
    };
    let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    let good = [
        ("foo=1", "foo=1"),
        ("foo=1,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2, baz=3", "foo=1,bar=2,baz=3"),
        ("foo=1\t,,bar=2,", "foo=1,bar=2"),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("fw529a3039@dt=FfffFff,0tenant@s=1", "fw529a3039@dt=FfffFff,0tenant@s=1"),
        ("a_-*/=a b!~", "a_-*/=a b!~"),
    ];
    for (read, written) in good {
        assert_eq!(state(read).as_deref(), Some(written), "{read}");
    }
    assert_eq!(state(&members(32)), Some(members(32)));
    let long = format!("{}=1", "a".repeat(257));
    let bad = [
        "",
        " ",
        ",",
        "foo",
        "=1",
        "foo=",
        "foo=1=2",
        "Foo=1",
        "1foo=1",
        "foo =1",
        "foo@=1",
        "@foo=1",
        "foo@1a=1",
        "foo@bar@baz=1",
        "foo=1,foo=2",
        "foo=\u{1}",
        "foo=é",
        "foo=1\nbar=2",
        &long,
        &members(33),
        "foo@abcdefghijklmno=1",
    ];
    for text in bad {
        assert_eq!(state(text), None, "{text:?}");
    }
}

#[test]
fn of_a_state_that_is_too_long_the_large_entries_go_first_and_then_the_last() {
    let large = format!("large={}", "x".repeat(200));
    let small = |n: usize| format!("k{n:02}={}", "y".repeat(40));
    let all: Vec<String> = (0..10).map(small).collect();
    let text = [&all[..3], std::slice::from_ref(&large), &all[3..]].concat().join(",");
    let read = TraceContext::parse(&parent("00", "00"), Some(&text)).expect("its parent is good");
    assert_eq!(read.state(), Some(all.join(",").as_str()));
    let more: Vec<String> = (0..20).map(small).collect();
    let read = TraceContext::parse(&parent("00", "00"), Some(&more.join(","))).expect("its parent is good");
    let kept = read.state().expect("some of it");
    assert!(kept.len() <= TRACE_STATE_BYTES_MAX && more.join(",").starts_with(kept), "{kept}");
    assert!(kept.len() + 45 > TRACE_STATE_BYTES_MAX, "no more is dropped than has to be: {}", kept.len());
}
