use clap::CommandFactory;

use super::*;
use crate::config::SETTINGS;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn flags_name_settings_that_exist() {
    let Ok(Cli { command: Action::Serve(serve), .. }) = Cli::try_parse_from(
        ["nexus", "serve", "--listen", "[::1]:0", "--tls", "--data", "x", "--spawn", "/a", "--spawn", "/b"]
            .into_iter()
            .chain(["--agent-bin", "/c/agent"]),
    ) else {
        panic!("serve is a command");
    };
    let flags = serve.flags().unwrap();
    let expected = [
        ("listen", "[::1]:0"),
        ("tls.always", "true"),
        ("spawn.homes", "/a,/b"),
        ("spawn.agent_bin", "/c/agent"),
    ];
    assert_eq!(flags, expected.map(|(key, value)| (key, value.to_owned())));
    for (key, _) in flags {
        assert!(SETTINGS.iter().any(|setting| setting.key == key), "{key}");
    }
}

#[test]
fn names_are_checked_before_anything_happens() {
    for (name, accepted) in [("wren", true), ("Wren", false), ("operator", false), ("", false)] {
        let parsed = Cli::try_parse_from(["nexus", "aspect", "add", name, "--home", "x"]);
        assert_eq!(parsed.is_ok(), accepted, "{name:?}");
    }
}

#[tokio::test]
async fn a_home_of_another_aspect_gets_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let (data, home) = (dir.path().join("data"), dir.path().join("robin"));
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("aspect.json"), r#"{"name": "robin", "role": "worker"}"#).unwrap();
    let config = || Config::load(&data, &[("listen", "127.0.0.1:0".into())], |_| None).unwrap().0;
    let add = |name: &str| aspect::Aspect::Add {
        name: name.parse().unwrap(),
        home: home.clone(),
        role: aspect::Role::Worker,
        share_knowledge: false,
        url: None,
        force: false,
    };
    let refused = aspect::run(add("wren"), config()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is the home of robin, as its aspect.json says, and not of wren; correct the name, or --home",
            home.display()
        )
    );
    assert!(!data.exists(), "nothing is made before the command line is known to be good");
    aspect::run(add("robin"), config()).await.unwrap();
    assert!(nexus_client::KeyFile::path_in(&home).exists());
}

#[tokio::test]
async fn what_the_broker_refuses_reads_as_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = || Config::load(&data, &[("listen", "127.0.0.1:0".into())], |_| None).unwrap().0;
    let revoke = || operator::Operator::Revoke { name: "ana".parse().unwrap() };
    let alone = operator::run(revoke(), config()).await.unwrap_err();
    let running = crate::serve::Running::start(config()).await.unwrap();
    let through = operator::run(revoke(), config()).await.unwrap_err();
    running.stop().await.unwrap();
    assert_eq!(
        (alone.to_string(), through.to_string()),
        ("there is no operator ana".into(), "there is no operator ana".into())
    );
}

#[tokio::test]
async fn an_aspect_is_let_in_without_a_broker_and_through_one() {
    let dir = tempfile::tempdir().unwrap();
    let (data, home) = (dir.path().join("data"), dir.path().join("wren"));
    std::fs::create_dir(&home).unwrap();
    let config = || Config::load(&data, &[("listen", "127.0.0.1:0".into())], |_| None).unwrap().0;
    let add = || aspect::Aspect::Add {
        name: "wren".parse().unwrap(),
        home: home.clone(),
        role: aspect::Role::Worker,
        share_knowledge: true,
        url: None,
        force: false,
    };
    let keyfile = || nexus_client::KeyFile::load(&nexus_client::KeyFile::path_in(&home)).unwrap();
    aspect::run(add(), config()).await.unwrap();
    let first = keyfile();

    let running = crate::serve::Running::start(config()).await.unwrap();
    aspect::run(add(), config()).await.unwrap();
    let second = keyfile();
    assert_eq!(first.public_key, second.public_key, "a good key stays");
    assert_eq!(second.url, running.url(), "its address is brought up to date");
    let rotate = aspect::Aspect::Rotate {
        name: "wren".parse().unwrap(),
        home: home.clone(),
        overlap: std::time::Duration::ZERO,
        url: None,
    };
    aspect::run(rotate, config()).await.unwrap();
    let third = keyfile();
    assert_ne!(second.public_key, third.public_key);
    let (old, new) = (second.public_key.clone(), third.public_key.clone());
    let keys = running.edge.ask(|hub| {
        hub.roster().aspects().map(|it| (it.key_generation, it.share_knowledge)).collect::<Vec<_>>()
    });
    assert_eq!(keys.await.unwrap(), [(2, true)]);
    assert_ne!(old, new);
    let token = nexus_client::Broker::of_keyfile(third).unwrap().bearer().await;
    assert!(token.is_ok(), "{token:?}");
    assert!(
        nexus_client::Broker::of_keyfile(second).unwrap().bearer().await.is_err(),
        "the old key is good no more"
    );

    // The file's token is replaced through the broker, and the new one works.
    token::run(token::new_token(), config()).await.unwrap();
    operator::run(operator::Operator::List, config()).await.unwrap();
    running.stop().await.unwrap();
    operator::run(operator::Operator::List, config()).await.unwrap();
    assert!(!data.join("nexus.db-wal").exists(), "a stop leaves one file");
}

/// Commands and arguments that do not explain themselves.
fn unexplained(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    let path = format!("{path} {}", command.get_name());
    if command.get_about().is_none() && command.get_long_about().is_none() {
        found.push(path.clone());
    }
    for argument in command.get_arguments() {
        let is_said = argument.get_help().is_some() || argument.get_long_help().is_some();
        if !is_said && !["help", "version"].contains(&argument.get_id().as_str()) {
            found.push(format!("{path} {}", argument.get_id()));
        }
    }
    for command in command.get_subcommands().filter(|it| it.get_name() != "help") {
        unexplained(command, &path, found);
    }
}

#[test]
fn every_command_and_argument_explains_itself() {
    let mut found = Vec::new();
    unexplained(&Cli::command(), "", &mut found);
    assert_eq!(found, [""; 0]);
}
