//! Messages that begin no turn, and answers that are looked at before they are posted.

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
hand = "triage"
when = "text is containing('lunch')"
[[rule.step]]
say = "no: it is about lunch"

[[rule]]
hand = "triage"
[[rule.step]]
say = "yes: it may be for us"

[[rule]]
hand = "judge"
when = "text is containing('> short')"
[[rule.step]]
say = "post"

[[rule]]
hand = "judge"
when = "text is containing('> secret')"
[[rule.step]]
say = "silent: that is nobody's business"

[[rule]]
hand = "judge"
[[rule.step]]
say = "revise: make it short"

[[rule]]
match = "looked at before it is posted"
[[rule.step]]
say = "short"

[[rule]]
match = "tell"
[[rule.step]]
say = "secret"

[[rule]]
match = "long"
[[rule.step]]
say = "a long story"

[[rule]]
match = "(?s).*"
[[rule.step]]
say = "I read {{ history | length }} texts before this."
"#;

/// Speaks for another aspect.
const SPEAKER: &str = r#"
[[rule]]
match = "(?s)call wren: (?P<what>.+)"
[[rule.step]]
call = "send_message"
args = { to = ["wren"], content = "@wren {{ what }}" }
[[rule.step]]
stop = true

[[rule]]
match = "(?s)say: (?P<what>.+)"
[[rule.step]]
call = "send_message"
args = { to = ["wren"], content = "{{ what }}" }
[[rule.step]]
stop = true

[[rule]]
match = "(?s).*"
[[rule.step]]
stop = true
"#;

fn wren_session(home: &Path) -> SessionFile {
    SessionFile::read(&home.join("session/global.jsonl"))
}

/// Decisions in their order, with the reasons.
fn decisions(home: &Path, count: usize) -> Vec<(String, String)> {
    let file = wait_until("the decisions", || {
        Some(wren_session(home)).filter(|file| file.of_kind("custom.decision").count() >= count)
    });
    let field = |entry: &Value, name: &str| entry["payload"][name].as_str().unwrap_or_default().to_owned();
    file.of_kind("custom.decision").map(|entry| (field(entry, "decision"), field(entry, "reason"))).collect()
}

/// Tokens of every round in these sessions, whatever it was for.
fn rounds_in(sessions: &[SessionFile]) -> u64 {
    let usage = |entry: &Value| {
        let payload = &entry["payload"];
        let usage = if entry["kind"] == "compaction" { &payload["by"]["usage"] } else { &payload["usage"] };
        usage.as_object().map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum())
    };
    sessions.iter().flat_map(|file| &file.lines).map(usage).sum()
}

/// Tokens of an aspect as the broker has counted them, and of how many items no message says them.
async fn counted(world: &World, of: &str) -> (u64, u64) {
    let used = Raw::operator(world).await.request("usage.read", json!({})).await["payload"].clone();
    let row = used["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["key"] == of)).cloned();
    let row = row.unwrap_or_default();
    let kinds = row["usage"].as_object().cloned().unwrap_or_default();
    (kinds.values().filter_map(Value::as_u64).sum(), row["closings"].as_u64().unwrap_or(0))
}

#[test]
fn each_token_is_told_once_whatever_it_was_for() {
    let world = World::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let settings = json!({
        "context_mode": "global",
        "triage": {"model": {"instructions": "It looks after ferries."}},
        "judge": {"instructions": "It has to be short."},
    });
    let home = world.home("wren", settings, SCRIPT);
    let forge = world.home("forge", json!({"tools": ["send_message"]}), SPEAKER);
    let (_wren, _forge) = (world.agent(&home), world.agent(&forge));
    // Not worth a turn; worth one whose answer is written twice; an answer that is not posted; seven more turns, so that
    // a summary has something to stand for.
    let said = ["who wants lunch", "a long one about ferries", "tell me"].map(|what| format!("say: {what}"));
    for (at, what) in said.iter().enumerate() {
        say(&world, "forge", what);
        decisions(&home, at + 1);
    }
    for turn in 0..7 {
        say(&world, "wren", &format!("turn {turn}, long"));
        decisions(&home, said.len() + 1 + turn);
    }
    nexctl(&world, &["session", "compact", "wren", "global"]);
    wait_until("the summary", || wren_session(&home).of_kind("compaction").next().map(drop));
    let expected = rounds_in(&[wren_session(&home)]);
    let told = wait_until("all of it", || {
        Some(runtime.block_on(counted(&world, "wren"))).filter(|(tokens, _)| *tokens >= expected)
    });
    assert_eq!(told, (expected, 3), "the question, the silent answer and the summary have no message");
}

#[test]
fn what_is_not_worth_a_turn_is_read_with_the_next_one() {
    let world = World::new();
    let settings = json!({
        "context_mode": "global",
        "triage": {"ignore": ["keel"], "model": {"instructions": "It looks after ferries."}},
    });
    let home = world.home("wren", settings, SCRIPT);
    let speaker = json!({"tools": ["send_message"]});
    let (keel, forge) = (world.home("keel", speaker.clone(), SPEAKER), world.home("forge", speaker, SPEAKER));
    let (_wren, _keel, _forge) = (world.agent(&home), world.agent(&keel), world.agent(&forge));
    let cases = [
        ("keel", "say: hello there", ("silent", "triage: messages of keel are ignored")),
        ("forge", "say: Thanks a lot!", ("silent", "triage: it is only thanks")),
        ("forge", "say: who wants lunch", ("silent", "triage: it is about lunch")),
        ("forge", "say: a ferry is late", ("replied", "")),
        // Whoever is mentioned is written to, so that it is forge who mentions wren.
        ("forge", "call wren: who wants lunch", ("replied", "")),
    ];
    let mut expected: Vec<(String, String)> = Vec::new();
    for (from, what, (decision, reason)) in cases {
        say(&world, from, what);
        expected.push((decision.to_owned(), reason.to_owned()));
        assert_eq!(decisions(&home, expected.len()), expected, "{what}");
    }
    let file = wren_session(&home);
    assert_eq!(file.of_kind("turn.user").count(), cases.len(), "everything is in the session");
    let rounds: Vec<String> = file.of_kind("turn.assistant").map(ToString::to_string).collect();
    assert_eq!(rounds.len(), 2);
    assert!(rounds[0].contains("I read 3 texts before this."), "{}", rounds[0]);
    let asked = file.of_kind("custom.triage").map(|entry| entry["payload"]["verdict"].clone());
    assert_eq!(asked.collect::<Vec<_>>(), ["no", "yes"]);
    let thread = world.nexctl_json(&["get", "threads", "--participant", "keel"]);
    assert!(thread.to_string().contains("hello there"), "nothing of it is lost: {thread}");
}

#[test]
fn an_answer_is_looked_at_before_it_is_posted() {
    let world = World::new();
    let settings = json!({"judge": {"instructions": "It has to be short."}});
    let home = world.home("wren", settings, SCRIPT);
    let _wren = world.agent(&home);
    // A script answers each text of a turn, so the first answer stands before the second.
    let cases: [(&str, &str, &[&str], Option<&str>); 2] = [
        ("a long one, please", "replied", &["revise", "post"], Some("a long story\n\nshort")),
        ("tell me", "silent", &["silent"], None),
    ];
    for (what, decision, verdicts, posted) in cases {
        let (thread, _) = say(&world, "wren", what);
        let file = decided(&home, &thread, 1);
        assert_eq!(file.decisions_by_item().into_values().collect::<Vec<_>>(), [[decision]], "{what}");
        let said = file.of_kind("custom.verdict").map(|entry| entry["payload"]["verdict"].clone());
        assert_eq!(said.collect::<Vec<_>>(), verdicts, "{what}");
        let answers = wait_until("what is posted", || {
            Some(messages(&world, &thread)).filter(|all| all.len() == 1 + usize::from(posted.is_some()))
        });
        assert_eq!(answers.get(1).map(|(_, text)| text.as_str()), posted, "{what}");
    }
}
