//! Every operation of the HTTP API, as its own document lists them: with a credential of one tenant at the other, and
//! with the ids of one under a good credential of the other. A new operation is walked because it is in the document;
//! a new kind of parameter fails here until it is given something to name.

use std::collections::{BTreeMap, BTreeSet};

use nexus_client::{Broker, DialErrorKind, KeyFile};
use serde_json::{Value, json};

use super::full::{Full, PASSWORD, both};
use super::house::{Answer, bearer};

/// Never ends; `feeds` walks it.
const STREAM: &str = "getEvents";
/// Under which each lies that only its own tenant knows.
const OWN_IDS: [&str; 10] =
    ["approval", "blob", "command", "dispatch", "entry", "gather", "message", "run", "session", "thread"];
/// Change by themselves, or by being asked for.
const RESTLESS: [&str; 7] =
    ["getMetrics", "listAspects", "getAspect", "listOperators", "listTokens", "getSession", "ready"];

pub(crate) struct Operation {
    pub(crate) id: String,
    method: String,
    path: String,
    is_open: bool,
    /// In the path.
    parameters: Vec<String>,
    /// What has to be in the query.
    query: Vec<String>,
    body: Option<(String, Value)>,
}

pub(crate) fn operations(of: &Full) -> Vec<Operation> {
    let document = of.nexus.ask("", "GET", "/api/v1/openapi.json", "").json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_place = |place: &str| {
                let there = parameters.iter().filter(|it| it["in"] == place && it["required"] == true);
                there.map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
            };
            let content = operation["requestBody"]["content"].as_object();
            let body = content
                .and_then(|it| it.iter().next())
                .map(|(kind, it)| (kind.clone(), it["example"].clone()));
            found.push(Operation {
                id: id.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                is_open: operation["security"].as_array().is_none_or(Vec::is_empty),
                parameters: in_place("path"),
                query: in_place("query"),
                body,
            });
        }
    }
    assert!(found.len() > 100, "the whole document");
    found
}

impl Operation {
    fn names_ids(&self) -> bool {
        self.parameters.iter().chain(&self.query).any(|it| OWN_IDS.contains(&it.as_str()))
    }

    /// With what is of `full` in its place.
    fn target(&self, full: &Full) -> String {
        let value = |name: &str| -> String {
            let resource = self.path.split('/').nth(3).unwrap_or_default();
            match (name, resource) {
                ("name", "aspects") => "robin".to_owned(),
                ("name", "credentials") => "vault".to_owned(),
                ("name", "invitations") => "guest".to_owned(),
                ("name", "operators") => "ana".to_owned(),
                ("name", "skills") => "tidy".to_owned(),
                ("token", "operators") => "laptop".to_owned(),
                ("query", _) => "hello".to_owned(),
                (name, _) => match full.ids.get(name) {
                    Some(id) => id.clone(),
                    None => panic!("{} has a parameter {name}: say in full.rs what it may name", self.id),
                },
            }
        };
        let mut path = self.path.clone();
        for name in &self.parameters {
            path = path.replace(&format!("{{{name}}}"), &value(name));
        }
        let query = self.query.iter().map(|name| format!("{name}={}", value(name)));
        // All of it: what was refused later would push the first entries out of a page.
        let whole = (self.id == "listAudit").then(|| "limit=200".to_owned());
        let query: Vec<String> = query.chain(whole).collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// At `at`, with the ids of `of`, as whoever `headers` say.
    fn ask(&self, at: &Full, of: &Full, headers: &str) -> Answer {
        let target = self.target(of);
        match &self.body {
            Some((kind, Value::Null)) if kind != "application/json" => {
                let headers = format!("{headers}content-type: {kind}\r\n");
                at.nexus.ask(&headers, &self.method, &target, "bytes")
            }
            Some((_, example)) => {
                let body = if example.is_null() { json!({}) } else { of.named(example) };
                at.nexus.ask(headers, &self.method, &target, &body.to_string())
            }
            None => at.nexus.ask(headers, &self.method, &target, ""),
        }
    }
}

/// What looks, by its name: the answers that do not change from one time to the next.
pub(crate) fn looked(operations: &[Operation], at: &Full) -> BTreeMap<String, Answer> {
    let admin = bearer(&at.tokens["admin"]);
    let looks = operations.iter().filter(|it| it.method == "GET" && it.id != STREAM);
    looks.map(|it| (it.id.clone(), it.ask(at, at, &admin))).collect()
}

/// Without what looking itself has left behind: what was refused is written down some time after.
fn lasting(answer: &Answer) -> Value {
    let Ok(mut value) = serde_json::from_str::<Value>(&answer.body) else { return json!(answer.body) };
    if let Some(entries) = value.get_mut("entries").and_then(Value::as_array_mut) {
        entries.retain(|it| it["kind"].as_str().is_none_or(|kind| !kind.starts_with("refused.")));
    }
    value
}

/// What does not change by itself, by its name.
pub(crate) fn settled(answers: BTreeMap<String, Answer>) -> BTreeMap<String, Value> {
    let settled = answers.iter().filter(|(id, _)| !RESTLESS.contains(&id.as_str()));
    settled.map(|(id, answer)| (id.clone(), lasting(answer))).collect()
}

fn telling<'a>(answers: &'a BTreeMap<String, Answer>, word: &str) -> BTreeSet<&'a str> {
    answers.iter().filter(|it| it.1.body.contains(word)).map(|it| it.0.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_tells_one_tenant_anything_of_another() {
    let (_world, acme, beta) = both().await;
    let operations = operations(&acme);
    // Each sees what is its own, all over: what follows would be easy to pass otherwise.
    let (of_acme, of_beta) = (looked(&operations, &acme), looked(&operations, &beta));
    let failed: Vec<(&str, u16)> =
        of_acme.iter().filter(|it| it.1.status >= 400).map(|it| (it.0.as_str(), it.1.status)).collect();
    let refused = [("expandAspectSessionEntry", 400), ("fetchCredential", 404)];
    assert_eq!(failed, refused, "an admin may look at all but secrets and at what no summary stands for");
    let told = telling(&of_acme, &acme.word);
    assert_eq!(told, telling(&of_beta, &beta.word), "both are full of the same");
    assert!(told.len() >= 20, "{told:?}");
    assert_eq!(telling(&of_acme, &beta.word), BTreeSet::new());
    assert_eq!(telling(&of_beta, &acme.word), BTreeSet::new());

    // Those that only look come first: the others take away what there is to be seen.
    let admin = bearer(&beta.tokens["admin"]);
    let mut found = Vec::new();
    for acts in [false, true] {
        for operation in operations.iter().filter(|it| (it.method != "GET") == acts && it.id != STREAM) {
            let answer = operation.ask(&beta, &acme, &admin);
            if answer.body.contains(&acme.word) || answer.head.contains(&acme.word) {
                found.push(format!("{} tells {answer:?}", operation.id));
            }
            let own = acme.ids.values().filter(|id| id.len() > 30);
            let named = operation.target(&acme);
            let body = operation.body.as_ref().map(|it| acme.named(&it.1).to_string()).unwrap_or_default();
            for id in own.filter(|id| !named.contains(*id) && !body.contains(*id)) {
                if answer.body.contains(id.as_str()) {
                    found.push(format!("{} tells the id {id}: {answer:?}", operation.id));
                }
            }
            if operation.names_ids() && answer.status < 400 {
                found.push(format!("{} knows an id of another's: {answer:?}", operation.id));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));

    // And nothing of that has reached the other.
    let (before, after) = (settled(of_acme), settled(looked(&operations, &acme)));
    for (id, before) in &before {
        assert_eq!(before, &after[id], "{id} of the other tenant has changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_known_to_one_tenant_is_a_stranger_to_the_other() {
    let (world, acme, beta) = both().await;
    let operations = operations(&beta);
    let callers = [
        ("an admin", bearer(&acme.tokens["admin"])),
        ("an operator", bearer(&acme.tokens["ana"])),
        ("an aspect", bearer(&acme.tokens["aspect"])),
        ("a browser", format!("cookie: {}\r\n", acme.tokens["cookie"])),
    ];
    let doors = [("beta", &beta.nexus), ("the broker", &super::house::Nexus::own(&world))];
    for (at, door) in doors {
        for (who, headers) in &callers {
            let headers = &format!("{headers}origin: {}\r\n", door.url());
            for operation in operations.iter().filter(|it| !it.is_open) {
                // Strangers are told so before anything of theirs is read.
                let answer = door.ask(headers, &operation.method, &operation.target(&acme), "");
                assert!(
                    // The broker's own Nexus counts failures from here, and looks at no more after many.
                    answer.status == 401 || at != "beta" && answer.status == 429,
                    "{who} of acme at {at}: {} {answer:?}",
                    operation.id
                );
            }
        }
    }
    // What nobody needs a credential for takes none of the other's either.
    let keyfile = KeyFile::load(&KeyFile::path_in(&acme.wren)).expect("a key");
    for nexus_id in [keyfile.nexus_id, beta.nexus.id().parse().expect("an id")] {
        let elsewhere = KeyFile { url: beta.nexus.url(), nexus_id, ..keyfile.clone() };
        let refused = Broker::of_keyfile(elsewhere).expect("an address").bearer().await;
        let error = refused.expect_err("what the key signs is for another Nexus, or from nobody here");
        assert!(matches!(error.kind, DialErrorKind::Unauthorized { .. }), "{error}");
    }
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let name = json!({"name": "laptop"});
    let open = [
        ("acceptInvitation", json!({"token": acme.tokens["invitation"], "password": PASSWORD}), 401),
        ("getNexus", Value::Null, 200),
        ("getToken", json!({"grant_type": grant, "assertion": acme.tokens["aspect"]}), 401),
        ("health", Value::Null, 200),
        ("logIn", json!({"name": "admin", "password": PASSWORD}), 401),
        ("logInByToken", json!({"token": acme.tokens["admin"]}), 401),
        ("ready", Value::Null, 200),
        ("setUp", json!({"setup_token": acme.tokens["setup"], "name": "eve", "password": PASSWORD}), 401),
        ("tokenForPassword", json!({"name": "admin", "password": PASSWORD, "token": name}), 401),
    ];
    let known: BTreeSet<&str> = operations.iter().filter(|it| it.is_open).map(|it| it.id.as_str()).collect();
    assert_eq!(known, open.iter().map(|it| it.0).collect(), "all that are open");
    for (id, body, status) in open {
        let operation = operations.iter().find(|it| it.id == id).expect("it is known");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = beta.nexus.ask("", &operation.method, &operation.path, &body);
        assert_eq!(answer.status, status, "{id}: {answer:?}");
        assert!(!answer.body.contains(&acme.word), "{id}: {answer:?}");
    }
    // They are good where they are from, all the same.
    for headers in [&callers[0].1, &callers[1].1, &callers[2].1] {
        assert_eq!(acme.nexus.ask(headers, "GET", "/api/v1/threads", "").status, 200);
    }
}
