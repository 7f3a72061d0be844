//! `docs/runtime.md` and `docs/nexctl.md`, with a team of one.

use nexus_tests::World;
use nexus_tests::world::text;

use super::page::{filled, run, shell, start, typed_here};

#[test]
fn every_command_of_the_runtime_page_does_what_is_said_of_it() {
    let world = World::new();
    let agents = world.dir().join("agents");
    let robin = agents.join("robin");
    let wren = world.home("wren", serde_json::json!({"tools": ["list_files"]}), "");
    world.let_in(&wren);
    let _wren = world.agent(&wren);
    let said = text(&world.nexctl(&["say", "--to", "wren", "hello", "-o", "json"]));
    let thread = said.split("\"thread\": \"").nth(1).or_else(|| said.split("\"thread\":\"").nth(1));
    let thread = thread.and_then(|rest| rest.split('"').next()).expect("a thread").to_owned();

    for line in typed_here("docs/runtime.md", &[]) {
        let line = filled(&line, &[("ID", thread.clone())]);
        if line.starts_with("agent new") {
            // The page makes the same one in two ways.
            let _ = std::fs::remove_dir_all(&robin);
        }
        if line.starts_with("agent ./") {
            let mut agent = start(&line, &mut shell(&world, &format!("exec {line}")), "registered");
            agent.signal("TERM");
            assert!(agent.wait().success(), "{line}: {}", agent.text());
        } else if line.starts_with("nexus serve") {
            let mut command = shell(&world, &format!("exec {line}"));
            command.env("NEXUS_LISTEN", "127.0.0.1:0").env("NEXUS_DATA", world.dir().join("another"));
            // As new: what robin remembers is another Nexus's.
            std::fs::remove_dir_all(&robin).expect("it is there");
            run(&world, "agent new ./agents/robin");
            let mut broker = start(&line, &mut command, "robin registered");
            broker.signal("TERM");
            assert!(broker.wait().success(), "{line}: {}", broker.text());
        } else {
            run(&world, &line);
        }
        if line == "agent check ./agents/robin" {
            world.let_in(&robin);
        }
    }
}

#[test]
fn every_command_of_the_nexctl_page_does_what_is_said_of_it() {
    let world = World::new();
    let script = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"Yes.\"\n";
    let wren = world.home("wren", serde_json::json!({}), script);
    world.let_in(&wren);
    let _wren = world.agent(&wren);
    let answer = world.nexctl_json(&["ask", "wren", "hello?"])["message"].clone();
    let text_of = |value: &serde_json::Value| value.as_str().expect("an id").to_owned();
    let work = world.nexctl_json(&["dispatch", "wren/self", "{\"text\": \"hello\"}"]);
    // Of an id its end will do.
    let end = |id: String| id[24..].to_owned();
    let known = [
        ("THREAD", end(text_of(&answer["thread"]))),
        ("MESSAGE", end(text_of(&answer["id"]))),
        ("DISPATCH", text_of(&work["dispatch"])),
    ];
    let all = typed_here("docs/nexctl.md", &[]);
    for line in &all {
        let line = filled(line, &known);
        let out = run(&world, &line);
        if line.contains("--dry-run") {
            assert!(
                text(&out).contains("dispatch.cancel") && text(&out).contains("nothing was"),
                "{}",
                text(&out)
            );
        }
    }
    // And as data, whatever can be looked at.
    for line in all.iter().filter(|line| {
        ["get ", "describe ", "top ", "usage ", "audit ", "search "]
            .iter()
            .any(|verb| line.starts_with(&format!("nexctl {verb}")))
    }) {
        let line = filled(line, &known).replace("-o wide", "");
        let json = run(&world, &format!("{line} -o json"));
        let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect(&line);
        assert!(value.is_object(), "{line}: {value}");
        assert!(!run(&world, &format!("{line} -o yaml")).stdout.is_empty(), "{line}");
    }
}
