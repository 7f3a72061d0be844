//! `docs/workspace.md`, from nothing to what is written out.

use nexus_tests::World;

use super::page::{run, typed_here};

#[test]
fn every_command_of_the_workspace_page_does_what_is_said_of_it() {
    let world = World::new();
    for line in typed_here("docs/workspace.md", &[]) {
        run(&world, &line);
    }
    assert!(world.dir().join("live/aspects/runner/aspect.json").is_file(), "it is written out");
}
