//! Two tenants with the same names for everything, each full of a word that nobody else writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nexus_client::{Broker, KeyFile};
use nexus_tests::raw::Raw;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

use super::house::{Nexus, agent, bearer};

pub(crate) const PASSWORD: &str = "correct horse battery";
/// What is no good as a credential is most of what is sent here.
const SETTINGS: &str =
    "[limits]\nfailures_per_min = 1000000\nrequests_per_s = 1000000\nupgrades_per_s = 1000000\n";

const ACME: &str = "wordofacme";
const BETA: &str = "wordofbeta";

/// A tenant in which there is one of everything.
pub(crate) struct Full {
    pub(crate) nexus: Nexus,
    /// In everything that was said, stored or kept there, and nowhere else.
    pub(crate) word: String,
    /// By what they are called in paths and frames.
    pub(crate) ids: BTreeMap<&'static str, String>,
    /// Of people and aspects, by what it is.
    pub(crate) tokens: BTreeMap<&'static str, String>,
    pub(crate) wren: PathBuf,
    _robin: Process,
}

/// acme and beta in one broker.
pub(crate) async fn both() -> (World, Full, Full) {
    let mut world = World::new();
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    world.kill_broker();
    for (nexus, word) in [(&acme, ACME), (&beta, BETA)] {
        let workspace = world.dir().join(format!("workspace-of-{word}"));
        for folder in ["skills", "aspects"] {
            std::fs::create_dir_all(workspace.join(folder)).expect("ours");
        }
        let skill = format!("# {word}\n\nSays {word}.\n\nSay {word}.\n");
        std::fs::write(workspace.join("skills/tidy.md"), skill).expect("ours");
        // Nobody is run but those who are let in below.
        for name in ["harrow", "runner"] {
            std::fs::write(workspace.join(format!("aspects/{name}.remove")), "").expect("ours");
        }
        let settings = format!("workspace = {:?}\n{SETTINGS}", workspace.display().to_string());
        std::fs::write(nexus.data.join("nexus.toml"), settings).expect("ours");
    }
    world.start_broker();
    let (acme, beta) = (fill(&world, acme, ACME).await, fill(&world, beta, BETA).await);
    (world, acme, beta)
}

type IsOver = fn(&Value) -> bool;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

async fn fill(world: &World, nexus: Nexus, word: &str) -> Full {
    let mut ids = BTreeMap::from([
        ("session", "global".to_owned()),
        ("flow", "evening".to_owned()),
        ("registry", "clients".to_owned()),
        ("row", "first".to_owned()),
        ("trigger", "weekly".to_owned()),
        ("topic", "deploys".to_owned()),
        ("of", "robin".to_owned()),
        ("hand", "robin/shout".to_owned()),
    ]);
    let mut tokens = BTreeMap::from([("admin", nexus.token())]);
    let home = nexus.home(world, "robin");
    let robin = agent(world, &home);
    tokens.insert("ana", nexus.operator(world, "ana", "operator"));
    let post = |path: &str, body: Value| nexus.admin("POST", &format!("/api/v1{path}"), &body);
    let put = |path: &str, body: Value| nexus.admin("PUT", &format!("/api/v1{path}"), &body);
    put("/operators/ana/password", json!({"password": PASSWORD}));
    post("/operators/ana/tokens", json!({"name": "laptop"}));

    let sent = post("/messages", json!({"to": ["robin"], "content": format!("hello {word}"), "topic": word}));
    ids.extend([("message", text(&sent["message"])), ("thread", text(&sent["thread"]))]);
    ids.insert("reply_to", text(&sent["message"]));
    let messages = format!("/api/v1/threads/{}/messages", ids["thread"]);
    wait_until("an answer", || {
        let page = nexus.admin("GET", &messages, &Value::Null);
        page["messages"].as_array().filter(|it| it.len() > 1).map(|_| ())
    });
    let work = post("/dispatches", json!({"hand": "robin/shout", "input": {"text": word}}));
    let dispatch = text(&work["dispatch"]);
    let path = format!("/api/v1/dispatches/{dispatch}");
    wait_until("its end", || (nexus.admin("GET", &path, &Value::Null)["state"] == "done").then_some(()));
    ids.extend([
        ("dispatch", dispatch.clone()),
        ("root", dispatch.clone()),
        ("dispatches", dispatch.clone()),
    ]);
    ids.insert("gather", text(&post("/gathers", json!({"dispatches": [dispatch]}))["gather"]));
    post("/knowledge", json!({"topic": "deploys", "content": word, "shared": true}));
    let kind = format!("{}content-type: text/plain\r\n", bearer(&nexus.token()));
    let blob = nexus.ask(&kind, "PUT", "/api/v1/blobs?name=notes.txt", word);
    ids.insert("blob", text(&blob.json()["id"]).trim_start_matches("blob:").to_owned());
    let steps = json!([{"id": "a", "do": {"dispatch": {"hand": "robin/shout", "input": {"text": word}}}}]);
    put("/flows/evening", json!({"id": "evening", "description": word, "steps": steps}));
    ids.insert("run", text(&post("/runs", json!({"flow": "evening"}))["run"]));
    let fields = json!([{"name": "id", "type": "string"}, {"name": "note", "type": "string"}]);
    let registry = json!({"name": "clients", "key": "id", "description": word, "fields": fields});
    put("/registries/clients", json!({"registry": registry, "entries": [{"id": "first", "note": word}]}));
    let to_do = json!({"dispatch": {"hand": "robin/shout", "input": {"text": word}}});
    let weekly =
        json!({"name": "weekly", "description": word, "when": {"every": {"seconds": 604_800}}, "do": to_do});
    post("/triggers", weekly);
    post("/triggers/weekly/fire", json!({}));
    post("/triggers", json!({"name": "pushed", "when": {"webhook": {"preset": "github"}}, "do": to_do}));
    tokens.insert("hook", text(&post("/triggers/pushed/secret", json!({}))["secret"]));
    let credential = json!({"name": "vault", "kind": "custom", "mode": "both", "base_url": "https://127.0.0.1:9",
        "allowed_aspects": ["robin"], "secret": word, "description": word});
    let vault = nexus.ask(&bearer(&nexus.token()), "POST", "/api/v1/credentials", &credential.to_string());
    assert!(vault.status < 300, "{vault:?}");
    post("/budgets", json!({"of": "robin", "per": "day", "limit": {"cost_microusd": 5_000_000}}));
    tokens.insert(
        "invitation",
        text(&post("/invitations", json!({"name": "guest", "role": "viewer"}))["token"]),
    );
    tokens.insert("setup", text(&post("/setup/token", json!({}))["setup_token"]));

    let sessions = nexus.admin("GET", "/api/v1/aspects/robin/sessions", &Value::Null);
    let session = text(&sessions["sessions"][0]["session"]);
    let at = format!("/aspects/robin/sessions/{session}");
    let tree = nexus.admin("GET", &format!("/api/v1{at}/tree"), &Value::Null);
    let entry = text(&tree["entries"][0]["id"]);
    let command = post(&format!("{at}/rewind"), json!({"entry": entry}));
    ids.extend([("session", session), ("entry", entry.clone()), ("one", entry.clone()), ("other", entry)]);
    ids.insert("command", text(&command["command"]));

    let wren = nexus.home(world, "wren");
    tokens.insert("aspect", access_token(&wren).await);
    let mut link = dial(&nexus, &tokens["aspect"]).await.expect("let in");
    assert_eq!(link.request("register", json!({})).await["kind"], "registered");
    let asked = json!({"type": "tool", "tool": "run_command", "summary": word, "arguments": word});
    let asking = link.request("approval.ask", json!({"asked": asked})).await;
    ids.insert("approval", text(&asking["payload"]["id"]));

    drop(link);
    // From now on nothing of it moves by itself.
    let look = |path: &str| nexus.admin("GET", &format!("/api/v1{path}"), &Value::Null);
    let command = format!("/session-commands/{}", ids["command"]);
    let over: [(&str, IsOver); 5] = [
        ("/skills", |page| !page["skills"][0].is_null()),
        ("/runs?all=true", |page| page["runs"][0]["state"] == "done"),
        (&command, |command| command["state"] != "pending"),
        ("/triggers/weekly/history", |page| !page["slots"][0]["ended_at"].is_null()),
        ("/aspects", |team| {
            let team = team["aspects"].as_array().into_iter().flatten();
            team.filter(|it| it["name"] == "wren").all(|wren| wren["state"] == "offline")
        }),
    ];
    for (path, is_over) in over {
        wait_until(&format!("{path} to be over"), || is_over(&look(path)).then_some(()));
    }
    let log_in = json!({"name": "ana", "password": PASSWORD}).to_string();
    let cookie = nexus.ask("", "POST", "/api/v1/login", &log_in);
    let cookie = cookie.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    tokens.insert("cookie", cookie.split(';').next().expect("a pair").to_owned());
    let word = word.to_owned();
    Full { nexus, word, ids, tokens, wren, _robin: robin }
}

/// Of the aspect with this home, for an hour.
pub(crate) async fn access_token(home: &std::path::Path) -> String {
    let keyfile = KeyFile::load(&KeyFile::path_in(home)).expect("it was let in");
    let broker = Broker::of_keyfile(keyfile).expect("an address");
    broker.bearer().await.expect("the key is good").expose().to_owned()
}

pub(crate) async fn dial(nexus: &Nexus, token: &str) -> Result<Raw, u16> {
    let bearer = format!("Bearer {token}");
    Raw::dial_host(&nexus.address, &nexus.host, &[("authorization", &bearer)]).await
}

impl Full {
    /// `value` with whatever names something naming what is here.
    pub(crate) fn named(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let named = fields.iter().map(|(key, value)| {
                    let id = self.ids.get(key.as_str());
                    let value = match (id, value) {
                        (Some(id), Value::String(text)) if text.starts_with("blob:") => {
                            json!(format!("blob:{id}"))
                        }
                        (Some(id), Value::String(_)) => json!(id),
                        (Some(id), Value::Array(list)) if list.iter().all(Value::is_string) => json!([id]),
                        (Some(_) | None, value) => self.named(value),
                    };
                    (key.clone(), value)
                });
                Value::Object(named.collect())
            }
            Value::Array(list) => list.iter().map(|value| self.named(value)).collect(),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain.clone(),
        }
    }
}
