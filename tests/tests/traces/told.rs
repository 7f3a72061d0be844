//! One trace through operator, broker and agents, seen by a collector; and collectors that are of no use.

use std::collections::BTreeMap;

use nexus_tests::canary::Canaries;
use nexus_tests::collector::{Collector, Manner, Span, outline, traces};
use nexus_tests::world::text;
use nexus_tests::{Process, wait_until};
use serde_json::json;

use crate::team::{CALLER, KEY, PROMPT, TRACE, Team};

/// What `nexctl say --to asker` comes to, below the span it was called on account of.
const TREE: &[&str] = &[
    "nexus SERVER nexus.chat.send",
    "  agent asker CONSUMER process message",
    "    agent asker INTERNAL invoke_agent asker",
    "      agent asker CLIENT chat scripted",
    "      agent asker CLIENT chat scripted",
    "      agent asker INTERNAL execute_tool dispatch_hand",
    "        nexus SERVER nexus.dispatch",
    "          nexus INTERNAL dispatch checker/verify",
    "            agent checker CONSUMER process assignment",
    "              agent checker INTERNAL invoke_agent checker/verify",
    "                agent checker CLIENT chat scripted",
    "                agent checker CLIENT chat scripted",
    "                agent checker INTERNAL execute_tool read_file",
    "            nexus INTERNAL queue checker/verify",
    "            nexus PRODUCER deliver asker",
    "            nexus PRODUCER deliver checker",
    "            nexus SERVER nexus.dispatch.result",
    "      nexus SERVER nexus.chat.send",
    "  nexus PRODUCER deliver asker",
    "  nexus SERVER nexus.inbox.close",
    "  nexus SERVER nexus.inbox.taken",
    "  nexus SERVER nexus.knowledge.search",
    "nexus SERVER nexus.team.list",
];

/// The same by names, for whoever waits for them.
const ALL: [(&str, usize); 16] = [
    ("chat scripted", 4),
    ("deliver asker", 2),
    ("deliver checker", 1),
    ("dispatch checker/verify", 1),
    ("invoke_agent asker", 1),
    ("invoke_agent checker/verify", 1),
    ("nexus.chat.send", 2),
    ("nexus.dispatch", 1),
    ("nexus.dispatch.result", 1),
    ("nexus.inbox.close", 1),
    ("nexus.inbox.taken", 1),
    ("nexus.knowledge.search", 1),
    ("nexus.team.list", 1),
    ("process assignment", 1),
    ("process message", 1),
    ("queue checker/verify", 1),
];

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:#?}");
    found[0]
}

fn attributes(span: &Span, without: &[&str]) -> BTreeMap<String, String> {
    let kept = span.attributes.iter().filter(|(key, _)| !without.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn one_trace_goes_from_the_operator_through_the_team_and_back() {
    let collector = Collector::start(Manner::Takes);
    let team = Team::new(&collector.url, &[]);
    team.open();
    team.say();
    team.answered();
    let spans = collector.wait_for(&ALL);
    let spans: Vec<Span> = spans.into_iter().filter(|span| span.trace == TRACE).collect();
    let told = outline(&spans, CALLER);
    assert_eq!(told, TREE, "{told:#?}");
    assert!(!spans.iter().any(|span| span.is_error || span.ended_before_it_began), "{spans:#?}");

    let turn = one(&spans, "invoke_agent asker");
    assert_eq!(
        attributes(
            turn,
            &["gen_ai.conversation.id", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"]
        ),
        map(&[
            ("gen_ai.agent.name", "asker"),
            ("gen_ai.operation.name", "invoke_agent"),
            ("gen_ai.provider.name", "scripted"),
            ("gen_ai.request.model", "scripted"),
            ("nexus.decision", "replied"),
            ("nexus.turn.rounds", "2"),
        ])
    );
    let thread = &turn.attributes["gen_ai.conversation.id"];
    let threads = team.world.nexctl_json(&["get", "threads"]);
    assert_eq!(*thread, threads["threads"][0]["id"].as_str().unwrap_or_default());
    let tool = one(&spans, "execute_tool dispatch_hand");
    assert_eq!(
        attributes(tool, &["gen_ai.tool.call.id"]),
        map(&[
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "dispatch_hand"),
            ("gen_ai.tool.type", "function"),
        ])
    );
    assert!(!tool.attributes["gen_ai.tool.call.id"].is_empty());
    for chat in spans.iter().filter(|span| span.name == "chat scripted") {
        let reasons = &chat.attributes["gen_ai.response.finish_reasons"];
        assert!(["[tool_use]", "[end_turn]"].contains(&reasons.as_str()), "{reasons}");
        let open =
            ["gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"];
        assert!(open.iter().all(|key| chat.attributes.contains_key(*key)), "{chat:#?}");
        assert_eq!(
            attributes(chat, &open),
            map(&[
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "scripted"),
                ("gen_ai.request.max_tokens", &chat.attributes["gen_ai.request.max_tokens"]),
                ("gen_ai.request.model", "scripted"),
                ("gen_ai.response.model", "scripted"),
            ])
        );
    }
    let dispatch = one(&spans, "dispatch checker/verify");
    assert_eq!(
        attributes(dispatch, &["nexus.dispatch.id"]),
        map(&[
            ("nexus.dispatch.attempts", "1"),
            ("nexus.dispatch.state", "done"),
            ("nexus.hand", "checker/verify"),
            ("nexus.invoker", "asker"),
        ])
    );
    // Lines of the log name the trace.
    let line = |agent: &Process| {
        let said = agent.text();
        said.lines().any(|line| line.contains("turn ended") && line.contains(TRACE))
    };
    assert!(line(&team.agents[0]), "{}", team.agents[0].text());
    let metrics = team.metrics();
    assert!(metrics.contains("nexus_spans_lost_total{reason=\"no_room\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("nexus_spans_exported_total 0\n"), "{metrics}");
}

#[test]
fn a_broker_that_is_killed_goes_on_in_the_same_trace() {
    let collector = Collector::start(Manner::Takes);
    let mut team = Team::new(&collector.url, &[]);
    team.say();
    // The Hand is at work, and all that led to it has been told.
    collector.wait_for(&[("nexus.dispatch", 1), ("queue checker/verify", 1), ("execute_tool read_file", 1)]);
    team.world.restart_broker();
    team.open();
    team.answered();
    let spans = collector.wait_for(&[
        ("dispatch checker/verify", 1),
        ("invoke_agent asker", 1),
        ("invoke_agent checker/verify", 1),
        ("nexus.chat.send", 2),
        ("nexus.dispatch.result", 1),
    ]);
    let spans: Vec<Span> = spans.into_iter().filter(|span| span.trace == TRACE).collect();
    let parent = |name: &str| {
        let above = &one(&spans, name).parent;
        let found = spans.iter().find(|span| span.id == *above);
        found.map_or_else(|| panic!("{name} hangs in the air"), |span| span.name.as_str())
    };
    let parents = [
        ("dispatch checker/verify", "nexus.dispatch"),
        ("execute_tool dispatch_hand", "invoke_agent asker"),
        ("invoke_agent asker", "process message"),
        ("invoke_agent checker/verify", "process assignment"),
        ("nexus.dispatch", "execute_tool dispatch_hand"),
        ("nexus.dispatch.result", "dispatch checker/verify"),
        ("process assignment", "dispatch checker/verify"),
        ("queue checker/verify", "dispatch checker/verify"),
    ];
    assert_eq!(parents.map(|(name, _)| (name, parent(name))), parents);
}

#[test]
fn no_collector_is_waited_for() {
    let (refused, hangs, closes) = (
        Collector::start(Manner::Refuses),
        Collector::start(Manner::Hangs),
        Collector::start(Manner::Closes),
    );
    // Nobody listens there.
    let nobody = "http://127.0.0.1:9";
    for url in [refused.url.as_str(), hangs.url.as_str(), closes.url.as_str(), nobody] {
        let env = [("OTEL_EXPORTER_OTLP_TIMEOUT", "300"), ("OTEL_BSP_MAX_QUEUE_SIZE", "4")];
        let mut team = Team::new(url, &env);
        team.open();
        team.say();
        team.answered();
        wait_until("lost spans", || {
            let metrics = team.metrics();
            let lost = metrics
                .lines()
                .filter_map(|line| line.strip_prefix("nexus_spans_lost_total{")?.split(' ').nth(1));
            lost.filter_map(|count| count.parse::<u64>().ok()).any(|count| count > 0).then_some(())
        });
        team.world.broker().signal("TERM");
        let status = team.world.broker_mut().wait();
        assert!(status.success(), "{url}: {status}");
        let said = team.world.broker().text();
        assert!(said.matches("the collector does not take spans").count() <= 1, "{url}: {said}");
        assert!(!said.contains(KEY), "{url}: {said}");
    }
}

#[test]
fn neither_keys_nor_prompts_are_exported_unless_somebody_wants_the_prompts() {
    for capture in [false, true] {
        let collector = Collector::start(Manner::Takes);
        let name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let team = Team::new(&collector.url, &[(name, if capture { "true" } else { "false" })]);
        team.open();
        team.say();
        team.answered();
        collector.wait_for(&ALL);
        let mut canaries = Canaries::default();
        canaries.plant("the collector's key", KEY);
        canaries.plant("the operator's token", &team.world.token());
        canaries.plant("the prompt", PROMPT);
        let expected: &[&str] = if capture { &["the prompt"] } else { &[] };
        assert_eq!(canaries.found_in(&collector.bodies()), expected, "{capture}");
        assert!(collector.heads().iter().all(|head| head.contains(&format!("x-key: {KEY}"))));
        let said = [team.world.broker().text(), team.agents[0].text(), team.agents[1].text()].concat();
        assert!(!said.contains(KEY), "{said}");
    }
}

#[test]
fn what_nobody_samples_is_not_exported_and_goes_on_unsampled() {
    let collector = Collector::start(Manner::Takes);
    let team = Team::new(&collector.url, &[]);
    team.open();
    team.say_under(&format!("00-{TRACE}-{CALLER}-00"));
    team.answered();
    // Another one that is sampled, so that something comes.
    let other = "a".repeat(32);
    team.say_under(&format!("00-{other}-{CALLER}-01"));
    let spans = collector.wait_for(&[("nexus.chat.send", 2), ("invoke_agent checker/verify", 1)]);
    assert_eq!(traces(&spans), [other.as_str()].into());
}

#[test]
fn without_a_trace_the_broker_begins_one_where_work_begins() {
    let collector = Collector::start(Manner::Takes);
    let team = Team::new(&collector.url, &[]);
    team.open();
    let out = team.world.nexctl(&["say", "--to", "asker", PROMPT]);
    assert!(out.status.success(), "{}", text(&out));
    team.answered();
    let wanted: Vec<(&str, usize)> = ALL.into_iter().filter(|(name, _)| *name != "nexus.team.list").collect();
    let spans = collector.wait_for(&wanted);
    let (first, rest) = TREE.split_first().expect("it begins with the message");
    let expected: Vec<&str> = std::iter::once(first).chain(&rest[..rest.len() - 1]).copied().collect();
    assert_eq!(outline(&spans, ""), expected, "who only looks begins no trace");
    assert_eq!(traces(&spans).len(), 1);
}

#[test]
fn agents_that_are_killed_go_on_in_the_same_trace_and_attempts_are_linked() {
    let collector = Collector::start(Manner::Takes);
    let mut team = Team::new(&collector.url, &[]);
    team.say();
    collector.wait_for(&[("queue checker/verify", 1), ("execute_tool read_file", 1)]);
    team.agents.iter_mut().for_each(Process::kill);
    team.agents = team.homes.iter().map(|home| team.world.agent(home)).collect();
    // The work is given to the next process of its worker.
    collector.wait_for(&[("queue checker/verify", 2)]);
    team.open();
    team.answered();
    let spans = collector.wait_for(&[
        ("dispatch checker/verify", 1),
        ("invoke_agent asker", 1),
        ("invoke_agent checker/verify", 1),
        ("nexus.chat.send", 2),
        ("process assignment", 1),
        ("process message", 1),
    ]);
    assert_eq!(traces(&spans), [TRACE].into());
    let above = |name: &str| {
        let span = one(&spans, name);
        spans.iter().find(|it| it.id == span.parent).map(|it| it.name.as_str())
    };
    assert_eq!(above("invoke_agent asker"), Some("process message"));
    assert_eq!(above("process message"), Some("nexus.chat.send"));
    assert_eq!(above("process assignment"), Some("dispatch checker/verify"));
    assert_eq!(one(&spans, "dispatch checker/verify").attributes["nexus.dispatch.attempts"], "2");
    let mut queued: Vec<&Span> = spans.iter().filter(|span| span.name == "queue checker/verify").collect();
    queued.sort_by_key(|span| &span.attributes["nexus.dispatch.attempt"]);
    let [first, second] = queued[..] else { panic!("two attempts: {queued:#?}") };
    assert_eq!((&first.links, &second.links), (&Vec::new(), &vec![first.id.clone()]));
}

#[test]
fn an_http_request_brings_its_trace_and_is_told_by_its_route() {
    let collector = Collector::start(Manner::Takes);
    let team = Team::new(&collector.url, &[]);
    let headers = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n");
    let body = json!({"to": ["asker"], "content": "hello"}).to_string();
    let answer = team.http("POST", "/api/v1/messages", &headers, &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Strangers leave no spans, whatever they bring.
    for (headers, path) in [
        (format!("authorization: Bearer nxo_unknown\r\n{headers}"), "/api/v1/audit"),
        (headers.clone(), "/api/v1/nexus"),
    ] {
        team.world.http_with(&headers, "GET", path, "");
    }
    team.http("GET", "/api/v1/threads/0199a0b1-c2d3-7123-8456-789abcdef012/messages?limit=3", &headers, "");
    team.http("GET", "/api/v1/threads", "", "");
    let (sent, read) = ("POST /api/v1/messages", "GET /api/v1/threads/{thread}/messages");
    let spans = collector.wait_for(&[(sent, 1), (read, 1), ("process message", 1), ("deliver asker", 1)]);
    let about = |name| {
        let span = one(&spans, name);
        (span.parent.as_str(), span.kind, span.attributes.clone())
    };
    let told = |method, route, status| {
        let told =
            [("http.request.method", method), ("http.response.status_code", status), ("http.route", route)];
        (CALLER, "SERVER", map(&told))
    };
    assert_eq!(about(sent), told("POST", "/api/v1/messages", "200"));
    assert_eq!(about(read), told("GET", "/api/v1/threads/{thread}/messages", "404"));
    assert_eq!(one(&spans, "process message").parent, one(&spans, sent).id);
    assert_eq!(traces(&spans), [TRACE].into(), "who only looks begins no trace");
    let strangers = spans.iter().filter(|span| span.name.contains("audit") || span.name.contains("/nexus"));
    assert_eq!(strangers.count(), 0, "{spans:#?}");
}
