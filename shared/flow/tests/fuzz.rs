//! Fuzz target: any file is a flow that can run, or has faults that stand in it.

#[path = "../../../tests/src/altered.rs"]
mod altered;

use altered::Altered;
use bolero::check;
use nexus_flow::{Format, Plan, read};

const YAML: &str = r#"
id: morning
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
    on_error: { goto: tell }
    do:
      ask:
        aspect: wren
        text: |
          Look at {{ item }}, the {{ index }}.
  - id: tell
    do: { wait: { seconds: 1 } }
output: "{{ steps.each.state }}"
"#;

const TOML: &str = r#"
id = "evening"
output = "{{ steps.leave.state }}"

[[steps]]
id = "leave"
on_error = "continue"
do.approve = { text = "Post {{ input | json }}?", by = "ana", expires_s = 3600, on_timeout = "fail" }

[[steps]]
id = "keep"
needs = ["leave"]
do.write = { registry = "days", values = { at = "{{ date.today }}" } }
"#;

fn files(format: Format, text: &'static str) {
    let texts = [text];
    read(text, format).expect("unaltered it is a flow");
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        match read(&text, format) {
            Ok(flow) => {
                Plan::of(&flow).expect("what was read can run");
                // JSON is YAML; that is how a flow that is kept is shown and put back.
                let shown = serde_json::to_string(&flow).expect("a flow is JSON");
                assert_eq!(read(&shown, Format::Yaml), Ok(flow), "{shown}");
            }
            Err(faults) => {
                // A file that ends too early is at fault behind its last line.
                let lines = text.split(['\n', '\r']).count() + 1;
                assert!(!faults.is_empty());
                assert!(
                    faults.iter().all(|it| (1..=lines).contains(&it.place.line)),
                    "{faults:?} of {text:?}"
                );
            }
        }
    });
}

#[test]
fn a_flow_in_yaml() {
    files(Format::Yaml, YAML);
}

#[test]
fn a_flow_in_toml() {
    files(Format::Toml, TOML);
}
