//! The README's own commands, as a person types them.

use std::process::Command;

use nexus_tests::process::checkout;
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

#[test]
fn up_starts_the_team_and_ctrl_c_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agents = dir.path().join("agents");
    let copied = Command::new("cp").arg("-r").arg(checkout().join("agents")).arg(dir.path()).status();
    assert!(copied.is_ok_and(|status| status.success()), "the homes can be copied");
    for root in ["broker", "docs", "runtime", "shared"] {
        std::os::unix::fs::symlink(checkout().join(root), dir.path().join(root)).expect("the folder is ours");
    }
    let mark = format!("NEXUS_TEST_MARK={}", dir.path().display());
    let mut command = Command::new(checkout().join("scripts/up"));
    command.arg("--data").arg(dir.path().join("data")).arg("--agents").arg(&agents);
    command.args(["--listen", "127.0.0.1:0"]).env("NEXUS_CONFIG", dir.path().join("nexctl.toml"));
    command.env("NEXUS_TEST_MARK", dir.path()).env("NO_COLOR", "1");
    let mut up = Process::start("scripts/up", &mut command);
    up.wait_for_text("Ctrl-C ends everything");
    for shown in ["keel", "forge", "wren", "harrow", "nxo_", "http://127.0.0.1:", "online"] {
        assert!(up.text().contains(shown), "{shown} is shown:\n{}", up.text());
    }
    assert!(marked(&mark).len() >= 5, "a broker, four agents: {:?}", marked(&mark));
    up.signal("INT");
    assert!(up.wait().success(), "{}", up.text());
    wait_until("the end of every process", || marked(&mark).is_empty().then_some(()));
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
