//! `docs/triggers.md`, with a team of one.

use nexus_tests::World;

use super::page::{read, run, typed_here};

#[test]
fn every_command_of_the_page_about_triggers_does_what_is_said_of_it() {
    let world = World::new();
    let script = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"Yes.\"\n";
    let wren = world.home("wren", serde_json::json!({}), script);
    world.let_in(&wren);
    let _wren = world.agent(&wren);
    world.let_in(&world.home("runner", serde_json::json!({}), script));
    let greet = world.dir().join("greet.yaml");
    let flow = "id: greet\nsteps:\n  - id: say\n    do: { ask: { aspect: wren, text: \"Greet {{ input.whom }}.\" } }\n";
    std::fs::write(&greet, flow).expect("the folder is ours");
    run(&world, &format!("nexctl flow put {}", greet.display()));
    for line in typed_here("docs/triggers.md", &[]) {
        run(&world, &line);
    }
    let page = read("docs/triggers.md");
    let file =
        page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a definition");
    let path = world.dir().join("morning.yaml");
    std::fs::write(&path, file).expect("the folder is ours");
    run(&world, &format!("nexctl trigger put {}", path.display()));
    run(&world, "nexctl trigger show morning");
}
