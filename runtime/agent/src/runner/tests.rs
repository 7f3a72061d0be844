//! What the settings of a runner may be, and what its Hands tell the team of them.

use std::fs;
use std::path::Path;

use nexus_schema::Schema;
use serde_json::json;

use super::*;
use crate::tools::Root;

fn roots(home: &Path) -> Vec<Root> {
    fs::create_dir_all(home.join("work/sub")).expect("made");
    fs::write(home.join("work/file"), "").expect("written");
    fs::write(home.join("beside.sh"), "").expect("written");
    vec![Root { label: "work".to_owned(), path: home.join("work"), write: true }]
}

fn resolved(raw: Value) -> Result<Runner, Vec<(String, String)>> {
    let home = tempfile::tempdir().expect("a folder");
    let raw: RawRunner = serde_json::from_value(raw).expect("settings");
    let env = |name: &str| (name == "TOKEN").then(|| "canary-61f2".to_owned());
    raw.resolve(home.path(), &roots(home.path()), &env)
}

#[test]
fn every_fault_of_a_runner_is_told_with_its_place() {
    let cases = [
        (json!({}), "", "it offers nothing"),
        (json!({"wait": {"seconds_max": 0}}), "wait.seconds_max", "0 is not from 1 to 7140"),
        (json!({"wait": {"seconds_max": 7200}}), "wait.seconds_max", "7200 is not from 1 to 7140"),
        (json!({"watches": {"In": {"folder": "work"}}}), "watches.In", "is not a name"),
        (json!({"watches": {"in": {}}}), "watches.in.folder", "missing; name the folder"),
        (json!({"watches": {"in": {"folder": "work/none"}}}), "watches.in.folder", "nothing is there"),
        (json!({"watches": {"in": {"folder": "work/file"}}}), "watches.in.folder", "is a file"),
        (json!({"watches": {"in": {"folder": "/etc"}}}), "watches.in.folder", "it is absolute"),
        (json!({"watches": {"in": {"folder": "work/../.."}}}), "watches.in.folder", "leads out"),
        (
            json!({"watches": {"in": {"folder": "work", "pattern": "../*"}}}),
            "watches.in.pattern",
            "leads out of the folder",
        ),
        (
            json!({"watches": {"in": {"folder": "work", "pattern": "/etc/*"}}}),
            "watches.in.pattern",
            "leads out of the folder",
        ),
        (json!({"watches": {"in": {"folder": "work", "pattern": "["}}}), "watches.in.pattern", "no pattern"),
        (json!({"watches": {"in": {"folder": "work", "pattern": ""}}}), "watches.in.pattern", "0 bytes"),
        (
            json!({"watches": {"in": {"folder": "work", "settle_s": 3601}}}),
            "watches.in.settle_s",
            "3601 is not from 0 to 3600",
        ),
        (
            json!({"watches": {"in": {"folder": "work", "entries_max": 0}}}),
            "watches.in.entries_max",
            "0 is not from 1",
        ),
        (json!({"scripts": {"Now": {"run": ["date"]}}}), "scripts.Now", "is no name of a script"),
        (json!({"scripts": {"../x": {"run": ["date"]}}}), "scripts.../x", "is no name of a script"),
        (json!({"scripts": {"a": {}}}), "scripts.a.run", "missing; name the program"),
        (json!({"scripts": {"a": {"run": [""]}}}), "scripts.a.run", "missing; name the program"),
        (json!({"scripts": {"a": {"run": ["-c", "x"]}}}), "scripts.a.run[0]", "is an option"),
        (json!({"scripts": {"a": {"run": ["sh", "a\0b"]}}}), "scripts.a.run[1]", "holds a NUL byte"),
        (json!({"scripts": {"a": {"run": ["./beside.sh"]}}}), "scripts.a.run[0]", "lies in no root"),
        (json!({"scripts": {"a": {"run": ["work/../beside.sh"]}}}), "scripts.a.run[0]", "lies in no root"),
        (
            json!({"scripts": {"a": {"run": ["sh"], "args_max": 65}}}),
            "scripts.a.args_max",
            "65 is not from 0 to 64",
        ),
        (
            json!({"scripts": {"a": {"run": ["sh"], "timeout_s": 0}}}),
            "scripts.a.timeout_s",
            "0 is not from 1",
        ),
        (
            json!({"scripts": {"a": {"run": ["sh"], "output_bytes": 1}}}),
            "scripts.a.output_bytes",
            "1 is not from 256",
        ),
        (
            json!({"scripts": {"a": {"run": ["sh"], "folder": "work/none"}}}),
            "scripts.a.folder",
            "nothing is there",
        ),
        (json!({"scripts": {"a": {"run": ["sh"], "folder": "work/file"}}}), "scripts.a.folder", "is a file"),
        (json!({"scripts": {"a": {"run": ["sh"], "folder": "/etc"}}}), "scripts.a.folder", "it is absolute"),
        (json!({"scripts": {"a": {"run": ["sh"], "folder": "work/../.."}}}), "scripts.a.folder", "leads out"),
        (
            json!({"scripts": {"a": {"run": ["sh"], "input_schema": {"type": "x"}}}}),
            "scripts.a.input_schema",
            "cannot be used: at /type: ",
        ),
        (json!({"scripts": {"a": {"run": ["sh"], "env": ["NONE"]}}}), "scripts.a.env[0]", "NONE is not set"),
        (
            json!({"scripts": {"a": {"run": ["sh"], "env": ["TOKEN", "LD_PRELOAD"]}}}),
            "scripts.a.env[1]",
            "not passed on",
        ),
        (json!({"scripts": {"a": {"run": ["sh"], "env": ["PATH"]}}}), "scripts.a.env[0]", "not passed on"),
        (
            json!({"scripts": {"a": {"run": ["sh"], "env": ["NEXUS_TOKEN"]}}}),
            "scripts.a.env[0]",
            "not passed on",
        ),
        (
            json!({"scripts": {"a": {"run": ["sh"], "env": ["A=B"]}}}),
            "scripts.a.env[0]",
            "is no name of a variable",
        ),
    ];
    for (raw, field, message) in cases {
        let faults = resolved(raw.clone()).expect_err("there is a fault");
        let [(found, said)] = faults.as_slice() else { panic!("{raw}: {faults:?}") };
        assert!(found == field && said.contains(message), "{raw}: {found}: {said}");
    }
}

#[test]
fn a_runner_without_a_root_has_no_place_to_run_in() {
    let raw: RawRunner =
        serde_json::from_value(json!({"scripts": {"a": {"run": ["sh"]}}})).expect("settings");
    let faults = raw.resolve(Path::new("/"), &[], &|_| None).expect_err("there is a fault");
    assert_eq!(
        faults,
        [("scripts.a".to_owned(), "there is no root to run it in; name one as `roots`".to_owned())]
    );
}

#[test]
fn a_service_outside_that_is_told_is_one_that_may_be_called() {
    let faults = |mut settings: Value, webhooks: Value| {
        settings["notify"] = json!({"webhooks": webhooks});
        let found = resolved(settings).map(drop);
        found.map_err(|faults| {
            faults.into_iter().map(|(at, what)| format!("{at}: {what}")).collect::<String>()
        })
    };
    let calls = || json!({"webhook": {"hosts": ["a.test"]}});
    assert_eq!(faults(calls(), json!({"ops": "https://a.test/x", "b-2": "https://A.test:443/"})), Ok(()));
    for (settings, webhooks, expected) in [
        (
            json!({}),
            json!({"ops": "https://a.test/"}),
            "notify.webhooks.ops: `webhook` says which servers are called",
        ),
        (
            calls(),
            json!({"ops": "https://b.test/"}),
            "notify.webhooks.ops: https://b.test/ is not one of the servers",
        ),
        (calls(), json!({"ops": "a.test"}), "notify.webhooks.ops: "),
        (calls(), json!({"ops": "secret:ops"}), "notify.webhooks.ops: runner.webhook.secrets has no \"ops\""),
        (calls(), json!({"Ops": "https://a.test/"}), "notify.webhooks.Ops: \"Ops\" is no name"),
        (json!({"webhook": {}}), json!({"ops": "https://a.test/"}), "webhook: it names no server"),
    ] {
        let found = faults(settings, webhooks).expect_err(expected);
        assert!(found.starts_with(expected), "{found}, not {expected}");
    }

    let runner = resolved(json!({
        "webhook": {"hosts": ["a.test"], "timeout_s": 200}, "notify": {"webhooks": {"ops": "https://a.test/x"}},
    }));
    let hands = runner.expect("in order").hands(&[], 4);
    let spec = &hands[1].spec;
    assert_eq!((spec.name.as_str(), spec.timeout_s, spec.idempotent), ("notify", 230, false));
    let repeatable = json!({
        "webhook": {"hosts": ["a.test"], "repeatable": true}, "notify": {"webhooks": {"ops": "https://a.test/x"}},
    });
    assert!(resolved(repeatable).expect("in order").hands(&[], 4)[1].spec.idempotent);
    assert!(spec.description.ends_with("may tell: ops."), "{}", spec.description);
    let schema = Schema::compile(spec.input_schema.as_ref().expect("a schema")).expect("a schema");
    let fits = |input: Value| schema.faults(&input).is_empty();
    assert!(fits(json!({"text": "x", "webhook": "ops"})) && fits(json!({"text": "x", "operator": "ana"})));
    assert!(
        !fits(json!({"text": "x", "webhook": "sales"}))
            && !fits(json!({"text": "x", "webhook": "ops", "aspect": "wren"}))
    );
    let output = Schema::compile(spec.output_schema.as_ref().expect("a schema")).expect("a schema");
    assert_eq!(output.faults(&json!({"webhook": "ops", "status": 200})), []);
}

#[test]
fn its_hands_say_what_may_be_repeated_and_how_long_they_take() {
    let runner = resolved(json!({
        "scripts": {
            "pay": {"run": ["sh", "pay.sh"], "description": "Pays.", "timeout_s": 20},
            "look": {"run": ["ls", "--"], "args_max": 3, "repeatable": true, "timeout_s": 90, "env": ["TOKEN"]},
        },
        "wait": {"seconds_max": 600},
        "notify": {"to": ["operator/ana"]},
    }))
    .expect("in order");
    let hands = runner.hands(&["eu".to_owned()], 4);
    let told: Vec<_> = hands
        .iter()
        .map(|hand| {
            let spec = &hand.spec;
            (
                spec.name.as_str(),
                spec.idempotent,
                spec.timeout_s,
                spec.concurrency,
                spec.capabilities.join(" "),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("script", false, 120, 4, "script eu".to_owned()),
            ("script-repeatable", true, 120, 4, "script repeatable eu".to_owned()),
            ("wait", true, 630, 2, "wait eu".to_owned()),
            ("notify", true, 90, 4, "notify eu".to_owned()),
        ]
    );
    let names = |at: usize| {
        hands[at].spec.input_schema.as_ref().expect("a schema")["properties"]["name"]["enum"].clone()
    };
    assert_eq!((names(0), names(1)), (json!(["look", "pay"]), json!(["look"])));
    let description = &hands[0].spec.description;
    assert!(description.contains("pay: Pays.") && description.contains("not run again"), "{description}");
    assert!(hands[3].spec.description.contains("operator/ana"), "{}", hands[3].spec.description);
    let shown = format!("{runner:?}{hands:?}");
    assert!(!shown.contains("canary-61f2"), "a secret is shown: {shown}");
}
