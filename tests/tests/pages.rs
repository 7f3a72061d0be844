//! The commands of pages, typed one after the other as they stand there.

use std::process::Command;

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;
use nexus_tests::{Process, World};

/// Lines of a page's blocks that are commands, without what is said of them behind two spaces.
fn commands(page: &str) -> Vec<String> {
    let page = std::fs::read_to_string(checkout().join("docs").join(page)).expect("the page is there");
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

    let all = commands("runtime.md");
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

/// What is asked for stands in the page by its name, in capitals.
fn filled(line: &str, known: &[(&str, String)]) -> String {
    let fill = |word: &str| known.iter().find(|(name, _)| *name == word).map(|(_, value)| value.clone());
    line.split(' ').map(|word| fill(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
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
    let all = commands("nexctl.md");
    assert!(all.len() > 45, "{all:?}");
    for line in all {
        let line = filled(&line, &known);
        let out = typed(&world, &line).output().expect("bash runs");
        assert!(out.status.success(), "{line}: {}", text(&out));
        if line.contains("--dry-run") {
            assert!(
                text(&out).contains("dispatch.cancel") && text(&out).contains("nothing was"),
                "{}",
                text(&out)
            );
        }
    }
    // And as data, whatever can be looked at.
    for line in commands("nexctl.md").iter().filter(|line| {
        ["get ", "describe ", "top ", "usage ", "audit ", "search "]
            .iter()
            .any(|verb| line.starts_with(&format!("nexctl {verb}")))
    }) {
        let line = filled(line, &known).replace("-o wide", "");
        let json = typed(&world, &format!("{line} -o json")).output().expect("bash runs");
        let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect(&line);
        assert!(value.is_object(), "{line}: {value}");
        let yaml = typed(&world, &format!("{line} -o yaml")).output().expect("bash runs");
        assert!(yaml.status.success() && !yaml.stdout.is_empty(), "{line}");
    }
}
