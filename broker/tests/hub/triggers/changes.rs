//! Which definition of a trigger is changed: nobody's change is written over by somebody who has not seen it.

use jiff::Timestamp;
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::approval::{ApprovalAnswer, ApprovalAsk, ApprovalInfo, Asked, Verdict};
use nexus_wire::trigger::{Trigger, TriggerDelete, TriggerDeleted, TriggerInfo};
use nexus_wire::{ErrorBody, ErrorCode, Ms, RequestId};
use serde_json::json;

use crate::on_both_stores;
use crate::triggers::{Triggering, trigger};
use crate::world::{parsed, party};

fn says(description: &str) -> Trigger {
    trigger(json!({"when": "manual", "description": description}))
}

fn put(description: &str, if_defined_at: Option<Ms>) -> Change {
    Change::TriggerPut(Box::new(Trigger { if_defined_at, ..says(description) }))
}

fn conflict(message: String, is: Ms) -> ErrorBody {
    ErrorBody::new(ErrorCode::Conflict, message).with(json!({"defined_at": is}))
}

on_both_stores! {
    fn of_two_who_change_the_same_definition_the_later_one_is_told(world) {
        world.team();
        world.operator("bo");
        let first: TriggerInfo = world.request("operator/ana", put("first", None)).unwrap();
        let seen = Some(first.defined_at);
        let request = RequestId(world.id());
        let bos: TriggerInfo = parsed(&world.request_as("operator/bo", request, put("bo's", seen)).0.unwrap());
        let expected = TriggerInfo { definition: says("bo's"), owner: party("operator/bo"), defined_at: world.at, ..first };
        assert_eq!(bos, expected, "what was expected is no part of it");

        let when = Timestamp::from_millisecond(bos.defined_at).unwrap();
        let message = format!("operator/bo has changed trigger t meanwhile, at {when}; look at it as it is now, and change that");
        for description in ["ana's", "bo's"] {
            let error = world.request::<TriggerInfo>("operator/ana", put(description, seen)).unwrap_err();
            assert_eq!(error, conflict(message.clone(), bos.defined_at));
        }
        assert_eq!(world.stands("t"), bos);
        // The answer may have been lost, and its request is sent again.
        let again: TriggerInfo = parsed(&world.request_as("operator/bo", request, put("bo's", seen)).0.unwrap());
        assert_eq!(again, bos);

        let seen = Some(bos.defined_at);
        assert_eq!(world.request::<TriggerInfo>("operator/ana", put("bo's", seen)).unwrap(), bos, "it is the same");
        world.pause("t");
        let anas: TriggerInfo = world.request("operator/ana", put("ana's", seen)).unwrap();
        assert_eq!((anas.definition, anas.owner), (says("ana's"), party("operator/ana")), "a pause is no other definition");
    }

    fn zero_stands_for_no_such_trigger(world) {
        world.team();
        let made: TriggerInfo = world.request("operator/ana", put("a", Some(0))).unwrap();
        assert_eq!((&made.definition, made.defined_at), (&says("a"), world.at));
        let when = Timestamp::from_millisecond(made.defined_at).unwrap();
        let message = format!("operator/ana has defined trigger t meanwhile, at {when}; look at it as it is now, and change that");
        let error = world.request::<TriggerInfo>("operator/ana", put("b", Some(0))).unwrap_err();
        assert_eq!(error, conflict(message, made.defined_at));

        let delete = Change::TriggerDelete(TriggerDelete { trigger: "t".parse().unwrap() });
        assert!(world.request::<TriggerDeleted>("operator/ana", delete).unwrap().deleted);
        let error = world.request::<TriggerInfo>("operator/ana", put("b", Some(made.defined_at))).unwrap_err();
        let message = "there is no trigger t any more, or there never was; define it as a new one if it is wanted";
        assert_eq!(error, conflict(message.to_owned(), 0));
        assert_eq!(world.store.triggers(None, 10).unwrap(), []);
    }

    /// They come in one commit, and the second has seen none of the two.
    fn two_definitions_in_one_millisecond_are_told_apart(world) {
        world.team();
        let seen = Some(world.request::<TriggerInfo>("operator/ana", put("a", None)).unwrap().defined_at);
        let commands = [("b", seen), ("c", None), ("d", seen)].map(|(description, if_defined_at)| {
            let (sender, request) = (party("operator/ana"), RequestId(world.id()));
            let change = put(description, if_defined_at);
            (Origin::Call(7), CommandBody::Request { sender, link: None, request, change })
        });
        world.at += 5;
        world.batch(commands.into());
        let stands = world.stands("t");
        assert_eq!((stands.definition, stands.defined_at), (says("c"), world.at + 1));
    }

    fn a_proposal_is_of_a_new_one_whatever_it_expects(world) {
        world.team();
        let proposed = Trigger { if_defined_at: Some(7), ..says("proposed") };
        let asked = Asked::Tool { tool: "create_trigger".into(), summary: "t".into(), arguments: "{}".into() };
        let ask = ApprovalAsk { asked, thread: None, lease: None, notice: None, trigger: Some(Box::new(proposed)), deadline_s: None };
        let asked: ApprovalInfo = world.request("wren", Change::ApprovalAsk(ask)).unwrap();
        let approve = ApprovalAnswer { approval: asked.id, verdict: Verdict::Approve, text: None };
        world.request::<ApprovalInfo>("operator/ana", Change::ApprovalAnswer(approve)).unwrap();
        assert_eq!(world.stands("t").definition, says("proposed"));
    }
}
