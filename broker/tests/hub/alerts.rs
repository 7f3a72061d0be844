//! Alerts: one for each cause, its life in the log, and who may say that it has been seen.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, Origin};
use nexus_wire::ErrorCode;
use nexus_wire::alert::{Alert, AlertAck, AlertChange, AlertKind, AlertNature, AlertSeverity};
use nexus_wire::chat::ChatSend;
use nexus_wire::limits::{
    ALERT_MESSAGE_BYTES_MAX, ALERT_SUBJECT_BYTES_MAX, ALERTS_OPEN_OF_THREADS_MAX, ALERTS_OPEN_PER_PARTY_MAX,
    LOOP_IDENTICAL_MAX,
};
use nexus_wire::log::LogBody;
use nexus_wire::session::SessionStuck;

use crate::on_both_stores;
use crate::world::{World, message, party};

fn raise(kind: AlertKind, subject: &str, message: &str) -> CommandBody {
    CommandBody::RaiseAlert { kind, subject: subject.into(), message: message.into() }
}

fn clear(kind: AlertKind, subject: &str) -> CommandBody {
    CommandBody::ClearAlert { kind, subject: subject.into() }
}

fn ack(key: &str) -> Change {
    Change::AlertAck(AlertAck { key: key.into() })
}

pub(crate) fn notes(effects: &[Effect]) -> Vec<(AlertChange, String)> {
    let note = |effect: &Effect| {
        let Effect::Logged(entry) = effect else { return None };
        let LogBody::Alert(note) = &entry.body else { return None };
        Some((note.change, note.key.clone()))
    };
    effects.iter().filter_map(note).collect()
}

fn open<S: Transaction>(world: &World<S>) -> Vec<Alert> {
    world.store.alerts(false, None, 100).unwrap()
}

on_both_stores! {
    fn one_cause_is_one_alert(world) {
        let kind = AlertKind::Storage;
        let effects = world.apply(raise(kind, "", "the disk is full"));
        assert_eq!(notes(&effects), [(AlertChange::Raised, "storage/".to_owned())]);
        let raised_at = world.at;
        assert_eq!(notes(&world.apply(raise(kind, "", "the disk is full"))), []);
        let effects = world.apply(raise(kind, "", "the disk is gone"));
        assert_eq!(notes(&effects), [(AlertChange::Raised, "storage/".to_owned())]);
        let expected = Alert {
            key: "storage/".into(), kind, severity: AlertSeverity::Urgent, nature: AlertNature::Condition, subject: String::new(), message: "the disk is gone".into(),
            seq: world.hub.log_seq(), raised_at, times: 2, cleared_at: None, acked_at: None, acked_by: None,
        };
        assert_eq!(open(world), std::slice::from_ref(&expected));
        assert_eq!(notes(&world.apply(clear(kind, ""))), [(AlertChange::Cleared, "storage/".to_owned())]);
        assert_eq!(notes(&world.apply(clear(kind, ""))), []);
        assert_eq!(open(world), []);
        let over = Alert { cleared_at: Some(world.at - 1), ..expected };
        assert_eq!(world.store.alerts(true, None, 100).unwrap(), [over]);
        world.apply(raise(kind, "", "the disk is gone"));
        assert_eq!(open(world)[0].times, 3);
        assert_eq!(open(world)[0].raised_at, world.at);
    }

    fn an_acknowledgement_is_the_first_ones_and_clears_an_event(world) {
        world.operator("ana");
        world.operator("bob");
        world.apply(raise(AlertKind::WorkerLost, "wren/check", "gone"));
        world.apply(raise(AlertKind::AspectMissing, "wren", "not here"));
        let first: Alert = world.request("operator/ana", ack("worker_lost/wren/check")).unwrap();
        assert_eq!((first.acked_by.clone(), first.acked_at), (Some(party("operator/ana")), Some(world.at)));
        assert_eq!(first.cleared_at, Some(world.at));
        let again: Alert = world.request("operator/bob", ack("worker_lost/wren/check")).unwrap();
        assert_eq!(again, first);
        let missing: Alert = world.request("operator/bob", ack("aspect_missing/wren")).unwrap();
        assert_eq!((missing.acked_by.clone(), missing.cleared_at), (Some(party("operator/bob")), None));
        assert_eq!(open(world), [missing]);
        for key in ["", "worker_lost", "worker_lost/", "fire/wren", "aspect_deaf/wren"] {
            let refused = world.request::<Alert>("operator/ana", ack(key)).unwrap_err();
            assert_eq!(refused.code, ErrorCode::NotFound, "{key}");
        }
        // Raised again it has to be seen again.
        world.apply(raise(AlertKind::WorkerLost, "wren/check", "gone"));
        let anew = world.store.alert(AlertKind::WorkerLost, "wren/check").unwrap().unwrap();
        assert_eq!((anew.times, anew.acked_by, anew.cleared_at), (2, None, None));
    }

    /// Sessions and Hands have what names an aspect gives them, and however many it finds, the list stays one that people
    /// can read. The log has all of it.
    fn of_what_an_aspect_names_itself_so_many_are_open_and_no_more(world) {
        let kind = AlertKind::SessionStuck;
        let most = ALERTS_OPEN_PER_PARTY_MAX;
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let says = |world: &mut World<S>, who: &str, session: String, reason: &str| -> Vec<Effect> {
            let request = nexus_wire::RequestId(world.id());
            let stuck = SessionStuck { session, reason: reason.into() };
            let (answer, effects) = world.request_as(who, request, Change::SessionStuck(stuck));
            answer.unwrap();
            effects
        };
        let key = |who: &str, n: usize| format!("session_stuck/{who}/s{n}");
        // Nothing of these makes room for wren, or needs any of it: another aspect, another kind, a name that begins the same.
        says(world, "forge", "s0".into(), "no summary");
        world.apply(raise(AlertKind::WorkerLost, "wren/check", "gone"));
        world.apply(raise(kind, "wren2/s0", "no summary"));
        let others = open(world);
        for n in 0..most {
            assert_eq!(notes(&says(world, "wren", format!("s{n}"), "no summary")), [(AlertChange::Raised, key("wren", n))]);
        }
        // What is open already needs no room, and is the latest again.
        assert_eq!(notes(&says(world, "wren", "s0".into(), "still none")), [(AlertChange::Raised, key("wren", 0))]);
        let effects = says(world, "wren", format!("s{most}"), "no summary");
        assert_eq!(notes(&effects), [(AlertChange::Cleared, key("wren", 1)), (AlertChange::Raised, key("wren", most))]);
        let gone = world.store.alert(kind, "wren/s1").unwrap().unwrap();
        let told = "gave way to newer ones, and is not over: no summary";
        assert_eq!((gone.message.as_str(), gone.cleared_at, gone.acked_at), (told, Some(world.at), None));
        let shown: Vec<String> = open(world).into_iter().map(|alert| alert.key).collect();
        let newest = [key("wren", most), key("wren", 0)];
        let expected = newest.into_iter().chain((2..most).rev().map(|n| key("wren", n)));
        let expected: Vec<String> = expected.chain(others.into_iter().map(|alert| alert.key)).collect();
        assert_eq!(shown, expected);
        // One that somebody has seen makes room.
        let _: Alert = world.request("operator/ana", ack(&key("wren", 2))).unwrap();
        assert_eq!(notes(&says(world, "wren", "s1".into(), "no summary")), [(AlertChange::Raised, key("wren", 1))]);
        assert_eq!(world.store.alert(kind, "wren/s1").unwrap().unwrap().times, 2);
    }

    fn of_threads_that_are_paused_the_latest_are_open(world) {
        let kind = AlertKind::ThreadPaused;
        let bodies = (0..=ALERTS_OPEN_OF_THREADS_MAX).map(|n| (Origin::Broker, raise(kind, &format!("t{n:03}"), "Paused")));
        let bodies = bodies.collect();
        let effects = world.batch(bodies);
        let cleared = |(change, _): &&(AlertChange, String)| *change == AlertChange::Cleared;
        let notes = notes(&effects);
        assert_eq!(notes.iter().filter(cleared).collect::<Vec<_>>(), [&(AlertChange::Cleared, "thread_paused/t000".to_owned())]);
        assert_eq!(world.store.alerts(false, None, 1_000).unwrap().len(), ALERTS_OPEN_OF_THREADS_MAX);
        // It goes on all the same, and nothing is left to say of that.
        assert_eq!(world.apply(clear(kind, "t000")), Vec::new());
    }

    /// Whoever begins threads and pauses them keeps those of others out of nobody's sight.
    fn of_paused_threads_that_one_aspect_has_begun_the_latest_are_open(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let paused = |world: &mut World<S>, by: &str, first: &str| -> String {
            let thread = world.say(first, "@wren @forge same").thread;
            for _ in 0..LOOP_IDENTICAL_MAX - u32::from(by == first) {
                world.send(by, ChatSend { thread: Some(thread), ..message("@wren @forge same") }).unwrap();
            }
            format!("thread_paused/{thread}")
        };
        let others = [paused(world, "forge", "forge"), paused(world, "wren", "operator/ana")];
        let own: Vec<String> = (0..=ALERTS_OPEN_PER_PARTY_MAX).map(|_| paused(world, "wren", "wren")).collect();
        let shown: Vec<String> = open(world).into_iter().map(|alert| alert.key).collect();
        let expected: Vec<String> = others.iter().chain(&own[1..]).rev().cloned().collect();
        assert_eq!(shown, expected);
        let subject = own[0].trim_start_matches("thread_paused/");
        let gone = world.store.alert(AlertKind::ThreadPaused, subject).unwrap().unwrap();
        assert!(gone.message.starts_with("gave way to newer ones, and is not over: "), "{gone:?}");
        assert!(gone.cleared_at.is_some() && gone.acked_at.is_none(), "{gone:?}");
    }

    fn long_texts_are_cut_between_characters(world) {
        world.apply(raise(AlertKind::Storage, &"ü".repeat(400), &format!("x{}", "ü".repeat(400))));
        let alert = open(world).remove(0);
        assert_eq!(alert.subject.len(), ALERT_SUBJECT_BYTES_MAX);
        assert_eq!(alert.message.len(), ALERT_MESSAGE_BYTES_MAX - 1);
        world.apply(clear(AlertKind::Storage, &"ü".repeat(400)));
        assert_eq!(open(world), []);
    }

    fn the_log_gives_each_note_back_as_it_was(world) {
        world.operator("ana");
        let mut live = Vec::new();
        for body in [
            raise(AlertKind::WorkerLost, "wren/check", "one"),
            raise(AlertKind::WorkerLost, "wren/check", "two"),
            clear(AlertKind::WorkerLost, "wren/check"),
        ] {
            live.extend(world.apply(body));
        }
        live.extend({
            let request = nexus_wire::RequestId(world.id());
            world.request_as("operator/ana", request, ack("worker_lost/wren/check")).1
        });
        let logged = |effect| if let Effect::Logged(entry) = effect { Some(entry) } else { None };
        let live: Vec<_> = live.into_iter().filter_map(logged).collect();
        let kept = world.store.log(live[0].seq - 1, None, 100).unwrap();
        assert_eq!(kept, live);
    }
}
