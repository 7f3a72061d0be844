//! Watches of files through the real programs: files come, change, go and are moved while the agent and the broker are
//! killed, and each change is told once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

/// A runner that looks at `work/inbox`, and a clerk that writes down what it is told.
struct House {
    world: World,
    runner: PathBuf,
    clerk: PathBuf,
}

impl House {
    fn new(watch: Value) -> Self {
        let mut world = World::asleep();
        world.start_broker();
        let watches = json!({"inbox": watch});
        let runner = lone(&world, "runner", json!({"watches": watches}));
        fs::create_dir_all(runner.join("work/inbox")).expect("the folder is ours");
        let note = json!({"run": ["sh", "-c", "cat > $NEXUS_DISPATCH.part; mv $NEXUS_DISPATCH.part $NEXUS_DISPATCH.json"], "repeatable": true});
        let clerk = lone(&world, "clerk", json!({"scripts": {"note": note}}));
        Self { world, runner, clerk }
    }

    fn add(&self, name: &str, more: &[&str]) -> String {
        let input = r#"{"name": "note", "input": "{{ payload }}"}"#;
        let words = ["trigger", "add", name, "--watch", "runner/inbox"];
        let does = ["--dispatch", "clerk/script-repeatable", input];
        let out = self.world.nexctl(&[&words[..], more, &does[..]].concat());
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    }

    fn inbox(&self, path: impl AsRef<Path>) -> PathBuf {
        self.runner.join("work/inbox").join(path)
    }

    fn write(&self, path: impl AsRef<Path>, content: &str) {
        fs::write(self.inbox(path), content).expect("the folder is ours");
    }

    fn state(&self) -> PathBuf {
        self.runner.join(".nexus/watches/inbox.json")
    }

    /// Until what is there is known, so that what comes is a change.
    fn wait_until_known(&self) {
        wait_until("the first look", || self.state().exists().then_some(()));
    }

    fn wait_until_pending(&self) {
        wait_until("a report on its way", || {
            fs::read_to_string(self.state()).ok().filter(|text| text.contains("\"pending\""))
        });
    }

    /// What the clerk was told, in the order of the paths.
    fn told(&self) -> Vec<Value> {
        let notes = fs::read_dir(self.clerk.join("work")).expect("there").flatten().map(|entry| entry.path());
        let notes = notes.filter(|path| path.extension() == Some(OsStr::new("json")));
        let mut changes: Vec<Value> = notes
            .flat_map(|path| {
                let note: Value = serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON");
                assert_eq!(
                    (&note["aspect"], &note["watch"], &note["more"]),
                    (&json!("runner"), &json!("inbox"), &json!(0))
                );
                note["changes"].as_array().expect("a list").clone()
            })
            .collect();
        changes.sort_by_key(|change| (change["path"].to_string(), change["kind"].to_string()));
        changes
    }

    /// Path and kind of each, once there are so many and the work for all of them has ended.
    fn wait_for(&self, count: usize) -> Vec<(String, String)> {
        wait_until(&format!("{count} changes"), || (self.told().len() >= count).then_some(()));
        wait_until("the end of all slots", || {
            self.world.slots("t").iter().all(|slot| !slot["ended_at"].is_null()).then_some(())
        });
        let word = |value: &Value| value.as_str().expect("a text").to_owned();
        let inbox = |path: String| path.strip_prefix("work/inbox/").expect("a path from its root").to_owned();
        self.told().iter().map(|change| (inbox(word(&change["path"])), word(&change["kind"]))).collect()
    }

    fn show(&self) -> String {
        text(&self.world.nexctl(&["trigger", "show", "t"]))
    }
}

/// A home without a model.
fn lone(world: &World, name: &str, runner: Value) -> PathBuf {
    world.home(name, json!({"provider": {"kind": "none"}, "runner": runner, "slots": 8}), "")
}

fn changes(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, kind)| ((*path).to_owned(), (*kind).to_owned())).collect()
}

#[test]
fn what_comes_changes_goes_and_is_moved_is_told_once() {
    let house = House::new(json!({"folder": "work/inbox", "settle_s": 0}));
    let _clerk = house.world.agent(&house.clerk);
    for name in ["kept", "changed", "gone", "from", "replaced"] {
        house.write(name, "one");
    }
    let _runner = house.world.agent(&house.runner);
    house.wait_until_known();
    house.add("t", &[]);
    assert!(house.show().contains("files       watching"), "{}", house.show());

    house.write("changed", "another");
    house.write("new", "one");
    fs::remove_file(house.inbox("gone")).expect("it is there");
    fs::create_dir_all(house.inbox("deep/deeper")).expect("the folder is ours");
    fs::rename(house.inbox("from"), house.inbox("deep/deeper/to")).expect("it is there");
    let aside = house.runner.join("work/aside");
    fs::write(&aside, "from elsewhere").expect("the folder is ours");
    fs::rename(&aside, house.inbox("replaced")).expect("it is there");
    let expected = [
        ("changed", "modified"),
        ("deep/deeper/to", "created"),
        ("from", "removed"),
        ("gone", "removed"),
        ("new", "created"),
        ("replaced", "modified"),
    ];
    assert_eq!(house.wait_for(expected.len()), changes(&expected));
    let cause = house.world.slots("t")[0]["cause"].clone();
    assert!(cause["files"].is_string(), "{cause}");
}

#[test]
fn each_change_is_told_once_over_kills_of_the_agent_and_the_broker() {
    let mut house = House::new(json!({"folder": "work/inbox", "settle_s": 0}));
    let _clerk = house.world.agent(&house.clerk);
    let mut runner = house.world.agent(&house.runner);
    house.wait_until_known();
    house.add("t", &[]);
    let mut expected: Vec<(&str, &str)> = Vec::new();

    // While no agent runs.
    runner.kill();
    house.write("a", "one");
    house.write("b", "one");
    fs::remove_file(house.inbox("b")).expect("it is there");
    runner = house.world.agent(&house.runner);
    expected.push(("a", "created"));
    assert_eq!(house.wait_for(expected.len()), changes(&expected));

    // While no broker runs; the agent is killed with its report on its way.
    house.world.kill_broker();
    house.write("c", "one");
    house.wait_until_pending();
    let on_its_way = fs::read(house.state()).expect("it is there");
    runner.kill();
    house.world.start_broker();
    runner = house.world.agent(&house.runner);
    expected.push(("c", "created"));
    assert_eq!(house.wait_for(expected.len()), changes(&expected));
    wait_until("the end of the report", || {
        fs::read_to_string(house.state()).ok().filter(|text| !text.contains("\"pending\""))
    });

    // As if it had been killed before it wrote down that the broker has it.
    runner.kill();
    fs::write(house.state(), on_its_way).expect("the folder is ours");
    house.world.restart_broker();
    house.write("d", "one");
    runner = house.world.agent(&house.runner);
    expected.push(("d", "created"));
    assert_eq!(house.wait_for(expected.len()), changes(&expected));

    // Wherever they are.
    for (at, name) in ["e", "f", "g", "h"].into_iter().enumerate() {
        house.write(name, "one");
        if at % 2 == 0 {
            runner.kill();
            house.world.restart_broker();
        } else {
            house.world.restart_broker();
            runner.kill();
        }
        runner = house.world.agent(&house.runner);
        expected.push((name, "created"));
    }
    assert_eq!(house.wait_for(expected.len()), changes(&expected));
    drop::<Process>(runner);
}

#[test]
fn the_names_of_files_are_data_and_what_does_not_count_is_not_told() {
    let house = House::new(json!({"folder": "work/inbox", "pattern": "**/*.csv", "settle_s": 0}));
    let _clerk = house.world.agent(&house.clerk);
    let _runner = house.world.agent(&house.runner);
    house.wait_until_known();
    house.add("t", &["--changes", "created"]);
    let long = format!("{}.csv", "x".repeat(251));
    let names = ["new\nline.csv", "{{ payload.more }}.csv", "`$(touch pwned)`'\".csv", "-rf.csv", &long];
    for name in names {
        house.write(name, "one");
    }
    house.write(OsStr::from_bytes(b"\xff\xfe.csv"), "one");
    for name in ["a.txt", ".hidden.csv"] {
        house.write(name, "one");
    }
    std::os::unix::fs::symlink("/etc/passwd", house.inbox("link.csv")).expect("linked");
    let told = house.wait_for(names.len() + 1);
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.push("\u{fffd}\u{fffd}.csv".to_owned());
    let mut paths: Vec<String> = told.into_iter().map(|(path, _)| path).collect();
    expected.sort();
    paths.sort();
    assert_eq!(paths, expected);
    let exact = house.told().iter().find_map(|change| change["bytes"].as_str().map(str::to_owned));
    assert_eq!(exact.as_deref(), Some("776f726b2f696e626f782ffffe2e637376"), "work/inbox/, then the name");
    // What is removed is not waited for, what is there under a name that counts is.
    fs::remove_file(house.inbox("-rf.csv")).expect("it is there");
    house.write("last.csv", "one");
    assert_eq!(house.wait_for(names.len() + 2).len(), names.len() + 2);
    assert!(!house.inbox("pwned").exists() && !house.clerk.join("work/pwned").exists());
}

#[test]
fn whether_somebody_looks_is_said() {
    let house = House::new(json!({"folder": "work/inbox", "settle_s": 1}));
    let _clerk = house.world.agent(&house.clerk);
    let added = house.add("t", &[]);
    assert!(added.contains("t is active"), "{added}");
    assert!(house.show().contains("files       away"), "{}", house.show());
    let mut runner = house.world.agent(&house.runner);
    wait_until("a look", || house.show().contains("files       watching").then_some(()));
    house.wait_until_known();

    // The folder goes, and another one takes its place.
    fs::rename(house.inbox(""), house.runner.join("work/old")).expect("it is there");
    wait_until("the failure", || house.show().contains("files       failing").then_some(()));
    let alerts = house.world.nexctl_json(&["get", "alerts"]);
    assert_eq!(alerts["alerts"][0]["key"], "watch_failing/runner/inbox", "{alerts}");
    assert_eq!(house.world.slots("t"), Vec::<Value>::new(), "files that are not seen are not gone");
    fs::rename(house.runner.join("work/old"), house.inbox("")).expect("it is there");
    wait_until("the end of it", || house.show().contains("files       watching").then_some(()));
    house.write("a", "one");
    assert_eq!(house.wait_for(1), changes(&[("a", "created")]));

    // Settings that change count at once: another watch takes its place, and what it sees is not told.
    let settings = fs::read_to_string(house.runner.join("aspect.json")).expect("there");
    fs::write(house.runner.join("aspect.json"), settings.replace("\"inbox\"", "\"outbox\"")).expect("ours");
    wait_until("the other watch", || house.show().contains("files       not offered").then_some(()));
    let shown = house.show();
    assert!(shown.contains("runner has no watch inbox (outbox)"), "{shown}");
    house.write("b", "one");
    fs::write(house.runner.join("aspect.json"), settings).expect("ours");
    wait_until("the watch", || house.show().contains("files       watching").then_some(()));
    house.wait_until_known();
    house.write("c", "one");
    assert_eq!(house.wait_for(2), changes(&[("a", "created"), ("c", "created")]), "it has begun anew");

    runner.signal("TERM");
    runner.wait();
    wait_until("the agent is gone", || house.show().contains("files       away").then_some(()));
}

#[test]
fn looking_goes_on_while_no_broker_hears_how_it_stands() {
    let mut house = House::new(json!({"folder": "work/inbox", "settle_s": 1}));
    let _clerk = house.world.agent(&house.clerk);
    house.add("t", &[]);
    let runner = house.world.agent(&house.runner);
    house.wait_until_known();
    house.world.kill_broker();
    runner.wait_for_text("no link to the broker");
    fs::rename(house.inbox(""), house.runner.join("work/old")).expect("it is there");
    runner.wait_for_text("its files are not seen");
    fs::rename(house.runner.join("work/old"), house.inbox("")).expect("it is there");
    runner.wait_for_text("its files are seen again");
    house.write("a", "one");
    house.wait_until_pending();
    house.world.start_broker();
    assert_eq!(house.wait_for(1), changes(&[("a", "created")]));
}
