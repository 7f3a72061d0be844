//! What every command says of itself, as it is stored in `fixtures/help`. A change of it is looked at like any other:
//! `UPDATE_HELP=1 cargo test -p nexus-tests --test help` writes it anew.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::Command as Typed;
use nexus_tests::process::binary;

/// The names of every command below, each with those it stands under.
fn paths(command: &Typed, above: &[String], found: &mut Vec<Vec<String>>) {
    found.push(above.to_vec());
    for below in command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
        paths(below, &[above, &[below.get_name().to_owned()]].concat(), found);
    }
}

/// The help of a program and all its commands, as it prints it.
fn helps(program: &Typed) -> String {
    let mut commands = Vec::new();
    paths(program, &[], &mut commands);
    let mut text = String::new();
    for path in commands {
        let mut command = Command::new(binary(program.get_name()));
        command.args(&path).arg("--help").env_remove("COLUMNS").stdin(Stdio::null());
        let out = command.output().expect("it runs");
        let said = String::from_utf8(out.stdout).expect("UTF-8");
        assert!(out.status.success(), "{path:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
        let typed = [&[program.get_name().to_owned()], path.as_slice()].concat().join(" ");
        text.push_str(&format!("$ {typed} --help\n{}\n\n", said.trim_end()));
    }
    text
}

#[test]
fn every_command_says_of_itself_what_is_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/help");
    let mut changed = Vec::new();
    for program in nexus_pages::programs() {
        let path = folder.join(format!("{}.txt", program.get_name()));
        let found = helps(&program);
        if std::env::var_os("UPDATE_HELP").is_some() {
            std::fs::write(&path, &found).expect("the folder is ours");
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        if found != stored {
            let line = found.lines().zip(stored.lines().chain([""])).find(|(found, stored)| found != stored);
            changed.push(format!("{}: {line:?}", path.display()));
        }
    }
    let none: [String; 0] = [];
    assert_eq!(changed, none, "look at it, then: UPDATE_HELP=1 cargo test -p nexus-tests --test help");
}
