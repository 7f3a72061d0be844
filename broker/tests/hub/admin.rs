//! Letting people and aspects in and out, and the trail it leaves.

use nexus_broker::hub::{CommandBody, Effect};
use nexus_wire::access::TokenInfo;
use nexus_wire::admin::{AspectAdd, AspectKey, OperatorAdd, OperatorInfo, OperatorRole};
use nexus_wire::log::LogBody;
use nexus_wire::roster::AspectRole;
use nexus_wire::{ErrorCode, Party};

use crate::on_both_stores;
use crate::world::{name, parsed, party};

fn operator(name: &str, role: OperatorRole, digit: &str) -> CommandBody {
    let add = OperatorAdd { name: name.parse().unwrap(), role, token_sha256: digit.repeat(64) };
    CommandBody::AddOperator { by: party("operator/ana"), add }
}

fn revoke_operator(name: &str) -> CommandBody {
    CommandBody::RevokeOperator { by: party("operator/ana"), name: name.parse().unwrap() }
}

fn aspect(name: &str, role: AspectRole, public_key: &str) -> CommandBody {
    let add = AspectAdd {
        name: name.parse().unwrap(),
        role,
        public_key: public_key.into(),
        share_knowledge: false,
    };
    CommandBody::AddAspect { by: party("operator/ana"), add }
}

/// Kind, subject and actor of the entries a command left.
fn trail(effects: &[Effect]) -> Vec<(String, String, Party)> {
    let logged = |effect: &Effect| {
        let Effect::Logged(entry) = effect else { return None };
        let LogBody::Other { kind, subject } = &entry.body else { return None };
        Some((kind.clone(), subject.clone(), entry.actor.clone()))
    };
    effects.iter().filter_map(logged).collect()
}

on_both_stores! {
    fn every_change_names_who_made_it(world) {
        let ana = party("operator/ana");
        let key = "A".repeat(43);
        let steps = [
            (operator("ana", OperatorRole::Admin, "a"), "operator.added", "ana"),
            (operator("bob", OperatorRole::Viewer, "b"), "operator.added", "bob"),
            (operator("bob", OperatorRole::Operator, "b"), "operator.changed", "bob"),
            (operator("bob", OperatorRole::Operator, "c"), "operator.changed", "bob"),
            (revoke_operator("bob"), "operator.revoked", "bob"),
            (aspect("wren", AspectRole::Worker, &key), "aspect.added", "wren"),
            (aspect("wren", AspectRole::Frame, &key), "aspect.changed", "wren"),
            (CommandBody::RevokeAspect { by: ana.clone(), name: name("wren") }, "aspect.revoked", "wren"),
            (aspect("wren", AspectRole::Worker, &key), "aspect.rekeyed", "wren"),
        ];
        for (step, kind, subject) in steps {
            let (answer, effects) = world.call(step.clone());
            answer.unwrap();
            assert_eq!(trail(&effects), vec![(kind.to_owned(), subject.to_owned(), ana.clone())]);
            let (answer, effects) = world.call(step);
            answer.unwrap();
            assert_eq!(trail(&effects), Vec::new(), "{kind} again changes nothing");
        }
    }

    fn answers_show_what_is_in_force(world) {
        let (answer, _) = world.call(operator("ana", OperatorRole::Admin, "a"));
        let first = TokenInfo {
            name: "first".parse().unwrap(), created_at: world.at, last_used_at: None, expires_at: None,
        };
        let expected = OperatorInfo {
            name: "ana".parse().unwrap(), role: OperatorRole::Admin, created_at: world.at, revoked_at: None,
            has_password: false, tokens: vec![first], sessions: 0,
        };
        assert_eq!(parsed::<OperatorInfo>(&answer.unwrap()), expected);
        let (answer, _) = world.call(aspect("wren", AspectRole::Worker, &"A".repeat(43)));
        let expected = AspectKey {
            name: name("wren"), role: AspectRole::Worker, key_generation: 1, share_knowledge: false, revoked_at: None,
            previous_until: None,
        };
        assert_eq!(parsed::<AspectKey>(&answer.unwrap()), expected);
    }

    fn what_would_leave_nobody_in_charge_or_make_no_sense_is_refused(world) {
        world.call(operator("ana", OperatorRole::Admin, "a")).0.unwrap();
        world.call(aspect("keel", AspectRole::Frame, &"A".repeat(43))).0.unwrap();
        let cases = [
            ("the only admin goes", revoke_operator("ana"), ErrorCode::Invalid),
            ("the only admin steps down", operator("ana", OperatorRole::Viewer, "a"), ErrorCode::Invalid),
            ("no digest", operator("bob", OperatorRole::Viewer, "x"), ErrorCode::Invalid),
            ("nobody", revoke_operator("eve"), ErrorCode::NotFound),
            ("no aspect", CommandBody::RevokeAspect { by: Party::System, name: name("eve") }, ErrorCode::NotFound),
            ("a second lead", aspect("wren", AspectRole::Frame, &"A".repeat(43)), ErrorCode::Invalid),
            ("a short key", aspect("wren", AspectRole::Worker, &"A".repeat(42)), ErrorCode::Invalid),
            ("no key", aspect("wren", AspectRole::Worker, "hello!"), ErrorCode::Invalid),
        ];
        for (case, command, code) in cases {
            let (answer, effects) = world.call(command);
            assert_eq!(answer.unwrap_err().code, code, "{case}");
            assert_eq!(effects, Vec::new(), "{case}");
        }
        world.call(operator("bob", OperatorRole::Admin, "b")).0.unwrap();
        world.call(revoke_operator("ana")).0.unwrap();
        assert_eq!(world.call(revoke_operator("bob")).0.unwrap_err().code, ErrorCode::Invalid);
    }
}
