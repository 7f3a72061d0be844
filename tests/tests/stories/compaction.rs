//! A conversation that becomes too long is compacted and goes on, and nothing of it is lost: real binaries.

use std::path::Path;

use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

const WINDOW: u64 = 12_000;

const SCRIPT: &str = r#"
[[rule]]
match = "what was said in turn (?P<n>[0-9]+)"
[[rule.step]]
name = "found"
call = "expand_summary"
args = { from_turn = "{{ n }}" }
[[rule.step]]
say = "of {{ found.json.turns_in_all }}: {{ found.json.turns[0].text }}"

[[rule]]
match = "overflow"
when = "history and history[0].text is startingwith 'turn 1'"
[[rule.step]]
fail = { kind = "context_window", message = "more than this model takes" }

[[rule]]
match = "overflow"
[[rule.step]]
say = "it fits"

[[rule]]
match = "(?s).*"
[[rule.step]]
say = "Noted."
"#;

fn ask(world: &World, question: &str) -> String {
    let out = world.nexctl(&["ask", "wren", question]);
    assert!(out.status.success(), "{question}: {}", text(&out));
    text(&out)
}

fn file(home: &Path) -> SessionFile {
    SessionFile::read(&home.join("session/global.jsonl"))
}

/// The last turn's decision is written after its answer is out.
fn settled(home: &Path, turns: usize) -> SessionFile {
    wait_until("the turn's end", || {
        let file = file(home);
        (file.of_kind("custom.decision").count() == turns).then_some(file)
    })
}

#[test]
fn three_hundred_turns_stay_in_their_window_and_the_third_is_not_forgotten() {
    let world = World::new();
    let settings = json!({
        "context_mode": "global", "provider": {"kind": "scripted", "context_window": WINDOW},
        "recall": {"hits": 0},
    });
    let home = world.home("wren", settings, SCRIPT);
    let _agent = world.agent(&home);
    let padding = "and so on ".repeat(30);
    for turn in 1..=300 {
        let word = if turn == 3 { "The word is marlin. " } else { "" };
        ask(&world, &format!("turn {turn}: {word}{padding}"));
    }
    let answer = ask(&world, "what was said in turn 3?");
    assert!(answer.contains("turn 3: The word is marlin."), "{answer}");
    assert!(answer.contains("of 301:"), "{answer}");

    let file = settled(&home, 301);
    let prompts =
        file.of_kind("turn.assistant").map(|round| round["payload"]["usage"]["input_tokens"].as_u64());
    let longest = prompts.max().flatten().expect("rounds");
    assert!(longest < WINDOW, "a round had {longest} tokens");
    let summaries: Vec<&Value> = file.of_kind("compaction").collect();
    assert!(summaries.len() > 3, "{} summaries", summaries.len());
    let turns: Vec<u64> = summaries.iter().filter_map(|it| it["payload"]["turns"].as_u64()).collect();
    assert!(turns.len() == summaries.len() && turns.is_sorted(), "{turns:?}");
    let last = summaries.last().expect("a summary");
    assert!(!last.to_string().contains("marlin"), "it is known from the original alone: {last}");
    assert_eq!(last["payload"]["by"]["provider"], "scripted");
    let situations: Vec<&Value> = file.of_kind("situation").collect();
    assert_eq!(situations.len(), summaries.len(), "after each summary stands how things are");
    assert_eq!(situations[0]["payload"]["text"], "On the team with you: nobody else.");
}

#[test]
fn a_model_that_takes_less_than_was_thought_is_asked_again_after_a_summary() {
    let world = World::new();
    let home = world.home("wren", json!({"context_mode": "global"}), SCRIPT);
    let _agent = world.agent(&home);
    for turn in 1..=4 {
        ask(&world, &format!("turn {turn}"));
    }
    assert!(ask(&world, "overflow").contains("it fits"));
    let file = settled(&home, 5);
    assert_eq!(file.of_kind("compaction").count(), 1);
    // With nothing left to shorten, whoever asked is told in the provider's words.
    let second = world.home(
        "finch",
        json!({"context_mode": "global"}),
        &SCRIPT.replace("when = \"history", "when = \"true or history"),
    );
    let _finch = world.agent(&second);
    let out = world.nexctl(&["ask", "finch", "overflow"]);
    let said = text(&out);
    assert!(said.contains("more than this model takes") && said.contains("nothing left"), "{said}");
}

#[test]
fn a_summary_that_fails_three_times_is_an_alert_and_a_notice_and_no_loop() {
    let failing = format!(
        "[[rule]]\nsummary = true\n[[rule.step]]\nfail = {{ kind = \"invalid\", message = \"no summaries today\" }}\n{SCRIPT}"
    );
    let world = World::new();
    let settings = json!({
        "context_mode": "global", "provider": {"kind": "scripted", "context_window": 400}, "recall": {"hits": 0},
    });
    let home = world.home("wren", settings, &failing);
    let _agent = world.agent(&home);
    let mut said = String::new();
    for turn in 1..=20 {
        said = text(&world.nexctl(&["ask", "wren", &format!("turn {turn} {}", "and so on ".repeat(20))]));
        if said.contains("no summaries today") {
            break;
        }
    }
    assert!(said.contains("making a summary of it failed 3 times"), "{said}");
    let alert = wait_until("the alert", || {
        let alerts = world.nexctl_json(&["get", "alerts"]);
        alerts["alerts"].as_array()?.iter().find(|alert| alert["kind"] == "session_stuck").cloned()
    });
    assert_eq!(alert["subject"], "wren/global");
    assert!(alert["message"].as_str().is_some_and(|it| it.contains("no summaries today")), "{alert}");
    assert_eq!(file(&home).of_kind("compaction").count(), 0);
}

#[test]
fn operators_compact_compare_and_summarise_branches_of_an_aspect_at_work() {
    let world = World::new();
    let home = world.home("wren", json!({"context_mode": "global"}), SCRIPT);
    let mut agent = world.agent(&home);
    let refused = world.nexctl(&["session", "compact", "wren", "global"]);
    assert!(!refused.status.success() && text(&refused).contains("has no session"), "{}", text(&refused));
    for turn in 1..=8 {
        ask(&world, &format!("turn {turn}"));
    }
    let before = settled(&home, 8);
    let left = before.lines.last().expect("an entry")["id"].as_str().expect("an id").to_owned();
    let second =
        before.of_kind("turn.user").nth(1).expect("an entry")["id"].as_str().expect("an id").to_owned();

    let done = world.nexctl_json(&["session", "compact", "wren", "global"]);
    assert_eq!(done["state"], "done", "{done}");
    let after = file(&home);
    let compaction = after.of_kind("compaction").next().expect("a summary");
    assert_eq!(compaction["payload"]["turns"], 2);
    assert_eq!(compaction["payload"]["item"], done["command"]);
    assert_eq!(done["outcome"]["head"], after.lines.last().expect("an entry")["id"]);
    let id = compaction["id"].as_str().expect("an id").to_owned();
    let expanded = world.nexctl_json(&["session", "expand", "wren", "global", &id]);
    let kinds: Vec<&str> = expanded["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    let turn = ["turn.user", "turn.assistant", "custom.decision"];
    assert_eq!(kinds, [&["system.prompt"], &turn[..], &turn[..]].concat());
    let again = world.nexctl(&["session", "compact", "wren", "global"]);
    assert!(
        !again.status.success() && text(&again).contains("nothing a summary could stand for"),
        "{}",
        text(&again)
    );

    // Back to the second turn: what was left is compared, and summarised where it goes on.
    let rewound = world.nexctl(&["session", "rewind", "wren", "global", &second]);
    assert!(rewound.status.success(), "{}", text(&rewound));
    let diff = world.nexctl_json(&["session", "diff", "wren", "global", &left]);
    assert_eq!(diff["common"], second.as_str());
    assert_eq!(diff["other"]["entries"].as_array().map(Vec::len), Some(1), "the command's decision: {diff}");
    assert_eq!(diff["one"]["entries"].as_array().map(Vec::len), Some(20), "{diff}");
    let shown = text(&world.nexctl(&["session", "diff", "wren", "global", &left]));
    assert!(shown.contains(&format!("they part after {second}")), "{shown}");
    let done = world.nexctl_json(&["session", "summarise", "wren", "global", &left]);
    assert_eq!(done["state"], "done", "{done}");
    let last = file(&home);
    let summary = last.of_kind("branch_summary").next().expect("a summary");
    assert_eq!(summary["payload"]["of"], left.as_str());
    assert!(summary["payload"]["summary"].as_str().is_some_and(|it| it.contains("turn 8")), "{summary}");
    for (args, expected) in [
        (["summarise", "wren", "global", &second], "is on the active branch"),
        (["summarise", "wren", "global", "0199a0b1-c2d3-7123-8456-789abcdef012"], "no entry"),
        (["expand", "wren", "global", &second], "is no summary"),
        (["diff", "wren", "global", "0199a0b1-c2d3-7123-8456-789abcdef012"], "has no entry"),
    ] {
        let out = world.nexctl(&[&["session"], &args[..]].concat());
        assert!(!out.status.success() && text(&out).contains(expected), "{args:?}: {}", text(&out));
    }
    agent.kill();

    // The same on the home alone, by its own program.
    let home_text = home.to_str().expect("a path");
    let run = |args: &[&str]| {
        let out = world.run("agent", &[&["session"], args].concat());
        assert!(out.status.success(), "{args:?}: {}", text(&out));
        text(&out)
    };
    assert!(run(&["diff", home_text, &left]).contains("both have everything up to"));
    assert!(run(&["expand", home_text, &id]).contains("turn 1"));
    let page = run(&["export", home_text, "--format", "html"]);
    assert!(
        page.contains("<!doctype html>") && page.contains("turn 1") && !page.contains("<script"),
        "{page}"
    );
    assert!(run(&["export", home_text, &left]).contains("turn 8"));
    run(&["rewind", home_text, &left]);
    assert!(
        run(&["summarise-branch", home_text, summary["id"].as_str().expect("an id")])
            .contains("branch_summary")
    );
    assert!(run(&["compact", home_text]).contains("compaction"));
    let out = world.run("agent", &["session", "compact", home_text]);
    assert!(
        !out.status.success() && text(&out).contains("nothing a summary could stand for"),
        "{}",
        text(&out)
    );
}

const LONG: &str = r#"
[[rule]]
match = "ask for much"
[[rule.step]]
name = "much"
call = "dispatch_hand"
args = { hand = "wren/talk", input = { n = 1 } }
[[rule.step]]
name = "rest"
call = "read_output"
args = { output = "{{ (much.text | split('shows all of it as '))[1][:71] }}" }
[[rule.step]]
say = "{{ rest.ok }} {{ rest.json.bytes }} {{ rest.json.text[:40] }}"

[[rule]]
match = "look again"
[[rule.step]]
name = "rest"
call = "read_output"
args = { output = "OUTPUT" }
[[rule.step]]
say = "{{ rest.ok }} {{ rest.text }}"

[[rule]]
hand = "talk"
[[rule.step]]
answer = { words = "{{ 'a word ' * 4000 }}" }
"#;

#[test]
fn a_result_that_is_too_long_is_kept_whole_beside_the_session() {
    let world = World::new();
    let settings = json!({
        "context_mode": "global", "tools": ["dispatch_hand"], "recall": {"hits": 0},
        "budgets": {"tool_output_bytes": 4096}, "hands": [{"name": "talk"}],
    });
    let home = world.home("wren", settings, LONG);
    let mut agent = world.agent(&home);
    let said = ask(&world, "ask for much");
    assert!(said.contains("True") && said.contains("{\"dispatch\":"), "{said}");
    let kept: Vec<_> = std::fs::read_dir(home.join("session/blobs"))
        .expect("there are outputs")
        .map(|entry| entry.expect("ours").path())
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let whole = std::fs::read_to_string(&kept[0]).expect("text");
    assert!(whole.len() > 28_000 && said.contains(&whole.len().to_string()), "{} {said}", whole.len());
    let file = settled(&home, 1);
    let result = file.of_kind("turn.tool_result").next().expect("a result");
    let content = result["payload"]["content"][0]["content"].as_str().expect("text");
    let name = kept[0].file_name().expect("a name").to_string_lossy().into_owned();
    assert!(content.len() < 4096 + 200 && whole.starts_with(&content[..4000]), "{content}");
    assert!(content.ends_with(&format!("the tool read_output shows all of it as {name}]")), "{content}");

    // Damaged, and gone: said, and no reason to stop. No name leads anywhere else.
    agent.kill();
    let script = |output: &str| {
        std::fs::write(home.join("script.toml"), LONG.replace("OUTPUT", output)).expect("written");
    };
    std::fs::write(&kept[0], whole.replace("word", "lord")).expect("written");
    script(&name);
    let _agent = world.agent(&home);
    let said = ask(&world, "look again");
    assert!(said.contains("False") && said.contains("is damaged"), "{said}");
    std::fs::remove_file(&kept[0]).expect("removed");
    let said = ask(&world, "look again");
    assert!(said.contains("False") && said.contains("is missing"), "{said}");
    script("../../.nexus/key.json");
    let said = ask(&world, "look again");
    assert!(said.contains("False") && said.contains("names no output"), "{said}");
}
