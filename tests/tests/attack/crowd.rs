//! A whole crowd at the door at once.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use nexus_client::{Broker, Credential, Endpoint, KeyFile};
use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_wire::AspectName;
use nexus_wire::admin::{AspectAdd, AspectKey};
use nexus_wire::roster::AspectRole;
use serde_json::{Value, json};

use crate::http::request;
use crate::sockets::open_files;

/// So that there are several, however few come.
const PAGE: usize = 70;

/// A thousand, or fewer where this process may open so few files that its other tests would miss them.
fn as_many_as_may_be() -> usize {
    const MOST: u64 = 1_000;
    const FEW: u64 = 200;
    /// The most that the other tests open at once.
    const OTHERS: u64 = 12_000;
    let most = open_files().map_or(MOST, |maximum| MOST.min(maximum.saturating_sub(OTHERS)));
    most.max(FEW) as usize
}

/// Makes a key for each, and an access token with it.
async fn let_in(world: &World, names: &[AspectName]) -> Vec<String> {
    let endpoint = Endpoint::new(&world.url(), None, None).expect("the broker has a URL");
    let admin = Broker::new(endpoint, Credential::Token(world.token().into()));
    let nexus_id = admin.info().await.expect("it says who it is").nexus_id;
    let one = |name: AspectName| {
        let admin = &admin;
        async move {
            let keyfile = KeyFile::generate(name.clone(), nexus_id, world.url(), None).expect("a key");
            let public_key = keyfile.public_key.clone();
            let add = AspectAdd { name, role: AspectRole::Worker, public_key, share_knowledge: false };
            let _: AspectKey = admin.post_json("/api/v1/aspects", &add).await.expect("an admin lets in");
            let broker = Broker::of_keyfile(keyfile).expect("a keyfile has an endpoint");
            broker.bearer().await.expect("the key is good").expose().to_owned()
        }
    };
    stream::iter(names.iter().cloned().map(one)).buffered(16).collect().await
}

/// The name and the state of everybody, and how many pages that took.
fn team(world: &World) -> (Vec<Value>, usize) {
    let (mut team, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/api/v1/aspects?limit={PAGE}{cursor}");
        let (status, page) = request(world, "GET", &path, Some(&world.token()), "");
        assert_eq!(status, 200, "{page}");
        let aspects = page["aspects"].as_array().expect("a list").iter();
        team.extend(aspects.map(|it| json!([it["name"], it["state"]])));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { return (team, pages) };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_thousand_aspects_that_come_at_once_are_all_let_in_and_shown() {
    let many = as_many_as_may_be();
    let mut world = World::asleep().config("[limits]\nupgrades_per_s = 10000\nrequests_per_s = 10000\n");
    world.start_broker();
    let world = &world;
    let names: Vec<AspectName> = (0..many).map(|n| format!("a{n:04}").parse().expect("a name")).collect();
    let tokens = let_in(world, &names).await;
    let everybody = |state: &str| names.iter().map(|name| json!([name, state])).collect::<Vec<_>>();
    assert_eq!(team(world), (everybody("offline"), many.div_ceil(PAGE)));

    // All of them are at the door before the first one says who it is.
    let mut links = join_all(tokens.iter().map(|token| Raw::with_token(world, token))).await;
    let said = links.iter_mut().map(|raw| raw.request("register", json!({})));
    let replies = join_all(said).await;
    let told: Vec<Value> = replies
        .iter()
        .map(|it| json!([it["kind"], it["payload"]["name"], it["payload"]["generation"]]))
        .collect();
    let wanted: Vec<Value> = names.iter().map(|name| json!(["registered", name, 1])).collect();
    assert_eq!(told, wanted);
    let own: BTreeSet<&str> = replies.iter().filter_map(|it| it["payload"]["link"].as_str()).collect();
    assert_eq!(own.len(), many, "each has a link of its own");
    assert_eq!(team(world), (everybody("online"), many.div_ceil(PAGE)));
}
