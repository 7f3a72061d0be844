//! Gathers over HTTP: made once under a key, shown to whom they concern while they are open, and by id ever after.

use nexus_client::Broker;
use nexus_wire::admin::OperatorRole;
use serde_json::{Value, json};

use super::World;
use super::client::{Raw, http};

struct Caller<'a> {
    world: &'a World,
    bearer: String,
}

impl<'a> Caller<'a> {
    fn new(world: &'a World, token: &str) -> Self {
        Self { world, bearer: format!("Bearer {token}") }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = http(self.world, "GET", path, &[("authorization", &self.bearer)], "").await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        let json = ("content-type", "application/json");
        let headers = [("authorization", self.bearer.as_str()), json, ("idempotency-key", key)];
        let (status, text) = http(self.world, "POST", path, &headers, &body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn dispatch(&self, key: &str) -> Value {
        let (status, sent) =
            self.post("/api/v1/dispatches", key, json!({"hand": "wren/check", "input": {}})).await;
        assert_eq!(status, 200, "{sent}");
        sent["dispatch"].clone()
    }
}

#[tokio::test]
async fn a_gather_is_made_once_under_its_key_and_shown_until_it_ends() {
    let world = World::new().await;
    let keyfile = world.aspect("wren").await;
    let (_wren, _) = Raw::registered(&world, &keyfile, json!({"hands": [{"name": "check"}]})).await;
    let admin = Caller::new(&world, &world.token);
    let (one, two) = (admin.dispatch("one").await, admin.dispatch("two").await);

    // The same key gets the first answer, and nothing else can be made under it.
    let both = json!({"dispatches": [one, two], "deadline_s": 600});
    let made = admin.post("/api/v1/gathers", "nightly 7", both.clone()).await;
    assert_eq!(made.0, 200, "{}", made.1);
    let (id, deadline_at) = (made.1["gather"].clone(), made.1["deadline_at"].clone());
    let expected = json!({"gather": id, "state": "open", "deadline_at": deadline_at, "clamped": false});
    assert_eq!(made.1, expected);
    assert_eq!(admin.post("/api/v1/gathers", "nightly 7", both).await, made);
    let other = json!({"dispatches": [one, two], "deadline_s": 601});
    let reused = admin.post("/api/v1/gathers", "nightly 7", other).await;
    assert_eq!((reused.0, &reused.1["code"]), (409, &json!("id_reused")), "{}", reused.1);

    let path = format!("/api/v1/gathers/{}", id.as_str().unwrap());
    let mut info = admin.get(&path).await.1;
    let accepted_at = info["accepted_at"].clone();
    let expected = json!({
        "id": id, "invoker": "operator/admin", "policy": "all", "need": 2, "cancel_rest": false, "state": "open",
        "accepted_at": accepted_at, "deadline_at": accepted_at.as_i64().unwrap() + 600_000, "clamped": false,
        "members": [{"dispatch": one}, {"dispatch": two}],
    });
    assert_eq!(info, expected);
    assert_eq!(admin.get("/api/v1/gathers").await, (200, json!({"gathers": [info], "more": false})));

    // In pages, the latest first; the ids of keys that are UUIDs are in their order.
    let later = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    let (_, first) =
        admin.post("/api/v1/gathers", later, json!({"dispatches": [two], "policy": "first"})).await;
    let (_, page) = admin.get("/api/v1/gathers?limit=1").await;
    assert_eq!((&page["gathers"][0]["id"], &page["more"]), (&first["gather"], &json!(true)), "{page}");
    let next = format!("/api/v1/gathers?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(admin.get(&next).await, (200, json!({"gathers": [info], "more": false})));

    // Others see it if they are operators, and make none of dispatches that are not theirs.
    let viewer = Caller::new(&world, &world.operator("vic", OperatorRole::Viewer).await);
    assert_eq!(viewer.get(&path).await, (200, info.clone()));
    let mine = json!({"dispatches": [one]});
    assert_eq!(viewer.post("/api/v1/gathers", "k", mine.clone()).await.0, 403);
    let ada = Caller::new(&world, &world.operator("ada", OperatorRole::Operator).await);
    let refused = ada.post("/api/v1/gathers", "k", mine).await;
    assert_eq!((refused.0, &refused.1["code"]), (404, &json!("not_found")), "{}", refused.1);
    let token = Broker::of_keyfile(keyfile).unwrap().bearer().await.unwrap();
    let wren = Caller::new(&world, token.expose());
    assert_eq!(wren.get("/api/v1/gathers").await, (200, json!({"gathers": [], "more": false})));
    assert_eq!(wren.get(&path).await.0, 404);

    // One that cannot be met any more has ended; it is in no list, and stands under its id.
    let cancel = format!("/api/v1/dispatches/{}/cancel", one.as_str().unwrap());
    assert_eq!(admin.post(&cancel, "cancel", json!({})).await.0, 200);
    let ended = admin.get(&path).await.1;
    assert!(ended["ended_at"].is_i64(), "{ended}");
    info["state"] = json!("failed");
    info["ended_at"] = ended["ended_at"].clone();
    info["members"][0]["ended"] = json!("cancelled");
    assert_eq!(ended, info);
    let (_, open) = admin.get("/api/v1/gathers").await;
    let ids: Vec<&Value> = open["gathers"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&first["gather"]], "{open}");
}
