//! Commands that a page mentions in passing are there, with their flags; and commands that it shows are typed.

use std::fs;
use std::path::Path;

use clap::Command;
use nexus_tests::process::checkout;

use super::page::read;

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && !["node_modules", "target"].iter().any(|it| name == **it) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn pages() -> Vec<String> {
    let docs = fs::read_dir(checkout().join("docs")).expect("there are pages").flatten();
    let mut pages: Vec<String> =
        docs.map(|it| format!("docs/{}", it.file_name().to_string_lossy())).collect();
    pages.retain(|page| page.ends_with(".md"));
    pages.extend(["BUILD.md".to_owned(), "README.md".to_owned()]);
    pages.sort();
    pages
}

/// What stands between backticks outside of blocks. In tables a `|` has a `\` before it.
fn quoted(page: &str) -> Vec<String> {
    let mut is_block = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose.split('`').skip(1).step_by(2).map(|it| it.replace("\\|", "|").replace('\n', " ")).collect()
}

fn below<'a>(command: &'a Command, name: &str) -> Option<&'a Command> {
    command
        .get_subcommands()
        .find(|it| it.get_name() == name || it.get_all_aliases().any(|alias| alias == name))
}

fn has_flag(commands: &[&Command], flag: &str) -> bool {
    let flag = flag.trim_start_matches("--").split('=').next().unwrap_or(flag);
    let known = |command: &&Command| {
        command
            .get_arguments()
            .any(|it| it.get_long_and_visible_aliases().is_some_and(|all| all.contains(&flag)))
    };
    ["help", "version"].contains(&flag) || commands.iter().any(known)
}

/// What of a mentioned command is not there.
fn missing(program: &Command, words: &[&str]) -> Option<String> {
    let mut chain = vec![program];
    let mut is_named = true;
    for word in words {
        let last = *chain.last().expect("a program is the first");
        if word.starts_with("--") {
            if !has_flag(&chain, word.trim_end_matches(['.', ',', ']'])) {
                return Some((*word).to_owned());
            }
        } else if is_named && last.has_subcommands() && word.starts_with(|it: char| it.is_ascii_lowercase()) {
            let mut each = word.split('|').map(|name| (name, below(last, name)));
            if let Some((name, _)) = each.clone().find(|(_, found)| found.is_none()) {
                return Some(name.to_owned());
            }
            chain.extend(each.next().and_then(|(_, found)| found));
            is_named = !word.contains('|');
        }
    }
    None
}

#[test]
fn every_command_that_is_mentioned_is_there_with_its_flags() {
    let programs = nexus_pages::programs();
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for page in pages() {
        for mention in quoted(&read(&page)) {
            let words: Vec<&str> = mention.split_whitespace().collect();
            let Some((first, rest)) = words.split_first() else { continue };
            let name = first.trim_start_matches("target/debug/");
            let Some(program) = programs.iter().find(|it| it.get_name() == name) else { continue };
            looked_at += 1;
            wrong.extend(missing(program, rest).map(|what| format!("{page}: `{mention}` has no {what}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(looked_at > 100, "{looked_at}");
}

#[test]
fn every_page_that_shows_commands_is_typed_by_a_test() {
    let mut tests = Vec::new();
    for folder in ["tests/tests", "tests/clients", "runtime/agent/tests"] {
        files(&checkout().join(folder), &mut tests);
    }
    let this = Path::new(file!()).file_name();
    tests.retain(|path| path.file_name() != this);
    let tests: Vec<String> = tests.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let shows = |page: &String| read(page).lines().any(|line| line.trim_start() == "```sh");
    let mut untyped: Vec<String> = pages().into_iter().filter(shows).collect();
    untyped.retain(|page| !tests.iter().any(|test| test.contains(page.as_str())));
    assert_eq!(untyped, Vec::<String>::new(), "a test has to type the commands of these");
}
