//! What a file becomes, and how what is wrong with one is told.

use nexus_wire::flow::{Flow, OnError, StepAct};
use serde_json::{Value, json};

use super::*;

const GOOD: &str = r#"
id: morning
description: what changed since yesterday
input: { type: object }
concurrency_group: "{{ input.team }}"
steps:
  - id: changes
    do: { dispatch: { hand: runner/script, input: { argv: [git, log, "--since={{ date.yesterday }}"] } } }
    retry: { times: 2 }
    timeout_s: 60
  - id: each
    needs: [changes]
    if: len(steps.changes.output) > 0
    for_each: steps.changes.output
    on_error: continue
    do:
      ask:
        aspect: wren
        text: |
          Look at {{ item }},
          the {{ index }}.
  - id: leave
    needs: [each]
    on_error: { goto: tell }
    do: { approve: { text: "Post {{ steps.each.output | json }}?", by: ana } }
  - id: tell
    do: { wait: { seconds: 1 } }
output: "{{ steps.leave.state }}"
"#;

const SAME: &str = r#"
id = "morning"
description = "what changed since yesterday"
input = { type = "object" }
concurrency_group = ["{{ input.team }}"]
output = "{{ steps.leave.state }}"

[[steps]]
id = "changes"
do.dispatch = { hand = "runner/script", input = { argv = ["git", "log", "--since={{ date.yesterday }}"] } }
retry.times = 2
timeout_s = 60

[[steps]]
id = "each"
needs = ["changes"]
if = "len(steps.changes.output) > 0"
for_each = "steps.changes.output"
on_error = "continue"
do.ask.aspect = "wren"
do.ask.text = """
Look at {{ item }},
the {{ index }}.
"""

[[steps]]
id = "leave"
needs = ["each"]
on_error.goto = "tell"
do.approve = { text = "Post {{ steps.each.output | json }}?", by = "ana" }

[[steps]]
id = "tell"
do.wait.seconds = 1
"#;

fn faults(text: &str) -> Vec<String> {
    read(text, Format::Yaml).expect_err(text).iter().map(Fault::to_string).collect()
}

#[test]
fn yaml_and_toml_say_the_same() {
    let flow = read(GOOD, Format::Yaml).unwrap();
    assert_eq!(read(SAME, Format::Toml).unwrap(), flow);
    assert_eq!(flow.steps[2].on_error, OnError::Goto("tell".parse().unwrap()));
    let StepAct::Ask(ask) = &flow.steps[1].act else { panic!("{flow:?}") };
    assert_eq!(ask.text, "Look at {{ item }},\nthe {{ index }}.\n");
    let json = serde_json::to_string(&flow).unwrap();
    assert_eq!(read(&json, Format::Yaml).unwrap(), flow);
    let plan = Plan::of(&flow).unwrap();
    assert_eq!((plan.steps[3].led_from.as_slice(), plan.steps[1].needs.as_slice()), (&[2][..], &[0][..]));
    assert_eq!(plan.after(1), [1, 2, 3].into());
    assert_eq!(
        [Format::of("a.yaml"), Format::of("a.b.toml"), Format::of("yaml")],
        [Some(Format::Yaml), Some(Format::Toml), None]
    );
}

/// One step of a flow around what is to be looked at.
fn step(lines: &str) -> String {
    format!("id: x\nsteps:\n- id: one\n  do: {{ wait: {{ seconds: 1 }} }}\n{lines}")
}

#[test]
fn a_fault_is_told_with_its_line_and_column() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["1:1: there is nothing in it"]),
        ("id: x\nsteps: [\n", &["3:1: while parsing a node, did not find expected node content"]),
        ("- 1", &["1:1: a flow is an object that begins with its `id`"]),
        ("id: x\nid: y", &["2:1: `id` stands here twice"]),
        ("id: x\nsteps: []", &["2:8: a flow has at least one step"]),
        (
            "id: X\nsteps: []",
            &[
                "1:5: \"X\" is not a name: use a lower-case letter, then up to 31 lower-case letters, digits or '-'",
            ],
        ),
        ("id: x\nsteps: &a []", &["2:8: anchors and aliases are not read here; write the value out"]),
        ("id: !x y\n", &["1:5: tags are not read here; leave it out"]),
        ("id: x\n---\nid: y", &["2:1: a file holds one document; this begins another"]),
        (
            "id: x\nstep:\n- do: {}\ndescrption: a",
            &[
                "2:1: there is no `step` here; did you mean `steps`?",
                "4:1: there is no `descrption` here; did you mean `description`?",
            ],
        ),
        (&step("  need: [a]"), &["5:3: there is no `need` here; did you mean `needs`?"]),
        (&step("  needs: [on]"), &["5:11: there is no step `on`; there are none"]),
        (&step("  needs: [one]"), &["5:11: a step cannot name itself here"]),
        (&step("  timeout_s: 0"), &["5:14: 0 is not from 1 to 2592000"]),
        (&step("  timeout_s: soon"), &["5:14: invalid type: string \"soon\", expected u32"]),
        (&step("  on_error: { goto: two }"), &["5:21: there is no step `two`; there are none"]),
        (
            &step("  on_error: stop"),
            &["5:13: unknown variant `stop`, expected one of `fail`, `continue`, `skip_rest`, `goto`"],
        ),
        (&step("  retry: { times: 11 }"), &["5:19: 11 is not from 1 to 10"]),
        (&step("  if: input.a = 1"), &["5:15: `=` compares nothing; two are equal with `==`"]),
        (&step("  if: \"has(inputs)\""), &["5:12: there is no `inputs`; did you mean `input`?"]),
        (
            &step("  if: steps.one.output == 1"),
            &["5:7: step `one` need not have ended by then; name it in `needs`"],
        ),
        (&step("  for_each: item.a"), &["5:13: there is no `item`; known are date, input, run, steps"]),
        (
            &step("- id: two\n  do: { ask: { aspect: wren, text: 'a {{ step.one }}' } }"),
            &["6:42: there is no `step`; did you mean `steps`?"],
        ),
        (
            &step("- id: two\n  do:\n    ask:\n      aspect: wren\n      text: |\n        a\n        {{ b"),
            &["11:9: this `{{` has no end; close it with `}}`"],
        ),
        (
            &step("- id: two\n  do: { dispatch: { hand: a/b, input: { x: [1, '{{ item }}'] } } }"),
            &["6:52: there is no `item`; known are date, input, run, steps"],
        ),
        (
            &step("- id: two\n  do: { dispatch: { input: 1 } }"),
            &["6:19: name a `hand`, or the `capability` it has to have, and not both"],
        ),
        (
            &step("- id: two\n  do: { dispach: { hand: a/b } }"),
            &["6:9: there is no `dispach` here; did you mean `dispatch`?"],
        ),
        (
            &step("- id: two\n  do: { wait: {} }"),
            &["6:15: say one of how many `seconds`, `until` when, and which `event`"],
        ),
        (
            &step("- id: two\n  do: { wait: { seconds: 1, event: { kinds: [message] } } }"),
            &["6:15: say one of how many `seconds`, `until` when, and which `event`"],
        ),
        (
            &step("- id: two\n  do: { wait: { event: { kinds: [], of: wren } } }"),
            &["6:37: there is no `of` here; `event` has by, kinds, thread"],
        ),
        (
            &step("- id: two\n  do: { wait: { event: { kinds: [] } } }"),
            &["6:33: 0 kinds; it can be from 1 to 64"],
        ),
        (
            &step("- id: two\n  do: { wait: { event: { kinds: [message, ''] } } }"),
            &["6:44: a kind has from 1 to 256 bytes"],
        ),
        (
            &step("- id: two\n  do: { wait: { seconds: 1 }, ask: { aspect: a, text: b } }"),
            &["6:7: a step does one thing; make a step of each"],
        ),
        (&step("- id: two\n  needs: [one]"), &["5:3: missing field `do`"]),
        (&step("- id: one\n  do: { wait: { seconds: 1 } }"), &["5:7: there is a step `one` before"]),
        (&step("- id: two\n  do: { flow: { id: x } }"), &["6:21: a flow cannot be a step of itself"]),
        (
            &step(
                "  needs: [two]\n- id: two\n  needs: [three]\n  do: { wait: { seconds: 1 } }\n- id: three\n  on_error: { goto: two }\n  needs: [one]\n  do: { wait: { seconds: 1 } }",
            ),
            &["3:7: steps wait in a circle: one → two → three → one"],
        ),
        (
            &format!("{}output: '{{{{ steps.two.output }}}}'", step("")),
            &["5:13: there is no `steps.two`; known are one"],
        ),
        (
            &format!("{}concurrency_group: '{{{{ steps.one.output }}}}'", step("")),
            &["5:24: there is no `steps`; known are date, input, run"],
        ),
        (&format!("{}max_parallel: 33", step("")), &["5:15: 33 is not from 1 to 32"]),
        (
            "id: x\nsteps: [{id: a, do: {wait: {seconds: .nan}}}]",
            &["2:38: .nan is no number here; put it in quotes if it is a text"],
        ),
    ];
    for (text, told) in cases {
        assert_eq!(faults(text), *told, "{text}");
    }
    let deep = format!("id: {}", "[".repeat(60));
    assert_eq!(faults(&deep), ["1:53: this nests deeper than 48"]);
    let toml = read("id = \"x\"\n[[steps]]\nid = \"a\"\nif = 'input.a ='\ndo.wait.seconds = 0", Format::Toml);
    let told: Vec<String> = toml.unwrap_err().iter().map(Fault::to_string).collect();
    assert_eq!(
        told,
        ["4:15: `=` compares nothing; two are equal with `==`", "5:19: 0 is not from 1 to 2592000"]
    );
    let toml = read("id = \"x\"\nstep = 1", Format::Toml).unwrap_err();
    assert_eq!(toml[0].to_string(), "2:1: there is no `step` here; did you mean `steps`?");
    let toml = read("id = \"x\nsteps", Format::Toml).unwrap_err();
    assert_eq!((toml.len(), toml[0].place.line), (1, 2));
}

/// Keys that a file may have are those that the wire takes.
#[test]
fn the_known_keys_are_the_wires() {
    let flow = read(GOOD, Format::Yaml).unwrap();
    let full = json!({
        "id": "x", "description": "d", "input": true, "output": 1, "concurrency_group": ["a"], "max_parallel": 1,
        "steps": [
            {"id": "a", "do": {"approve": {"text": "t", "by": "ana", "expires_s": 1, "on_timeout": "fail"}},
             "needs": ["b"], "if": "true", "for_each": "[1]", "on_error": "fail", "retry": {"times": 1, "backoff_s": 1}, "timeout_s": 1},
            {"id": "b", "do": {"dispatch": {"hand": "a/b", "capability": {"needs": ["x"]}, "input": 1}}},
            {"id": "c", "do": {"ask": {"aspect": "a", "text": "t"}}},
            {"id": "d", "do": {"flow": {"id": "y", "input": 1}}},
            {"id": "e", "do": {"wait": {"seconds": 1, "until": "x", "event": {"kinds": ["x"], "by": "ana", "thread": "0199a0b1-c2d3-7123-8456-789abcdef012"}}}, "on_error": {"goto": "b"}},
        ],
    });
    assert_eq!(keys::unknown(&full).len(), 0);
    assert!(serde_json::from_value::<Flow>(full).is_ok());
    assert_eq!(keys::unknown(&serde_json::to_value(flow).unwrap()).len(), 0);
}

#[test]
fn plain_words_mean_what_yaml_says() {
    let cases: &[(&str, Value)] = &[
        ("yes", json!("yes")),
        ("true", json!(true)),
        ("~", json!(null)),
        ("", json!(null)),
        ("12", json!(12)),
        ("-1.5e3", json!(-1500.0)),
        ("0x1F", json!(31)),
        ("'12'", json!("12")),
        ("1.2.3", json!("1.2.3")),
        ("18446744073709551615", json!(18446744073709551615_u64)),
        ("2026-11-26", json!("2026-11-26")),
        ("+1", json!(1)),
        (".5", json!(0.5)),
        ("-", json!(null)),
    ];
    for (text, value) in cases.iter().filter(|(text, _)| *text != "-") {
        assert_eq!(yaml::document(&format!("a: {text}\n")).unwrap().value, json!({"a": value}), "{text}");
    }
}

#[test]
fn a_time_is_a_time() {
    let until = |text: &str| Moment::Until(nexus_expr::Template::parse_text(text).unwrap());
    let scope = json!({"input": {"at": "2026-11-26T08:00:00Z", "bad": "soon"}});
    let now = 1_795_593_600_000; // 2026-11-25T08:00:00Z
    assert_eq!(until("{{ input.at }}").at(&scope, now), Ok(now + 86_400_000));
    assert_eq!(until("2020-01-01T00:00:00Z").at(&scope, now), Ok(now));
    assert_eq!(
        until("{{ input.bad }}").at(&scope, now),
        Err("\"soon\" is no time; one is written like 2026-11-26T08:00:00Z".to_owned())
    );
    assert!(until("2036-01-01T00:00:00Z").at(&scope, now).unwrap_err().contains("30 days"));
    let named = |at, place| Value::Object(date(at, &zone(place).unwrap()));
    assert_eq!(
        named(now, None),
        json!({
            "now": "2026-11-25T08:00:00Z", "today": "2026-11-25", "today_start": "2026-11-25T00:00:00+00:00",
            "tomorrow": "2026-11-26", "tomorrow_start": "2026-11-26T00:00:00+00:00",
            "yesterday": "2026-11-24", "yesterday_start": "2026-11-24T00:00:00+00:00",
        })
    );
    // Where midnight is skipped.
    assert_eq!(
        named(1_788_696_000_000, Some("America/Santiago")),
        json!({
            "now": "2026-09-06T12:00:00Z", "today": "2026-09-06", "today_start": "2026-09-06T01:00:00-03:00",
            "tomorrow": "2026-09-07", "tomorrow_start": "2026-09-07T00:00:00-03:00",
            "yesterday": "2026-09-05", "yesterday_start": "2026-09-05T00:00:00-04:00",
        })
    );
}
