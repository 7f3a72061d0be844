use std::io::Write;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn with_file(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::File::create(dir.path().join("nexus.toml")).unwrap().write_all(text.as_bytes()).unwrap();
    dir
}

#[test]
fn the_later_source_wins_and_is_named() {
    let dir = with_file(
        "links_max = 10\nallowed_hosts = [\"A.example\", \"b\"]\n[hands]\nsoft_cap = 0x5\nlease_s = 40\n",
    );
    let env = |name: &str| (name == "NEXUS_HANDS_LEASE_S").then(|| "50".to_owned());
    let (config, effective) = Config::load(dir.path(), &[("links_max", "12".into())], env).unwrap();
    assert_eq!((config.links_max, config.hub.soft_cap, config.hub.lease_ms), (12, 5, 50_000));
    assert_eq!(config.allowed_hosts, ["a.example", "b"]);
    let sources: Vec<String> =
        effective.rows().map(|(key, value, source)| format!("{key}={value} {source}")).collect();
    let file = dir.path().join("nexus.toml");
    assert!(sources.contains(&"links_max=12 command line".to_owned()), "{sources:?}");
    assert!(sources.contains(&"hands.lease_s=50 NEXUS_HANDS_LEASE_S".to_owned()), "{sources:?}");
    assert!(sources.contains(&format!("hands.soft_cap=5 {}:4", file.display())), "{sources:?}");
    assert!(sources.contains(&"listen=127.0.0.1:7888 default".to_owned()), "{sources:?}");
}

#[test]
fn an_expected_roster_is_a_list_of_names() {
    let dir = with_file(
        "expected_roster = [\"wren\", \"keel\", \"wren\"]\nexpected_grace_s = 5\n[presence]\nstalled_s = 2\ndeaf_s = 3\n",
    );
    let (config, _) = Config::load(dir.path(), &[], none).unwrap();
    let names: Vec<&str> = config.hub.expected.iter().map(|name| name.as_str()).collect();
    assert_eq!((names, config.hub.expected_grace_ms), (vec!["keel", "wren"], 5_000));
    assert_eq!(config.patience, Patience { stalled_ms: 2_000, deaf_ms: 3_000 });
    let dir = with_file("expected_roster = [\"Wren\"]\n");
    let error = Config::load(dir.path(), &[], none).unwrap_err().to_string();
    assert!(error.contains(":1: expected_roster = \"Wren\": expected names of aspects"), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "unknown key",
            "\nlisten_on = \"x\"",
            ":2: there is no setting \"listen_on\"; did you mean \"listen\"?",
        ),
        (
            "unknown in table",
            "[hands]\nsoftcap = 3",
            ":2: there is no setting \"hands.softcap\"; did you mean \"hands.soft_cap\"?",
        ),
        (
            "leaf without its table",
            "soft_cap = 3",
            ":1: there is no setting \"soft_cap\"; did you mean \"hands.soft_cap\"?",
        ),
        ("unknown table", "[hand]\nsoft_cap = 3", ":1: there is no setting \"hand\"; did you mean \"hands"),
        ("syntax", "listen = \n", ":1: "),
        ("twice", "links_max = 1\nlinks_max = 2", ":2: duplicate key"),
        ("table for a value", "[listen]\nport = 1", ":1: listen takes a text"),
        ("address", "listen = \"localhost\"", ":1: listen = \"localhost\": expected an address and a port"),
        (
            "range",
            "[hands]\nsoft_cap = 0",
            ":2: hands.soft_cap = \"0\": expected a whole number from 1 to 10000",
        ),
        ("bool", "[tls]\nalways = 1", ":2: tls.always = \"1\": expected true or false"),
        ("synchronous", "[storage]\nsynchronous = \"normal\"", "expected full or off"),
        ("url with path", "public_url = \"https://a/b\"", "expected a URL without a path"),
        ("host with port", "allowed_hosts = [\"a:1\"]", "expected host names without scheme or port"),
        ("default above max", "[hands]\ndeadline_max_s = 5\ndeadline_default_s = 9", "from 1 to 5"),
    ];
    for (name, text, message) in cases {
        let dir = with_file(text);
        let error = Config::load(dir.path(), &[], none).unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
        assert!(error.starts_with(&dir.path().join("nexus.toml").display().to_string()), "{name}: {error}");
    }
    let env = |name: &str| (name == "NEXUS_LINKS_MAX").then(|| "many".to_owned());
    let error = Config::load(tempfile::tempdir().unwrap().path(), &[], env).unwrap_err().to_string();
    assert_eq!(error, "NEXUS_LINKS_MAX: links_max = \"many\": expected a whole number from 1 to 16384");
}

#[test]
fn plain_is_for_loopback_only() {
    let cases: &[(&str, &str, bool)] = &[
        ("127.0.0.1:1", "false", false),
        ("[::1]:1", "false", false),
        ("127.0.0.1:1", "true", true),
        ("0.0.0.0:1", "false", true),
        ("10.0.0.7:1", "false", true),
        ("[::]:1", "false", true),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (listen, always, tls) in cases {
        let flags = [("listen", (*listen).to_owned()), ("tls.always", (*always).to_owned())];
        let (config, _) = Config::load(dir.path(), &flags, none).unwrap();
        assert_eq!(config.tls, *tls, "{listen} {always}");
    }
}

#[test]
fn what_weakens_the_promise_is_warned_of() {
    let dir = with_file("[hands]\nlease_s = 5");
    let (config, _) = Config::load(dir.path(), &[], none).unwrap();
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("hands.lease_s"));
}

#[test]
fn an_embedder_has_a_model_and_a_key_that_is_there() {
    let env = |name: &str| (name == "KEY").then(|| " canary-3f9c \n".to_owned());
    let load = |text: &str| Config::load(with_file(text).path(), &[], env).map(|(config, _)| config.embedder);
    assert_eq!(load(""), Ok(None));
    let whole =
        "[embedder]\nbase_url = \"https://api.example/v1/\"\nmodel = \"small\"\napi_key_env = \"KEY\"\n";
    let settings = EmbedderSettings {
        base_url: "https://api.example/v1".into(),
        model: "small".into(),
        key: Some("canary-3f9c".into()),
    };
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(load(whole), Ok(Some(settings)));
    let here = "[embedder]\nbase_url = \"http://[::1]:11434/v1\"\nmodel = \"small\"\n";
    assert!(load(here).is_ok_and(|it| it.is_some()));
    for (text, message) in [
        (
            whole.replace("KEY", "OTHER"),
            "embedder.api_key_env = \"OTHER\": expected the name of an environment",
        ),
        (whole.replace("https", "http"), "expected https://"),
        (whole.replace("https", "ftp"), "expected an address such as"),
        (whole.replace("api.", "ana:pw@api."), "expected an address such as"),
        (whole.replace("small", ""), "embedder.model = \"\": expected the name of a model"),
    ] {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(message) && !error.contains("canary"), "{text}: {error}");
    }
}

#[test]
fn servers_that_may_be_pushed_to_have_a_port() {
    let load = |text: &str| Config::load(with_file(text).path(), &[], none).map(|(config, _)| config.push);
    let push = load("[push]\nallow = [\"10.0.0.7:8443\", \"hook.test:80\"]\ntries = 3\n");
    let allow = ["10.0.0.7:8443", "hook.test:80"].map(str::to_owned).to_vec();
    assert_eq!(push, Ok(PushSettings { allow, tries: 3 }));
    let error = load("[push]\nallow = [\"10.0.0.7\"]\n").unwrap_err().to_string();
    assert!(error.contains("expected servers as host:port"), "{error}");
}

#[test]
fn a_tenant_has_what_is_shared_from_its_broker_and_the_rest_for_itself() {
    let broker = with_file(
        "listen = \"127.0.0.1:9\"\nlinks_max = 10\npublic_url = \"https://nexus.example\"\nallowed_hosts = [\"b\"]\n",
    );
    std::fs::write(broker.path().join("identity.json"), "").unwrap();
    let acme = broker.path().join("tenants/acme");
    std::fs::create_dir_all(&acme).unwrap();
    std::fs::write(acme.join("nexus.toml"), "[hands]\nsoft_cap = 5\n").unwrap();
    let env = |name: &str| (name == "NEXUS_LINKS_MAX").then(|| "11".to_owned());
    let (config, effective) = Config::load(&acme, &[("hands.soft_cap", "7".into())], env).unwrap();
    assert_eq!((config.listen.port(), config.tls, &config.allowed_hosts), (9, false, &Vec::new()));
    assert_eq!(config.public_url.as_deref(), Some("https://acme.nexus.example"));
    assert_eq!(config.own_hosts(), ["acme.nexus.example"]);
    // The environment and the command line are the broker's.
    assert_eq!((config.links_max, config.hub.soft_cap), (16_384, 5));
    let tenancy = config.tenancy.unwrap();
    assert_eq!(
        (tenancy.name.to_string(), tenancy.broker),
        ("acme".into(), broker.path().canonicalize().unwrap())
    );
    let shared: Vec<&str> =
        effective.rows().filter(|it| matches!(it.2, Source::Broker(_))).map(|it| it.0).collect();
    assert_eq!(shared.len(), BROKERS.len() + 1, "and public_url, as it has none of its own");
    assert!(BROKERS.iter().all(|key| shared.contains(key)), "{shared:?}");
    for key in BROKERS {
        let line = format!(
            "{key} = {}\n",
            if key.starts_with("tls") || key.starts_with("links") { "true" } else { "\"\"" }
        );
        std::fs::write(acme.join("nexus.toml"), line).unwrap();
        let error = Config::load(&acme, &[], none).unwrap_err().to_string();
        assert!(error.contains(&format!(":1: {key} is for the broker of all tenants to say")), "{error}");
    }
    let own = "public_url = \"https://Acme.example:8443/\"\nallowed_hosts = [\"www.acme.example\", \"acme.example\"]\n";
    std::fs::write(acme.join("nexus.toml"), own).unwrap();
    let (config, _) = Config::load(&acme, &[], none).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://acme.example:8443"));
    assert_eq!(config.own_hosts(), ["acme.example", "www.acme.example"]);
    for line in ["public_url = \"https://[::1]:1\"", "allowed_hosts = [\"a.example\", \"10.0.0.7\"]"] {
        std::fs::write(acme.join("nexus.toml"), line).unwrap();
        let error = Config::load(&acme, &[], none).unwrap_err().to_string();
        assert!(error.contains("nexus.toml:1") && error.contains("the broker's own"), "{error}");
    }
}
