//! What a model answers in one step: through every other part of a flow.

use serde_json::{Value, json};

use super::desk::{Desk, same_files};
use super::parts::{calls, faults, flow};
use super::texts::{Hostile, texts};

/// A text as a model says it: in an expression that is that text, or, where an answer is read as JSON or without what
/// stands around it, as the JSON of it.
fn said(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let is_whole = text.trim() == text && serde_json::from_str::<Value>(text).is_err();
    if is_whole { format!("{{{{ \"{units}\" }}}}") } else { format!("\"{units}\"") }
}

fn rules(all: &[Hostile]) -> String {
    let rule = |one: &Hostile| {
        format!("[[rule]]\nmatch = '''^say {}$'''\n[[rule.step]]\nsay = '''{}'''\n", one.no, said(&one.text))
    };
    all.iter().map(rule).collect()
}

#[test]
fn what_a_model_says_goes_through_a_flow_as_the_text_it_is() {
    let world = nexus_tests::World::asleep();
    let all = texts(&world, "0199a0b1-c2d3-7123-8456-789abcdef0aa");
    let desk = Desk::new(&rules(&all));
    let said = json!({"id": "said", "do": {"ask": {"aspect": "wren", "text": "say {{ input.no }}"}}});
    desk.put(&flow(&desk, "said", "steps.said.output", &[said]));
    let files = desk.files();
    let mut wrong = Vec::new();
    for some in all.chunks(6) {
        let start = |one: &Hostile| {
            let input = json!({"no": one.no, "text": one.text}).to_string();
            let started = desk.world.nexctl_json(&["flow", "run", "said", &input]);
            started["run"].as_str().expect("an id").to_owned()
        };
        let runs: Vec<String> = some.iter().map(start).collect();
        let questions: Vec<Value> = runs.iter().map(|run| desk.question(run)).collect();
        questions.iter().for_each(|question| desk.approve(question));
        let runs: Vec<Value> = runs.iter().map(|run| desk.ended(run)).collect();
        let asked = desk.asked_by(&runs);
        for ((hostile, run), question) in some.iter().zip(&runs).zip(&questions) {
            wrong.extend(faults(&desk, hostile, run, question));
            wrong.extend(calls(hostile, run, &asked));
        }
    }
    println!("{} hostile texts of a model", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    same_files(&files, &desk.files());
}
