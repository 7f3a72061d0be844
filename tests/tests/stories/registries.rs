//! Registries and flows in the hands of a model, through the real binaries.

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
match = "note acme"
[[rule.step]]
name = "all"
call = "read_registry"
args = {}
[[rule.step]]
name = "wrong"
call = "write_registry"
args = { registry = "clients", values = { id = "acme", state = "asleep" } }
[[rule.step]]
name = "written"
call = "write_registry"
args = { registry = "clients", values = { id = "acme", state = "active" } }
[[rule.step]]
name = "rows"
call = "read_registry"
args = { registry = "clients", filter = "state == 'active'" }
[[rule.step]]
name = "closed"
call = "write_registry"
args = { registry = "prices", values = { id = "tea" } }
[[rule.step]]
say = "{{ all.json.registries | length }} tables; {{ wrong.text }}; version {{ written.json.version }}; {{ rows.json.rows[0].row }} is {{ rows.json.rows[0].values.state }}; {{ closed.text }}"

[[rule]]
match = "run it"
[[rule.step]]
name = "run"
call = "run_flow"
args = { flow = "note", input = { id = "blue" } }
[[rule.step]]
name = "shown"
call = "show_run"
args = { run = "{{ run.json.run }}" }
[[rule.step]]
say = "{{ shown.json.state }}: {{ shown.json.output.row }} {{ shown.json.steps[0].id }}; {{ run.json.note }}"

[[rule]]
match = "which you started, is (?P<state>[a-z]+)"
[[rule.step]]
say = "I was told that it is {{ state }}."
"#;

const CLIENTS: &str = "name: clients\nkey: id\nwriters: [wren]\nfields:\n- {name: id, type: string}\n- {name: state, type: string, enum: [lead, active]}\n";
const PRICES: &str = "name: prices\nkey: id\nfields:\n- {name: id, type: string}\n";
const NOTE: &str = "id: note\nsteps:\n- id: row\n  do: {write: {registry: clients, row: '{{ input.id }}', values: {state: lead}}}\noutput: '{{ steps.row.output }}'\n";

#[test]
fn an_aspect_reads_tables_writes_those_it_may_and_runs_flows() {
    let world = World::new();
    for (name, file) in [("clients.yaml", CLIENTS), ("prices.yaml", PRICES), ("note.yaml", NOTE)] {
        std::fs::write(world.dir().join(name), file).expect("the folder is ours");
    }
    let path = |name: &str| world.dir().join(name).to_string_lossy().into_owned();
    world.nexctl_json(&["registry", "put", &path("clients.yaml")]);
    world.nexctl_json(&["registry", "put", &path("prices.yaml")]);
    world.nexctl_json(&["flow", "put", &path("note.yaml")]);
    let tools = json!({"tools": ["read_registry", "write_registry", "run_flow", "show_run"]});
    let home = world.home("wren", tools, SCRIPT);
    let _wren = world.agent(&home);
    let ask = |question: &str| {
        let out = world.nexctl(&["ask", "wren", question]);
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    };
    let said = ask("note acme");
    for part in [
        "2 tables",
        "clients, row acme: state: expected one of \"lead\", \"active\", got \"asleep\"",
        "version 1; acme is active",
        "wren may read registry prices and not write it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let row = world.nexctl_json(&["registry", "get", "clients", "acme"]);
    assert_eq!((&row["by"], &row["values"]), (&json!("wren"), &json!({"id": "acme", "state": "active"})));
    let said = ask("run it");
    let told = "done: blue row; you will be told in this conversation when it has ended";
    assert!(said.contains(told), "{said}");
    // In the same turn, or in the next one.
    wait_until("the end of the run in the conversation", || {
        let page = world.nexctl_json(&["get", "threads"]);
        let threads = page["threads"].as_array()?.iter().filter_map(|thread| thread["id"].as_str());
        let said = |thread: &str| world.nexctl_json(&["get", "messages", thread]).to_string();
        threads.map(said).any(|said| said.contains("I was told that it is done.")).then_some(())
    });
    let run = wait_until("the run", || {
        let page = world.nexctl_json(&["run", "list", "--all"]);
        page["runs"].as_array()?.first().cloned()
    });
    assert_eq!((&run["by"], &run["state"]), (&json!("wren"), &json!("done")));
}
