//! What is installed and packaged: from the programs that are there, into folders of the test's own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;

/// A program that is Debian's, without which the test would look at nothing.
fn command(program: &str) -> Command {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    assert!(
        found.is_ok_and(|out| out.status.success()),
        "{program} is not there; install it, as scripts/test does"
    );
    Command::new(program)
}

fn install(prefix: &Path, arguments: &[&str]) -> Output {
    let bin = binary("nexus").parent().expect("a program is in a folder").to_owned();
    let mut command = Command::new(checkout().join("scripts/install"));
    command.arg("--prefix").arg(prefix).arg("--no-build").arg("--bin").arg(bin).args(arguments);
    let out = command.output().expect("it runs");
    assert!(out.status.success(), "{}", text(&out));
    out
}

fn files(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        match entry.file_type().is_ok_and(|it| it.is_dir()) {
            true => files(folder, &path, found),
            false => drop(found.insert(path)),
        }
    }
}

fn all_of(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    files(folder, Path::new(""), &mut found);
    found
}

#[test]
fn an_installation_is_whole_the_same_the_second_time_and_gone_when_it_is_taken_away() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let prefix = dir.path().join("a prefix");
    std::fs::create_dir_all(prefix.join("bin")).expect("the folder is ours");
    std::fs::write(prefix.join("bin/other"), "not ours").expect("the folder is ours");
    let said = text(&install(&prefix, &[]));
    assert!(said.contains("nexus 0.") && said.contains("is not in your PATH"), "{said}");
    let first = all_of(&prefix);
    for file in [
        "bin/agent",
        "bin/nexctl",
        "bin/nexus",
        "share/bash-completion/completions/nexctl",
        "share/fish/vendor_completions.d/nexus.fish",
        "share/man/man1/agent-new.1",
        "share/man/man1/nexctl-session-tree.1",
        "share/man/man1/nexus.1",
        "share/systemd/user/nexus.service",
        "share/zsh/site-functions/_agent",
    ] {
        assert!(first.contains(Path::new(file)), "{file} is missing of {first:?}");
    }
    // What an earlier version had is taken away.
    let manifest = prefix.join("share/nexus/installed");
    let listed = std::fs::read_to_string(&manifest).expect("it is written");
    std::fs::write(prefix.join("share/man/man1/nexus-old.1"), "").expect("the folder is ours");
    std::fs::write(&manifest, format!("{listed}share/man/man1/nexus-old.1\n")).expect("the folder is ours");
    install(&prefix, &[]);
    assert_eq!(all_of(&prefix), first);
    assert_eq!(std::fs::read_to_string(&manifest).expect("it is written"), listed);

    let version = Command::new(prefix.join("bin/nexctl")).arg("--version").output().expect("it runs");
    assert!(text(&version).contains("nexctl 0."), "{}", text(&version));
    let unit = prefix.join("share/systemd/user/nexus.service");
    let mut analyze = command("systemd-analyze");
    analyze.args(["--user", "verify", "--man=no"]).arg(unit).env("XDG_RUNTIME_DIR", dir.path());
    let said = text(&analyze.output().expect("it runs"));
    assert!(!said.contains("nexus.service"), "{said}");
    install(&prefix, &["--uninstall"]);
    assert_eq!(all_of(&prefix), BTreeSet::from([PathBuf::from("bin/other")]));
    assert!(!prefix.join("share").exists());
    assert!(text(&install(&prefix, &["--uninstall"])).contains("nothing of Nexus is installed"));
}

#[test]
fn man_pages_render_and_completions_are_scripts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    nexus_pages::write(dir.path()).expect("written");
    let pages: Vec<PathBuf> = all_of(&dir.path().join("man")).into_iter().collect();
    assert!(pages.len() > 80, "{pages:?}");
    let mut lint = command("mandoc");
    lint.args(["-T", "lint", "-W", "error"]).args(pages.iter().map(|page| dir.path().join("man").join(page)));
    let out = lint.output().expect("it runs");
    assert!(out.status.success(), "{}", text(&out));
    for (shell, program) in [("bash", "bash/nexctl"), ("zsh", "zsh/_nexctl"), ("fish", "fish/nexctl.fish")] {
        let script = dir.path().join("completions").join(program);
        let text_of = std::fs::read_to_string(&script).unwrap_or_default();
        assert!(text_of.contains("complete") && text_of.contains("nexctl"), "{program}: {text_of}");
        let out = command(shell).arg("-n").arg(&script).output().expect("it runs");
        assert!(out.status.success(), "{program}: {}", text(&out));
    }
}

#[test]
fn the_unit_of_the_machine_is_one_that_systemd_takes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let unit =
        std::fs::read_to_string(checkout().join("scripts/packaging/nexus.service")).expect("it is there");
    // The program need not be installed for it.
    let unit = unit.replace("/usr/bin/nexus", &binary("nexus").display().to_string());
    let path = dir.path().join("nexus.service");
    std::fs::write(&path, unit).expect("the folder is ours");
    let out = command("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().expect("it runs");
    let said = text(&out);
    assert!(!said.contains("nexus.service"), "{said}");
}

#[test]
fn an_image_has_every_program_and_nothing_that_is_somebodys() {
    let read = |path: &str| std::fs::read_to_string(checkout().join(path)).expect("it is there");
    let list = Command::new(checkout().join("scripts/packaging/build")).arg("--list").output();
    let programs = String::from_utf8(list.expect("it runs").stdout).expect("names");
    let file = read("scripts/packaging/Containerfile");
    let copied = file.lines().find(|line| line.starts_with("COPY --from=build")).expect("a line");
    let mut copied: Vec<&str> =
        copied.split(' ').filter_map(|it| it.strip_prefix("/src/target/dist/")).collect();
    copied.sort_unstable();
    assert_eq!(copied, programs.lines().collect::<Vec<_>>());
    // What git does not take from a checkout, an engine does not get.
    let left_out = read(".dockerignore");
    let left_out: Vec<&str> = left_out.lines().map(|line| line.trim_start_matches("**/")).collect();
    for line in read(".gitignore").lines().filter(|line| !line.starts_with('#')) {
        let name = line.trim_matches('/');
        assert!(left_out.contains(&name), "{name} is missing in .dockerignore");
    }
}
