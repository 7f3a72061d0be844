//! A broker with tenants, and somebody who asks it by hand under any name.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use nexus_tests::world::text;
use nexus_tests::{Process, World, connect};
use serde_json::{Value, json};

/// What robin of every tenant answers.
pub(crate) const SCRIPT: &str = r#"
[[rule]]
hand = "shout"
[[rule.step]]
answer = { loud = "{{ input.text }}" }

[[rule]]
match = "."
[[rule.step]]
say = "heard"
"#;

/// `nexus` with the broker's data directory, which has to succeed; what it printed.
pub(crate) fn nexus(world: &World, args: &[&str]) -> String {
    let out = nexus_raw(world, args);
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    text(&out)
}

pub(crate) fn nexus_raw(world: &World, args: &[&str]) -> std::process::Output {
    let data = world.data().display().to_string();
    world.run("nexus", &[args, &["--data", &data]].concat())
}

/// One Nexus behind the door, the broker's own or a tenant's.
#[derive(Clone, Debug)]
pub(crate) struct Nexus {
    pub(crate) address: String,
    /// As requests name it.
    pub(crate) host: String,
    pub(crate) data: PathBuf,
    tenant: Option<String>,
}

impl Nexus {
    pub(crate) fn own(world: &World) -> Self {
        let address = address(world);
        Self { host: address.clone(), address, data: world.data(), tenant: None }
    }

    /// Makes a tenant; what was printed, too.
    pub(crate) fn add(world: &World, name: &str) -> (Self, String) {
        let shown = nexus(world, &["tenant", "add", name]);
        (Self::of(world, name), shown)
    }

    /// One that is there.
    pub(crate) fn of(world: &World, name: &str) -> Self {
        let address = address(world);
        let port = address.rsplit_once(':').expect("a port").1;
        let data = world.data().join("tenants").join(name);
        Self { host: format!("{name}.localhost:{port}"), address, data, tenant: Some(name.to_owned()) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    pub(crate) fn id(&self) -> String {
        let text = std::fs::read_to_string(self.data.join("identity.json")).expect("it has an identity");
        let identity: Value = serde_json::from_str(&text).expect("JSON");
        identity["nexus_id"].as_str().expect("an id").to_owned()
    }

    /// Of its first admin.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.data.join("operator.token")).expect("made with it");
        text.trim().to_owned()
    }

    /// `nexus` for this one.
    pub(crate) fn nexus(&self, world: &World, args: &[&str]) -> String {
        match &self.tenant {
            Some(tenant) => nexus(world, &[args, &["--tenant", tenant]].concat()),
            None => nexus(world, args),
        }
    }

    /// A new operator's token.
    pub(crate) fn operator(&self, world: &World, name: &str, role: &str) -> String {
        let shown = self.nexus(world, &["operator", "add", name, "--role", role]);
        shown.split_whitespace().find(|word| word.starts_with("nxo_")).expect("a token").to_owned()
    }

    /// The home of a new aspect.
    pub(crate) fn home(&self, world: &World, name: &str) -> PathBuf {
        let whose = self.tenant.as_deref().unwrap_or("own");
        let home = Self::bare_home(&world.dir().join("homes").join(whose), name);
        self.nexus(world, &["aspect", "add", name, "--share-knowledge", "--home", &home.to_string_lossy()]);
        home
    }

    /// One without a key.
    pub(crate) fn bare_home(folder: &Path, name: &str) -> PathBuf {
        let home = folder.join(name);
        std::fs::create_dir_all(home.join("work")).expect("the folder is ours");
        let hand = json!({"name": "shout", "description": "says it again", "instructions": "Say it again."});
        let settings = json!({"name": name, "provider": {"kind": "scripted"}, "hands": [hand]});
        for (file, content) in [
            ("aspect.json", settings.to_string()),
            ("SOUL.md", format!("You are {name}.\n")),
            ("NEXUS.md", "Work.\n".to_owned()),
            ("script.toml", SCRIPT.to_owned()),
        ] {
            std::fs::write(home.join(file), content).expect("the folder is ours");
        }
        home
    }

    /// One request as whoever `headers`, which are lines, say.
    pub(crate) fn ask(&self, headers: &str, method: &str, path: &str, body: &str) -> Answer {
        Answer::to(&self.address, &self.host, headers, method, path, body)
    }

    /// The same as its first admin, which has to succeed; the answer.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(&bearer(&self.token()), method, path, &body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.json()
    }
}

fn address(world: &World) -> String {
    world.url().split_once("://").expect("a URL").1.to_owned()
}

pub(crate) fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

pub(crate) fn agent(world: &World, home: &Path) -> Process {
    world.agent(home)
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// But for the date.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn to(
        address: &str,
        host: &str,
        headers: &str,
        method: &str,
        target: &str,
        body: &str,
    ) -> Self {
        let kind = if headers.to_lowercase().contains("content-type") || body.is_empty() {
            ""
        } else {
            "content-type: application/json\r\n"
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{kind}{headers}\r\n{body}",
            body.len()
        );
        Self::of(&said(address, &request))
    }

    pub(crate) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let head = head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
        let body =
            if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// All that comes back until the connection ends.
pub(crate) fn said(address: &str, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{error} after {request}"));
    String::from_utf8_lossy(&answer).into_owned()
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(after.get(..size).unwrap_or(after));
        rest = after.get(size + 2..).unwrap_or("");
    }
    whole
}
