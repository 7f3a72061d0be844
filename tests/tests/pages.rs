//! The commands of `docs/runtime.md`, typed one after the other as they stand there.

use std::process::Command;

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;
use nexus_tests::{Process, World};

/// Lines of the page's blocks that are commands, without what is said of them behind two spaces.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string(checkout().join("docs/runtime.md")).expect("the page is there");
    let mut is_block = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block && ["agent ", "nexctl ", "nexus "].iter().any(|name| line.starts_with(name)) {
            found.push(line.split("  ").next().unwrap_or(line).to_owned());
        }
    }
    found
}

/// For a shell to which the programs are known by their names.
fn typed(world: &World, line: &str) -> Command {
    // What follows the line is the shell's own name.
    let mut command = world.command_under(&["bash", "-c", &format!("exec {line}")], "nexctl");
    let programs = binary("nexus").parent().expect("a folder").to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).env("NEXUS_URL", world.url()).env("NEXUS_TOKEN", world.token());
    command
}

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

    let all = commands();
    assert_eq!(all.len(), 11, "{all:?}");
    for line in all {
        let line = line.replace("ID", &thread);
        if line.starts_with("agent new") {
            // The page makes the same one in two ways.
            let _ = std::fs::remove_dir_all(&robin);
        }
        if line.starts_with("agent ./") {
            let mut agent = Process::start(&line, &mut typed(&world, &line));
            agent.wait_for_text("registered");
            agent.signal("TERM");
            assert!(agent.wait().success(), "{line}: {}", agent.text());
        } else if line.starts_with("nexus serve") {
            let mut command = typed(&world, &line);
            command.env("NEXUS_LISTEN", "127.0.0.1:0").env("NEXUS_DATA", world.dir().join("another"));
            // As new: what robin remembers is another Nexus's.
            std::fs::remove_dir_all(&robin).expect("it is there");
            assert!(typed(&world, "agent new ./agents/robin").status().is_ok_and(|status| status.success()));
            let mut broker = Process::start(&line, &mut command);
            broker.wait_for_text("robin registered");
            broker.signal("TERM");
            assert!(broker.wait().success(), "{line}: {}", broker.text());
        } else {
            let out = typed(&world, &line).output().expect("bash runs");
            assert!(out.status.success(), "{line}: {}", text(&out));
        }
        if line == "agent check ./agents/robin" {
            world.let_in(&robin);
        }
    }
}
