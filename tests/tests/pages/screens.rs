//! `docs/watch.md`, `docs/dashboard.md` and `BUILD.md`: what is looked at, and what is built.

use std::os::unix::fs::symlink;

use nexus_tests::World;
use nexus_tests::process::binary;

use super::page::{run, typed_here};

#[test]
fn every_command_of_the_watch_page_does_what_is_said_of_it() {
    let world = World::new();
    std::fs::create_dir(world.dir().join("target")).expect("the folder is ours");
    let programs = binary("nexus").parent().expect("a folder").to_owned();
    symlink(programs, world.dir().join("target/debug")).expect("the folder is ours");
    let terminal = "it wants a terminal, and goes on; tests/tests/watch gives it one";
    for line in typed_here("docs/watch.md", &[("target/debug/nexus-watch", terminal)]) {
        run(&world, &line);
    }
    let picture = std::fs::read_to_string(world.dir().join("team.svg")).expect("it is written");
    assert!(picture.starts_with("<svg") && picture.contains("nexus-watch"), "{picture}");
}

#[test]
fn what_builds_is_typed_by_the_whole_test_run() {
    let node = "it wants node, which a test of cargo's does not; scripts/test types it";
    let dashboard = [
        ("scripts/dashboard build", "scripts/test types `scripts/dashboard check`, which builds, too"),
        ("scripts/dashboard check", node),
        ("scripts/dashboard browser", node),
        (
            "cd broker/dashboard && NEXUS_URL=http://127.0.0.1:7888 npm run dev",
            "it wants node, and goes on until it is stopped",
        ),
    ];
    let build = [
        ("cargo build --release --bins", "it takes minutes; scripts/test builds the same unoptimised"),
        ("scripts/install", "it builds optimised; tests/tests/stories/packaging.rs installs what is built"),
    ];
    for (page, elsewhere) in [("docs/dashboard.md", &dashboard[..]), ("BUILD.md", &build[..])] {
        let none: [String; 0] = [];
        assert_eq!(typed_here(page, elsewhere), none, "{page}");
    }
    let whole = super::page::read("scripts/test");
    for step in ["scripts/dashboard check", "scripts/dashboard browser", "cargo build --workspace --bins"] {
        assert!(whole.contains(step), "scripts/test has {step}");
    }
}
