//! The main story over TLS, on an address that is not loopback: in a network namespace of the test's own.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::{Value, json};

const INSIDE: &str = "NEXUS_TEST_IN_NAMESPACE";

/// Runs `body` in a namespace with 10.77.0.1 and 10.77.0.2; the test's binary calls itself for that.
fn in_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let set_up = "ip link set lo up && ip addr add 10.77.0.1/32 dev lo && ip addr add 10.77.0.2/32 dev lo";
    let out = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg(format!(r#"{set_up} && exec "$0" --exact "$1" --nocapture"#))
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(test)
        .env(INSIDE, "1")
        // Its own group, so that a Ctrl-C of the test run reaches it as well.
        .process_group(0)
        .output()
        .expect("util-linux has unshare");
    assert!(out.status.success(), "{}", text(&out));
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "{}", text(&out));
}

const ASKER: &str = r#"
[[rule]]
match = "check"
[[rule.step]]
name = "verdict"
call = "dispatch_hand"
args = { hand = "checker/verify", input = {} }
[[rule.step]]
say = "The checker says: {{ verdict.json.output }}"
"#;

const CHECKER: &str = "[[rule]]\nhand = \"verify\"\n[[rule.step]]\nsay = \"it holds\"\n";

#[test]
fn the_story_is_told_over_tls_on_an_address_that_is_not_loopback() {
    in_namespace("tls::the_story_is_told_over_tls_on_an_address_that_is_not_loopback", || {
        let mut world = World::asleep().listen("10.77.0.1:7888");
        world.start_broker();
        assert_eq!(world.url(), "https://10.77.0.1:7888", "any address but loopback is TLS");
        let asker = world.home("asker", json!({"tools": ["dispatch_hand"]}), ASKER);
        let checker = world.home("checker", json!({"hands": [{"name": "verify"}]}), CHECKER);
        let agents = [world.agent(&asker), world.agent(&checker)];
        let out = world.nexctl(&["ask", "asker", "check it"]);
        assert!(text(&out).contains("The checker says: it holds"), "{}", text(&out));

        // Plain HTTP is not spoken to such an address, and not listened to.
        let plain = world.nexctl(&["--url", "http://10.77.0.1:7888", "get", "aspects"]);
        assert!(!plain.status.success(), "{}", text(&plain));
        assert!(text(&plain).contains("https"), "says what to do: {}", text(&plain));

        // Another authority's certificate is refused by name.
        let other = World::new();
        let ca = other.data().join("ca.pem").display().to_string();
        let wrong = world.nexctl(&["--ca", &ca, "get", "aspects"]);
        assert!(!wrong.status.success(), "{}", text(&wrong));
        assert!(text(&wrong).to_lowercase().contains("certificate"), "says what is wrong: {}", text(&wrong));

        // The host moves: the same CA and the same name are good at the new address.
        drop(agents);
        world.kill_broker();
        let mut world = world.listen("10.77.0.2:7888");
        world.start_broker();
        for home in [&asker, &checker] {
            let path = home.join(".nexus/key.json");
            let mut key: Value = serde_json::from_slice(&std::fs::read(&path).expect("a key")).expect("JSON");
            key["url"] = json!("https://10.77.0.2:7888");
            std::fs::write(&path, key.to_string()).expect("the folder is ours");
        }
        let _agents = [world.agent(&asker), world.agent(&checker)];
        let out = world.nexctl(&["ask", "asker", "check it again"]);
        assert!(text(&out).contains("The checker says: it holds"), "{}", text(&out));
    });
}

#[test]
fn tls_can_be_asked_for_on_loopback() {
    let mut world = World::asleep().flag("--tls");
    world.start_broker();
    assert!(world.url().starts_with("https://127.0.0.1:"), "{}", world.url());
    let checker = world.home("checker", json!({}), "[[rule]]\n[[rule.step]]\nsay = \"heard\"\n");
    let _agent = world.agent(&checker);
    let out = world.nexctl(&["ask", "checker", "hello"]);
    assert!(text(&out).contains("heard"), "{}", text(&out));
}
