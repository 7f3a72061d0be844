//! Scripts, waits and messages: what a script gets, how it ends, and what hostile input comes to.

use std::fs;
use std::path::PathBuf;

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

use super::common::{dispatch, lines, outcome, runner, runs};

/// Says what it was started with.
const SHOW: &str = r#"
import json, os, sys
print(json.dumps({"args": sys.argv[1:], "stdin": sys.stdin.read(), "cwd": os.getcwd(), "env": dict(os.environ)}))
"#;

fn scripts() -> Value {
    let show = ["python3", "show.py"];
    let shell = |text: &str| json!(["sh", "-c", text]);
    json!({
        "plain": {"run": show, "args_max": 2, "output": "json", "output_bytes": 200_000},
        "dashed": {"run": [show[0], show[1], "--"], "args_max": 2, "output": "json"},
        "paths": {"run": show, "args_max": 2, "args": "path", "output": "json"},
        "shaped": {"run": show, "output": "json", "input_schema": {"type": "object", "required": ["month"]}},
        "text": {"run": ["cat"]},
        "words": {"run": ["cat"], "output": "json"},
        "fails": {"run": shell("echo one; echo no such account >&2; exit 3")},
        "killed": {"run": shell("kill -9 $$")},
        "slow": {"run": shell("(setsid sleep 777.25 &) ; sleep 777.25"), "timeout_s": 1},
        "floods": {"run": shell("yes 0123456789 | head -c 100000"), "output_bytes": 256},
        "outside": {"run": ["cat", "--"], "args_max": 1},
        "missing": {"run": ["no-such-program-here"]},
        "hangs": {"run": shell("echo x >> begun; (setsid sleep 777.5 &) ; sleep 777.5")},
        "hangs-too": {"run": shell("echo x >> begun; (setsid sleep 778.5 &) ; sleep 778.5")},
        "holds": {"run": shell("echo x >> begun; while [ ! -e go ]; do sleep 0.02; done; echo let go")},
        "hangs-once": {
            "repeatable": true,
            "run": shell("echo x >> tried; [ $(wc -l < tried) = 2 ] || sleep 777.75; echo attempt $NEXUS_ATTEMPT"),
        },
    })
}

fn with_scripts(world: &World, name: &str, scripts: Value, more: Value) -> PathBuf {
    let mut settings = json!({"scripts": scripts, "wait": {"seconds_max": 60}, "notify": {}});
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    let home = runner(world, name, settings);
    fs::write(home.join("work/show.py"), SHOW).expect("written");
    fs::create_dir(home.join("work/sub")).expect("made");
    home
}

fn script(world: &World, input: &Value) -> Value {
    dispatch(world, &["runner/script", &input.to_string()])
}

#[test]
fn a_script_gets_its_input_and_nothing_of_the_agents() {
    let world = World::new().env("CANARY", "canary-61f2");
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let _agent = world.agent(&home);
    let info =
        script(&world, &json!({"name": "plain", "args": ["a b", "$HOME"], "input": {"month": "März\n"}}));
    let output = outcome(&info).expect("it ran").clone();
    let shown = &output["output"];
    assert_eq!(shown["args"], json!(["a b", "$HOME"]));
    let work = home.canonicalize().expect("there").join("work");
    assert_eq!(shown["cwd"], json!(work));
    let input = r#"{"month":"März\n"}"#;
    let env = &shown["env"];
    assert_eq!((&shown["stdin"], &env["NEXUS_INPUT"]), (&json!(input), &json!(input)));
    assert_eq!((&env["NEXUS_DISPATCH"], &env["NEXUS_ATTEMPT"]), (&info["id"], &json!("1")));
    let mut names: Vec<&str> = env.as_object().expect("variables").keys().map(String::as_str).collect();
    names.retain(|name| !matches!(*name, "LC_CTYPE" | "PWD" | "SHLVL" | "_"));
    let expected =
        ["HOME", "LANG", "NEXUS_ATTEMPT", "NEXUS_DISPATCH", "NEXUS_INPUT", "PATH", "TERM", "TMPDIR"];
    assert_eq!(names, expected);
    assert_eq!((&output["truncated"], &output["stderr"]), (&json!(false), &json!("")));
    // An input that is too large for a variable is on standard input alone.
    let large = "x".repeat(70_000);
    let info = script(&world, &json!({"name": "plain", "input": large}));
    let shown = &outcome(&info).expect("it ran")["output"];
    assert_eq!(shown["stdin"].as_str().map(str::len), Some(70_002));
    assert_eq!(shown["env"]["NEXUS_INPUT"], Value::Null);
}

#[test]
fn how_a_script_ends_is_how_its_dispatch_ends() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let _agent = world.agent(&home);
    let text_of = |info: &Value| outcome(info).map(|output| output["output"].clone());
    assert_eq!(text_of(&script(&world, &json!({"name": "text", "input": [1, "é"]}))), Ok(json!("[1,\"é\"]")));
    assert_eq!(text_of(&script(&world, &json!({"name": "text"}))), Ok(json!("")));
    assert_eq!(
        text_of(&script(&world, &json!({"name": "words", "input": {"a": [1]}}))),
        Ok(json!({"a": [1]}))
    );
    assert_eq!(
        text_of(&script(&world, &json!({"name": "paths", "args": ["work/sub"]})))
            .map(|shown| shown["args"].clone()),
        Ok(json!([home.canonicalize().expect("there").join("work/sub")]))
    );
    let flooded = script(&world, &json!({"name": "floods"}));
    let output = outcome(&flooded).expect("it ran");
    let cut = output["output"].as_str().expect("text");
    assert!(
        output["truncated"] == json!(true) && cut.contains("bytes left out here") && cut.len() < 400,
        "{cut}"
    );
    let failures = [
        (json!({"name": "fails"}), "script_failed", "fails ended with exit code 3: no such account"),
        (json!({"name": "killed"}), "script_failed", "by signal 9"),
        (json!({"name": "slow"}), "timeout", "slow took longer than 1 s"),
        (json!({"name": "words"}), "invalid_output", "words wrote no JSON"),
        (json!({"name": "missing"}), "not_run", "no-such-program-here could not be started"),
        (json!({"name": "shaped", "input": {}}), "invalid_input", "\"month\" is a required property"),
        (json!({"name": "outside", "args": ["a", "b"]}), "invalid_input", "at most 1"),
    ];
    for (input, code, message) in failures {
        let info = script(&world, &input);
        let (found, said) = outcome(&info).expect_err("it failed");
        assert!(found == code && said.contains(message), "{input}: {found}: {said}");
    }
    assert!(!runs("sleep 777.25"), "what it had started has ended with it");
    // The broker itself knows which scripts there are.
    let out = world.nexctl(&["dispatch", "runner/script", r#"{"name": "rm"}"#]);
    assert!(!out.status.success() && text(&out).contains("\"rm\" is not one of"), "{}", text(&out));
    let out = world.nexctl(&["dispatch", "runner/script-repeatable", r#"{"name": "plain"}"#]);
    assert!(!out.status.success() && text(&out).contains("\"plain\""), "{}", text(&out));
}

#[test]
fn what_a_dispatch_holds_is_data_whatever_it_is() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    fs::write(home.join("secret"), "canary-61f2\n").expect("written");
    std::os::unix::fs::symlink(home.join("secret"), home.join("work/link")).expect("a link");
    let _agent = world.agent(&home);
    // Each arrives as the one argument it is, and does nothing.
    let huge = "x".repeat(8 * 1024);
    let texts = [
        "; rm -rf /",
        "$(touch hit)",
        "`touch hit`",
        "| touch hit",
        "&& touch hit",
        "a\ntouch hit",
        "\r\n",
        "' ; touch hit #",
        "\" ; touch hit #",
        "../../secret",
        "/etc/shadow",
        "*",
        "~root",
        "${IFS}",
        "LD_PRELOAD=/tmp/x.so",
        "%s%n",
        "\u{202e}txt",
        "日本語",
        "",
        " ",
        huge.as_str(),
    ];
    for one in texts {
        let info = script(&world, &json!({"name": "plain", "args": [one, "end"]}));
        let shown = outcome(&info).unwrap_or_else(|failure| panic!("{one:?}: {failure:?}"))["output"].clone();
        assert_eq!(shown["args"], json!([one, "end"]));
        assert_eq!(shown["env"]["LD_PRELOAD"], Value::Null, "{one:?}");
    }
    // Behind the `--` of the settings even an option is a text.
    let options = ["-oProxyCommand=touch hit", "--help", "-", "--"];
    for one in options {
        let info = script(&world, &json!({"name": "dashed", "args": [one]}));
        assert_eq!(outcome(&info).expect("it ran")["output"]["args"], json!(["--", one]));
        let info = script(&world, &json!({"name": "plain", "args": [one]}));
        let (code, said) = outcome(&info).expect_err("it is refused");
        assert!(code == "invalid_input" && said.contains("would be an option"), "{one:?}: {said}");
    }
    // A path is one below a root, by where it leads; and what is passed as a text the sandbox does not let be read.
    let paths = [
        "../secret",
        "work/../../secret",
        "work/link",
        "/etc/passwd",
        "work/.nexus",
        ".nexus/key.json",
        "work/none",
        "other/x",
        "~",
        "",
    ];
    for one in paths {
        let info = script(&world, &json!({"name": "paths", "args": [one]}));
        let (code, said) = outcome(&info).expect_err("it is refused");
        assert!(code == "invalid_input" && said.starts_with("args[0]: "), "{one:?}: {said}");
    }
    for one in ["../secret", "link", "../.nexus/key.json", "/etc/shadow", "../aspect.json"] {
        let info = script(&world, &json!({"name": "outside", "args": [one]}));
        let (code, said) = outcome(&info).expect_err("it is not read");
        assert!(
            code == "script_failed" && said.starts_with("outside ended with exit code 1"),
            "{one:?}: {said}"
        );
        assert!(!info.to_string().contains("canary-61f2"), "{one:?}: {info}");
    }
    let refused = [
        (json!({"name": "plain", "args": ["a\0b"]}), "args[0]: it holds a NUL byte"),
        (
            json!({"name": "plain", "args": ["x".repeat(8 * 1024 + 1)]}),
            "args[0]: it has 8193 bytes; at most 8192",
        ),
        (
            json!({"name": "text", "input": "x".repeat(512 * 1024)}),
            "input: it has 524290 bytes; at most 524288",
        ),
    ];
    for (input, message) in refused {
        let (code, said) = {
            let file = home.join("input.json");
            fs::write(&file, input.to_string()).expect("written");
            let mut command =
                world.nexctl_command(&["dispatch", "runner/script", "-", "--wait", "-o", "json"]);
            let out = command.stdin(fs::File::open(&file).expect("there")).output().expect("nexctl runs");
            let info: Value =
                serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out)));
            outcome(&info).expect_err("it is refused")
        };
        assert!(code == "invalid_input" && said.contains(message), "{message}: {code}: {said}");
    }
    // Fields that nobody knows reach no one: the broker refuses them.
    for more in ["run", "env", "folder", "network", "timeout_s", "argv"] {
        let mut input = json!({"name": "plain"});
        input[more] = json!(["sh", "-c", "touch hit"]);
        let out = world.nexctl(&["dispatch", "runner/script", &input.to_string()]);
        assert!(!out.status.success() && text(&out).contains(more), "{more}: {}", text(&out));
    }
    assert!(!home.join("work/hit").exists(), "something was run");
}

#[test]
fn a_killed_agent_leaves_nothing_running_and_the_truth_behind() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let mut agent = world.agent(&home);
    let start = |hand: &str, name: &str| {
        let input = json!({"name": name}).to_string();
        let mut command = world.nexctl_command(&["dispatch", hand, &input, "--wait", "-o", "json"]);
        let piped = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        piped.spawn().expect("nexctl runs")
    };
    let once = start("runner/script", "hangs");
    let again = start("runner/script-repeatable", "hangs-once");
    let (begun, tried) = (home.join("work/begun"), home.join("work/tried"));
    wait_until("both to begin", || {
        (lines(&begun) == 1 && lines(&tried) == 1 && runs("sleep 777.5")).then_some(())
    });
    agent.kill();
    wait_until("both to end with their agent", || {
        (!runs("sleep 777.5") && !runs("sleep 777.75")).then_some(())
    });
    let _agent = world.agent(&home);
    let ended = |child: std::process::Child| -> Value {
        let out = child.wait_with_output().expect("it ends");
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out)))
    };
    let once = ended(once);
    let (code, said) = outcome(&once).expect_err("nobody knows how far it came");
    assert!(code == "worker_lost" && said.contains("not declared idempotent"), "{code}: {said}");
    assert_eq!((&once["attempt"], lines(&begun)), (&json!(1), 1), "it ran once");
    let again = ended(again);
    assert_eq!(outcome(&again).expect("it may be repeated")["output"], json!("attempt 2\n"));
    assert_eq!((&again["attempt"], lines(&tried)), (&json!(2), 2));
}

#[test]
fn a_cancelled_script_is_gone_before_its_end_is_confirmed() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let _agent = world.agent(&home);
    let work = world.nexctl_json(&["dispatch", "runner/script", r#"{"name": "hangs-too"}"#]);
    let id = work["dispatch"].as_str().expect("an id").to_owned();
    let begun = home.join("work/begun");
    wait_until("it to begin", || (lines(&begun) == 1 && runs("sleep 778.5")).then_some(()));
    assert!(world.nexctl(&["cancel", &id]).status.success());
    let info = wait_until("its end to be confirmed", || {
        let info = world.nexctl_json(&["describe", "dispatch", &id]);
        let info = info.get("dispatch").filter(|it| it.is_object()).cloned().unwrap_or(info);
        info["stop"]["confirmed_at"].is_number().then_some(info)
    });
    assert!(!runs("sleep 778.5"), "it was said to have stopped");
    assert_eq!(info["state"], "cancelled");
}

#[test]
fn of_several_runners_the_one_that_has_the_script_is_chosen() {
    let world = World::new();
    let show = |word: &str| json!({"run": ["echo", word]});
    let east =
        with_scripts(&world, "east", json!({"where": show("east"), "ship": show("by sea")}), json!({}));
    let west =
        with_scripts(&world, "west", json!({"where": show("west"), "mine": show("copper")}), json!({}));
    let (mut east_agent, _west_agent): (Process, Process) = (world.agent(&east), world.agent(&west));
    let chosen = |name: &str| {
        let info = dispatch(&world, &["--needs", "script", &json!({"name": name}).to_string()]);
        let output = outcome(&info).expect("it ran")["output"].clone();
        (info["hand"].as_str().expect("a hand").to_owned(), output)
    };
    assert_eq!(chosen("ship"), ("east/script".to_owned(), json!("by sea\n")));
    assert_eq!(chosen("mine"), ("west/script".to_owned(), json!("copper\n")));
    assert_eq!(chosen("where").1, json!("east\n"));
    east_agent.kill();
    wait_until("east to be off", || {
        let team = world.nexctl_json(&["get", "aspects"]);
        let east = team["aspects"].as_array()?.iter().find(|it| it["name"] == "east")?.clone();
        (east["state"] == "offline").then_some(())
    });
    assert_eq!(chosen("where"), ("west/script".to_owned(), json!("west\n")));
}

#[test]
fn it_waits_and_tells_and_has_nothing_else_to_say() {
    let world = World::new();
    let home = with_scripts(
        &world,
        "runner",
        scripts(),
        json!({"notify": {"to": ["operator/local", "operator/admin"]}}),
    );
    let _agent = world.agent(&home);
    let waited = dispatch(&world, &["runner/wait", r#"{"seconds": 0}"#]);
    assert_eq!(outcome(&waited).expect("it waited")["waited_s"], json!(0));
    let past = dispatch(&world, &["runner/wait", r#"{"until": "2020-01-01T00:00:00Z"}"#]);
    assert_eq!(outcome(&past).expect("it is over")["until"], json!("2020-01-01T00:00:00.000Z"));
    let long = dispatch(&world, &["runner/wait", r#"{"seconds": 50}"#, "--deadline", "20s"]);
    let (code, said) = outcome(&long).expect_err("it would not end in time");
    assert!(code == "invalid_input" && said.contains("longer deadline_s"), "{said}");
    let told = dispatch(&world, &["runner/notify", r#"{"text": "the disk is full", "operator": "admin"}"#]);
    let sent = outcome(&told).unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(sent["recipients"], json!(["operator/admin"]));
    let thread = sent["thread"].as_str().expect("a thread");
    let shown = text(&world.nexctl(&["describe", "thread", thread]));
    assert!(shown.contains("the disk is full"), "{shown}");
    let other = dispatch(&world, &["runner/notify", r#"{"text": "x", "aspect": "runner"}"#]);
    let (code, said) = outcome(&other).expect_err("it may not");
    assert!(code == "invalid_input" && said.contains("does not name runner"), "{said}");
    // Whoever talks to it learns why there is no answer.
    let asked = text(&world.nexctl(&["ask", "runner", "how are you?"]));
    assert!(asked.contains("this aspect has no model"), "{asked}");
}

#[test]
fn a_runner_that_is_told_to_stop_lets_scripts_end_and_leaves_waits_to_the_next() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let mut agent = world.agent(&home);
    let start = |hand: &str, input: &str| {
        let work = world.nexctl_json(&["dispatch", hand, input]);
        work["dispatch"].as_str().expect("an id").to_owned()
    };
    let held = start("runner/script", r#"{"name": "holds"}"#);
    let waits = start("runner/wait", r#"{"seconds": 60}"#);
    wait_until("both to begin", || {
        (lines(&home.join("work/begun")) == 1 && agent.text().matches("work begins").count() == 2)
            .then_some(())
    });
    agent.signal("TERM");
    agent.wait_for_text("work stopped without a result");
    fs::write(home.join("work/go"), "").expect("written");
    assert!(agent.wait().success(), "{}", agent.text());
    let info = |id: &str| {
        let info = world.nexctl_json(&["describe", "dispatch", id]);
        info.get("dispatch").filter(|it| it.is_object()).cloned().unwrap_or(info)
    };
    let held = info(&held);
    assert_eq!(outcome(&held).expect("it was let end")["output"], "let go\n");
    let _agent = world.agent(&home);
    wait_until("it to be waited for anew", || {
        let waits = info(&waits);
        (waits["state"] == "running" && waits["attempt"] == 2).then_some(())
    });
}

#[test]
fn a_script_that_is_added_is_offered_without_a_restart() {
    let world = World::new();
    let home = with_scripts(&world, "runner", scripts(), json!({}));
    let _agent = world.agent(&home);
    let path = home.join("aspect.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    settings["runner"]["scripts"] = json!({"added": {"run": ["echo", "new"]}});
    fs::write(&path, settings.to_string()).expect("written");
    let input = json!({"name": "added"}).to_string();
    let info = wait_until("it to be offered", || {
        let out = world.nexctl(&["dispatch", "runner/script", &input, "--wait", "-o", "json"]);
        serde_json::from_slice::<Value>(&out.stdout).ok()
    });
    assert_eq!(outcome(&info).expect("it ran")["output"], "new\n");
    let gone = world.nexctl(&["dispatch", "runner/script", r#"{"name": "text"}"#]);
    assert!(!gone.status.success(), "{}", text(&gone));
}
