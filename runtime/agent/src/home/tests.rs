use std::fs;

use tempfile::TempDir;

use super::*;
use crate::tools::Tool;

fn no_env(_: &str) -> Option<String> {
    None
}

/// A home with these settings, a soul and a work folder.
fn home(settings: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join(SETTINGS_FILE), settings).expect("writes");
    fs::write(dir.path().join(SOUL_FILE), "I am.\n").expect("writes");
    fs::create_dir(dir.path().join("work")).expect("makes");
    dir
}

/// The faults without the folder, so that they compare.
fn faults(dir: &TempDir) -> Vec<String> {
    let (_, faults) = check(dir.path(), no_env);
    let prefix = format!("{}/", dir.path().display());
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_name_is_enough() {
    let dir = home(r#"{"name": "wren"}"#);
    let home = Home::load(dir.path(), no_env).expect("loads");
    assert_eq!(home.settings.name.as_str(), "wren");
    assert_eq!((home.settings.slots, home.settings.budgets), (4, Budgets::default()));
    assert_eq!(home.settings.roots.len(), 1);
    assert_eq!((home.persona.text(), home.persona.source()), ("I am.".to_owned(), "SOUL.md".to_owned()));
    assert_eq!(faults(&dir), [""; 0]);
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_what_to_do() {
    let dir = home(
        r#"{
  "name": "Wren",
  "rolle": "worker",
  "context_mode": "threads",
  "slots": 0,
  "tools": ["read_file", "serch_files", "read_file"],
  "roots": {"work": "work", "gone": "nowhere", "all": "."},
  "provider": {"kind": "scripted", "modle": "x", "max_tokens": 0},
  "hands": [
    {"name": "verify", "instructions": "do", "timeout_s": "long"},
    {"name": "self", "instructions": "do", "timeouts": 1, "output_schema": 3},
    {"name": "verify", "instructions": "do", "concurrency": -1},
    {"tools": ["fly"]}
  ],
  "slots": 3
}
"#,
    );
    let root = dir.path().display().to_string();
    let found: Vec<String> = faults(&dir).iter().map(|fault| fault.replace(&root, "HOME")).collect();
    let expected = [
        "aspect.json:2:11: name: \"Wren\" is not a name: use a lower-case letter, then up to 31 lower-case letters, digits or '-'",
        "aspect.json:3:3: rolle: there is no such setting; did you mean \"role\"?",
        "aspect.json:4:19: context_mode: unknown variant `threads`, expected one of `global`, `thread`, `stateless`",
        "aspect.json:6:26: tools[1]: there is no tool \"serch_files\"; did you mean \"search_files\"?",
        "aspect.json:6:41: tools[2]: read_file is in the list already",
        "aspect.json:7:37: roots.gone: nowhere cannot be used: No such file or directory (os error 2); make the folder or name another one",
        "aspect.json:7:55: roots.all: \".\" leads to HOME, which would let tools read .nexus; name a folder that does not hold it",
        "aspect.json:8:36: provider.modle: there is no such setting; did you mean \"model\"?",
        "aspect.json:8:64: provider.max_tokens: must be greater than zero",
        "aspect.json:10:59: hands[0].timeout_s: invalid type: string \"long\", expected u32",
        "aspect.json:11:14: hands[1].name: every aspect offers \"self\" already; choose another name",
        "aspect.json:11:44: hands[1].timeouts: there is no such setting; did you mean \"timeout_s\"?",
        "aspect.json:11:76: hands[1].output_schema: a JSON Schema is an object, for example {\"type\": \"object\"}",
        "aspect.json:12:14: hands[2].name: another Hand is called verify already; choose another name",
        "aspect.json:12:61: hands[2].concurrency: invalid value: integer `-1`, expected u32",
        "aspect.json:13:5: hands[3].instructions: missing; say what the Hand shall do with its input",
        "aspect.json:13:5: hands[3].name: missing; name the Hand, for example \"name\": \"verify-claim\"",
        "aspect.json:13:16: hands[3].tools[0]: there is no tool \"fly\"; known are read_file, search_files, list_files, write_file, edit_file, run_command, fetch_url, attach_file, read_attachment, expand_summary, read_output, send_message, read_thread, search_messages, list_team, dispatch_hand, gather, cancel_dispatch, ask_operator, create_trigger, search_knowledge, store_knowledge, read_registry, write_registry, run_flow, show_run",
        "aspect.json:15:3: slots: stands here a second time; remove one of them",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_schema_that_the_broker_would_refuse_is_refused_here() {
    let dir = home(
        r##"{"name": "wren", "hands": [{"name": "tree", "instructions": "do", "input_schema": {"items": {"$ref": "#"}}}]}"##,
    );
    let refused = "aspect.json:1:83: hands[0].input_schema: cannot be used: at /items: $ref \"#\" leads back to itself; \
                   a schema that recurs is not checked here";
    assert_eq!(faults(&dir), [refused]);
}

#[test]
fn what_is_no_json_is_told_where() {
    let dir = home("{\n  \"name\": \"wren\",\n  \"slots\": 3,\n}\n");
    assert_eq!(faults(&dir), ["aspect.json:4:1: this is not JSON: trailing comma"]);
    let dir = home("[]");
    assert_eq!(faults(&dir), ["aspect.json:1:1: this has to be an object: { … }"]);
    let dir = home(r#"{"name": "wren", "provider": [], "hands": [3]}"#);
    assert_eq!(
        faults(&dir),
        [
            "aspect.json:1:30: provider: this has to be an object: { … }",
            "aspect.json:1:44: hands[0]: this has to be an object: { … }",
        ]
    );
}

#[test]
fn files_that_are_missing_or_unreadable_are_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(
        faults(&dir),
        [
            "SOUL.md: missing or empty; write who this aspect is, in a few sentences",
            "aspect.json: missing; a home is made with: agent new <home>",
        ]
    );
    let dir = home(r#"{"name": "wren", "hands": [{"name": "h", "instructions": "do"}]}"#);
    fs::write(dir.path().join(SOUL_FILE), b"one\ntwo\nthr\xffee").expect("writes");
    fs::write(dir.path().join(scripted::SCRIPT_FILE), "[[rule]]\nmatsch = 'x'\n").expect("writes");
    let found = faults(&dir);
    assert_eq!(
        found[..2],
        [
            "NEXUS.md: missing or empty; an aspect with Hands needs its working rules",
            "SOUL.md:3:1: this is not UTF-8 from here on; save the file as UTF-8",
        ]
    );
    assert!(found[2].starts_with("script.toml:2:1: "), "{found:?}");
    let gone = Home::load(&dir.path().join("gone"), no_env).expect_err("is not there");
    assert!(gone.to_string().contains("there is no such folder; make a home with: agent new "), "{gone}");
}

#[test]
fn a_root_may_not_lead_to_what_is_the_runtimes_own_by_any_path() {
    let dir =
        home(r#"{"name": "wren", "roots": {"a": "link", "b": "session", "c": "up", "d": "far/inner"}}"#);
    let path = dir.path();
    for folder in ["keys", "session", "far/inner/deep"] {
        fs::create_dir_all(path.join(folder)).expect("makes");
    }
    // Keys kept elsewhere, and links that lead there, or above the home.
    std::os::unix::fs::symlink(path.join("keys"), path.join(".nexus")).expect("links");
    std::os::unix::fs::symlink(path.join("keys"), path.join("link")).expect("links");
    std::os::unix::fs::symlink("..", path.join("up")).expect("links");
    let fields: Vec<String> = check(path, no_env).1.into_iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["roots.a", "roots.b", "roots.c"]);
}

#[test]
fn a_key_that_is_not_set_is_told_at_its_setting() {
    let dir = home(
        r#"{"name": "wren", "provider": {"kind": "anthropic", "model": "m",
  "api_key_env": "MY_KEY"}}"#,
    );
    assert_eq!(
        faults(&dir),
        [
            "aspect.json:2:18: provider.api_key_env: the variable MY_KEY is not set; export it, or name another one"
        ]
    );
    let with_key = |name: &str| (name == "MY_KEY").then(|| "sk-1".to_owned());
    assert!(Home::load(dir.path(), with_key).is_ok());
    let dir = home(r#"{"name": "wren", "provider": {"kind": "openai"}}"#);
    assert_eq!(
        faults(&dir),
        [
            "aspect.json:1:30: provider.model: is missing; name the model openai shall use, for example \"model\": \"gpt-5.4-mini\""
        ]
    );
}

#[test]
fn the_shipped_homes_have_no_faults() {
    let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents");
    for entry in fs::read_dir(agents).expect("is there") {
        let dir = entry.expect("reads").path();
        let (home, faults) = check(&dir, no_env);
        assert_eq!(faults, [], "{}", dir.display());
        let home = home.expect("loads");
        assert_eq!(dir.file_name().and_then(|name| name.to_str()), Some(home.settings.name.as_str()));
    }
}

#[test]
fn a_new_home_works_and_keeps_what_was_there() {
    for provider in
        [ProviderKind::Scripted, ProviderKind::Anthropic, ProviderKind::Ollama, ProviderKind::Openai]
    {
        for hand in [None, Some("find")] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let path = dir.path().join("robin");
            fs::create_dir(&path).expect("makes");
            let new = NewHome {
                name: "robin".parse().expect("a name"),
                role: Default::default(),
                description: None,
                provider,
                model: None,
                base_url: None,
                key_env: None,
                failover: if provider == ProviderKind::Scripted {
                    Vec::new()
                } else {
                    vec![(ProviderKind::Ollama, None), (ProviderKind::Openai, Some("m".to_owned()))]
                },
                tools: Preset::Full,
                hand: hand.map(|hand| hand.parse().expect("a name")),
                runner: false,
            };
            fs::write(path.join("file"), "mine").expect("writes");
            assert!(matches!(scaffold(&path, &new), Err(ScaffoldError::NotEmpty(_))));
            fs::remove_file(path.join("file")).expect("removed");
            scaffold(&path, &new).expect("makes a home");
            let (home, faults) = check(&path, |_| Some("key".to_owned()));
            assert_eq!(faults, []);
            let home = home.expect("loads");
            assert!(home.persona.soul.starts_with("# robin"));
            assert_eq!(home.settings.failover.len(), if provider == ProviderKind::Scripted { 0 } else { 2 });
            assert_eq!(home.settings.tools, Tool::ALL);
            assert_eq!(home.settings.hands.len(), usize::from(hand.is_some()));
            assert!(matches!(scaffold(&path, &new), Err(ScaffoldError::Exists(_))));
        }
    }
}

#[test]
fn the_schema_says_what_is_needed_and_closes_every_object() {
    let schema = settings_schema();
    let schema = schema.as_value();
    assert_eq!(schema["required"], serde_json::json!(["name"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["RawHand"]["required"], serde_json::json!(["name", "instructions"]));
    assert_eq!(schema["$defs"]["ProviderConfig"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["slots"]["default"], 4);
}

#[test]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/aspect.json");
    let text = format!("{:#}\n", settings_schema().as_value());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).expect("docs/schema is writable");
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == text, "docs/schema/aspect.json is out of date: run scripts/schemas");
}

#[test]
fn one_process_holds_a_home() {
    let dir = home(r#"{"name": "wren"}"#);
    let home = Home::load(dir.path(), no_env).expect("loads");
    let held = home.hold().expect("holds");
    assert!(matches!(home.hold(), Err(JournalError::Locked { .. })));
    drop(held);
    assert!(home.hold().is_ok());
}

#[test]
fn a_root_is_written_in_when_it_is_the_homes_own_work_or_when_it_says_so() {
    let dir = home(
        r#"{"name": "wren", "roots": {"work": "work", "more": {"path": "more", "write": true}, "docs": "docs",
            "shut": {"path": "work", "write": false}}}"#,
    );
    for folder in ["more", "docs"] {
        fs::create_dir(dir.path().join(folder)).expect("makes");
    }
    let home = Home::load(dir.path(), no_env).expect("loads");
    let roots: Vec<(&str, bool)> =
        home.settings.roots.iter().map(|root| (root.label.as_str(), root.write)).collect();
    assert_eq!(roots, [("docs", false), ("more", true), ("shut", false), ("work", true)]);
}

#[test]
fn what_tools_may_reach_is_judged_with_the_rest() {
    let dir = home(
        r#"{"name": "wren",
  "roots": {"a": {"path": "work", "wrote": true}, "b": 3},
  "sandbox": {"mode": "open", "seconds_max": 0, "read": ["tools", "/"]},
  "fetch": {"bytes_max": 0, "allow_private": ["localhost", ":80", "a:0", "a:80"]}}"#,
    );
    assert_eq!(
        faults(&dir),
        [
            "aspect.json:2:44: roots.a.wrote: unknown field `wrote`, expected `path` or `write`",
            "aspect.json:2:56: roots.b: invalid type: integer `3`, expected a folder, or an object with `path` and `write`",
            "aspect.json:3:23: sandbox.mode: unknown variant `open`, expected one of `read-only`, `workspace-write`, `full`",
            "aspect.json:3:46: sandbox.seconds_max: 0 is not from 1 to 3600",
            "aspect.json:3:58: sandbox.read[0]: \"tools\" is no absolute path of a folder or file below /",
            "aspect.json:3:67: sandbox.read[1]: \"/\" is no absolute path of a folder or file below /",
            "aspect.json:4:26: fetch.bytes_max: 0 is not from 1 to 33554432",
            "aspect.json:4:47: fetch.allow_private[0]: \"localhost\" is no host:port, for example \"127.0.0.1:8080\"",
            "aspect.json:4:60: fetch.allow_private[1]: \":80\" is no host:port, for example \"127.0.0.1:8080\"",
            "aspect.json:4:67: fetch.allow_private[2]: \"a:0\" is no host:port, for example \"127.0.0.1:8080\"",
        ]
    );
}

#[test]
fn the_documented_settings_of_tools_are_settings() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tools.md");
    let page = fs::read_to_string(page).expect("is there");
    let example =
        page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let raw: RawSettings = serde_json::from_str(example).expect("settings");
    assert_eq!((raw.roots.len(), raw.sandbox.network, raw.fetch.allow_private.len()), (3, false, 1));
}
