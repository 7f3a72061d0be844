//! Watches of addresses: each change has one slot, whoever is killed in between, and an error page is no change.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{CommandBody, Effect, Found, HubConfig, Look};
use nexus_wire::alert::{AlertChange, AlertKind};
use nexus_wire::limits::{WATCH_FAILURES_ALERT, WATCHES_MAX};
use nexus_wire::trigger::{Cause, Seen, SlotState, TriggerDelete, TriggerDeleted, TriggerInfo, WatchInfo};
use nexus_wire::{ErrorCode, TriggerId};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::alerts::notes;
use crate::on_both_stores;
use crate::triggers::Triggering;
use crate::world::{World, memory};

const URL: &str = "https://example.com/news";

pub(crate) fn seen(etag: Option<&str>, sha256: &str) -> Seen {
    Seen {
        status: 200,
        etag: etag.map(str::to_owned),
        last_modified: None,
        sha256: sha256.to_owned(),
        truncated: false,
    }
}

pub(crate) fn look(id: TriggerId, url: &str, found: Found) -> CommandBody {
    CommandBody::Looked(Look { trigger: "t".parse().unwrap(), id, url: url.to_owned(), found })
}

fn failed() -> Found {
    Found::Nothing { why: "it answered 503".to_owned(), is_final: false }
}

trait Watching {
    /// Defines `t`, which watches.
    fn watch(&mut self, more: Value) -> TriggerInfo;
    fn see(&mut self, found: Found) -> Vec<Effect>;
    fn known(&self) -> WatchInfo;
}

impl<S: Transaction> Watching for World<S> {
    fn watch(&mut self, more: Value) -> TriggerInfo {
        let mut definition = json!({"when": {"watch": {"url": URL, "every_s": 60}}, "overlap": "queue"});
        for (key, value) in more.as_object().unwrap() {
            definition[key] = value.clone();
        }
        self.put(definition).unwrap()
    }

    fn see(&mut self, found: Found) -> Vec<Effect> {
        let id = self.stands("t").id;
        self.apply(look(id, URL, found))
    }

    fn known(&self) -> WatchInfo {
        self.stands("t").watch.unwrap()
    }
}

on_both_stores! {
    fn each_change_has_one_slot_however_often_it_is_seen(world) {
        world.team();
        let info = world.watch(json!({}));
        assert_eq!((info.watch, info.next), (Some(WatchInfo::default()), None));
        // The first look only notes what is there.
        world.see(Found::Seen(seen(Some("\"1\""), "aa")));
        let noted = world.at;
        assert_eq!((world.slots("t").len(), world.known().since), (0, Some(noted)));
        // The same body under another name is no change, and the name is kept for the next question.
        world.see(Found::Seen(seen(Some("\"2\""), "aa")));
        assert_eq!((world.slots("t").len(), world.known().since), (0, Some(noted)));
        assert_eq!(world.known().seen, Some(seen(Some("\"2\""), "aa")));
        // Nor is another body under the same name.
        world.see(Found::Seen(seen(Some("\"2\""), "ab")));
        assert_eq!(world.slots("t").len(), 0);

        let change = Found::Seen(seen(Some("\"3\""), "bb"));
        world.see(change.clone());
        // Whoever was killed before it heard that this is on disk looks again, and finds the same.
        world.start(HubConfig::default());
        world.see(change);
        world.drain();
        let slots = world.slots("t");
        assert_eq!(slots.len(), 1);
        assert_eq!((&slots[0].cause, slots[0].state), (&Cause::Watch("bb".to_owned()), SlotState::Running));
        let inbox = world.inbox("wren");
        let told = serde_json::to_string(&inbox[0].body).unwrap();
        for part in [URL, "\\\\\\\"3\\\\\\\"", "\\\"sha256\\\":\\\"bb\\\"", "\\\"before\\\":\\\"ab\\\""] {
            assert!(told.contains(part), "{part}: {told}");
        }
        world.see(Found::Seen(seen(None, "cc")));
        let slots = world.slots("t");
        assert_eq!((slots.len(), slots[1].state), (2, SlotState::Queued), "it waits for the one before");
    }

    fn a_page_that_says_it_failed_is_no_change_and_is_told_when_it_goes_on(world) {
        world.team();
        world.watch(json!({}));
        world.see(Found::Seen(seen(None, "aa")));
        for _ in 1..WATCH_FAILURES_ALERT {
            assert_eq!(notes(&world.see(failed())), []);
        }
        let key = "watch_failing/t".to_owned();
        assert_eq!(notes(&world.see(failed())), [(AlertChange::Raised, key.clone())]);
        assert_eq!(notes(&world.see(failed())), [], "it is one alert");
        let known = world.known();
        assert_eq!((known.failures, known.error.as_deref()), (WATCH_FAILURES_ALERT + 1, Some("it answered 503")));
        assert_eq!(known.seen, Some(seen(None, "aa")), "what was there before is not forgotten");
        let effects = world.see(Found::Seen(seen(None, "aa")));
        assert_eq!(notes(&effects), [(AlertChange::Cleared, key.clone())]);
        assert_eq!((world.known().failures, world.slots("t").len()), (0, 0));
        // What will never be otherwise is told at once; a definition that is another one begins anew.
        let never = Found::Nothing { why: "10.0.0.1 is a private address".to_owned(), is_final: true };
        assert_eq!(notes(&world.see(never)), [(AlertChange::Raised, key)]);
        world.watch(json!({"when": {"watch": {"url": "https://example.com/other", "every_s": 60}}}));
        assert_eq!(world.known(), WatchInfo::default());
        let alert = world.store.alert(AlertKind::WatchFailing, "t").unwrap().unwrap();
        assert!(alert.cleared_at.is_some());
    }

    fn a_look_at_what_is_not_there_any_more_changes_nothing(world) {
        world.team();
        let id = world.watch(json!({})).id;
        world.see(Found::Seen(seen(None, "aa")));
        let doors = |world: &World<_>| world.hub.watches().map(|door| (door.url, door.every_s)).collect::<Vec<_>>();
        assert_eq!(doors(world), [(URL.to_owned(), 60)]);
        world.pause("t");
        assert_eq!(doors(world), [], "nobody looks at it");
        // A look that was on its way finds it paused: its slot says so.
        world.see(Found::Seen(seen(None, "bb")));
        assert_eq!(world.slots("t")[0].reason.as_deref(), Some("the trigger was paused"));
        world.resume("t");
        assert_eq!(doors(world), [(URL.to_owned(), 60)]);
        world.watch(json!({"when": {"watch": {"url": "https://example.com/other", "every_s": 90}}}));
        world.apply(look(id, URL, Found::Seen(seen(None, "cc"))));
        assert_eq!((world.known(), world.slots("t").len()), (WatchInfo::default(), 1));
        let delete = nexus_broker::hub::Change::TriggerDelete(TriggerDelete { trigger: "t".parse().unwrap() });
        let deleted: TriggerDeleted = world.request("operator/ana", delete).unwrap();
        assert!(deleted.deleted && doors(world).is_empty());
        world.apply(look(id, URL, Found::Seen(seen(None, "dd"))));
    }

    fn an_address_that_cannot_be_watched_is_refused(world) {
        world.team();
        let cases = [
            ("https://example.com/", 59),
            ("ftp://example.com/", 60),
            ("https:///nowhere", 60),
            ("https://ana:secret@example.com/", 60),
            ("https://example.com/a b", 60),
        ];
        for (url, every_s) in cases {
            let refused = world.put(json!({"when": {"watch": {"url": url, "every_s": every_s}}})).unwrap_err();
            assert_eq!(refused.code, ErrorCode::Invalid, "{url}");
        }
        for no in 0..WATCHES_MAX {
            world.put(json!({"name": format!("w{no}"), "when": {"watch": {"url": URL, "every_s": 60}}})).unwrap();
        }
        let more = world.put(json!({"name": "more", "when": {"watch": {"url": URL, "every_s": 60}}}));
        assert_eq!(more.unwrap_err().code, ErrorCode::QuotaExceeded);
        world.put(json!({"name": "w0", "when": {"watch": {"url": URL, "every_s": 90}}})).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Act {
    See(u8),
    Fail,
    /// The answer to the last look did not come.
    Again,
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0_u8..3).prop_map(Act::See),
        2 => Just(Act::Fail),
        2 => Just(Act::Again),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_there_is_one_slot_for_each_change(acts in acts()) {
        let mut world = memory();
        world.team();
        world.watch(json!({"overlap": "allow"}));
        let (mut there, mut changes, mut last): (Option<u8>, Vec<Cause>, Found) = (None, Vec::new(), failed());
        for act in acts {
            match act {
                Act::See(what) => {
                    if there.is_some_and(|there| there != what) {
                        changes.push(Cause::Watch(what.to_string()));
                    }
                    there = Some(what);
                    last = Found::Seen(seen(None, &what.to_string()));
                    world.see(last.clone());
                }
                Act::Fail => {
                    last = failed();
                    world.see(last.clone());
                }
                Act::Again => _ = world.see(last.clone()),
                Act::Restart => _ = world.start(HubConfig::default()),
            }
        }
        let causes: Vec<Cause> = world.slots("t").into_iter().map(|slot| slot.cause).collect();
        prop_assert_eq!(causes, changes);
    }
}
