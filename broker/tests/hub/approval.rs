//! What aspects ask of people: asked once, answered once, and the end in the asker's inbox, whoever starts anew.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, HubConfig};
use nexus_wire::alert::AlertKind;
use nexus_wire::approval::{
    ApprovalAnswer, ApprovalAsk, ApprovalEnd, ApprovalInfo, ApprovalState, ApprovalWithdraw, Asked, Verdict,
};
use nexus_wire::chat::ChatSend;
use nexus_wire::hands::{
    Dispatch, DispatchCancel, DispatchState, Dispatched, Lease, LeaseRenew, LeasesRenewed,
};
use nexus_wire::inbox::{ItemBody, Resume};
use nexus_wire::limits::{APPROVAL_ALERT_AFTER, APPROVAL_DEADLINE_DEFAULT, APPROVALS_OPEN_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::roster::Register;
use nexus_wire::trigger::{Trigger, TriggerDelete, TriggerDeleted, TriggerInfo};
use nexus_wire::{ApprovalId, ErrorCode, MessageId, Ms, Party, RequestId, derive};
use serde_json::json;

use crate::on_both_stores;
use crate::triggers::trigger;
use crate::world::{World, message, name, parsed, party};

fn tool() -> ApprovalAsk {
    let arguments = r#"{"command": "cargo test"}"#.to_owned();
    let asked = Asked::Tool { tool: "run_command".into(), summary: "run cargo test".into(), arguments };
    ApprovalAsk { asked, thread: None, lease: None, notice: None, trigger: None, deadline_s: None }
}

fn question() -> ApprovalAsk {
    let asked = Asked::Question { question: "Which colour?".into(), choices: vec!["red".into()] };
    ApprovalAsk { asked, ..tool() }
}

fn verdict(approval: ApprovalId, verdict: Verdict, text: Option<&str>) -> Change {
    Change::ApprovalAnswer(ApprovalAnswer { approval, verdict, text: text.map(Into::into) })
}

trait Asking {
    fn people(&mut self);
    fn wants(&mut self, ask: ApprovalAsk) -> ApprovalInfo;
    fn answer(&mut self, by: &str, change: Change) -> ApprovalInfo;
    fn told(&self) -> Vec<ApprovalEnd>;
    fn kinds(&self) -> Vec<String>;
    fn passes(&mut self, ms: Ms);
}

impl<S: Transaction> Asking for World<S> {
    fn people(&mut self) {
        self.operator("ana");
        self.operator("bo");
        self.aspect("wren");
        let hand = serde_json::from_value(json!({"name": "check", "idempotent": true})).unwrap();
        let register = Register { hands: vec![hand], slots: 2, ..Register::default() };
        self.register("wren", register).unwrap();
        self.online("forge");
    }

    fn wants(&mut self, ask: ApprovalAsk) -> ApprovalInfo {
        self.request("wren", Change::ApprovalAsk(ask)).unwrap()
    }

    fn answer(&mut self, by: &str, change: Change) -> ApprovalInfo {
        self.request(by, change).unwrap()
    }

    fn told(&self) -> Vec<ApprovalEnd> {
        let end = |body| if let ItemBody::Approval(end) = body { Some(end) } else { None };
        self.inbox("wren").into_iter().filter_map(|item| end(item.body)).collect()
    }

    fn kinds(&self) -> Vec<String> {
        let log = self.store.log(0, None, 1000).unwrap();
        let kind = |body| if let LogBody::Other { kind, .. } = body { Some(kind) } else { None };
        let kinds = log.into_iter().filter_map(|entry| kind(entry.body));
        kinds.filter(|kind| kind.starts_with("approval.")).collect()
    }

    fn passes(&mut self, ms: Ms) {
        self.at += ms;
        self.apply(CommandBody::Tick);
    }
}

fn end(info: &ApprovalInfo, state: ApprovalState, by: Option<&str>, text: Option<&str>) -> ApprovalEnd {
    ApprovalEnd { approval: info.id, state, by: by.map(party), text: text.map(Into::into) }
}

on_both_stores! {
    fn what_has_ended_is_kept_until_its_asker_knows_and_as_long_as_it_should_be(world) {
        world.people();
        let asked = [world.wants(tool()), world.wants(question()), world.wants(tool())].map(|info| info.id);
        world.answer("operator/ana", verdict(asked[0], Verdict::Approve, None));
        world.passes(1_000);
        world.answer("operator/ana", verdict(asked[1], Verdict::Answer, Some("red")));
        let prune = |world: &mut World<S>, before: Ms| -> Vec<ApprovalId> {
            let approvals = world.store.approvals_older(before, None, 9).unwrap();
            let command = CommandBody::PruneApprovals { before, approvals: asked.to_vec() };
            world.call(command).0.unwrap();
            let left = world.store.approvals(true, None, 9).unwrap();
            assert!(approvals.iter().all(|id| asked[..2].contains(id)), "what is open is not offered");
            left.into_iter().map(|info| info.id).collect()
        };
        let now = world.at + 1;
        assert_eq!(prune(world, now).len(), 3, "wren has acknowledged none of it");
        world.ack("wren", 2).unwrap();
        let first = world.store.approval(asked[0]).unwrap().unwrap().info.ended_at.unwrap();
        assert_eq!(prune(world, first).len(), 3, "none is old enough");
        assert_eq!(prune(world, first + 1), [asked[2], asked[1]]);
        let now = world.at + 1;
        assert_eq!(prune(world, now), [asked[2]], "it is open");
        assert_eq!(world.store.approval(asked[0]).unwrap(), None);
        let late = verdict(asked[0], Verdict::Deny, None);
        assert_eq!(world.request::<ApprovalInfo>("operator/bo", late).unwrap_err().code, ErrorCode::NotFound);
    }

    fn the_first_answer_counts_and_later_ones_get_it(world) {
        world.people();
        let asked = world.wants(tool());
        let expected = ApprovalInfo {
            id: asked.id, aspect: party("wren"), asked: tool().asked, thread: None, lease: None, notice: None, trigger: None, run: None, only: None,
            state: ApprovalState::Open, asked_at: world.at,
            expires_at: world.at + APPROVAL_DEADLINE_DEFAULT.as_millis() as Ms, ended_at: None, by: None, text: None,
        };
        assert_eq!(asked, expected);
        assert_eq!(world.store.approvals(false, None, 10).unwrap(), std::slice::from_ref(&asked));
        world.start(HubConfig::default());
        let answered = world.answer("operator/ana", verdict(asked.id, Verdict::Deny, Some("not today")));
        let expected = ApprovalInfo {
            state: ApprovalState::Denied, ended_at: Some(world.at), by: Some(party("operator/ana")),
            text: Some("not today".into()), ..expected
        };
        assert_eq!(answered, expected);
        assert_eq!(world.answer("operator/bo", verdict(asked.id, Verdict::Approve, None)), expected);
        let denied = end(&asked, ApprovalState::Denied, Some("operator/ana"), Some("not today"));
        assert_eq!(world.told(), [denied]);
        assert_eq!(world.kinds(), ["approval.asked", "approval.denied"]);
        assert_eq!(world.store.approvals(false, None, 10).unwrap(), []);
        assert_eq!(world.store.approvals(true, None, 10).unwrap(), [expected]);
        assert_eq!(world.inbox("wren").last().unwrap().id, derive::approval_item(asked.id));
    }

    fn a_repeat_is_the_same_request_and_another_under_its_id_is_refused(world) {
        world.people();
        let request = RequestId(world.id());
        let first = world.request_as("wren", request, Change::ApprovalAsk(tool())).0.unwrap();
        let id = derive::approval_id(request, &party("wren"));
        assert_eq!(world.request_as("wren", request, Change::ApprovalAsk(tool())).0.unwrap(), first);
        let other = world.request_as("wren", request, Change::ApprovalAsk(question())).0.unwrap_err();
        assert_eq!(other.code, ErrorCode::IdReused);
        // The same id of somebody else is something else.
        world.request_as("forge", request, Change::ApprovalAsk(question())).0.unwrap();
        let answer = RequestId(world.id());
        let approve = verdict(id, Verdict::Approve, None);
        let said = world.request_as("operator/ana", answer, approve.clone()).0.unwrap();
        assert_eq!(world.request_as("operator/ana", answer, approve).0.unwrap(), said);
        let deny = verdict(id, Verdict::Deny, None);
        assert_eq!(world.request_as("operator/ana", answer, deny).0.unwrap_err().code, ErrorCode::IdReused);
        // Asked again it stands as it was answered, and is not told twice.
        let again: ApprovalInfo = {
            let frame = world.request_as("wren", request, Change::ApprovalAsk(tool())).0.unwrap();
            crate::world::parsed(&frame)
        };
        assert_eq!(again.state, ApprovalState::Approved);
        assert_eq!(world.told().len(), 1);
    }

    fn what_does_not_fit_is_refused(world) {
        world.people();
        let asked = world.wants(tool());
        let wonders = world.wants(question());
        let text = "x".repeat(16 * 1024 + 1);
        for (change, code) in [
            (verdict(asked.id, Verdict::Answer, Some("red")), ErrorCode::Invalid),
            (verdict(wonders.id, Verdict::Approve, None), ErrorCode::Invalid),
            (verdict(wonders.id, Verdict::Answer, None), ErrorCode::Invalid),
            (verdict(wonders.id, Verdict::Answer, Some("  ")), ErrorCode::Invalid),
            (verdict(wonders.id, Verdict::Answer, Some(&text)), ErrorCode::TooLarge),
            (verdict(derive::approval_id(RequestId(world.id()), &party("wren")), Verdict::Deny, None), ErrorCode::NotFound),
        ] {
            assert_eq!(world.request::<ApprovalInfo>("operator/ana", change).unwrap_err().code, code);
        }
        let long = Asked::Tool { tool: "t".into(), summary: String::new(), arguments: "x".repeat(64 * 1024 + 1) };
        for (ask, code) in [
            (ApprovalAsk { asked: long, ..tool() }, ErrorCode::TooLarge),
            (ApprovalAsk { deadline_s: Some(0), ..tool() }, ErrorCode::Invalid),
            (ApprovalAsk { deadline_s: Some(604_801), ..tool() }, ErrorCode::Invalid),
            (ApprovalAsk { thread: Some(nexus_wire::ThreadId(world.id())), ..tool() }, ErrorCode::NotFound),
        ] {
            assert_eq!(world.request::<ApprovalInfo>("wren", Change::ApprovalAsk(ask)).unwrap_err().code, code);
        }
        let withdraw = Change::ApprovalWithdraw(ApprovalWithdraw { approval: asked.id, reason: None });
        let refused = world.request::<ApprovalInfo>("forge", withdraw).unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotFound, "{}", refused.message);
        for _ in 2..APPROVALS_OPEN_MAX {
            world.wants(tool());
        }
        let full = world.request::<ApprovalInfo>("wren", Change::ApprovalAsk(tool())).unwrap_err();
        assert_eq!(full.code, ErrorCode::QueueFull);
        world.answer("operator/ana", verdict(wonders.id, Verdict::Answer, Some("red")));
        world.wants(tool());
    }

    fn long_waiting_raises_an_alert_and_time_ends_it(world) {
        world.people();
        let ask = ApprovalAsk { deadline_s: Some(3600), ..tool() };
        let asked = world.wants(ask);
        let late = APPROVAL_ALERT_AFTER.as_millis() as Ms;
        assert_eq!(world.hub.next_timer(), Some(asked.asked_at + late));
        world.passes(late);
        let open = world.store.alerts(false, None, 10).unwrap();
        let keys: Vec<_> = open.iter().map(|alert| (alert.kind, alert.subject.clone())).collect();
        assert_eq!(keys, [(AlertKind::ApprovalWaiting, asked.id.to_string())]);
        assert!(open[0].message.contains("wren waits for leave to use run_command"), "{}", open[0].message);
        assert_eq!(world.hub.next_timer(), Some(asked.expires_at));
        world.start(HubConfig::default());
        world.at = asked.expires_at;
        // Too late: what the answer meets is an end.
        let answered = world.answer("operator/ana", verdict(asked.id, Verdict::Approve, None));
        assert_eq!((answered.state, answered.by), (ApprovalState::Expired, None));
        assert_eq!(world.told(), [end(&asked, ApprovalState::Expired, None, None)]);
        assert_eq!(world.store.alerts(false, None, 10).unwrap(), []);
        assert_eq!(world.hub.next_timer(), None);
        assert_eq!(world.kinds(), ["approval.asked", "approval.expired"]);
    }

    fn what_was_withdrawn_is_not_told_and_not_answered(world) {
        world.people();
        let asked = world.wants(tool());
        let reason = Some("the turn was cancelled".to_owned());
        let withdraw = Change::ApprovalWithdraw(ApprovalWithdraw { approval: asked.id, reason });
        let gone = world.answer("wren", withdraw.clone());
        assert_eq!((gone.state, gone.by.clone()), (ApprovalState::Withdrawn, Some(party("wren"))));
        assert_eq!(world.answer("wren", withdraw), gone);
        assert_eq!(world.answer("operator/ana", verdict(asked.id, Verdict::Approve, None)), gone);
        assert_eq!(world.told(), []);
        let revoked = world.wants(tool());
        world.call(CommandBody::RevokeAspect { by: Party::System, name: name("wren") }).0.unwrap();
        let state = world.store.approval(revoked.id).unwrap().unwrap().info.state;
        assert_eq!(state, ApprovalState::Withdrawn);
    }

    fn what_a_hand_asks_goes_with_its_dispatch(world) {
        world.people();
        let hand: nexus_wire::HandRef = "wren/check".parse().unwrap();
        let work: Dispatched =
            world.request("operator/ana", Change::Dispatch(Dispatch::to(hand, json!(1)).into())).unwrap();
        let lease = Lease { dispatch: work.dispatch, attempt: 1 };
        let asked = world.wants(ApprovalAsk { lease: Some(lease), ..tool() });
        let stale = ApprovalAsk { lease: Some(Lease { attempt: 2, ..lease }), ..tool() };
        let refused = world.request::<ApprovalInfo>("wren", Change::ApprovalAsk(stale)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::StaleToken);
        // The worker starts anew without the lease: the next attempt asks for itself.
        world.ack("wren", 1).unwrap();
        let epoch = world.hub.roster().aspect(&name("wren")).unwrap().epoch;
        let resume = Some(Resume { epoch, offset: 1, item: None });
        let hand = serde_json::from_value(json!({"name": "check", "idempotent": true})).unwrap();
        let register =
            Register { hands: vec![hand], slots: 2, last_generation: 1, resume, ..Register::default() };
        world.register("wren", register).unwrap();
        let second = Lease { attempt: 2, ..lease };
        let again = world.wants(ApprovalAsk { lease: Some(second), ..tool() });
        fn state<S: Transaction>(world: &World<S>, id: ApprovalId) -> ApprovalState {
            world.store.approval(id).unwrap().unwrap().info.state
        }
        assert_eq!(state(world, asked.id), ApprovalState::Withdrawn);
        assert_eq!(state(world, again.id), ApprovalState::Open);
        let cancel = DispatchCancel { dispatch: work.dispatch, reason: None };
        world.request::<serde_json::Value>("operator/ana", Change::DispatchCancel(cancel)).unwrap();
        assert_eq!(state(world, again.id), ApprovalState::Withdrawn);
        assert_eq!(world.told(), []);
    }

    fn what_a_hand_may_use_of_time_stands_still_until_the_last_answer(world) {
        world.people();
        let hand: nexus_wire::HandRef = "wren/check".parse().unwrap();
        let work: Dispatched =
            world.request("operator/ana", Change::Dispatch(Dispatch::to(hand, json!(1)).into())).unwrap();
        let lease = Lease { dispatch: work.dispatch, attempt: 1 };
        let keep = |world: &mut World<S>, times: usize| {
            for _ in 0..times {
                world.passes(20_000);
                let renew = Change::LeaseRenew(LeaseRenew { leases: vec![lease] });
                let renewed: LeasesRenewed = world.request("wren", renew).unwrap();
                assert_eq!(renewed.lost, []);
            }
        };
        keep(world, 1);
        let asked = [tool(), question()].map(|ask| world.wants(ApprovalAsk { lease: Some(lease), ..ask }).id);
        keep(world, 5);
        world.answer("operator/ana", verdict(asked[0], Verdict::Deny, None));
        keep(world, 5);
        world.answer("operator/ana", verdict(asked[1], Verdict::Answer, Some("red")));
        keep(world, 1);
        world.passes(19_000);
        let head = |world: &World<S>| world.store.dispatch_head(work.dispatch).unwrap().unwrap().info;
        assert_eq!(head(world).state, DispatchState::Running);
        world.passes(1_000);
        assert_eq!(head(world).state, DispatchState::TimedOut);
        // Time that has passed before anybody has looked asks nothing.
        let again: Dispatched = {
            let hand: nexus_wire::HandRef = "wren/check".parse().unwrap();
            world.request("operator/ana", Change::Dispatch(Dispatch::to(hand, json!(2)).into())).unwrap()
        };
        world.at += 60_000;
        let lease = Lease { dispatch: again.dispatch, attempt: 1 };
        let late = Change::ApprovalAsk(ApprovalAsk { lease: Some(lease), ..tool() });
        assert_eq!(world.request::<ApprovalInfo>("wren", late).unwrap_err().code, ErrorCode::StaleToken);
    }

    fn a_reply_to_its_notice_answers_it(world) {
        world.people();
        let opened = world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message("do it") }).unwrap();
        let reply = |to: MessageId, content: &str| ChatSend { reply_to: Some(to), ..message(content) };
        let notice = world.send("wren", reply(opened.message, "may I?")).unwrap().message;
        let ask = ApprovalAsk { notice: Some(notice), thread: Some(opened.thread), ..tool() };
        let asked = world.wants(ask.clone());
        // Not to the notice, not the word, not of a person: messages like any other.
        world.send("operator/ana", reply(opened.message, "approve")).unwrap();
        let sent = world.send("operator/ana", reply(notice, "approve, if you must")).unwrap();
        assert_eq!(sent.recipients, [party("wren")]);
        world.send("wren", reply(notice, "approve")).unwrap();
        assert_eq!(world.told(), []);
        let sent = world.send("operator/bo", reply(notice, " Approve\n")).unwrap();
        assert_eq!(sent.recipients, [party("operator/ana")], "the asker is told in its own way");
        let approved = end(&asked, ApprovalState::Approved, Some("operator/bo"), None);
        assert_eq!(world.told(), std::slice::from_ref(&approved));
        let sent = world.send("operator/bo", reply(notice, "deny")).unwrap();
        assert!(sent.recipients.contains(&party("wren")), "it has ended");
        let wonders = world.wants(ApprovalAsk { asked: question().asked, ..ask });
        world.send("operator/ana", reply(notice, "blue, I think")).unwrap();
        let answered = end(&wonders, ApprovalState::Answered, Some("operator/ana"), Some("blue, I think"));
        assert_eq!(world.told(), [approved, answered]);
    }

    fn a_reply_answers_nobody_who_only_names_the_message(world) {
        world.people();
        world.online("rook");
        let opened = world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message("do it") }).unwrap();
        let reply = |to: MessageId, content: &str| ChatSend { reply_to: Some(to), ..message(content) };
        // Its time makes it the first of the two.
        let earlier = RequestId(world.id());
        let notice = world.send("wren", reply(opened.message, "may I?")).unwrap().message;
        let asked = world.wants(ApprovalAsk { notice: Some(notice), ..tool() });
        let hidden = Change::ApprovalAsk(ApprovalAsk { notice: Some(notice), ..question() });
        let hidden: ApprovalInfo = parsed(&world.request_as("rook", earlier, hidden).0.unwrap());
        world.send("operator/ana", reply(notice, "approve")).unwrap();
        assert_eq!(world.told(), [end(&asked, ApprovalState::Approved, Some("operator/ana"), None)]);
        assert_eq!(world.store.approvals(false, None, 10).unwrap(), [hidden], "nobody has answered it");
    }

    fn whoever_approves_a_proposed_trigger_is_its_owner_from_that_moment(world) {
        world.people();
        let opened = world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message("do it") }).unwrap();
        let reply = |to: MessageId, content: &str| ChatSend { reply_to: Some(to), ..message(content) };
        let notice = world.send("wren", reply(opened.message, "may I?")).unwrap().message;
        let definition = trigger(json!({"when": {"cron": "0 8 * * *"}}));
        let ask = ApprovalAsk {
            trigger: Some(Box::new(definition.clone())), notice: Some(notice), thread: Some(opened.thread), ..tool()
        };
        let asked = world.wants(ask);
        let Asked::Tool { arguments, .. } = &asked.asked else { panic!("{asked:?}") };
        let shown: Trigger = serde_json::from_str(arguments).unwrap();
        assert_eq!(shown, definition, "what is approved is what is shown, whatever the asker says of it");
        assert_eq!(world.store.trigger(&definition.name).unwrap(), None);
        // A message need not have shown the whole of it.
        world.send("operator/bo", reply(notice, "approve")).unwrap();
        assert_eq!(world.told(), []);
        world.start(HubConfig::default());
        let answer = RequestId(world.id());
        let approve = verdict(asked.id, Verdict::Approve, None);
        for _ in 0..2 {
            world.request_as("operator/bo", answer, approve.clone()).0.unwrap();
            let stands = world.store.trigger(&definition.name).unwrap().unwrap();
            let expected = (derive::proposed_trigger(asked.id), party("operator/bo"), definition.clone());
            assert_eq!((stands.info.id, stands.info.owner, stands.info.definition), expected);
        }
        assert_eq!(world.told(), [end(&asked, ApprovalState::Approved, Some("operator/bo"), None)]);
        world.register("wren", Register::default()).unwrap();
        // What is there is overwritten by no proposal, and nothing else is proposed that could not be.
        let later = Trigger { description: "another".into(), ..definition.clone() };
        let nobody = trigger(json!({"name": "u", "when": "manual", "do": {"ask": {"aspect": "gone", "text": "?"}}}));
        let unseen = trigger(json!({"name": "u", "when": {"files": {"watch": "wren/none"}}}));
        let of = |trigger: &Trigger| ApprovalAsk { trigger: Some(Box::new(trigger.clone())), ..tool() };
        for (ask, code) in [
            (of(&unseen), ErrorCode::Invalid),
            (of(&later), ErrorCode::Invalid),
            (of(&nobody), ErrorCode::NotFound),
            (ApprovalAsk { asked: question().asked, ..of(&Trigger { name: "u".parse().unwrap(), ..later }) }, ErrorCode::Invalid),
        ] {
            assert_eq!(world.request::<ApprovalInfo>("wren", Change::ApprovalAsk(ask)).unwrap_err().code, code);
        }
        let denied = world.wants(of(&Trigger { name: "u".parse().unwrap(), ..definition }));
        world.answer("operator/ana", verdict(denied.id, Verdict::Deny, None));
        assert_eq!(world.store.trigger(&"u".parse().unwrap()).unwrap(), None);
    }

    fn a_proposal_that_cannot_be_approved_any_more_stays_open(world) {
        world.people();
        let definition = trigger(json!({"when": {"cron": "0 8 * * *"}}));
        let asked = world.wants(ApprovalAsk { trigger: Some(Box::new(definition.clone())), ..tool() });
        let own = Trigger { description: "ana's own".into(), ..definition.clone() };
        world.request::<TriggerInfo>("operator/ana", Change::TriggerPut(Box::new(own.clone()))).unwrap();
        let approve = verdict(asked.id, Verdict::Approve, None);
        let refused = world.request::<ApprovalInfo>("operator/bo", approve.clone()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid);
        assert_eq!(world.store.trigger(&definition.name).unwrap().unwrap().info.definition, own);
        let delete = TriggerDelete { trigger: definition.name.clone() };
        world.request::<TriggerDeleted>("operator/ana", Change::TriggerDelete(delete)).unwrap();
        assert_eq!(world.answer("operator/bo", approve).state, ApprovalState::Approved);
        assert_eq!(world.store.trigger(&definition.name).unwrap().unwrap().info.owner, party("operator/bo"));
    }
}
