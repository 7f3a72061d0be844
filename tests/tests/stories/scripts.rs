//! The commands of the README and of the first five minutes, as a person types them.

use std::path::Path;
use std::process::Command;

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;
use nexus_tests::{Process, wait_until};

/// Processes whose environment carries `mark`.
fn marked(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("procfs is there").flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

/// The lines of a document's shell blocks.
fn commands(document: &str) -> Vec<String> {
    let document = std::fs::read_to_string(checkout().join(document)).expect("the document is there");
    let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.flat_map(|(block, _)| block.lines().map(str::to_owned)).collect()
}

/// A folder in which the README's relative paths mean a copy: nothing of the checkout is touched.
fn copy_of_the_project(to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(checkout().join("agents")).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "the homes can be copied");
    for state in [".nexus", "session", "inbox.jsonl", "outbox.jsonl"] {
        for home in std::fs::read_dir(to.join("agents")).expect("the copy is there").flatten() {
            let path = home.path().join(state);
            let _ = std::fs::remove_dir_all(&path);
            let _ = std::fs::remove_file(&path);
        }
    }
    for root in ["broker", "docs", "runtime", "shared", "scripts"] {
        std::os::unix::fs::symlink(checkout().join(root), to.join(root)).expect("the folder is ours");
    }
    std::fs::create_dir(to.join("target")).expect("the folder is ours");
    let debug = binary("nexus").parent().expect("a binary is in a folder").to_owned();
    std::os::unix::fs::symlink(debug, to.join("target/debug")).expect("the folder is ours");
}

/// As a person types it in `dir`, whose settings are their own.
fn at_home<'a>(dir: &Path, command: &'a mut Command) -> &'a mut Command {
    // What cargo tells a test of itself would have build scripts run again, and most of the project with them.
    let of_cargo = |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|it| name.starts_with(it));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_cargo)) {
        command.env_remove(name);
    }
    command.env("NEXUS_CONFIG", dir.join("nexctl.toml")).env("NEXUS_TEST_MARK", dir);
    command.env("NO_COLOR", "1").env_remove("NEXUS_URL").env_remove("NEXUS_TOKEN").current_dir(dir)
}

/// Starts a team with `scripts/up` as `document` says and types the rest of its commands in a second terminal.
fn every_command_works_and_ctrl_c_leaves_nothing_behind(document: &str, at_least: usize) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    copy_of_the_project(dir.path());
    let mark = format!("NEXUS_TEST_MARK={}", dir.path().display());
    let mut command = Command::new(checkout().join("scripts/up"));
    at_home(dir.path(), command.arg("--data").arg(dir.path().join(".nexus-data")));
    command.arg("--agents").arg(dir.path().join("agents")).args(["--listen", "127.0.0.1:0"]);
    let mut up = Process::start("scripts/up", &mut command);
    up.wait_for_text("Ctrl-C ends everything");
    for shown in ["keel", "forge", "wren", "harrow", "nxo_", "http://127.0.0.1:", "online"] {
        assert!(up.text().contains(shown), "{shown} is shown:\n{}", up.text());
    }
    assert!(marked(&mark).len() >= 5, "a broker, four agents: {:?}", marked(&mark));

    let mut started = Vec::new();
    let mut typed = commands(document);
    typed.retain(|line| line != "scripts/up" && line != "scripts/test");
    assert!(typed.len() >= at_least, "{document} has commands: {typed:?}");
    for line in typed {
        let mut command = Command::new("bash");
        at_home(dir.path(), command.args(["-c", &line]));
        if line.starts_with("target/debug/agent ./") {
            let agent = Process::start(&line, &mut command);
            agent.wait_for_text("registered");
            started.push(agent);
            continue;
        }
        let out = command.output().expect("bash runs");
        assert!(out.status.success(), "{line}: {}", text(&out));
        if line.contains("agent new ./agents/robin") {
            // A person types slower than the broker looks.
            up.wait_for_text("robin registered");
        }
        if line.starts_with("kill -9") {
            up.wait_for_text("nexus is back");
        }
        if line.contains("have wren check") {
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(said.contains("broker/src/hub/route") && said.contains("confirmed"), "{said}");
        }
    }
    drop(started);
    up.signal("INT");
    assert!(up.wait().success(), "{}", up.text());
    wait_until("the end of every process", || marked(&mark).is_empty().then_some(()));
}

#[test]
fn every_command_of_the_readme_works() {
    every_command_works_and_ctrl_c_leaves_nothing_behind("README.md", 5);
}

#[test]
fn every_command_of_the_quickstart_works() {
    every_command_works_and_ctrl_c_leaves_nothing_behind("docs/quickstart.md", 8);
}

#[test]
fn up_keeps_the_workspace_that_is_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let made =
        at_home(dir.path(), Command::new(binary("nexus")).args(["workspace", "init", "demo"])).output();
    assert!(made.as_ref().is_ok_and(|out| out.status.success()), "{made:?}");
    let mut command = Command::new(checkout().join("scripts/up"));
    at_home(dir.path(), command.arg("--data").arg(dir.path().join("data")).args(["--listen", "127.0.0.1:0"]));
    let mut up = Process::start("scripts/up", &mut command);
    up.wait_for_text("Ctrl-C ends everything");
    for shown in ["harrow", "runner", "online", "nexctl trigger list"] {
        assert!(up.text().contains(shown), "{shown} is shown:\n{}", up.text());
    }
    assert!(!up.text().contains("forge"), "the workspace's aspects and no others:\n{}", up.text());
    up.signal("INT");
    assert!(up.wait().success(), "{}", up.text());
}

#[test]
fn a_minute_of_kills_under_load_loses_nothing() {
    let target = binary("nexus").parent().and_then(Path::parent).expect("cargo's folder").to_owned();
    let out = Command::new(checkout().join("scripts/soak"))
        .args(["--no-build", "--minutes", "1", "--kill-every", "7"])
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("scripts/soak runs");
    let said = text(&out);
    assert!(out.status.success(), "{said}");
    for shown in ["0 violations", "kills of the broker", "kills of agents", "dispatches done"] {
        assert!(said.contains(shown), "{shown} is shown:\n{said}");
    }
}

#[test]
fn up_says_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = Command::new(checkout().join("scripts/up"))
        .arg("--agents")
        .arg(dir.path())
        .output()
        .expect("scripts/up runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("no aspect home under"), "{said}");
}
