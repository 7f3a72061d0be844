//! Who is shown what of the team's knowledge, and that nothing else shows.

use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeEntry, KnowledgeGet, KnowledgeGrant, KnowledgeGrantPage, KnowledgeGrants,
    KnowledgeHistory, KnowledgeHits, KnowledgeList, KnowledgeMay, KnowledgePage, KnowledgeRevoke,
    KnowledgeSearch, KnowledgeStore, KnowledgeUsage,
};

use super::*;
use crate::hub::KnowledgeUse;
use crate::observe::{KnowledgeRead, Recalls, search};

impl World {
    fn know(&mut self, author: &str, topic: &str, content: &str, shared: bool) {
        let store = KnowledgeStore { topic: topic.into(), content: content.into(), shared };
        self.request(author, Change::KnowledgeStore(store));
    }

    fn forget(&mut self, author: &str, topic: &str) {
        self.request(author, Change::KnowledgeDelete(KnowledgeDelete { topic: topic.into(), of: None }));
    }

    fn learn<T: serde::de::DeserializeOwned>(&self, reader: &str, read: KnowledgeRead) -> T {
        self.read(reader, Read::Knowledge(read)).unwrap().parse().unwrap()
    }

    /// The answer's text, or the error's.
    fn told(&self, reader: &str, read: KnowledgeRead) -> String {
        match answer(&self.store, &party(reader), &Read::Knowledge(read)) {
            Ok(json) => json.as_str().to_owned(),
            Err(refusal) => ErrorBody::from(refusal).to_string(),
        }
    }

    fn topics(&self, reader: &str) -> Vec<String> {
        let page: KnowledgePage = self.learn(reader, KnowledgeRead::List(KnowledgeList::default()));
        page.entries.into_iter().map(|head| format!("{}/{}", head.from, head.topic)).collect()
    }
}

fn get(of: &str, topic: &str, version: Option<u32>) -> KnowledgeRead {
    KnowledgeRead::Get(KnowledgeGet { topic: topic.into(), of: Some(party(of)), version })
}

fn history(of: &str, topic: &str, limit: Option<u32>, cursor: Option<String>) -> KnowledgeRead {
    KnowledgeRead::History(KnowledgeHistory { topic: topic.into(), of: Some(party(of)), limit, cursor })
}

fn query(text: &str) -> KnowledgeSearch {
    KnowledgeSearch { query: text.into(), ..KnowledgeSearch::default() }
}

/// Every way to ask about an author and topics.
fn every_read() -> Vec<KnowledgeRead> {
    let mut reads = vec![
        KnowledgeRead::Grants(KnowledgeGrants::default()),
        KnowledgeRead::Grants(KnowledgeGrants { to: Some("forge".parse().unwrap()) }),
        KnowledgeRead::List(KnowledgeList { limit: Some(1), ..KnowledgeList::default() }),
    ];
    for of in [None, Some("forge"), Some("wren"), Some("operator/ana"), Some("nobody")] {
        let of = of.map(party);
        for prefix in ["", "se", "secret"] {
            let list = KnowledgeList { of: of.clone(), prefix: prefix.into(), ..KnowledgeList::default() };
            reads.push(KnowledgeRead::List(list));
        }
        for text in ["river", "secret", "river OR secret", "ri*", "\"deep river\"", "river -secret"] {
            reads.push(KnowledgeRead::Search(KnowledgeSearch { of: of.clone(), ..query(text) }));
        }
        for topic in ["secret", "open", "gone", "once open", "nothing"] {
            let (topic, of) = (topic.to_owned(), of.clone());
            for version in [None, Some(1), Some(2), Some(3)] {
                let get = KnowledgeGet { topic: topic.clone(), of: of.clone(), version };
                reads.push(KnowledgeRead::Get(get));
            }
            reads.push(KnowledgeRead::History(KnowledgeHistory { topic, of, limit: None, cursor: None }));
        }
    }
    reads
}

/// A world whose entries wren may read, with those it may not read beside them, or without.
fn told_to_wren(secrets: bool) -> (World, Vec<String>) {
    let mut world = World::new();
    let hidden = |world: &mut World, act: fn(&mut World)| match secrets {
        true => act(world),
        false => world.at += 1,
    };
    world.know("wren", "mine", "a deep river", false);
    hidden(&mut world, |it| it.know("forge", "secret", "the deep river is a secret river river", false));
    world.know("forge", "open", "a shallow river", true);
    hidden(&mut world, |it| it.know("operator/ana", "secret", "of the river", false));
    hidden(&mut world, |it| it.know("forge", "gone", "secret", false));
    hidden(&mut world, |it| it.forget("forge", "gone"));
    hidden(&mut world, |it| it.know("harrow", "once open", "a secret of the river", false));
    let told = every_read().into_iter().map(|read| world.told("wren", read)).collect();
    (world, told)
}

#[test]
fn what_a_reader_may_not_read_is_as_if_it_were_not_there() {
    let (world, with) = told_to_wren(true);
    let (_, without) = told_to_wren(false);
    for ((read, with), without) in every_read().into_iter().zip(&with).zip(&without) {
        assert_eq!(with, without, "{read:?}");
    }
    // The same questions do show it to those who may read it.
    for reader in ["forge", "operator/ana", "operator/bo"] {
        let told: Vec<String> = every_read().into_iter().map(|read| world.told(reader, read)).collect();
        assert!(told.iter().any(|text| text.contains("the deep river is a secret")), "{reader}");
    }
}

#[test]
fn a_grant_opens_an_authors_entries_and_a_revocation_closes_them() {
    let (mut world, _) = told_to_wren(true);
    let to = "wren".parse().unwrap();
    let (may, of) = (KnowledgeMay::Read, Some(party("forge")));
    assert_eq!(world.topics("wren"), ["forge/open", "wren/mine"]);
    world.request("operator/ana", Change::KnowledgeGrant(KnowledgeGrant { to, may, of: of.clone() }));
    assert_eq!(world.topics("wren"), ["forge/open", "forge/secret", "wren/mine"]);
    let entry: KnowledgeEntry = world.learn("wren", get("forge", "secret", None));
    assert_eq!((entry.content.as_str(), entry.head.usage), ("the deep river is a secret river river", None));
    let hits: KnowledgeHits = world.learn("wren", KnowledgeRead::Search(query("secret")));
    assert_eq!(hits.hits.iter().map(|hit| hit.from.to_string()).collect::<Vec<_>>(), ["forge"]);
    let grants: KnowledgeGrantPage = world.learn("wren", KnowledgeRead::Grants(KnowledgeGrants::default()));
    let shown = |page: KnowledgeGrantPage| {
        page.grants.into_iter().map(|it| (it.to.to_string(), it.may, it.of, it.by)).collect::<Vec<_>>()
    };
    let own = vec![
        ("wren".to_owned(), KnowledgeMay::Read, of.clone(), Some(party("operator/ana"))),
        ("wren".to_owned(), KnowledgeMay::Share, None, None),
    ];
    assert_eq!(shown(grants), own, "an aspect sees its own alone");
    let revoke = KnowledgeRevoke { to: "wren".parse().unwrap(), may, of };
    world.request("operator/ana", Change::KnowledgeRevoke(revoke));
    assert_eq!(world.topics("wren"), ["forge/open", "wren/mine"]);
    assert_eq!(world.read("wren", Read::Knowledge(get("forge", "secret", None))), Err(ErrorCode::NotFound));
}

#[test]
fn an_entry_that_was_shared_later_shows_no_version_from_before() {
    let mut world = World::new();
    world.know("forge", "plan", "private", false);
    world.know("forge", "plan", "for all", true);
    world.know("forge", "plan", "for all, again", true);
    let versions = |reader: &str| -> Vec<u32> {
        let page: KnowledgePage = world.learn(reader, history("forge", "plan", None, None));
        page.entries.into_iter().map(|head| head.version).collect()
    };
    assert_eq!((versions("forge"), versions("wren")), (vec![3, 2, 1], vec![3, 2]));
    assert_eq!(world.read("wren", Read::Knowledge(get("forge", "plan", Some(1)))), Err(ErrorCode::NotFound));
    assert!(world.read("wren", Read::Knowledge(get("forge", "plan", Some(2)))).is_ok());
    world.know("forge", "plan", "private again", false);
    for read in
        [get("forge", "plan", None), get("forge", "plan", Some(2)), history("forge", "plan", None, None)]
    {
        assert_eq!(world.read("wren", Read::Knowledge(read)), Err(ErrorCode::NotFound));
    }
}

#[test]
fn lists_and_histories_go_on_at_their_cursor_without_hole_or_repeat() {
    let mut world = World::new();
    for n in 0..5 {
        world.know("forge", &format!("topic {n}"), "x", true);
        world.know("wren", "many", &n.to_string(), false);
    }
    world.forget("wren", "many");
    let (mut cursor, mut topics) = (None, Vec::new());
    loop {
        let list = KnowledgeList { limit: Some(2), cursor: cursor.take(), ..KnowledgeList::default() };
        let page: KnowledgePage = world.learn("harrow", KnowledgeRead::List(list));
        topics.extend(page.entries.into_iter().map(|head| head.topic));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(topics, ["topic 0", "topic 1", "topic 2", "topic 3", "topic 4"]);
    let mut versions = Vec::new();
    loop {
        let page: KnowledgePage = world.learn("wren", history("wren", "many", Some(4), cursor.take()));
        versions.extend(page.entries.into_iter().map(|head| (head.version, head.deleted)));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<(u32, bool)> = (1..=6).rev().map(|version| (version, version == 6)).collect();
    assert_eq!(versions, expected);
    for cursor in ["", "x", "-1", "W10", "\0"] {
        let list = KnowledgeList { cursor: Some(cursor.into()), ..KnowledgeList::default() };
        assert_eq!(world.read("wren", Read::Knowledge(KnowledgeRead::List(list))), Err(ErrorCode::Invalid));
        let bad = history("wren", "many", None, Some(cursor.into()));
        assert_eq!(world.read("wren", Read::Knowledge(bad)), Err(ErrorCode::Invalid), "{cursor:?}");
    }
}

#[test]
fn hits_come_in_pages_that_fit_a_frame_best_first_and_above_a_score() {
    let mut world = World::new();
    for n in 0..4 {
        let filler = "y ".repeat(100_000 * n);
        world.know("forge", &format!("t{n}"), &format!("the canon {filler}"), true);
    }
    world.know("forge", "canon", "what the canon says", true);
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let asked = KnowledgeSearch { cursor: cursor.take(), ..query("canon") };
        let page: KnowledgeHits = world.learn("wren", KnowledgeRead::Search(asked));
        assert!(Json::of(&page).as_str().len() < nexus_wire::limits::FRAME_BYTES_MAX);
        pages.push(page.hits.iter().map(|hit| hit.topic.clone()).collect::<Vec<_>>());
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["canon", "t0", "t1"], vec!["t2"], vec!["t3"]]);
    let all: KnowledgeHits = world.learn("wren", KnowledgeRead::Search(query("canon")));
    let least = all.hits[1].score;
    let asked = KnowledgeSearch { min_score: Some(least), ..query("canon") };
    let best: KnowledgeHits = world.learn("wren", KnowledgeRead::Search(asked));
    assert_eq!(best.hits, all.hits[..2]);
    assert_eq!(best.cursor, None);
    let snippet = &all.hits[0].snippet;
    assert_eq!(
        snippet.iter().filter(|part| part.hit).map(|part| part.text.as_str()).collect::<Vec<_>>(),
        ["canon"]
    );
}

#[test]
fn uses_are_counted_until_they_are_taken_and_written_down() {
    let mut world = World::new();
    world.know("forge", "rivers", "the river", true);
    world.know("forge", "seas", "the river ends", true);
    let recalls = Recalls::default();
    for (text, recalled) in [("river", false), ("ends", true), ("nothing of that", true)] {
        let found = search(&world.store, &party("wren"), &query(text)).unwrap();
        recalls.note(&found.hits, recalled, 77);
    }
    let used = |topic: &str, found, recalled, recalled_at| KnowledgeUse {
        author: party("forge"),
        topic: topic.into(),
        found,
        recalled,
        recalled_at,
    };
    let uses = recalls.take();
    assert_eq!(uses, [used("rivers", 1, 0, None), used("seas", 2, 1, Some(77))]);
    assert_eq!(recalls.take(), []);
    for _ in 0..2 {
        world.apply(CommandBody::KnowledgeUsed(uses.clone()));
    }
    let usage = |reader: &str, topic: &str| {
        world.learn::<KnowledgeEntry>(reader, get("forge", topic, None)).head.usage
    };
    let seas = KnowledgeUsage { found: 4, recalled: 2, last_recalled_at: Some(77) };
    assert_eq!(usage("forge", "seas"), Some(seas));
    assert_eq!(usage("operator/ana", "seas"), Some(seas));
    assert_eq!(usage("wren", "seas"), None, "who else reads an entry is its author's to know");
}
