//! `docs/registries.md`: from a file to rows, as it is typed there.

use nexus_tests::World;
use serde_json::json;

use super::page::{read, run, typed_here};

#[test]
fn every_command_of_the_registries_page_does_what_is_said_of_it() {
    let world = World::new();
    let page = read("docs/registries.md");
    let files: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    std::fs::write(world.dir().join("clients.yaml"), files[0]).expect("the folder is ours");
    std::fs::write(world.dir().join("note.yaml"), files[1]).expect("the folder is ours");
    let typed = typed_here("docs/registries.md", &[]);
    let (last, before) = typed.split_last().expect("commands");
    for line in before {
        run(&world, line);
    }
    let again = world.nexctl_json(&["registry", "put", &world.dir().join("clients.yaml").to_string_lossy()]);
    assert_eq!(again, json!({"registry": "clients", "version": 1, "changed": false, "written": 0}));
    let row = world.nexctl_json(&["registry", "get", "clients", "acme"]);
    assert_eq!(row["values"], json!({"id": "acme", "mail": "ana@acme.example", "state": "active"}));
    let history = world.nexctl_json(&["registry", "history", "clients"]);
    let told: Vec<_> = history["changes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| json!([it["version"], it["row"]]))
        .collect();
    let expected =
        [json!([5, "blue"]), json!([4, "acme"]), json!([3, "blue"]), json!([2, "acme"]), json!([1, "acme"])];
    assert_eq!(told, expected, "{history}");
    let flow = world.dir().join("note.yaml");
    run(&world, &format!("nexctl flow put {}", flow.display()));
    run(&world, "nexctl registry write clients acme state=gone");
    run(&world, "nexctl flow run note '{\"client\": \"acme\"}' --wait");
    let row = world.nexctl_json(&["registry", "get", "clients", "acme"]);
    assert_eq!((&row["values"]["state"], &row["version"]), (&json!("active"), &json!(7)));
    run(&world, last);
    assert_eq!(world.nexctl_json(&["registry", "list"])["registries"], json!([]));
}

#[test]
fn a_file_with_a_fault_says_where_it_is() {
    let world = World::new();
    let path = world.dir().join("bad.yaml");
    std::fs::write(&path, "name: a\nfields:\n  - name: b\n    type: text\n").expect("the folder is ours");
    let out = world.nexctl(&["registry", "put", &path.to_string_lossy()]);
    let failed = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && failed.contains("unknown variant `text`") && failed.contains("line 4"),
        "{failed}"
    );
}
