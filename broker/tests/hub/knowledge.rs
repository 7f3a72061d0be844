//! Knowledge: versions, grants, repeats and search.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use nexus_broker::hub::records::{KnowledgeScope, Reads};
use nexus_broker::hub::{Change, CommandBody, Effect};
use nexus_wire::admin::AspectAdd;
use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeGrant, KnowledgeGranted, KnowledgeHit, KnowledgeMay, KnowledgeRevoke,
    KnowledgeStore, KnowledgeStored,
};
use nexus_wire::limits::{DURABLE_BYTES_MAX, TOPIC_BYTES_MAX};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::roster::AspectRole;
use nexus_wire::{ErrorBody, ErrorCode, RequestId};
use proptest::prelude::*;

use crate::on_both_stores;
use crate::world::{World, name, parsed, party, sqlite};

fn entry(topic: &str, content: &str) -> KnowledgeStore {
    KnowledgeStore { topic: topic.into(), content: content.into(), shared: false }
}

fn shared(topic: &str, content: &str) -> KnowledgeStore {
    KnowledgeStore { shared: true, ..entry(topic, content) }
}

/// Kind and subject of what was logged.
fn logged(effects: &[Effect]) -> Vec<(String, String)> {
    let body = |effect: &Effect| match effect {
        Effect::Logged(LogEntry { body: LogBody::Other { kind, subject }, .. }) => {
            Some((kind.clone(), subject.clone()))
        }
        _ => None,
    };
    effects.iter().filter_map(body).collect()
}

trait Know {
    fn store_as(&mut self, sender: &str, entry: KnowledgeStore) -> Result<KnowledgeStored, ErrorBody>;
    fn topics(&self, reader: &str, query: &str) -> Vec<String>;
}

impl<S: nexus_broker::hub::records::Transaction> Know for World<S> {
    fn store_as(&mut self, sender: &str, entry: KnowledgeStore) -> Result<KnowledgeStored, ErrorBody> {
        self.request(sender, Change::KnowledgeStore(entry))
    }

    fn topics(&self, reader: &str, query: &str) -> Vec<String> {
        let scope = KnowledgeScope::of(&party(reader), &self.store).unwrap();
        let ranked = self.store.knowledge_search(&scope, None, query).unwrap();
        let hits: Vec<KnowledgeHit> =
            ranked.into_iter().map(|rank| self.store.knowledge_hit(query, rank).unwrap().unwrap()).collect();
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "best first");
        assert!(hits.iter().all(|hit| hit.score > 0.0), "larger is better");
        let mut topics: Vec<String> = hits.into_iter().map(|hit| hit.topic).collect();
        topics.sort();
        topics
    }
}

on_both_stores! {
    fn a_topic_is_replaced_and_its_versions_are_kept(world) {
        world.online("wren");
        world.operator("ana");
        let first = world.store_as("wren", entry("rivers", "they run uphill")).unwrap();
        let second = world.store_as("wren", entry("rivers", "they run downhill")).unwrap();
        assert_eq!((first.version, second.version), (1, 2));
        assert_eq!(world.store_as("operator/ana", entry("rivers", "mine")).unwrap().version, 1);
        let current = world.store.knowledge(&party("wren"), "rivers").unwrap().unwrap();
        assert_eq!((current.entry, current.content.as_str()), (second.entry, "they run downhill"));
        let kept = world.store.knowledge_entry(first.entry).unwrap().unwrap();
        assert_eq!(kept.content, "they run uphill");
        assert_eq!(world.topics("wren", "uphill"), Vec::<String>::new(), "only the current version is found");
        assert_eq!(world.topics("wren", "downhill"), vec!["rivers"]);
    }

    fn sharing_needs_the_grant_and_search_keeps_to_own_and_shared(world) {
        world.online("wren");
        world.online("forge");
        world.operator("ana");
        world.store_as("wren", entry("secret", "the river")).unwrap();
        let error = world.store_as("wren", shared("open", "the river")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        assert!(error.message.contains("nexctl knowledge grant wren share"), "{}", error.message);
        world.store_as("operator/ana", shared("notice", "the river")).unwrap();
        let key = |record: &nexus_broker::hub::records::AspectRecord| record.public_key;
        use base64::Engine;
        let public_key = base64::prelude::BASE64_URL_SAFE_NO_PAD
            .encode(world.hub.roster().aspect(&name("wren")).map(key).unwrap());
        let add = AspectAdd { name: name("wren"), role: AspectRole::Worker, public_key, share_knowledge: true };
        world.call(CommandBody::AddAspect { by: party("operator/ana"), add }).0.unwrap();
        assert!(world.link("wren").is_some(), "the key is the same");
        world.store_as("wren", shared("open", "the river")).unwrap();
        assert_eq!(world.topics("wren", "rivers"), vec!["notice", "open", "secret"]);
        assert_eq!(world.topics("forge", "rivers"), vec!["notice", "open"]);
        world.store_as("wren", entry("open", "the river, no longer shared")).unwrap();
        assert_eq!(world.topics("forge", "rivers"), vec!["notice"]);
    }

    fn the_same_id_is_one_version(world) {
        world.online("wren");
        let request = RequestId(world.id());
        let store = |text: &str| Change::KnowledgeStore(entry("t", text));
        let (first, _) = world.request_as("wren", request, store("a"));
        let first: KnowledgeStored = parsed(&first.unwrap());
        world.store_as("wren", entry("t", "b")).unwrap();
        let (again, effects) = world.request_as("wren", request, store("a"));
        assert_eq!((parsed::<KnowledgeStored>(&again.unwrap()), effects), (first, Vec::new()));
        assert_eq!(world.request_as("wren", request, store("c")).0.unwrap_err().code, ErrorCode::IdReused);
        assert_eq!(world.store.knowledge(&party("wren"), "t").unwrap().unwrap().content, "b");
    }

    fn a_deleted_entry_is_found_no_more_and_its_history_stays(world) {
        world.online("wren");
        world.online("forge");
        world.operator("ana");
        let first = world.store_as("wren", entry("rivers", "they run")).unwrap();
        let delete = |topic: &str, of: Option<&str>| {
            Change::KnowledgeDelete(KnowledgeDelete { topic: topic.into(), of: of.map(party) })
        };
        let request = RequestId(world.id());
        let (answer, effects) = world.request_as("wren", request, delete("rivers", None));
        let gone: KnowledgeStored = parsed(&answer.unwrap());
        assert_eq!((gone.version, logged(&effects)), (2, vec![("knowledge.deleted".into(), gone.entry.to_string())]));
        let (again, effects) = world.request_as("wren", request, delete("rivers", None));
        assert_eq!((parsed::<KnowledgeStored>(&again.unwrap()), effects), (gone.clone(), Vec::new()));
        let error = world.request_as("wren", request, delete("seas", None)).0.unwrap_err();
        assert_eq!(error.code, ErrorCode::IdReused);
        assert_eq!(world.topics("wren", "they"), Vec::<String>::new());
        let tombstone = world.store.knowledge(&party("wren"), "rivers").unwrap().unwrap();
        assert_eq!((tombstone.entry, tombstone.deleted, tombstone.content.as_str()), (gone.entry, true, ""));
        assert_eq!(world.store.knowledge_entry(first.entry).unwrap().unwrap().content, "they run");
        for topic in ["rivers", "never"] {
            let error = world.request::<KnowledgeStored>("wren", delete(topic, None)).unwrap_err();
            assert_eq!(error.code, ErrorCode::NotFound, "{topic}");
        }
        let back = world.store_as("wren", entry("rivers", "they run again")).unwrap();
        assert_eq!((back.version, world.topics("wren", "again")), (3, vec!["rivers".to_owned()]));
        let error = world.request::<KnowledgeStored>("forge", delete("rivers", Some("wren"))).unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        let by_ana: KnowledgeStored =
            world.request("operator/ana", delete("rivers", Some("wren"))).unwrap();
        assert_eq!(by_ana.version, 4);
    }

    fn a_grant_is_made_once_and_a_late_repeat_undoes_nothing(world) {
        world.online("wren");
        world.online("forge");
        world.operator("ana");
        let may = |may, of: Option<&str>| (name("wren"), may, of.map(party));
        let (to, read, of) = may(KnowledgeMay::Read, Some("forge"));
        let grant = Change::KnowledgeGrant(KnowledgeGrant { to: to.clone(), may: read, of: of.clone() });
        let revoke = Change::KnowledgeRevoke(KnowledgeRevoke { to, may: read, of });
        let first = RequestId(world.id());
        let (answer, effects) = world.request_as("operator/ana", first, grant.clone());
        let granted = KnowledgeGranted { granted: true, changed: true };
        assert_eq!(parsed::<KnowledgeGranted>(&answer.unwrap()), granted);
        assert_eq!(logged(&effects), [("knowledge.granted".to_owned(), "wren read forge".to_owned())]);
        let again: KnowledgeGranted = world.request("operator/ana", grant.clone()).unwrap();
        assert_eq!(again, KnowledgeGranted { granted: true, changed: false });
        let revoked: KnowledgeGranted = world.request("operator/ana", revoke).unwrap();
        assert_eq!(revoked, KnowledgeGranted { granted: false, changed: true });
        let (late, effects) = world.request_as("operator/ana", first, grant);
        assert_eq!((parsed::<KnowledgeGranted>(&late.unwrap()), effects), (granted, Vec::new()));
        assert_eq!(world.store.knowledge_grants(None).unwrap(), []);
        let cases = [
            ("nobody", may(KnowledgeMay::Read, None), ErrorCode::Invalid),
            ("of", may(KnowledgeMay::Share, Some("forge")), ErrorCode::Invalid),
            ("author", may(KnowledgeMay::Read, Some("harrow")), ErrorCode::NotFound),
            ("author", may(KnowledgeMay::Read, Some("operator/bo")), ErrorCode::NotFound),
            ("reader", (name("harrow"), KnowledgeMay::Share, None), ErrorCode::NotFound),
        ];
        for (case, (to, may, of), code) in cases {
            let grant = Change::KnowledgeGrant(KnowledgeGrant { to, may, of });
            assert_eq!(world.request::<KnowledgeGranted>("operator/ana", grant).unwrap_err().code, code, "{case}");
        }
    }

    fn sharing_is_granted_and_taken_back(world) {
        world.online("wren");
        world.operator("ana");
        let (to, may) = (name("wren"), KnowledgeMay::Share);
        let grant = Change::KnowledgeGrant(KnowledgeGrant { to: to.clone(), may, of: None });
        let revoke = Change::KnowledgeRevoke(KnowledgeRevoke { to, may, of: None });
        for change in [grant.clone(), grant] {
            world.request::<KnowledgeGranted>("operator/ana", change).unwrap();
            world.store_as("wren", shared("open", "the river")).unwrap();
        }
        world.request::<KnowledgeGranted>("operator/ana", revoke).unwrap();
        assert_eq!(world.store_as("wren", shared("open", "x")).unwrap_err().code, ErrorCode::Forbidden);
        assert!(world.store.knowledge(&party("wren"), "open").unwrap().unwrap().shared, "what was shared stays so");
    }

    fn an_entry_that_could_not_be_found_or_kept_is_refused(world) {
        world.online("wren");
        let cases = [
            ("no topic", entry(" ", "x"), ErrorCode::Invalid),
            ("long topic", entry(&"x".repeat(TOPIC_BYTES_MAX + 1), "x"), ErrorCode::Invalid),
            ("no content", entry("t", ""), ErrorCode::Invalid),
            ("too large", entry("t", &"x".repeat(DURABLE_BYTES_MAX)), ErrorCode::TooLarge),
        ];
        for (case, entry, code) in cases {
            assert_eq!(world.store_as("wren", entry).unwrap_err().code, code, "{case}");
        }
    }

    fn a_query_means_what_people_expect(world) {
        world.operator("ana");
        for (topic, content) in [
            ("a", "the quick brown fox jumps over the lazy dog"),
            ("b", "a brown dog and a quick cat"),
            ("c", "foxes are quick; cats are quicker"),
            ("d", "an \"OR\" in the text, and a year: 2026-11-21, e-mail x@example.org"),
        ] {
            world.store_as("operator/ana", entry(topic, content)).unwrap();
        }
        let cases: &[(&str, &[&str])] = &[
            ("quick brown", &["a", "b"]),
            ("BROWN Quick", &["a", "b"]),
            ("\"quick brown\"", &["a"]),
            ("fox", &["a", "c"]),
            ("jumping", &["a"]),
            ("fox OR dog", &["a", "b", "c"]),
            ("quick -dog", &["c"]),
            ("quick -\"lazy dog\" -foxes", &["b"]),
            ("qui*", &["a", "b", "c"]),
            ("-dog", &[]),
            ("dog -", &["a", "b"]),
            ("2026-11-21", &["d"]),
            ("x@example.org", &["d"]),
            ("or", &["d"]),
            ("", &[]),
            ("\"", &[]),
            ("NEAR(fox dog)", &[]),
        ];
        for (query, topics) in cases {
            assert_eq!(world.topics("operator/ana", query), *topics, "{query:?}");
        }
    }
}

#[test]
fn any_text_is_a_query() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.store_as("operator/ana", entry("one", "and or not near fox")).unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1000));
    let text = prop_oneof![
        any::<String>(),
        "[ \"*()^:{}+,.\\-a-c\0]{0,30}",
        "((AND|OR|NOT|NEAR|-|\"|\\*|fox|topic:|\\(|\\)) ?){0,100}",
    ];
    runner
        .run(&text, |query| {
            let hits = world.store.knowledge_search(&KnowledgeScope::Everyones, None, &query);
            prop_assert!(hits.is_ok(), "{:?}", hits);
            for rank in hits.unwrap() {
                let hit = world.store.knowledge_hit(&query, rank);
                prop_assert!(hit.is_ok(), "{:?}", hit);
            }
            Ok(())
        })
        .unwrap();
}
