//! Commands about an aspect's sessions: one item for one request, whoever it is for being there or not, and one end.

use nexus_broker::hub::{Change, CommandBody, HubConfig, command_info};
use nexus_wire::inbox::{Decision, InboxClose, ItemBody};
use nexus_wire::log::LogBody;
use nexus_wire::session::{
    SessionAct, SessionCommand, SessionCommandInfo, SessionCommandState, SessionOrder, SessionOrdered,
    SessionOutcome, SessionStuck,
};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{ErrorBody, ErrorCode, ItemId, RequestId, ThreadId, TurnId};
use serde_json::Value;
use uuid::Uuid;

use crate::on_both_stores;
use crate::world::{name, parsed, party};

fn rewind(of: &str) -> SessionCommand {
    let act = SessionAct::Rewind { entry: Some(Uuid::from_u128(9)) };
    SessionCommand { of: name(of), session: "global".into(), act }
}

fn close(item: ItemId, outcome: SessionOutcome) -> Change {
    let (decision, reason) = (Decision::Acted, None);
    Change::InboxClose(InboxClose {
        item,
        decision,
        reason,
        message: None,
        outcome: Some(outcome),
        spent: None,
        meta: None,
    })
}

on_both_stores! {
    fn a_command_is_an_item_and_its_end_is_kept(world) {
        world.operator("ana");
        // Not connected: it waits like everything that is for it.
        world.aspect("wren");
        world.online("forge");
        let (request, asked) = (RequestId(world.id()), rewind("wren"));
        let order = Change::SessionCommand(asked.clone());
        let (answer, _) = world.request_as("operator/ana", request, order.clone());
        let SessionOrdered { command } = parsed(&answer.unwrap());
        let accepted = SessionCommandInfo {
            command, of: name("wren"), session: "global".into(), act: asked.act.clone(), by: party("operator/ana"),
            at: world.at, state: SessionCommandState::Pending, ended_at: None, outcome: None,
        };
        let body = SessionOrder { session: "global".into(), by: party("operator/ana"), act: asked.act };
        let inbox = world.inbox("wren");
        assert_eq!((inbox.len(), inbox[0].id, &inbox[0].body), (1, command, &ItemBody::Session(body)));
        assert_eq!(command_info(&world.store, command).unwrap(), Some(accepted.clone()));
        let seen = world.store.log(0, None, 1000).unwrap();
        let last = seen.last().unwrap();
        let shown = LogBody::Other { kind: "session.rewind".into(), subject: "wren/global".into() };
        assert_eq!((&last.actor, &last.body), (&party("operator/ana"), &shown));
        world.start(HubConfig::default());
        let (again, _) = world.request_as("operator/ana", request, order);
        assert_eq!(parsed::<SessionOrdered>(&again.unwrap()).command, command);
        assert_eq!(world.inbox("wren").len(), 1, "once");
        let other = Change::SessionCommand(SessionCommand { act: SessionAct::Compact, ..rewind("wren") });
        let (refused, _) = world.request_as("operator/ana", request, other);
        assert_eq!(refused.unwrap_err().code, ErrorCode::IdReused);

        let outcome =
            SessionOutcome { session: Some("global".into()), head: Some(Uuid::from_u128(9)), ..Default::default() };
        world.register("wren", Default::default()).unwrap();
        world.register("forge", nexus_wire::roster::Register { last_generation: 1, ..Default::default() }).unwrap();
        let refused = world.request::<Value>("forge", close(command, outcome.clone())).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid, "it is another's");
        for _ in 0..2 {
            world.request::<Value>("wren", close(command, outcome.clone())).unwrap();
            world.start(HubConfig::default());
            world.register("wren", nexus_wire::roster::Register { last_generation: 9, ..Default::default() }).unwrap();
        }
        let ended = command_info(&world.store, command).unwrap().unwrap();
        let state = SessionCommandState::Done;
        let expected = SessionCommandInfo { state, ended_at: ended.ended_at, outcome: Some(outcome), ..accepted };
        assert_eq!(ended, expected);
        assert!(ended.ended_at.is_some_and(|at| at > ended.at));
        let error = Some(ErrorBody::new(ErrorCode::NotFound, "no such entry"));
        let other = close(command, SessionOutcome { error, ..SessionOutcome::default() });
        world.request::<Value>("wren", other).unwrap();
        assert_eq!(command_info(&world.store, command).unwrap(), Some(expected), "the first one stands");
        let closed = world.store.log(0, None, 1000).unwrap().into_iter().filter_map(|entry| {
            if let LogBody::ItemClosed(close) = entry.body { Some(*close) } else { None }
        });
        let close = InboxClose { item: command, decision: Decision::Acted, reason: None, message: None, outcome: None, spent: None, meta: None };
        assert_eq!(closed.collect::<Vec<_>>(), [close], "what came of it is not the log's to show");
    }

    fn a_command_about_turns_names_its_thread_or_all(world) {
        world.operator("ana");
        world.online("wren");
        let thread = ThreadId(Uuid::from_u128(5));
        for (thread, session) in [(None, "all".to_owned()), (Some(thread), thread.to_string())] {
            let cancel = TurnCancel { of: name("wren"), thread, turn: None, reason: Some("enough".into()) };
            let asked = SessionCommand::from(cancel);
            let SessionOrdered { command } =
                world.request("operator/ana", Change::SessionCommand(asked.clone())).unwrap();
            let items = world.inbox("wren");
            let item = items.last().unwrap();
            let order = SessionOrder { session: session.clone(), by: party("operator/ana"), act: asked.act };
            assert_eq!((item.id, &item.body), (command, &ItemBody::Session(order)));
            let seen = world.store.log(0, None, 1000).unwrap();
            let subject = format!("wren/{session}");
            let shown = LogBody::Other { kind: "turn.cancel".into(), subject };
            assert_eq!(seen.last().map(|entry| &entry.body), Some(&shown));
            let turns = vec![TurnId(Uuid::from_u128(8))];
            let outcome = SessionOutcome { turns, ..SessionOutcome::default() };
            world.request::<Value>("wren", close(command, outcome.clone())).unwrap();
            let info = command_info(&world.store, command).unwrap().unwrap();
            assert_eq!((info.state, info.outcome), (SessionCommandState::Done, Some(outcome)));
        }
    }

    fn what_cannot_be_commanded_is_refused(world) {
        world.operator("ana");
        world.online("wren");
        let ask = |command| Change::SessionCommand(command);
        let code = |refused: Result<SessionOrdered, ErrorBody>| refused.unwrap_err().code;
        assert_eq!(code(world.request("operator/ana", ask(rewind("nobody")))), ErrorCode::NotFound);
        for session in [String::new(), "x".repeat(65)] {
            let command = SessionCommand { session, ..rewind("wren") };
            assert_eq!(code(world.request("operator/ana", ask(command))), ErrorCode::Invalid);
        }
        let act = SessionAct::Fork { entry: None, say: Some("x".repeat(800_000)) };
        let command = SessionCommand { act, ..rewind("wren") };
        assert_eq!(code(world.request("operator/ana", ask(command))), ErrorCode::TooLarge);
        assert_eq!(world.inbox("wren").len(), 0);
        let of_nothing = close(ItemId(Uuid::from_u128(5)), SessionOutcome::default());
        assert_eq!(world.request::<Value>("wren", of_nothing).unwrap_err().code, ErrorCode::Invalid);
        world.call(CommandBody::RevokeAspect { by: party("operator/ana"), name: name("wren") }).0.unwrap();
        assert_eq!(code(world.request("operator/ana", ask(rewind("wren")))), ErrorCode::NotFound);
        assert_eq!(command_info(&world.store, ItemId(Uuid::from_u128(5))).unwrap(), None);
    }
    fn an_aspect_that_is_stuck_is_an_alert_once(world) {
        world.operator("ana");
        world.online("wren");
        let stuck = |reason: &str| {
            Change::SessionStuck(SessionStuck { session: "global".into(), reason: reason.into() })
        };
        let request = RequestId(world.id());
        for _ in 0..2 {
            let (told, _) = world.request_as("wren", request, stuck("no summary"));
            assert_eq!(parsed::<Value>(&told.unwrap()), serde_json::json!({}));
        }
        let open = world.store.alerts(false, None, 10).unwrap();
        let shown: Vec<_> = open.iter().map(|it| (it.key.as_str(), it.message.as_str(), it.times)).collect();
        assert_eq!(shown, [("session_stuck/wren/global", "no summary", 1)]);
        let (refused, _) = world.request_as("wren", request, stuck("something else"));
        assert_eq!(refused.unwrap_err().code, ErrorCode::IdReused);
        world.request::<Value>("wren", stuck("still none")).unwrap();
        assert_eq!(world.store.alerts(false, None, 10).unwrap()[0].times, 2);
        let refused = world.request::<Value>("operator/ana", stuck("no summary")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid);
        let nameless = Change::SessionStuck(SessionStuck { session: String::new(), reason: "x".into() });
        assert_eq!(world.request::<Value>("wren", nameless).unwrap_err().code, ErrorCode::Invalid);
    }
}
