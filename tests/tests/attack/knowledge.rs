//! What one aspect knows and another wants to: nothing of it without leave, and nothing any more once that is taken back.

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::{Value, json};

use crate::party::{Party, code};

fn nexctl(world: &World, args: &[&str]) -> String {
    let out = world.nexctl(args);
    assert!(out.status.success(), "{args:?}: {}", text(&out));
    text(&out)
}

/// What `who` finds of wren's: the answer to a look at the entry, and how often it is in its lists, searches and histories.
async fn finds(who: &mut Party) -> (String, [usize; 3]) {
    let named = json!({"topic": "vault", "of": "wren"});
    let got = who.request("knowledge.get", named.clone()).await;
    let shown = match got["payload"]["content"].as_str() {
        Some(content) => content.to_owned(),
        None => code(&got).to_owned(),
    };
    let count = |reply: Value, field: &str| reply["payload"][field].as_array().map_or(0, Vec::len);
    let listed = count(who.request("knowledge.list", json!({"of": "wren"})).await, "entries");
    let found = count(who.request("knowledge.search", json!({"query": "combination"})).await, "hits");
    let versions = count(who.request("knowledge.history", named).await, "entries");
    (shown, [listed, found, versions])
}

#[tokio::test]
async fn a_grant_opens_and_a_revoke_closes_what_another_knows() {
    let world = World::new();
    let (mut wren, mut forge) = (Party::worker(&world, "wren").await, Party::worker(&world, "forge").await);
    let mut moth = Party::worker(&world, "moth").await;
    let secret = "the combination is 31-4-15";
    let stored = json!({"topic": "vault", "content": secret});
    assert_eq!(wren.request("knowledge.store", stored).await["kind"], "ok");
    let nothing = ("not_found".to_owned(), [0, 0, 0]);
    let all = (secret.to_owned(), [1, 1, 1]);
    assert_eq!(finds(&mut forge).await, nothing);
    // Nobody gives it to itself, and sharing takes leave too.
    let itself = json!({"to": "forge", "may": "read", "of": "wren"});
    assert_eq!(code(&forge.request("knowledge.grant", itself).await), "forbidden");
    let shared = json!({"topic": "vault", "content": secret, "shared": true});
    nexctl(&world, &["knowledge", "revoke", "wren", "share"]);
    assert_eq!(code(&wren.request("knowledge.store", shared.clone()).await), "forbidden");
    nexctl(&world, &["knowledge", "grant", "forge", "read", "--of", "wren"]);
    assert_eq!((finds(&mut forge).await, finds(&mut moth).await), (all.clone(), nothing.clone()));
    let listed = nexctl(&world, &["knowledge", "grants"]);
    assert!(listed.contains("forge") && listed.contains("wren"), "{listed}");
    nexctl(&world, &["knowledge", "revoke", "forge", "read", "--of", "wren"]);
    assert_eq!(finds(&mut forge).await, nothing);
    nexctl(&world, &["knowledge", "grant", "wren", "share"]);
    assert_eq!(wren.request("knowledge.store", shared.clone()).await["kind"], "ok");
    // Of the versions that which is shared.
    assert_eq!((finds(&mut forge).await, finds(&mut moth).await), (all.clone(), all));
    nexctl(&world, &["knowledge", "revoke", "wren", "share"]);
    assert_eq!(code(&wren.request("knowledge.store", shared).await), "forbidden");
    // People read all of it, and take it away.
    assert!(nexctl(&world, &["knowledge", "get", "vault", "--of", "wren"]).contains(secret));
    assert!(nexctl(&world, &["knowledge", "search", "combination"]).contains("vault"));
    nexctl(&world, &["knowledge", "delete", "vault", "--of", "wren"]);
    assert!(nexctl(&world, &["knowledge", "history", "vault", "--of", "wren"]).contains('3'));
    let gone = world.nexctl(&["knowledge", "get", "nothing", "--of", "wren"]);
    assert!(!gone.status.success() && text(&gone).contains("nothing"), "{}", text(&gone));
    assert_eq!(finds(&mut forge).await.1[..2], [0, 0]);
}
