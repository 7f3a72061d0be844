//! `docs/tenants.md`: several teams in one broker.

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::Value;

use super::page::{filled, run, typed_here};

#[test]
fn every_command_of_the_tenants_page_does_what_is_said_of_it() {
    let world = World::new();
    std::fs::create_dir_all(world.dir().join("homes/wren")).expect("the folder is ours");
    let port = world.url().rsplit_once(':').expect("a port").1.to_owned();
    let known = [(":7888", format!(":{port}")), ("~/.nexus/data", world.data().display().to_string())];
    let mut said = String::new();
    for line in typed_here("docs/tenants.md", &[]) {
        said.push_str(&text(&run(&world, &filled(&line, &known))));
    }
    for word in [
        "acme is a Nexus of its own",
        "The broker serves it by now",
        "/#invite=",
        "wren is in",
        "https://gamma.example/#setup=",
        ".removed-beta-",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let out =
        world.run("nexus", &["tenant", "list", "-o", "json", "--data", &world.data().to_string_lossy()]);
    let left: Vec<Value> = serde_json::from_slice(&out.stdout).expect("a list");
    let left: Vec<(Value, Value)> =
        left.iter().map(|it| (it["name"].clone(), it["aspects"].clone())).collect();
    assert_eq!(left, [("acme", 1), ("gamma", 0)].map(|it| (it.0.into(), it.1.into())));
}
