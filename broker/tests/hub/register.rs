//! Links: who speaks for an aspect, what happens to late-comers, and where delivery starts.

use nexus_broker::hub::{Change, CommandBody, Effect, Origin};
use nexus_wire::admin::AspectKey;
use nexus_wire::chat::ChatSend;
use nexus_wire::gather::{Gather, Gathered};
use nexus_wire::hands::{Dispatch, Dispatched, HandSpec};
use nexus_wire::inbox::{Decision, InboxClose, Resume};
use nexus_wire::limits::{CLOSE_DISPLACED, CLOSE_REVOKED, GATHER_MAX, GATHERS_OPEN_MAX};
use nexus_wire::roster::{AspectRole, AspectState, Register, Situation};
use nexus_wire::thread::InboxTaken;
use nexus_wire::{DispatchId, EpochId, ErrorCode, HandRef, ItemId, LinkId, Party, RequestId, ThreadId};
use serde_json::Value;

use crate::on_both_stores;
use crate::world::{message, name, parsed, party};

fn closes(effects: &[Effect]) -> Vec<(LinkId, u16)> {
    let close = |effect: &Effect| {
        if let Effect::Close { link, code, .. } = effect { Some((*link, *code)) } else { None }
    };
    effects.iter().filter_map(close).collect()
}

fn resume(epoch: EpochId, offset: u64, item: Option<ItemId>) -> Register {
    Register {
        resume: Some(Resume { epoch, offset, item }),
        last_generation: u64::MAX,
        ..Register::default()
    }
}

on_both_stores! {
    fn a_new_link_displaces_the_old_and_late_cleanup_changes_nothing(world) {
        world.aspect("wren");
        let (old, new) = (LinkId(world.id()), LinkId(world.id()));
        let first = world.register_on("wren", old, Register::default()).0.unwrap();
        assert_eq!(first.generation, 1);
        let (second, effects) = world.register_on("wren", new, Register::default());
        assert_eq!(second.unwrap().generation, 2);
        assert_eq!(closes(&effects), vec![(old, CLOSE_DISPLACED)]);

        for (link, generation) in [(old, 1), (old, 2), (new, 1)] {
            let effects = world.apply(CommandBody::LinkDown { aspect: name("wren"), link, generation });
            assert_eq!(effects, Vec::new(), "{link} {generation}");
            assert_eq!(world.link("wren"), Some(new));
        }
        let effects = world.apply(CommandBody::LinkDown { aspect: name("wren"), link: new, generation: 2 });
        assert!(effects.contains(&Effect::RosterChanged { aspect: name("wren") }));
        let info = world.hub.roster().aspect(&name("wren")).unwrap().info();
        assert_eq!((info.state, info.since), (AspectState::Offline, world.at));
    }

    fn the_registered_answer_comes_before_the_attachment_and_that_before_any_push(world) {
        world.online("wren");
        world.online("forge");
        let link = LinkId(world.id());
        let (registered, effects) = world.register_on("wren", link, Register::default());
        let registered = registered.unwrap();
        assert_eq!(registered.situation.team.len(), 2);
        let attach = Effect::Attach { link, aspect: name("wren"), cursor: 0, tail: 0 };
        assert!(effects.contains(&attach));
        let say = |to: &str| {
            let send = ChatSend { to: vec![to.into()], content: "x".into(), ..ChatSend::default() };
            Change::ChatSend(send.into())
        };
        let request = RequestId(world.id());
        let sent = world.request_as("forge", request, say("wren")).1;
        let pushes: Vec<_> = sent.iter().filter(|it| matches!(it, Effect::Push { .. })).collect();
        assert!(matches!(pushes[..], [Effect::Push { link: to, offset: 1, .. }] if *to == link), "{pushes:?}");
    }

    fn a_request_of_a_displaced_link_or_of_none_is_refused(world) {
        world.aspect("wren");
        let (old, new) = (LinkId(world.id()), LinkId(world.id()));
        let ask = |link, world: &mut crate::world::World<S>| {
            let request = RequestId(world.id());
            let change = Change::ChatSend(ChatSend { content: "x".into(), ..ChatSend::default() }.into());
            let body = CommandBody::Request { sender: party("wren"), link, request, change };
            world.call(body).0.map_err(|error| error.code).map(drop)
        };
        assert_eq!(ask(Some(old), world), Err(ErrorCode::NotRegistered));
        world.register_on("wren", old, Register::default()).0.unwrap();
        assert_eq!(ask(Some(old), world), Ok(()));
        assert_eq!(ask(None, world), Err(ErrorCode::NotRegistered));
        world.register_on("wren", new, Register::default()).0.unwrap();
        assert_eq!(ask(Some(old), world), Err(ErrorCode::Displaced));
        assert_eq!(ask(Some(new), world), Ok(()));
        let ack = CommandBody::Ack { aspect: name("wren"), link: old, offset: 0 };
        assert_eq!(world.call(ack).0.unwrap_err().code, ErrorCode::Displaced);
    }

    fn a_key_that_is_replaced_or_revoked_closes_its_link_and_opens_none(world) {
        world.aspect("wren");
        let link = LinkId(world.id());
        world.register_on("wren", link, Register::default()).0.unwrap();
        let add = |key: &str| CommandBody::AddAspect {
            by: party("operator/ana"),
            add: nexus_wire::admin::AspectAdd {
                name: name("wren"),
                role: AspectRole::Worker,
                public_key: key.repeat(43),
                share_knowledge: false,
            },
        };
        let (answer, effects) = world.call(add("A"));
        assert_eq!(parsed::<AspectKey>(&answer.unwrap()).key_generation, 2);
        assert_eq!(closes(&effects), vec![(link, CLOSE_REVOKED)]);
        assert_eq!(world.link("wren"), None);

        // The same key again changes nothing.
        let (answer, effects) = world.call(add("A"));
        assert_eq!(parsed::<AspectKey>(&answer.unwrap()).key_generation, 2);
        assert_eq!(effects, Vec::new());

        let (link, new_epoch) = (LinkId(world.id()), EpochId(world.id()));
        let old_key = |register| CommandBody::Register {
            aspect: name("wren"), link, key_generation: 1, register, new_epoch,
        };
        let (answer, effects) = world.call(old_key(Register::default()));
        assert_eq!(answer.unwrap_err().code, ErrorCode::Unauthorized);
        assert_eq!(closes(&effects), vec![(link, CLOSE_REVOKED)]);

        world.register_on("wren", link, Register::default()).0.unwrap();
        let revoke = CommandBody::RevokeAspect { by: party("operator/ana"), name: name("wren") };
        let (answer, effects) = world.call(revoke.clone());
        assert_eq!(parsed::<AspectKey>(&answer.unwrap()).revoked_at, Some(world.at));
        assert_eq!(closes(&effects), vec![(link, CLOSE_REVOKED)]);
        let (_, effects) = world.call(revoke);
        assert_eq!(effects, Vec::new(), "once is enough");
        let next = LinkId(world.id());
        assert_eq!(world.register_on("wren", next, Register::default()).0.unwrap_err().code, ErrorCode::Unauthorized);
        let gone = world.hub.roster().aspect(&name("wren")).unwrap().key();
        world.call(add("A")).0.unwrap();
        let back = world.hub.roster().aspect(&name("wren")).unwrap().key();
        assert_eq!((back.revoked_at, back.key_generation), (None, gone.key_generation + 1));
    }

    fn a_home_older_than_what_was_acknowledged_is_refused_until_adopted(world) {
        world.aspect("wren");
        world.operator("ana");
        let with = |last_generation, adopt| Register { last_generation, adopt, ..Register::default() };
        assert_eq!(world.register("wren", with(0, false)).unwrap().generation, 1);
        // Nothing acknowledged: a home that lost track is no danger.
        assert_eq!(world.register("wren", with(0, false)).unwrap().generation, 2);
        world.say("operator/ana", "@wren hello");
        world.ack("wren", 1).unwrap();
        let error = world.register("wren", with(1, false)).unwrap_err();
        assert_eq!(error.code, ErrorCode::HomeDiverged);
        assert_eq!(error.details, serde_json::json!({"last_generation": 1, "acked_generation": 2}));
        assert!(world.link("wren").is_some(), "the link that is there stays");
        assert_eq!(world.register("wren", with(2, false)).unwrap().generation, 3);
        assert_eq!(world.register("wren", with(0, true)).unwrap().generation, 4);
    }

    fn delivery_starts_where_the_client_says_if_its_history_is_ours(world) {
        world.operator("ana");
        let first = world.online("wren");
        for n in 0..5 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        world.ack("wren", 3).unwrap();
        let items: Vec<ItemId> = world.inbox("wren").iter().map(|item| item.id).collect();
        let (own, other) = (first.epoch, EpochId(world.id()));
        // epoch, offset, item → start, whether the epoch goes on, cursor afterwards
        let cases = [
            ("no more than before", own, 3, Some(items[2]), 3, true, 3),
            ("behind the cursor", own, 1, Some(items[0]), 1, true, 3),
            ("from the beginning", own, 0, None, 0, true, 3),
            ("after a gap", own, 2, None, 2, true, 3),
            ("unverified beyond the cursor", own, 4, None, 4, true, 3),
            ("another epoch", other, 5, Some(items[4]), 3, true, 3),
            ("on disk and not acknowledged", own, 4, Some(items[3]), 4, true, 4),
            ("at the tail", own, 5, Some(items[4]), 5, true, 5),
            ("beyond the tail", own, 6, None, 5, false, 5),
        ];
        for (case, epoch, offset, item, start, goes_on, cursor) in cases {
            let registered = world.register("wren", resume(epoch, offset, item)).unwrap();
            assert_eq!(registered.offset, start, "{case}");
            assert_eq!(registered.epoch == own, goes_on, "{case}");
            assert_eq!(registered.situation.undelivered, 5 - start, "{case}");
            assert_eq!(world.hub.roster().aspect(&name("wren")).unwrap().cursor, cursor, "{case}");
        }
    }

    fn an_item_that_differs_or_is_unknown_begins_a_new_epoch_at_our_cursor(world) {
        world.operator("ana");
        let first = world.online("wren");
        for n in 0..3 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        world.ack("wren", 1).unwrap();
        let items: Vec<ItemId> = world.inbox("wren").iter().map(|item| item.id).collect();
        let mut epoch = first.epoch;
        let foreign = ItemId(world.id());
        for item in [items[0], foreign] {
            let registered = world.register("wren", resume(epoch, 2, Some(item))).unwrap();
            assert_ne!(registered.epoch, epoch);
            assert_eq!(registered.offset, 1);
            epoch = registered.epoch;
        }
        assert_eq!(world.register("wren", resume(epoch, 2, Some(items[1]))).unwrap().epoch, epoch);
    }

    fn an_acknowledgement_goes_forward_and_not_beyond_the_tail(world) {
        world.operator("ana");
        world.online("wren");
        for n in 0..3 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        let cursor = |world: &crate::world::World<S>| world.hub.roster().aspect(&name("wren")).unwrap().cursor;
        world.ack("wren", 2).unwrap();
        world.ack("wren", 1).unwrap();
        assert_eq!(cursor(world), 2);
        assert_eq!(world.ack("wren", 4).unwrap_err().code, ErrorCode::Invalid);
        assert_eq!(cursor(world), 2);
        // Without an id nobody is told, and it counts all the same.
        let link = world.link("wren").unwrap();
        let ack = CommandBody::Ack { aspect: name("wren"), link, offset: 3 };
        assert_eq!(world.batch(vec![(Origin::Link { link, request: None }, ack)]), Vec::new());
        assert_eq!(cursor(world), 3);
    }

    fn a_closed_item_that_is_sent_again_is_marked(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        world.say("operator/ana", "@wren and @forge");
        let item = world.inbox("wren")[0].id;
        world.ack("wren", 1).unwrap();
        world.ack("forge", 1).unwrap();
        let close = InboxClose { item, decision: Decision::Silent, reason: Some("not for me".into()), message: None, outcome: None, spent: None, meta: None };
        // Somebody else's word does not close it.
        world.request::<serde_json::Value>("forge", Change::InboxClose(close.clone())).unwrap();
        assert!(!world.inbox("wren")[0].answered);
        world.request::<serde_json::Value>("wren", Change::InboxClose(close.clone())).unwrap();
        assert!(world.inbox("wren")[0].answered);
        assert!(!world.inbox("forge")[0].answered);
        world.request::<serde_json::Value>("wren", Change::InboxClose(close.clone())).unwrap();
        let other = InboxClose { decision: Decision::Replied, ..close };
        let error = world.request::<serde_json::Value>("wren", Change::InboxClose(other)).unwrap_err();
        assert_eq!(error.code, ErrorCode::IdReused);
        assert_eq!(world.store.closed(&name("wren"), item).unwrap().unwrap().decision, Decision::Silent);
    }

    fn a_broker_that_starts_finds_nobody_online(world) {
        world.online("wren");
        world.online("forge");
        let link = world.link("forge").unwrap();
        world.apply(CommandBody::LinkDown { aspect: name("forge"), link, generation: 1 });
        let since = world.at;
        let effects = world.apply(CommandBody::BrokerStarted(nexus_broker::hub::HubConfig::default()));
        assert_eq!((world.link("wren"), world.link("forge")), (None, None));
        let changed: Vec<_> = effects.iter().filter(|it| matches!(it, Effect::RosterChanged { .. })).collect();
        assert_eq!(changed, vec![&Effect::RosterChanged { aspect: name("wren") }]);
        assert_eq!(world.hub.roster().aspect(&name("forge")).unwrap().since, since);
        assert_eq!(world.store.snapshot().unwrap().last_at, world.at);
    }

    fn the_situation_says_how_much_of_a_thread_is_unread(world) {
        world.operator("ana");
        world.aspect("wren");
        world.online("forge");
        let to = || ChatSend { to: vec!["wren".into()], ..message("hello") };
        let first = world.send("operator/ana", to()).unwrap();
        for _ in 0..2 {
            world.send("operator/ana", ChatSend { thread: Some(first.thread), ..to() }).unwrap();
        }
        let other = world.send("forge", to()).unwrap();
        let unread = |situation: Situation| -> Vec<(ThreadId, u64)> {
            situation.threads.into_iter().map(|thread| (thread.id, thread.unread)).collect()
        };
        let registered = world.register("wren", Register::default()).unwrap();
        assert_eq!(unread(registered.situation), [(other.thread, 1), (first.thread, 3)]);
        let _: Value = world.request("wren", Change::InboxTaken(InboxTaken { message: first.message })).unwrap();
        let registered = world.register("wren", Register { last_generation: 1, ..Register::default() }).unwrap();
        assert_eq!(unread(registered.situation), [(other.thread, 1), (first.thread, 2)]);
        // While somebody registers everybody waits: no more of a long thread is looked at.
        for _ in 0..130 {
            world.send("operator/ana", ChatSend { thread: Some(first.thread), ..to() }).unwrap();
        }
        let registered = world.register("wren", Register { last_generation: 2, ..Register::default() }).unwrap();
        assert_eq!(unread(registered.situation), [(first.thread, 99), (other.thread, 1)]);
        assert_eq!(world.store.unread(&party("wren"), first.thread, 999).unwrap(), 132);
    }

    fn the_situation_of_a_large_team_fits_a_frame(world) {
        for n in 0..150 {
            let name = format!("a{n}");
            world.aspect(&name);
            if n % 2 == 0 {
                let schema = serde_json::json!({"description": "x".repeat(20_000)});
                let hand = serde_json::json!({"name": "h", "description": "y".repeat(400), "input_schema": schema});
                let hands = vec![serde_json::from_value(hand).unwrap()];
                world.register(&name, Register { hands, ..Register::default() }).unwrap();
            }
        }
        let team = world.register("a1", Register::default()).unwrap().situation.team;
        let online = team.iter().filter(|info| info.state == AspectState::Online).count();
        assert!(online > 60 && online + 1 >= team.len(), "those online come first: {online} of {}", team.len());
        let text = serde_json::to_string(&team).unwrap();
        assert!(text.len() < 128 * 1024, "{}", text.len());
    }

    fn the_situation_of_whoever_waits_for_much_fits_a_frame(world) {
        world.aspect("wren");
        let hand: HandSpec = serde_json::from_str(r#"{"name":"check"}"#).unwrap();
        let register = |last_generation| Register { hands: vec![hand.clone()], last_generation, ..Register::default() };
        world.register("wren", register(0)).unwrap();
        let dispatches: Vec<DispatchId> = (0..GATHER_MAX)
            .map(|_| {
                let to: HandRef = "wren/check".parse().unwrap();
                let dispatch = Dispatch::to(to, Value::Null);
                world.request::<Dispatched>("wren", Change::Dispatch(dispatch.into())).unwrap().dispatch
            })
            .collect();
        for _ in 0..GATHERS_OPEN_MAX {
            let gather = Gather { dispatches: dispatches.clone(), ..Gather::default() };
            let _: Gathered = world.request("wren", Change::Gather(gather)).unwrap();
        }
        let all = world.store.open_gathers(&party("wren")).unwrap();
        assert_eq!(all.len(), GATHERS_OPEN_MAX);
        let shown = world.register("wren", register(1)).unwrap().situation.gathers;
        assert_eq!(shown, all[..shown.len()], "the first of them; gather.list has the rest");
        let bytes = serde_json::to_string(&shown).unwrap().len();
        let one = serde_json::to_string(&all[shown.len()]).unwrap().len();
        assert!((64 * 1024 - 2 * one..66 * 1024).contains(&bytes), "{bytes}");
    }

    fn a_profile_that_cannot_work_is_refused(world) {
        world.aspect("wren");
        let hand = |text: &str| serde_json::from_str(text).unwrap();
        let cases = [
            ("twice", Register { hands: vec![hand(r#"{"name":"a"}"#), hand(r#"{"name":"a"}"#)], ..Register::default() }),
            ("no place", Register { hands: vec![hand(r#"{"name":"a","concurrency":0}"#)], ..Register::default() }),
            ("no time", Register { hands: vec![hand(r#"{"name":"a","timeout_s":0}"#)], ..Register::default() }),
            ("slots", Register { slots: 1025, ..Register::default() }),
        ];
        for (case, register) in cases {
            assert_eq!(world.register("wren", register).unwrap_err().code, ErrorCode::Invalid, "{case}");
        }
        let large = Register { model: "x".repeat(800_000), ..Register::default() };
        assert_eq!(world.register("wren", large).unwrap_err().code, ErrorCode::TooLarge);
        assert_eq!(world.register("nobody", Register::default()).unwrap_err().code, ErrorCode::Unauthorized);
        let link = LinkId(world.id());
        world.register_on("wren", link, Register::default()).0.unwrap();
        let again = world.register_on("wren", link, Register::default()).0.unwrap_err();
        assert_eq!(again.code, ErrorCode::AlreadyRegistered);
        let system = world.hub.roster().knows(&Party::System);
        assert!(system);
    }
}
