use serde_json::json;

use super::*;

fn resolve(config: serde_json::Value) -> Result<ProviderSettings, SettingsError> {
    let config: ProviderConfig = serde_json::from_value(config).expect("a provider object");
    config.resolve(|name| match name {
        "ANTHROPIC_API_KEY" => Some("sk-ant-vendor".to_owned()),
        "LOCAL_KEY" => Some(" local \n".to_owned()),
        "BROKEN" => Some("two words".to_owned()),
        _ => None,
    })
}

#[test]
fn one_line_is_enough_for_each_kind() {
    let anthropic = resolve(json!({"kind": "anthropic", "model": "claude-sonnet-5-5"}));
    assert_eq!(
        anthropic,
        Ok(ProviderSettings {
            credential: None,
            command: None,
            kind: ProviderKind::Anthropic,
            model: "claude-sonnet-5-5".to_owned(),
            base_url: "https://api.anthropic.com".to_owned(),
            api_key: Some(Secret::new("sk-ant-vendor")),
            context_window: 200_000,
            max_tokens: MAX_TOKENS_DEFAULT,
            stall_timeout: STALL_TIMEOUT_DEFAULT,
            extra: Map::new(),
            price: None,
            quirks: OpenaiQuirks::default(),
            thinking: None,
        })
    );
    let ollama = resolve(json!({"kind": "ollama", "model": "qwen3:8b"})).expect("a local server has no key");
    assert_eq!((ollama.base_url.as_str(), ollama.api_key), ("http://127.0.0.1:11434", None));
    let command =
        json!({"kind": "command", "command": {"run": ["/opt/bin/a-mind", "--quiet"], "env": ["LOCAL_KEY"]}});
    let command = resolve(command).expect("a program");
    assert_eq!((command.model.as_str(), command.stall_timeout.as_secs()), ("a-mind", 600));
    let env = command.command.expect("is set").env;
    assert_eq!(env, [("LOCAL_KEY".to_owned(), Secret::new(" local \n"))]);
    let scripted = resolve(json!({"kind": "scripted"})).expect("needs nothing");
    assert_eq!((scripted.model.as_str(), scripted.api_key), ("scripted", None));
}

#[test]
fn a_server_of_ones_own_needs_no_key_and_is_not_given_the_vendors() {
    let local = resolve(json!({"kind": "anthropic", "model": "m", "base_url": "http://127.0.0.1:8080/"}));
    let local = local.expect("no key needed");
    assert_eq!((local.base_url.as_str(), local.api_key), ("http://127.0.0.1:8080", None));

    let named =
        json!({"kind": "openai", "model": "m", "base_url": "http://h/v1", "api_key_env": "LOCAL_KEY"});
    assert_eq!(resolve(named).expect("the key is set").api_key, Some(Secret::new("local")));
}

#[test]
fn each_fault_names_its_field() {
    let cases: &[(&str, serde_json::Value, &str)] = &[
        ("no model", json!({"kind": "openai"}), "provider.model is missing"),
        ("no key", json!({"kind": "openai", "model": "m"}), "OPENAI_API_KEY is not set"),
        (
            "key with a space",
            json!({"kind": "openai", "model": "m", "api_key_env": "BROKEN"}),
            "no key can have",
        ),
        ("not a url", json!({"kind": "openai", "model": "m", "base_url": "localhost"}), "not an http://"),
        ("file url", json!({"kind": "openai", "model": "m", "base_url": "file:///x"}), "its scheme is file"),
        (
            "password",
            json!({"kind": "openai", "model": "m", "base_url": "http://u:hunter2@h/v1"}),
            "h is not an http:// or https:// address (it has a user",
        ),
        ("no tokens", json!({"kind": "scripted", "max_tokens": 0}), "provider.max_tokens must be greater"),
        ("reserved", json!({"kind": "scripted", "extra": {"messages": []}}), "provider.extra.messages"),
        ("price", json!({"kind": "scripted", "price": {"input": 1, "output": 1}}), "provider.price"),
        ("no command", json!({"kind": "command"}), "provider.command.run is missing"),
        (
            "a variable that is not set",
            json!({"kind": "command", "command": {"run": ["x"], "env": ["UNSET"]}}),
            "provider.command.env: the variable UNSET is not set",
        ),
        (
            "a command with an address",
            json!({"kind": "command", "command": {"run": ["x"]}, "base_url": "http://h"}),
            "provider.base_url has no meaning",
        ),
        (
            "a command elsewhere",
            json!({"kind": "scripted", "command": {"run": ["x"]}}),
            "provider.command has no",
        ),
        ("thinking", json!({"kind": "scripted", "thinking": "low"}), "provider.thinking has no meaning"),
        (
            "thinking twice",
            json!({"kind": "openai", "model": "m", "thinking": "low", "extra": {"reasoning_effort": "low"}}),
            "provider.extra.reasoning_effort is set by provider.thinking",
        ),
        ("quirks", json!({"kind": "scripted", "quirks": {"stream_usage": false}}), "provider.quirks"),
    ];
    for (name, config, expected) in cases {
        let error = resolve(config.clone()).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains("hunter2"), "{name}: {error}");
    }
}

#[test]
fn a_key_has_no_printed_form() {
    let settings = resolve(json!({"kind": "anthropic", "model": "m"})).expect("valid");
    assert!(!format!("{settings:?}").contains("sk-ant"));
}
