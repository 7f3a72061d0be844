use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn context(url: &str, token: &str) -> Context {
    Context { url: url.into(), token: Some(token.into()), token_file: None, ca_file: None, login: None }
}

/// A configuration with two contexts, `up` being the current one.
fn configured() -> (tempfile::TempDir, Env) {
    let folder = tempfile::tempdir().expect("a folder");
    let env = Env { config: Some(folder.path().join("deep").join("config.toml")), ..Env::default() };
    let contexts = BTreeMap::from([
        ("lan".to_owned(), context("https://10.0.0.5:7888", "lan-token")),
        ("up".to_owned(), context("http://127.0.0.1:7888", "up-token")),
    ]);
    let config = Config { current: Some("up".into()), contexts };
    let path = env.config_path().expect("it is set");
    config.save(&path).expect("saved");
    assert_eq!(Config::load(&path).expect("loaded"), config);
    (folder, env)
}

fn chosen(flags: &Reach, env: &Env) -> Result<(String, String), String> {
    Target::choose(flags, env)
        .map(|target| (target.url, target.token.expose().to_owned()))
        .map_err(|failure| failure.to_string())
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_current_context() {
    let (_folder, env) = configured();
    let some = |text: &str| Some(text.to_owned());
    let with_env = Env { url: some("http://127.0.0.1:2"), token: Some("env-token".into()), ..env.clone() };
    let only_token = Env { token: Some("env-token".into()), ..env.clone() };
    let flag_url = Reach { url: some("http://127.0.0.1:1"), ..Reach::default() };
    let both_flags = Reach { token: some("flag-token"), ..flag_url.clone() };
    let named = Reach { context: some("lan"), ..Reach::default() };
    let none = Reach::default();
    let cases = [
        ("current context", &none, &env, "http://127.0.0.1:7888", "up-token"),
        ("environment", &none, &with_env, "http://127.0.0.1:2", "env-token"),
        ("token alone", &none, &only_token, "http://127.0.0.1:7888", "env-token"),
        ("flags", &both_flags, &with_env, "http://127.0.0.1:1", "flag-token"),
        ("flag and environment", &flag_url, &only_token, "http://127.0.0.1:1", "env-token"),
        ("named context", &named, &with_env, "https://10.0.0.5:7888", "lan-token"),
    ];
    for (name, flags, env, url, token) in cases {
        assert_eq!(chosen(flags, env), Ok((url.into(), token.into())), "{name}");
    }
}

#[test]
fn a_contexts_token_is_not_shown_to_another_broker() {
    let (_folder, env) = configured();
    let elsewhere = Reach { url: Some("http://127.0.0.1:1".into()), ..Reach::default() };
    assert!(
        chosen(&elsewhere, &env).is_err_and(|text| text.contains("there is no token for http://127.0.0.1:1"))
    );
    let named = Reach { context: Some("lan".into()), ..elsewhere };
    assert!(chosen(&named, &env).is_err_and(|text| text.contains("there is no token")));
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let (folder, env) = configured();
    let named = Reach { context: Some("home".into()), ..Reach::default() };
    assert_eq!(chosen(&named, &env), Err(r#"there is no context "home"; there are: lan, up"#.into()));
    let empty = Env { config: Some(folder.path().join("none.toml")), ..Env::default() };
    assert!(chosen(&Reach::default(), &empty).is_err_and(|text| text.contains("nexctl context add")));
    assert!(chosen(&named, &empty).is_err_and(|text| text.contains("nexctl context add")));
    assert!(Env::default().config_path().is_err());
    let bare = Reach { url: Some("localhost".into()), ..Reach::default() };
    assert!(chosen(&bare, &env).is_err_and(|text| text.contains("it is no URL of a broker")));

    let path = env.config_path().expect("it is set");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(chosen(&Reach::default(), &env).is_err_and(|text| text.contains("run: chmod 600")));
    std::fs::write(&path, "[contexts.up]\nurll = 1\n").expect("written");
    assert!(chosen(&Reach::default(), &env).is_err_and(|text| text.contains("unknown field `urll`")));
}

#[test]
fn what_cannot_be_read_is_named_by_its_place_and_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let at = "[contexts.up]\nurl = \"http://127.0.0.1:1\"\n";
    let fields = "expected one of `url`, `token`, `token_file`, `ca_file`, `login`";
    let cases = [
        (format!("{at}tokn = \"CANARY\""), format!("line 3, column 1: unknown field `tokn`, {fields}")),
        (
            "current = \"up\"\n[contexts.up]\ntoken = \"CANARY\"".to_owned(),
            "line 2, column 1: missing field `url`".to_owned(),
        ),
        (format!("{at}token = CANARY"), "line 3, column 9: invalid float, expected `nan`".to_owned()),
        (
            format!("{at}token = \"CANARY"),
            "line 3, column 25: invalid basic string, expected `\"`".to_owned(),
        ),
        (format!("{at}token CANARY"), "line 3, column 7: key with no value, expected `=`".to_owned()),
        (format!("{at}token = \"CANARY\"\ntoken = \"CANARY\""), "line 4, column 1: duplicate key".to_owned()),
        (
            "[contexts]\nup = \"CANARY, expected CANARY\"".to_owned(),
            "line 2, column 6: this has to be struct Context".to_owned(),
        ),
        (format!("{at}token = [\"CANARY\"]"), "line 3, column 9: this has to be a string".to_owned()),
        (
            format!("{at}login = {{ operator = \"ana\", token = \"CANARY\" }}"),
            "line 3, column 37: this is nothing that can stand here".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text.replace("CANARY", "nxo_canary_3f9c")).expect("written");
        let error = Config::load(&path).expect_err(&text).to_string();
        assert_eq!(error, format!("{}: {expected}", path.display()), "{text}");
    }
}

#[test]
fn a_token_file_is_read_at_each_use_and_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let token_file = folder.path().join("operator.token");
    let context = Context {
        url: "http://127.0.0.1:7888".into(),
        token: None,
        token_file: Some(token_file.clone()),
        ca_file: None,
        login: None,
    };
    let error = context.target().expect_err("not there").to_string();
    let expected = format!(
        "there is no token file {}; a broker writes it when it starts for the first time: start it with `nexus serve`, \
         or name the file of another with `nexctl context add`",
        token_file.display()
    );
    assert_eq!(error, expected);
    let error = Context { token_file: Some(folder.path().to_owned()), ..context.clone() };
    let error = error.target().expect_err("a folder").to_string();
    assert!(error.contains("cannot be read: "), "{error}");
    std::fs::write(&token_file, "nxo_secret\n").expect("written");
    let target = context.target().expect("there");
    assert_eq!(target.token.expose(), "nxo_secret");
    assert!(!format!("{target:?}").contains("nxo_secret"));
}

#[test]
fn tls_needs_its_ca_and_plain_http_reads_none() {
    let target = |url: &str, ca: Option<&str>| Target {
        url: url.into(),
        token: "t".into(),
        ca_file: ca.map(PathBuf::from),
    };
    assert!(target("http://127.0.0.1:1", Some("/nowhere/ca.pem")).broker().is_ok());
    let error = |target: Target| target.broker().expect_err("refused").to_string();
    assert!(error(target("https://10.0.0.5:1", None)).contains("--ca or $NEXUS_CA"));
    assert!(error(target("https://10.0.0.5:1", Some("/nowhere/ca.pem"))).contains("/nowhere/ca.pem"));
    assert!(error(target("http://10.0.0.5:1", None)).contains("use https://"));
}
