//! The expected roster, and what is told of links that do not get along.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig};
use nexus_wire::alert::{AlertChange, AlertKind};
use nexus_wire::budget::BudgetStop;
use nexus_wire::hands::{Dispatch, DispatchResult};
use nexus_wire::inbox::ItemBody;
use nexus_wire::roster::{AspectState, Register, SettingsBroken};
use nexus_wire::{ErrorCode, HandRef, LinkId, Ms, RequestId};
use serde_json::{Value, json};

use crate::alerts::notes;
use crate::on_both_stores;
use crate::world::{World, name, party};

fn expecting(names: &[&str]) -> HubConfig {
    HubConfig {
        expected: names.iter().map(|it| name(it)).collect(),
        expected_grace_ms: 1_000,
        ..HubConfig::default()
    }
}

fn raised(key: &str) -> (AlertChange, String) {
    (AlertChange::Raised, key.to_owned())
}

fn cleared(key: &str) -> (AlertChange, String) {
    (AlertChange::Cleared, key.to_owned())
}

fn open<S: Transaction>(world: &World<S>) -> Vec<String> {
    world.store.alerts(false, None, 100).unwrap().into_iter().map(|alert| alert.key).collect()
}

fn gone<S: Transaction>(world: &mut World<S>, who: &str) -> Vec<Effect> {
    let record = world.hub.roster().aspect(&name(who)).unwrap();
    let (link, generation) = (record.link.unwrap(), record.generation);
    world.apply(CommandBody::LinkDown { aspect: name(who), link, generation })
}

on_both_stores! {
    fn whoever_is_expected_and_away_for_too_long_is_missed(world) {
        world.aspect("wren");
        world.start(expecting(&["moth", "wren"]));
        let started = world.at;
        // The grace counts from the start of the broker: before it nobody could come.
        assert_eq!(world.hub.next_timer(), Some(started + 1_000));
        world.register("wren", Register::default()).unwrap();
        world.at = started + 998;
        assert_eq!(notes(&world.apply(CommandBody::Tick)), []);
        assert_eq!(notes(&world.apply(CommandBody::Tick)), [raised("aspect_missing/moth")]);
        assert_eq!(world.hub.next_timer(), None);
        assert_eq!(notes(&world.apply(CommandBody::Tick)), [], "told once");
        gone(world, "wren");
        assert_eq!(world.hub.next_timer(), Some(world.at + 1_000));
        world.at += 1_000;
        assert_eq!(notes(&world.apply(CommandBody::Tick)), [raised("aspect_missing/wren")]);
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, Register { last_generation: 1, ..Register::default() });
        assert_eq!(notes(&effects), [cleared("aspect_missing/wren")]);
        assert_eq!(open(world), ["aspect_missing/moth"]);
        // Nobody is missed who is not expected any more.
        assert_eq!(notes(&world.start(expecting(&["wren"]))), [cleared("aspect_missing/moth")]);
        assert_eq!(world.hub.next_timer(), Some(world.at + 1_000));
    }

    fn work_that_nobody_begins_is_told_of_until_somebody_does(world) {
        const LONG: Ms = 5 * 60_000;
        world.operator("ana");
        world.online("wren");
        gone(world, "wren");
        let check: HandRef = "wren/self".parse().unwrap();
        let work = |world: &mut World<_>| {
            let dispatch = Dispatch::to(check.clone(), json!({"text": "x"}));
            world.request::<Value>("operator/ana", Change::Dispatch(dispatch.into())).unwrap();
        };
        work(world);
        let accepted = world.at;
        assert_eq!(world.hub.next_timer(), Some(accepted + LONG));
        world.at = accepted + LONG - 2;
        assert_eq!(notes(&world.apply(CommandBody::Tick)), []);
        assert_eq!(notes(&world.apply(CommandBody::Tick)), [raised("work_waiting/wren/self")]);
        let alert = world.store.alert(AlertKind::WorkWaiting, "wren/self").unwrap().unwrap();
        let message = "work for wren/self has waited for more than 5 minutes, because wren is not here, or takes nothing; see: \
                       nexctl get dispatches";
        assert_eq!(alert.message, message);
        // Told once, and the deadline is what comes next.
        assert!(world.hub.next_timer().is_some_and(|due| due > accepted + 2 * LONG));
        work(world);
        assert_eq!(open(world), ["work_waiting/wren/self"]);
        // While no broker ran nobody could begin it.
        let started = world.start(HubConfig::default());
        assert_eq!(notes(&started), [cleared("work_waiting/wren/self")]);
        assert_eq!(world.hub.next_timer(), Some(world.at + LONG));
        world.at += LONG;
        assert_eq!(notes(&world.apply(CommandBody::Tick)), [raised("work_waiting/wren/self")]);
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, Register { slots: 8, last_generation: 1, ..Register::default() });
        assert_eq!(notes(&effects), [cleared("work_waiting/wren/self")]);
        // Whoever waits for money is told of by another alert.
        gone(world, "wren");
        world.request::<Value>("operator/ana", Change::BudgetStop(BudgetStop { reason: None })).unwrap();
        work(world);
        world.at += LONG;
        let told: Vec<_> = notes(&world.apply(CommandBody::Tick)).into_iter().filter(|it| it.1.starts_with("work")).collect();
        assert_eq!(told, []);
    }

    fn a_link_in_trouble_is_told_of_until_it_is_over_or_gone(world) {
        world.online("wren");
        let link = world.link("wren").unwrap();
        let seen = |state, link| CommandBody::Seen { aspect: name("wren"), link, state };
        let other = LinkId(world.id());
        assert_eq!(notes(&world.apply(seen(AspectState::Deaf, other))), [], "a link that is gone says nothing");
        assert_eq!(notes(&world.apply(seen(AspectState::Stalled, link))), [raised("aspect_stalled/wren")]);
        assert_eq!(
            notes(&world.apply(seen(AspectState::Deaf, link))),
            [cleared("aspect_stalled/wren"), raised("aspect_deaf/wren")]
        );
        assert_eq!(notes(&world.apply(seen(AspectState::Busy, link))), [cleared("aspect_deaf/wren")]);
        world.apply(seen(AspectState::Stalled, link));
        let (registered, effects) =
            world.register_on("wren", other, Register { last_generation: 1, ..Register::default() });
        registered.unwrap();
        assert_eq!(notes(&effects), [cleared("aspect_stalled/wren")], "displaced by one nothing is known of");
        world.apply(seen(AspectState::Deaf, other));
        assert_eq!(notes(&gone(world, "wren")), [cleared("aspect_deaf/wren")]);
        world.register("wren", Register { last_generation: 2, ..Register::default() }).unwrap();
        let link = world.link("wren").unwrap();
        world.apply(seen(AspectState::Deaf, link));
        world.start(HubConfig::default());
        assert_eq!(open(world), [] as [String; 0], "a broker that starts has no links");
    }

    fn a_broken_home_is_told_of_until_it_is_mended_or_its_aspect_is_gone(world) {
        world.online("wren");
        let broken = |reason: Option<&str>| {
            Change::SettingsBroken(SettingsBroken { reason: reason.map(str::to_owned) })
        };
        let tell = |world: &mut World<S>, reason: Option<&str>| {
            let request = RequestId(world.id());
            let (told, effects) = world.request_as("wren", request, broken(reason));
            told.unwrap();
            notes(&effects)
        };
        let key = "settings_broken/wren";
        assert_eq!(tell(world, None), []);
        assert_eq!(tell(world, Some("aspect.json:3:1: slots")), [raised(key)]);
        assert_eq!(tell(world, Some("aspect.json:3:1: slots")), [], "told once");
        assert_eq!(tell(world, Some("aspect.json:4:1: name")), [raised(key)], "something else is wrong now");
        let alert = world.store.alert(AlertKind::SettingsBroken, "wren").unwrap().unwrap();
        let message = "wren goes on with the settings it had, because its home is broken: aspect.json:4:1: name";
        assert_eq!((alert.message.as_str(), alert.times), (message, 2));
        // It outlives links, each of which says it anew.
        gone(world, "wren");
        assert_eq!(open(world), [key]);
        let again = |broken: Option<&str>, last_generation| Register {
            broken: broken.map(str::to_owned), last_generation, ..Register::default()
        };
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, again(Some("aspect.json:4:1: name"), 1));
        assert_eq!(notes(&effects), []);
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, again(None, 2));
        assert_eq!(notes(&effects), [cleared(key)]);
        assert_eq!(tell(world, Some("SOUL.md: not UTF-8")), [raised(key)]);
        assert_eq!(tell(world, None), [cleared(key)]);
        tell(world, Some("SOUL.md: not UTF-8"));
        let revoke = CommandBody::RevokeAspect { by: party("operator/ana"), name: name("wren") };
        assert_eq!(notes(&world.apply(revoke)), [cleared(key)]);
        world.operator("ana");
        let refused = world.request::<Value>("operator/ana", broken(Some("x"))).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid);
    }

    fn a_lost_worker_is_an_event(world) {
        world.operator("ana");
        world.aspect("wren");
        let register = Register {
            hands: vec![serde_json::from_value(json!({"name": "check"})).unwrap()],
            slots: 1,
            ..Register::default()
        };
        world.register("wren", register.clone()).unwrap();
        let dispatch = Dispatch::to("wren/check".parse::<HandRef>().unwrap(), json!(1));
        world.request::<serde_json::Value>("operator/ana", Change::Dispatch(dispatch.into())).unwrap();
        world.ack("wren", 1).unwrap();
        let resume = world.hub.roster().aspect(&name("wren")).map(|it| nexus_wire::inbox::Resume {
            epoch: it.epoch, offset: 1, item: None,
        });
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, Register { resume, last_generation: 1, ..register });
        assert_eq!(notes(&effects), [raised("worker_lost/wren/check")]);
        let alert = world.store.alert(AlertKind::WorkerLost, "wren/check").unwrap().unwrap();
        assert!(alert.message.contains("the worker is lost"), "{}", alert.message);
    }

    fn how_much_an_aspect_is_at_work_on_is_told_with_every_change(world) {
        world.operator("ana");
        world.aspect("wren");
        let register = Register {
            hands: vec![serde_json::from_value(json!({"name": "check"})).unwrap()],
            slots: 2,
            ..Register::default()
        };
        let at_work = |effects: &[Effect]| -> Vec<u32> {
            let told = |effect: &Effect| {
                let Effect::AtWork { dispatches, .. } = effect else { return None };
                Some(*dispatches)
            };
            effects.iter().filter_map(told).collect()
        };
        let link = LinkId(world.id());
        let (_, effects) = world.register_on("wren", link, register);
        assert_eq!(at_work(&effects), [0]);
        for expected in [1, 2, 2] {
            let dispatch = Dispatch::to("wren/check".parse::<HandRef>().unwrap(), json!(1));
            let request = nexus_wire::RequestId(world.id());
            let (_, effects) = world.request_as("operator/ana", request, Change::Dispatch(dispatch.into()));
            assert_eq!(at_work(&effects), [expected]);
        }
        let ItemBody::Assignment(first) = world.inbox("wren").remove(0).body else { panic!("an assignment") };
        let result = DispatchResult {
            lease: first.lease, output: Some(json!(1)), error: None, usage: Default::default(), cost_microusd: None,
        };
        let request = nexus_wire::RequestId(world.id());
        let (_, effects) = world.request_as("wren", request, Change::DispatchResult(result));
        assert_eq!(at_work(&effects), [2], "the third took its place");
    }

    fn the_situation_says_since_when_one_was_away(world) {
        let first = world.online("wren");
        assert_eq!(first.situation.away_since, None);
        gone(world, "wren");
        let went = world.at;
        world.at += 5_000;
        let again = world.register("wren", Register { last_generation: 1, ..Register::default() }).unwrap();
        assert_eq!(again.situation.away_since, Some(went));
        let displacing = world.register("wren", Register { last_generation: 2, ..Register::default() }).unwrap();
        assert_eq!(displacing.situation.away_since, None);
    }
}
