//! What is in effect, where it comes from, what is wrong, what is given back, and that it runs.

use std::fs;
use std::path::Path;

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::{Value, json};

use super::common::{put, said, workspace};

#[test]
fn what_is_in_effect_is_told_file_by_file() {
    let world = World::asleep();
    said(&world, &["init"]);
    let again = workspace(&world, &["init"]);
    assert!(!again.status.success() && text(&again).contains("workspace is not empty"), "{}", text(&again));
    put(&world, "aspects/runner/aspect.patch.toml", "slots = 3\n");
    put(&world, "aspects/harrow/SOUL.md", "I am another harrow.\n");
    put(&world, "skills/summarise.md.remove", "");
    put(&world, "skills/own.md", "# Own\n");
    let told: Value = serde_json::from_str(&said(&world, &["status", "-o", "json"])).expect("JSON");
    let origin = |path: &str| {
        let files = told["files"].as_array().expect("files");
        files
            .iter()
            .find(|file| file["path"] == path)
            .map(|file| (file["origin"].clone(), file["by"].clone()))
    };
    let expected = [
        ("aspects/runner/aspect.json", Some((json!("patched"), json!("aspects/runner/aspect.patch.toml")))),
        ("aspects/harrow/SOUL.md", Some((json!("replaced"), json!("aspects/harrow/SOUL.md")))),
        ("aspects/harrow/NEXUS.md", Some((json!("framework"), Value::Null))),
        ("skills/own.md", Some((json!("workspace"), json!("skills/own.md")))),
        ("skills/summarise.md", None),
    ];
    for (path, expected) in expected {
        assert_eq!(origin(path), expected, "{path}");
    }
    assert_eq!(told["hidden"], json!({"skills/summarise.md": "skills/summarise.md.remove"}));
    let shown = said(&world, &["status"]);
    assert!(shown.contains("1 patched, 1 hidden"), "{shown}");
    let diff = said(&world, &["diff"]);
    assert!(diff.contains("-  \"slots\": 8,") && diff.contains("+  \"slots\": 3"), "{diff}");
    assert!(diff.contains("+I am another harrow.") && diff.contains("+++ /dev/null"), "{diff}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_the_secret() {
    let world = World::asleep();
    said(&world, &["init"]);
    assert!(said(&world, &["validate"]).contains("workspace is in order"));
    // Put together here, so that this file holds none.
    let secret = format!("sk-{}", "canary61f2".repeat(3));
    put(
        &world,
        "aspects/wren/aspect.json",
        "{\n  \"name\": \"robin\",\n  \"provider\": {\"api_key_env\": \"NO_SUCH_KEY\"}\n}\n",
    );
    put(&world, "aspects/runner/aspect.patch.toml", "[runner.scripts.x]\nrun = [\"/home/ana/x.sh\"]\n");
    put(
        &world,
        "flows/day.yaml",
        "id: day\nsteps:\n  - id: a\n    do: { ask: { aspect: gull, text: hello } }\n",
    );
    put(
        &world,
        "flows/night.yaml",
        "id: night\nsteps:\n  - id: a\n    needs: [b]\n    do: { wait: { seconds: 1 } }\n",
    );
    put(&world, "notes.md", &format!("the key is\n  {secret}\n"));
    let out = workspace(&world, &["validate"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let shown = String::from_utf8(out.stdout).expect("text");
    let expected = [
        "workspace/aspects/runner/aspect.patch.toml:2:9: /home/ana is a folder of one machine's user",
        "workspace/aspects/wren/aspect.json:2:11: it is called \"robin\" and lies in aspects/wren",
        "workspace/aspects/wren/aspect.json:3:32: the variable NO_SUCH_KEY is not set",
        "workspace/flows/day.yaml:4:26: there is no aspect \"gull\" in this workspace; there are harrow, runner, wren",
        "workspace/flows/night.yaml:4:13: there is no step `b`",
        "workspace/notes.md:2:3: this looks like the key of a model's API in plain text",
    ];
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{shown}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}, not {expected}");
    }
    assert!(!shown.contains("canary61f2"), "{shown}");
    let out = workspace(&world, &["validate", "-o", "json"]);
    let told: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((&told["ok"], &told["faults"][1]["line"]), (&json!(false), &json!(2)));
    let missing = workspace(&world, &["status", "--workspace", "nowhere"]);
    assert!(text(&missing).contains("nexus workspace init --workspace nowhere"), "{}", text(&missing));
}

#[test]
fn what_is_exported_is_untouched_where_it_is_the_same_and_runs() {
    let world = World::new();
    said(&world, &["init", "demo"]);
    assert!(said(&world, &["validate"]).contains("in order"));
    said(&world, &["export", "agents"]);
    let runner = world.dir().join("agents/aspects/runner");
    fs::write(runner.join("work/of-the-runner"), "kept").expect("written");
    let again = said(&world, &["export", "agents"]);
    assert!(again.starts_with("wrote 0 files into agents"), "{again}");
    assert_eq!(fs::read_to_string(runner.join("work/of-the-runner")).expect("there"), "kept");
    world.let_in(&runner);
    let _agent = world.agent(&runner);
    let report =
        world.nexctl_json(&["dispatch", "runner/script-repeatable", r#"{"name": "report"}"#, "--wait"]);
    let expected =
        "bakery: 10 hours, 2 entries not billed yet\nshipyard: 18 hours, 1 entries not billed yet\n";
    assert_eq!(report["output"]["output"], expected);
    // A patch that cannot be used leaves everything as it is.
    put(&world, "aspects/harrow/aspect.patch.toml", "x = \n");
    let out = workspace(&world, &["export", "other"]);
    assert!(!out.status.success() && text(&out).contains("nothing was written"), "{}", text(&out));
    assert!(!Path::new(&world.dir().join("other")).exists());
}

#[test]
fn what_is_given_back_applies_and_holds_nothing_of_here() {
    let world = World::asleep().env("USER", "marigold");
    said(&world, &["init", "demo"]);
    // Put together here, so that this file holds none.
    let secret = format!("sk-{}", "canary61f2".repeat(3));
    put(&world, "aspects/harrow/SOUL.md", "I am another harrow.\n");
    put(&world, "aspects/harrow/aspect.patch.toml", "slots = 3\n");
    put(&world, "skills/check-a-claim.md.remove", "");
    put(&world, "skills/mine.md", "# Mine\nAsk Marigold.\n");
    put(&world, "skills/key.md", &format!("# Key\n{secret}\n"));
    let told = said(&world, &["contribute", "mine.patch"]);
    for line in [
        "  aspects/harrow/SOUL.md\n",
        "  skills/key.md: line 2, column 1: this looks like the key of a model's API",
        "  skills/mine.md: line 2, column 5: marigold is this machine, or who uses it",
        "  README.md: it is this workspace's own",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let patch = fs::read_to_string(world.dir().join("mine.patch")).expect("written");
    assert!(!patch.contains("canary61f2") && !patch.to_lowercase().contains("marigold"), "{patch}");
    let again = workspace(&world, &["contribute", "mine.patch"]);
    assert!(!again.status.success(), "a file that is there stays: {}", text(&again));

    // It makes of what is shipped what is in effect here.
    said(&world, &["init", "--workspace", "empty"]);
    said(&world, &["export", "shipped", "--workspace", "empty"]);
    let apply = ["apply", "--directory", "shipped", "mine.patch"];
    let mut git = std::process::Command::new("git");
    let out = git.args(["-c", "init.defaultBranch=main", "init", "-q"]).current_dir(world.dir()).output();
    assert!(out.is_ok_and(|out| out.status.success()));
    let out =
        std::process::Command::new("git").args(apply).current_dir(world.dir()).output().expect("git runs");
    assert!(out.status.success(), "{}", text(&out));
    let shipped = world.dir().join("shipped");
    assert_eq!(
        fs::read_to_string(shipped.join("aspects/harrow/SOUL.md")).expect("there"),
        "I am another harrow.\n"
    );
    assert!(!shipped.join("skills/check-a-claim.md").exists() && shipped.join("flows/morning.yaml").exists());
    let settings: Value =
        serde_json::from_slice(&fs::read(shipped.join("aspects/harrow/aspect.json")).expect("there"))
            .expect("JSON");
    assert_eq!(settings["slots"], 3);
}
