//! How tenants are made, served, kept apart from each other's faults, and taken away.

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::house::{Answer, Nexus, agent, bearer, nexus, nexus_raw};

fn list(world: &World) -> Vec<Value> {
    let out = nexus_raw(world, &["tenant", "list", "-o", "json"]);
    assert!(out.status.success(), "{}", text(&out));
    serde_json::from_slice(&out.stdout).expect("a list")
}

fn states(world: &World) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    list(world).iter().map(|it| (word(&it["name"]), word(&it["state"]))).collect()
}

fn status(at: &Nexus) -> u16 {
    at.ask(&bearer(&at.token()), "GET", "/api/v1/aspects", "").status
}

/// The tenants that the people of the broker's own Nexus are told of.
fn down(world: &World) -> Vec<String> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let alerts = page["alerts"].as_array().expect("a list").iter();
    let keys = alerts.filter_map(|alert| alert["key"].as_str()?.strip_prefix("tenant_down/"));
    let mut names: Vec<String> = keys.map(str::to_owned).collect();
    names.sort();
    names
}

fn ask_robin(world: &World, at: &Nexus) -> String {
    let mut command = world.command("nexctl");
    command.args(["ask", "robin", "hello"]).env("NEXUS_URL", at.url()).env("NEXUS_TOKEN", at.token());
    text(&command.output().expect("nexctl runs"))
}

#[test]
fn a_tenant_is_served_as_soon_as_it_is_made_and_after_any_end() {
    let mut world = World::new();
    let (acme, shown) = Nexus::add(&world, "acme");
    assert!(shown.contains("The broker serves it by now"), "{shown}");
    let (beta, _) = Nexus::add(&world, "beta");
    let token =
        shown.split("#setup=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a link");
    let set_up =
        json!({"setup_token": token, "name": "ana", "password": "correct horse battery"}).to_string();
    assert_eq!(beta.ask("", "POST", "/api/v1/setup", &set_up).status, 401, "a link is one Nexus's");
    assert!(acme.ask("", "POST", "/api/v1/setup", &set_up).status < 300);

    // Agents and programs find the way by the name alone.
    let homes = [acme.home(&world, "robin"), beta.home(&world, "robin")];
    let agents = homes.each_ref().map(|home| agent(&world, home));
    for at in [&acme, &beta] {
        let said = ask_robin(&world, at);
        assert!(said.contains("heard"), "{said}");
    }
    let rows = list(&world);
    let row =
        |it: &Value| (it["name"].clone(), it["state"].clone(), it["people"].clone(), it["aspects"].clone());
    assert_eq!(
        rows.iter().map(row).collect::<Vec<_>>(),
        [
            (json!("acme"), json!("served"), json!(2), json!(1)),
            (json!("beta"), json!("served"), json!(1), json!(1)),
        ]
    );
    assert_eq!(rows[0]["url"], json!(acme.url()));
    let table = nexus(&world, &["tenant", "list"]);
    assert!(table.contains("acme  served") && table.contains("$0.00"), "{table}");

    world.restart_broker();
    world.broker().wait_for_text("tenants    acme, beta");
    assert_eq!([status(&acme), status(&beta), status(&Nexus::own(&world))], [200, 200, 200]);
    for at in [&acme, &beta] {
        let said = ask_robin(&world, at);
        assert!(said.contains("heard"), "after kill -9: {said}");
    }
    drop(agents);
    world.broker().signal("TERM");
    assert!(world.broker_mut().wait().success());
    let left: Vec<_> = [&acme, &beta].map(|it| it.data.join("nexus.db-wal").exists()).into();
    assert_eq!(left, [false, false], "each database is whole in one file");
    assert_eq!(
        states(&world),
        [("acme", "not_served"), ("beta", "not_served")].map(|it| (it.0.to_owned(), it.1.to_owned()))
    );
}

#[test]
fn what_is_wrong_with_one_is_its_own() {
    let mut world = World::new();
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    world.kill_broker();
    std::fs::write(beta.data.join("nexus.db"), "no database, but long enough to be looked at").expect("ours");
    let _ = std::fs::remove_file(beta.data.join("nexus.db-wal"));
    let settings = acme.data.join("nexus.toml");
    std::fs::write(&settings, "links_max = 3\nlisten = \"0.0.0.0:1\"\n").expect("ours");
    world.start_broker();
    assert_eq!([status(&acme), status(&beta), status(&Nexus::own(&world))], [503, 503, 200]);
    assert_eq!(down(&world), ["acme", "beta"], "people of the broker's own Nexus are told");
    let rows = list(&world);
    let fault = rows[0]["fault"].as_str().expect("a fault");
    assert!(fault.contains("nexus.toml:2: listen is for the broker of all tenants to say"), "{fault}");
    assert!(rows[1]["fault"].as_str().is_some_and(|fault| fault.contains("nexus.db")), "{rows:?}");
    world.broker().wait_for_text("the tenant beta is not served");
    let doctor = nexus_raw(&world, &["doctor"]);
    assert!(!doctor.status.success() && text(&doctor).contains("beta is not served"), "{}", text(&doctor));
    // Put right, it is served by itself.
    std::fs::write(&settings, "links_max = 3\n").expect("ours");
    wait_until("acme to be served", || (status(&acme) == 200).then_some(()));
    assert_eq!(status(&beta), 503);
    wait_until("the alert to be over", || (down(&world) == ["beta"]).then_some(()));
    let refused = nexus_raw(&world, &["tenant", "restart", "beta"]);
    assert!(
        !refused.status.success() && text(&refused).contains("beta is not served: "),
        "{}",
        text(&refused)
    );
    // With its settings as they are now, and without a restart of the broker.
    std::fs::write(&settings, "links_max = 3\nallowed_hosts = [\"acme.example\"]\n").expect("ours");
    let by_name = || {
        Answer::to(&acme.address, "acme.example", &bearer(&acme.token()), "GET", "/api/v1/aspects", "").status
    };
    assert_eq!(by_name(), 403);
    let shown = nexus(&world, &["tenant", "restart", "acme"]);
    assert!(shown.contains(&format!("acme was begun anew, and is served at {}", acme.url())), "{shown}");
    assert_eq!(by_name(), 200);
    nexus(&world, &["tenant", "remove", "beta"]);
    wait_until("the alert to be over", || down(&world).is_empty().then_some(()));
    let one_link = nexus(&world, &["config", "show", "--tenant", "acme"]);
    assert!(one_link.contains("the broker of"), "{one_link}");
}

#[test]
fn a_tenant_that_is_removed_is_moved_aside_and_can_come_back() {
    let world = World::new();
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    let again = nexus_raw(&world, &["tenant", "add", "acme"]);
    assert!(
        !again.status.success() && text(&again).contains("there is a tenant acme already"),
        "{}",
        text(&again)
    );
    let refused = nexus_raw(&world, &["tenant", "remove", "acme"]);
    assert!(!refused.status.success() && text(&refused).contains("--force"), "{}", text(&refused));
    assert_eq!(status(&acme), 200);
    let token = acme.token();
    let shown = nexus(&world, &["tenant", "remove", "acme", "--force"]);
    let aside = shown.split(" is in ").nth(1).and_then(|rest| rest.split(':').next()).expect("where it is");
    let gone = || acme.ask(&bearer(&token), "GET", "/api/v1/aspects", "").status;
    wait_until("nobody to be there", || (gone() == 403).then_some(()));
    assert_eq!((status(&beta), list(&world).len()), (200, 1));
    std::fs::rename(aside, &acme.data).expect("it is whole");
    wait_until("acme to be back", || (status(&acme) == 200).then_some(()));
    let unknown = nexus_raw(&world, &["tenant", "remove", "nobody"]);
    assert!(text(&unknown).contains("there is no tenant nobody"), "{}", text(&unknown));
}

#[test]
fn every_verb_works_on_a_tenant() {
    let mut world = World::new();
    let (acme, _) = Nexus::add(&world, "acme");
    acme.admin(
        "POST",
        "/api/v1/knowledge",
        &json!({"topic": "deploys", "content": "Never.", "shared": true}),
    );
    let invited = acme.nexus(&world, &["operator", "invite", "bo", "--role", "viewer"]);
    assert!(invited.contains(&format!("{}/#invite=", acme.url())), "{invited}");
    assert!(acme.nexus(&world, &["operator", "list"]).contains("bo"));
    assert!(!nexus(&world, &["operator", "list"]).contains("bo"), "the broker's own people are others");
    acme.nexus(&world, &["doctor"]);
    acme.nexus(&world, &["verify"]);
    let file = world.dir().join("all.tar").display().to_string();
    let shown = nexus(&world, &["backup", &file]);
    assert!(shown.contains("Its tenants are not in it") && shown.contains("acme"), "{shown}");
    let file = world.dir().join("acme.tar").display().to_string();
    acme.nexus(&world, &["backup", &file, "--with-keys"]);
    let copy = world.data().join("tenants/copy").display().to_string();
    let served = world.run("nexus", &["serve", "--data", &acme.data.display().to_string()]);
    assert!(text(&served).contains("the data directory of the tenant acme"), "{}", text(&served));

    // The same Nexus is not served twice, and comes back under another name when the first is gone.
    let out = world.run("nexus", &["restore", &file, "--data", &copy]);
    assert!(out.status.success(), "{}", text(&out));
    world.broker().wait_for_text("the tenant copy is not served: the tenant acme has the same identity");
    nexus(&world, &["tenant", "remove", "acme", "--force"]);
    world.restart_broker();
    let copy = Nexus::of(&world, "copy");
    let kept = copy.admin("GET", "/api/v1/knowledge/entry?topic=deploys", &Value::Null);
    assert_eq!(kept["content"], json!("Never."), "{kept}");
    assert_eq!(Answer::to(&copy.address, &acme.host, "", "GET", "/api/v1/nexus", "").status, 403);
}

#[test]
fn the_agents_of_a_tenant_run_beside_the_broker_and_reach_their_own() {
    let mut world = World::new();
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    world.kill_broker();
    for nexus in [&acme, &beta] {
        let home = Nexus::bare_home(&nexus.data.join("homes"), "robin");
        assert!(home.is_dir());
        std::fs::write(nexus.data.join("nexus.toml"), "[spawn]\nhomes = [\"homes\"]\n").expect("ours");
    }
    world.start_broker();
    for (nexus, line) in [(&acme, "acme/robin │"), (&beta, "beta/robin │")] {
        world.broker().wait_for_text(line);
        wait_until("robin to be there", || {
            let team = nexus.admin("GET", "/api/v1/aspects", &Value::Null);
            (team["aspects"][0]["state"] == "online").then_some(())
        });
        let said = ask_robin(&world, nexus);
        assert!(said.contains("heard"), "{said}");
    }
    world.broker().signal("TERM");
    assert!(world.broker_mut().wait().success(), "all of them say goodbye");
}

#[test]
fn a_tenant_goes_by_names_of_its_own() {
    let world = World::new();
    let add = |name: &str, flags: &[&str]| nexus(&world, &[&["tenant", "add", name], flags].concat());
    let shown = add("acme", &["--public-url", "https://Acme.example", "--allowed-host", "www.acme.example"]);
    assert!(shown.contains("https://acme.example/#setup=") && shown.contains("serves it by now"), "{shown}");
    let acme = Nexus::of(&world, "acme");
    let under = |host: &str, headers: &str| {
        Answer::to(&acme.address, host, headers, "GET", "/api/v1/aspects", "").status
    };
    let own = bearer(&acme.token());
    for host in ["acme.example", "www.acme.example", "ACME.example:443", &acme.host] {
        assert_eq!(under(host, &own), 200, "{host}");
        assert_eq!(under(host, &bearer(&world.token())), 401, "{host}");
    }
    assert_eq!(under("other.acme.example", &own), 403);
    let from = |origin: &str| under("acme.example", &format!("{own}origin: {origin}\r\n"));
    assert_eq!((from("https://acme.example"), from("https://www.acme.example")), (200, 403));

    // What is sent to somebody leads there: invitations, cards of A2A.
    let invited = acme.nexus(&world, &["operator", "invite", "bo", "--role", "viewer"]);
    assert!(invited.contains("https://acme.example/#invite="), "{invited}");
    let invited = acme.admin("POST", "/api/v1/invitations", &json!({"name": "cy", "role": "viewer"}));
    assert!(
        invited["link"].as_str().is_some_and(|it| it.starts_with("https://acme.example/#invite=")),
        "{invited}"
    );
    acme.home(&world, "robin");
    let card = Answer::to(&acme.address, &acme.host, "", "GET", "/a2a/robin/.well-known/agent-card.json", "");
    assert!(card.body.contains("https://acme.example/a2a/robin"), "{card:?}");

    // No name leads to two, whoever asks for it.
    for (name, flags, why) in [
        ("one", ["--allowed-host", "www.acme.example"], "the tenant acme goes by www.acme.example already"),
        ("two", ["--allowed-host", "localhost"], "it cannot go by localhost, which is the broker's own"),
        (
            "three",
            ["--public-url", "https://one.localhost"],
            "which is for a tenant called one, whether there is one",
        ),
    ] {
        let shown = add(name, &flags);
        assert!(shown.contains("The broker cannot serve it: ") && shown.contains(why), "{shown}");
        assert_eq!(status(&Nexus::of(&world, name)), 503);
        assert!(down(&world).contains(&name.to_owned()));
    }
    assert_eq!(
        (status(&acme), under("www.acme.example", &own), status(&Nexus::own(&world))),
        (200, 200, 200)
    );
    for flags in
        [["--public-url", "https://10.0.0.7"], ["--allowed-host", "127.0.0.1"], ["--public-url", "acme"]]
    {
        let refused = nexus_raw(&world, &[&["tenant", "add", "four"], &flags[..]].concat());
        assert!(!refused.status.success(), "{}", text(&refused));
    }
    assert!(!world.data().join("tenants/four").exists());
    // Put right, it is served.
    std::fs::remove_file(Nexus::of(&world, "one").data.join("nexus.toml")).expect("it is there");
    nexus(&world, &["tenant", "restart", "one"]);
    assert_eq!(status(&Nexus::of(&world, "one")), 200);
}
