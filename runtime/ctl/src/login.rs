//! `nexctl login` and `logout`: a password becomes a token of this program's own, and is forgotten.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use nexus_client::{DialError, private_file};
use nexus_wire::access::{Setup, SetupDone, TokenAdd, TokenForPassword, TokenInfo, TokenMade};
use nexus_wire::{NameError, OperatorName, TokenName};
use serde_json::json;

use crate::Run;
use crate::cli::{self, Global};
use crate::failure::Failure;
use crate::settings::{Config, Context, Env, LoggedIn, Target, URL_DEFAULT};
use crate::ui::Tone;
use crate::vault::asked;

pub(crate) async fn login(run: &Run, global: &Global, env: &Env, login: cli::Login) -> Result<(), Failure> {
    let url = login.broker.or_else(|| global.reach.url.clone()).or_else(|| env.url.clone());
    let url = url.unwrap_or_else(|| URL_DEFAULT.to_owned());
    let secure = url.trim_start().starts_with("https:");
    let ca_file = global.reach.ca.clone().or_else(|| env.ca.clone()).filter(|_| secure);
    let target = Target { url: url.clone(), token: "".into(), ca_file };
    let broker = target.broker()?;
    // Said before anybody types a password.
    let nexus = run.within(broker.info()).await??;
    let config_path = env.config_path()?;
    let mut config = Config::load(&config_path)?;
    let context = login.save_as.unwrap_or_else(|| name_of(broker.endpoint().url()));
    let token = token_name(&context)?;
    run.rehearse("POST /api/v1/token/password", &json!({"context": context, "token": {"name": token}}))?;

    if !login.stdin && !std::io::stdin().is_terminal() {
        let message = "nobody is there to be asked for a password; give it with --stdin, or use NEXUS_TOKEN";
        return Err(Failure::Usage(message.to_owned()));
    }
    let setup_token =
        login.setup.then(|| asked("Setup token, as `nexus serve` has shown it: ")).transpose()?;
    let operator = match login.name {
        Some(name) => name,
        None => typed_name()?,
    };
    let password = password(login.setup && std::io::stdin().is_terminal())?;
    if let Some(setup_token) = setup_token {
        let setup = Setup { setup_token, name: operator.clone(), password: Some(password.clone()) };
        let done: Result<SetupDone, _> = run.within(broker.post_open("/api/v1/setup", &setup)).await?;
        done.map_err(|error| {
            refused(&error, "`nexus token setup` on the broker's machine makes a new setup token")
        })?;
    }
    let expires_in_s = login.expires.map(|it| it.as_secs());
    let add = TokenAdd { name: token.clone(), token_sha256: None, expires_in_s };
    let ask = TokenForPassword { name: operator.clone(), password, token: add };
    let made: Result<TokenMade, _> = run.within(broker.post_open("/api/v1/token/password", &ask)).await?;
    let hint = format!("`nexus operator passwd {operator}` on the broker's machine sets a password");
    let made = made.map_err(|error| refused(&error, &hint))?;
    let secret = made.token.ok_or_else(|| Failure::Failed("the broker sent no token".to_owned()))?;

    let kept = Kept::beside(&config_path, &context);
    written(&kept.token, secret.as_bytes())?;
    let ca_file = target.ca_file.as_deref().map(|ca| copied(ca, &kept.ca)).transpose()?;
    let login = Some(LoggedIn { operator: operator.clone(), token });
    let entry = Context {
        url: broker.endpoint().url().to_owned(),
        token: None,
        token_file: Some(kept.token),
        ca_file,
        login,
    };
    config.contexts.insert(context.clone(), entry);
    config.current = Some(context.clone());
    config.save(&config_path)?;
    let value =
        json!({"context": context, "operator": operator, "nexus": nexus.nexus_id, "token": made.token_info});
    run.answer(&value, || format!("{operator} is logged in at {url}; context {context} is the current one"))
}

fn refused(error: &DialError, hint: &str) -> Failure {
    if error.is_refusal() { Failure::Refused(format!("{error}\n  {hint}")) } else { error.into() }
}

fn typed_name() -> Result<OperatorName, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Usage(format!("your name cannot be read: {error}"));
    if std::io::stdin().is_terminal() {
        let mut prompt = std::io::stderr();
        // Without the prompt the question is the same.
        let _ = write!(prompt, "Name: ").and_then(|()| prompt.flush());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| failed(&error))?;
    line.trim().parse().map_err(|error: NameError| failed(&error))
}

/// A new one is typed twice.
fn password(is_new: bool) -> Result<String, Failure> {
    if !is_new {
        return asked("Password: ");
    }
    let first = asked("A password for yourself (at least 10 characters): ")?;
    if first != asked("Once more: ")? {
        return Err(Failure::Usage("the two are not the same; nothing was sent".to_owned()));
    }
    Ok(first)
}

/// What a context is called that nobody named.
fn name_of(url: &str) -> String {
    let host = url.split("://").nth(1).unwrap_or(url);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if host == "localhost" || host.starts_with("127.") || host == "[::1]" {
        return "local".to_owned();
    }
    // A tenant of a broker on this machine.
    label(host.strip_suffix(".localhost").unwrap_or(host))
}

/// Of a text what a name may have in it.
fn label(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect::<String>().trim_matches('-').to_owned()
}

/// One for each machine and context: logging in again replaces it.
fn token_name(context: &str) -> Result<TokenName, Failure> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = format!("nexctl-{}-{}", label(context), label(host.trim()));
    let name = name.chars().take(32).collect::<String>();
    let name = name.trim_end_matches('-').parse();
    name.map_err(|error: NameError| {
        Failure::Usage(format!("no token can be named after this context: {error}"))
    })
}

/// Files of one login.
struct Kept {
    token: PathBuf,
    ca: PathBuf,
}

impl Kept {
    fn beside(config: &Path, context: &str) -> Self {
        let folder = config.parent().unwrap_or_else(|| Path::new(".")).join("contexts");
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let stem = label(context);
        Self { token: folder.join(format!("{stem}.token")), ca: folder.join(format!("{stem}.ca.pem")) }
    }
}

fn written(path: &Path, content: &[u8]) -> Result<(), Failure> {
    private_file::write(path, content)
        .map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", path.display())))
}

/// A copy of our own, so that the one that was named may go.
fn copied(from: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let pem = std::fs::read(from).map_err(|error| {
        Failure::Usage(format!("the CA certificate {} cannot be read: {error}", from.display()))
    })?;
    written(to, &pem)?;
    Ok(to.to_owned())
}

pub(crate) async fn logout(
    run: &Run,
    global: &Global,
    env: &Env,
    logout: &cli::Logout,
) -> Result<(), Failure> {
    let path = env.config_path()?;
    let mut config = Config::load(&path)?;
    let name = global.reach.context.clone().or_else(|| config.current.clone());
    let name = name
        .ok_or_else(|| Failure::Usage("there is no current context; name one with --context".to_owned()))?;
    let context = config.context(&name)?.clone();
    let Some(LoggedIn { operator, token }) = &context.login else {
        return Err(Failure::Usage(format!(
            "context {name} was not made by `nexctl login`, so its token stays; forget it with: nexctl context remove {name}"
        )));
    };
    let path_of_token = format!("/api/v1/operators/{operator}/tokens/{token}");
    run.rehearse(&format!("DELETE {path_of_token}"), &json!({"context": name}))?;
    let ended: Result<TokenInfo, Failure> = match context.target().and_then(|target| target.broker()) {
        Ok(broker) => run.within(broker.delete_json(&path_of_token)).await?.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(_) => {}
        // It is good no more already.
        Err(Failure::Refused(_)) => {}
        Err(failure) if logout.force => {
            let line =
                format!("the broker was not told, so the token {token} of {operator} stays good: {failure}");
            run.ui.note(Tone::Warning, &line);
        }
        Err(failure) => {
            return Err(Failure::Unreachable(format!(
                "{failure}\n  nothing is forgotten yet; --force forgets the token here, where it stays good at the broker"
            )));
        }
    }
    let kept = Kept::beside(&path, &name);
    for file in [kept.token, kept.ca] {
        // Gone is what they are to be.
        let _ = std::fs::remove_file(file);
    }
    config.contexts.remove(&name);
    config.current = config.current.filter(|current| *current != name);
    config.save(&path)?;
    run.answer(&json!({"context": name, "logged_out": true}), || {
        format!("logged out; the token of context {name} is good no more, and the context is forgotten")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_called_after_its_broker() {
        let cases = [
            ("http://127.0.0.1:7888", "local"),
            ("http://localhost:80", "local"),
            ("http://[::1]:1", "local"),
            ("http://acme.localhost:7888", "acme"),
            ("https://10.0.0.5:7888", "10-0-0-5"),
            ("https://Nexus.lan:443", "nexus-lan"),
        ];
        for (url, name) in cases {
            assert_eq!(name_of(url), name);
        }
        assert!(token_name("a-very-long-name-of-a-context-that-goes-on").is_ok());
    }
}
