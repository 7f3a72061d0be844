//! `docs/runner.md`, with the runner it makes.

use nexus_tests::World;

use super::page::{run, shell, start, typed_here};

#[test]
fn every_command_of_the_runner_page_does_what_is_said_of_it() {
    let world = World::new();
    let mut agents = Vec::new();
    for line in typed_here("docs/runner.md", &[]) {
        if line.starts_with("agent ./") {
            agents.push(start(&line, &mut shell(&world, &format!("exec {line}")), "registered"));
        } else {
            run(&world, &line);
        }
    }
    assert_eq!(agents.len(), 1, "the page starts its runner");
}
