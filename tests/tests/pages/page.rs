//! What a page would have somebody type, and a shell to type it in.

use std::process::{Command, Output};

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;
use nexus_tests::{Process, World};

pub(crate) fn read(page: &str) -> String {
    std::fs::read_to_string(checkout().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The lines of a page's shell blocks, without what is said of them behind two spaces.
pub(crate) fn commands(page: &str) -> Vec<String> {
    let text = read(page);
    let mut block: Option<&str> = None;
    let mut found = Vec::new();
    for (at, line) in (1..).zip(text.lines().map(str::trim_start)) {
        match (line.strip_prefix("```"), block) {
            (Some(kind), None) => {
                assert!(!kind.is_empty(), "{page}:{at}: say what the block holds: sh, text, json …");
                block = Some(kind);
            }
            (Some(_), Some(_)) => block = None,
            (None, Some("sh")) => found.push(line.split("  ").next().unwrap_or(line).to_owned()),
            (None, Some(_) | None) => {}
        }
    }
    assert!(!found.is_empty(), "{page} has no command");
    found
}

/// Those of a page's commands that a test types: all but the ones that this machine cannot run, each with the
/// reason. One of these that is not on the page any more has to go here as well.
pub(crate) fn typed_here(page: &str, elsewhere: &[(&str, &str)]) -> Vec<String> {
    let mut all = commands(page);
    for (line, reason) in elsewhere {
        let at = all.iter().position(|it| it == line);
        let at = at.unwrap_or_else(|| panic!("{page} has no `{line}` ({reason}): {all:#?}"));
        all.remove(at);
    }
    all
}

/// With what a page leaves to whoever reads it in the place of the page's words.
pub(crate) fn filled(line: &str, known: &[(&str, String)]) -> String {
    known.iter().fold(line.to_owned(), |line, (word, value)| line.replace(word, value))
}

/// For a shell to which the programs are known by their names.
pub(crate) fn shell(world: &World, line: &str) -> Command {
    // What follows the line is the shell's own name.
    let mut command = world.command_under(&["bash", "-c", line], "nexctl");
    let programs = binary("nexus").parent().expect("a folder").to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).env("NEXUS_URL", world.url()).env("NEXUS_TOKEN", world.token());
    command.env("NEXUS_DATA", world.data());
    command
}

/// Types a line, which has to succeed.
pub(crate) fn run(world: &World, line: &str) -> Output {
    done(line, shell(world, line))
}

pub(crate) fn done(line: &str, mut command: Command) -> Output {
    let out = command.output().expect("bash runs");
    assert!(out.status.success(), "{line}: {}", text(&out));
    out
}

/// Types a line that goes on, until it says that it is ready.
pub(crate) fn start(line: &str, command: &mut Command, ready: &str) -> Process {
    let process = Process::start(line, command);
    process.wait_for_text(ready);
    process
}
