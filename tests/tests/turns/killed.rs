//! kill -9 of the agent at every write of a turn with three calls of tools.

use nexus_tests::Process;

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
match = "note (?P<what>\\w+)"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
name = "stored"
for_each = "['first', 'second']"
call = "store_knowledge"
args = { topic = "{{ what }}/{{ item }}", content = "{{ note.json.text | trim }}" }
[[rule.step]]
say = "{{ note.json.text | trim }} is stored under {{ what }}, {{ stored | length }} times"
"#;

/// The calls by which something gets onto the agent's disk. They are counted for each thread of the agent, so that
/// each selection dies at other places.
const CALLS: [&str; 3] = ["write,fdatasync,fsync,rename,renameat,renameat2", "fdatasync,fsync", "write"];

/// An entry without what is another one's in another thread: ids and times.
fn essence(entry: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for id in ["id", "parentId", "ts", "item", "turn", "message", "tool_use_id"] {
                    fields.remove(id);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::String(text) => {
                // What a tool gave is JSON in a text.
                if let Ok(mut inner @ Value::Object(_)) = serde_json::from_str::<Value>(text) {
                    for volatile in ["entry", "at"] {
                        inner.as_object_mut().expect("an object").remove(volatile);
                    }
                    *text = inner.to_string();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut entry = entry.clone();
    strip(&mut entry);
    entry
}

/// What session and thread hold of a turn about `what`, with that word taken out.
fn record(world: &World, home: &Path, thread: &str, what: &str) -> (Vec<Value>, Vec<(String, String)>) {
    let file = decided(home, thread, 1);
    let without = |text: String| text.replace(what, "it");
    let mut entries: Vec<Value> = file
        .lines
        .iter()
        .skip(1)
        .map(|entry| serde_json::from_str(&without(essence(entry).to_string())).expect("JSON as it was"))
        .collect();
    // Of two calls at the same time either may be the first to have its result.
    for results in entries.chunk_by_mut(|a, b| a["kind"] == b["kind"]) {
        results.sort_by_key(ToString::to_string);
    }
    let said = messages(world, thread).into_iter().map(|(from, text)| (from, without(text)));
    (entries, said.collect())
}

/// Starts the agent once the one before has let go of its home, which a killed one does a moment later.
fn again(world: &World, home: &Path) -> Process {
    wait_until("a start", || {
        let mut agent = world.agent_under(&[], home);
        let registered = wait_until("a word of it", || {
            if agent.text().contains("registered") { Some(true) } else { agent.has_ended().then_some(false) }
        });
        registered.then_some(agent)
    })
}

#[test]
fn a_turn_ends_as_if_nothing_had_happened_wherever_a_kill_cuts_the_agent_off() {
    let world = World::new();
    let settings = json!({"tools": ["read_file", "store_knowledge"], "recall": {"hits": 0}});
    let home = world.home("wren", settings, SCRIPT);
    std::fs::write(home.join("work/note.txt"), "The ferry leaves at nine.\n").expect("the folder is ours");
    let mut agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "note undisturbed");
    let whole = record(&world, &home, &thread, "undisturbed");
    assert_eq!(whole.1.len(), 2, "{:?}", whole.1);
    agent.kill();
    let mut killed = 0;
    let places = |calls| (1..).map(move |at| (calls, at));
    let mut places = CALLS.map(places).into_iter();
    let mut place = places.next();
    let mut turn = 0;
    while let Some((calls, at)) = place.as_mut().and_then(Iterator::next) {
        turn += 1;
        // As long as the other word: the provider counts what it is told.
        let what = format!("killed{turn:05}");
        let (thread, _) = say(&world, "wren", &format!("note {what}"));
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:signal=KILL:when={at}"));
        let runner = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut agent = world.agent_under(&runner, &home);
        let is_done = || {
            let page = world.nexctl_json(&["get", "messages", &thread]);
            let answered = page["messages"].as_array().is_some_and(|all| all.len() == 2);
            answered && !session(&home, &thread).decisions_by_item().is_empty()
        };
        let survived =
            wait_until("an end", || if agent.has_ended() { Some(false) } else { is_done().then_some(true) });
        drop(agent);
        killed += usize::from(!survived);
        let agent = again(&world, &home);
        wait_until("the answer", || is_done().then_some(()));
        assert_eq!(record(&world, &home, &thread, &what), whole, "killed at {calls} {at}");
        let file = session(&home, &thread);
        assert!(file.results_by_call().values().all(|results| *results == 1), "killed at {calls} {at}");
        assert!(file.takes_by_item().values().all(|takes| *takes == 1), "killed at {calls} {at}");
        assert!(file.decisions_by_item().values().all(|it| *it == ["replied"]), "killed at {calls} {at}");
        drop(agent);
        if survived {
            place = places.next();
        }
    }
    assert!(killed > 20, "{killed}: a turn makes more calls than that");
    let stored = world.nexctl_json(&["knowledge", "list", "--of", "wren"]);
    assert!(stored.to_string().contains("undisturbed/second"), "{stored}");
}
