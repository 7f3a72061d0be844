//! `docs/workspace.md`, from nothing to what is written out.

use nexus_tests::World;

use super::page::{run, typed_here};

#[test]
fn every_command_of_the_workspace_page_does_what_is_said_of_it() {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    // Empty until the page has one made; who is shipped is there from the beginning.
    std::fs::create_dir(world.dir().join("workspace")).expect("the folder is ours");
    world.start_broker();
    world.broker().wait_for_text("harrow registered");
    for line in typed_here("docs/workspace.md", &[]) {
        run(&world, &line);
    }
    assert!(world.dir().join("live/aspects/runner/aspect.json").is_file(), "it is written out");
}
