//! Whom clients want to be told of tasks: kept with the credential it was set with, bounded, and gone with its end.

use nexus_broker::hub::records::{Digest, PushKey, PushRecord, PushTerms, Transaction};
use nexus_broker::hub::{Access, CommandBody, Effect, NewToken, Push, PushEnd};
use nexus_wire::admin::OperatorRole;
use nexus_wire::alert::AlertKind;
use nexus_wire::audit::AuditList;
use nexus_wire::limits::{ALERTS_OPEN_PER_PARTY_MAX, PUSHES_PER_PARTY_MAX, PUSHES_PER_TASK_MAX};
use nexus_wire::{ErrorCode, Party};
use uuid::Uuid;

use crate::on_both_stores;
use crate::world::{World, party};

fn key(owner: &str, task: u128, id: &str) -> PushKey {
    PushKey { task: Uuid::from_u128(task), owner: party(owner), id: id.into() }
}

fn terms(credential: Digest) -> PushTerms {
    PushTerms {
        credential: credential.piece(),
        of: "wren".into(),
        origin: "http://localhost:1".into(),
        url: "https://a.test/hook".into(),
        scheme: Some("Bearer".into()),
    }
}

trait Pushing {
    fn ana(&mut self) -> Digest;
    fn act(&mut self, act: Push) -> Result<(), ErrorCode>;
    fn set(&mut self, key: PushKey, credential: Digest) -> Result<(), ErrorCode>;
    fn all(&self) -> Vec<PushRecord>;
    fn trail(&self) -> Vec<(Party, String, String)>;
}

impl<S: Transaction> Pushing for World<S> {
    /// With a token of hers.
    fn ana(&mut self) -> Digest {
        self.operator("ana");
        let token = NewToken { name: "ci".parse().unwrap(), sha256: Digest([7; 32]), lifetime_ms: None };
        let act = Access::AddToken { operator: "ana".parse().unwrap(), token };
        self.call(CommandBody::Access { by: party("operator/ana"), act }).0.unwrap();
        Digest([7; 32])
    }

    fn act(&mut self, act: Push) -> Result<(), ErrorCode> {
        self.call(CommandBody::Push(act)).0.map(drop).map_err(|error| error.code)
    }

    fn set(&mut self, key: PushKey, credential: Digest) -> Result<(), ErrorCode> {
        self.act(Push::Set { key, terms: terms(credential), sealed: vec![1, 2, 3] })
    }

    fn all(&self) -> Vec<PushRecord> {
        self.hub.pushes().cloned().collect()
    }

    /// What the audit trail says of pushes, the oldest first.
    fn trail(&self) -> Vec<(Party, String, String)> {
        let wanted = AuditList { kind: Some("push".into()), ..AuditList::default() };
        let rows = self.store.audit(&wanted, 100).unwrap();
        rows.into_iter().rev().map(|row| (row.actor, row.kind, row.subject)).collect()
    }
}

on_both_stores! {
    fn what_was_taken_is_remembered_until_the_end(world) {
        let token = world.ana();
        let key = key("operator/ana", 1, "hook");
        world.set(key.clone(), token).unwrap();
        let [first] = &world.all()[..] else { panic!("{:?}", world.all()) };
        let seq = first.seq;
        let whole = PushRecord { key: key.clone(), terms: terms(token), seq, told: None, sealed: vec![1, 2, 3] };
        assert_eq!(*first, whole);
        let told = |seq, byte, is_end| Push::Told { key: key.clone(), seq, told: Digest([byte; 32]), is_end };
        world.act(told(seq, 1, false)).unwrap();
        assert_eq!(world.all(), [PushRecord { told: Some(Digest([1; 32])), ..whole.clone() }]);
        // Set anew it is another, and what was taken for the one before says nothing of it.
        world.set(key.clone(), token).unwrap();
        let anew = world.all()[0].seq;
        assert!(anew > seq);
        world.act(told(seq, 2, true)).unwrap();
        world.act(Push::End { key: key.clone(), seq, why: PushEnd::Task }).unwrap();
        assert_eq!(world.all(), [PushRecord { seq: anew, ..whole }]);
        world.act(told(anew, 3, true)).unwrap();
        world.act(told(anew, 3, true)).unwrap();
        assert_eq!(world.all(), []);
        let subject = format!("{}/hook", key.task);
        let row = |actor: &str, kind: &str| (party(actor), kind.to_owned(), subject.clone());
        assert_eq!(
            world.trail(),
            [row("operator/ana", "push.set"), row("operator/ana", "push.set"), row("system", "push.ended")]
        );
    }

    fn it_goes_with_what_it_was_set_with(world) {
        let token = world.ana();
        world.operator("bo");
        let ana: nexus_wire::OperatorName = "ana".parse().unwrap();
        let own = world.hub.roster().operator(&ana).unwrap().tokens.clone();
        let other = own.iter().map(|it| it.sha256).find(|it| *it != token).unwrap();
        world.set(key("operator/ana", 1, "a"), token).unwrap();
        world.set(key("operator/ana", 1, "b"), other).unwrap();
        let by = party("operator/ana");
        let revoke = Access::RevokeToken { operator: ana.clone(), name: "ci".parse().unwrap() };
        let (answer, effects) = world.call(CommandBody::Access { by: by.clone(), act: revoke });
        answer.unwrap();
        assert!(effects.contains(&Effect::PushesChanged));
        let left: Vec<_> = world.all().into_iter().map(|it| it.key.id).collect();
        assert_eq!(left, ["b"]);
        assert_eq!(world.set(key("operator/ana", 1, "c"), token), Err(ErrorCode::Unauthorized));
        assert_eq!(world.set(key("operator/nobody", 1, "c"), token), Err(ErrorCode::Unauthorized));
        assert_eq!(world.set(key("wren", 1, "c"), token), Err(ErrorCode::Unauthorized));
        // Who may not act any more has nobody told.
        let act = Access::SetRole { operator: ana.clone(), role: OperatorRole::Viewer };
        world.call(CommandBody::Access { by: by.clone(), act }).0.unwrap();
        assert_eq!(world.all(), []);
        let act = Access::SetRole { operator: ana.clone(), role: OperatorRole::Operator };
        world.call(CommandBody::Access { by, act }).0.unwrap();
        world.set(key("operator/ana", 1, "b"), other).unwrap();
        world.call(CommandBody::RevokeOperator { by: Party::System, name: ana }).0.unwrap();
        assert_eq!(world.all(), []);
    }

    fn there_is_a_most_of_a_task_and_of_a_party(world) {
        let token = world.ana();
        for n in 0..PUSHES_PER_TASK_MAX {
            world.set(key("operator/ana", 1, &n.to_string()), token).unwrap();
        }
        assert_eq!(world.set(key("operator/ana", 1, "more"), token), Err(ErrorCode::QuotaExceeded));
        world.set(key("operator/ana", 1, "0"), token).unwrap();
        for task in 2.. {
            if world.all().len() == PUSHES_PER_PARTY_MAX {
                break;
            }
            world.set(key("operator/ana", task, "0"), token).unwrap();
        }
        assert_eq!(world.set(key("operator/ana", 999, "0"), token), Err(ErrorCode::QuotaExceeded));
        world.act(Push::Remove { key: key("operator/ana", 1, "0") }).unwrap();
        world.act(Push::Remove { key: key("operator/ana", 1, "0") }).unwrap();
        world.set(key("operator/ana", 999, "0"), token).unwrap();
    }

    fn where_nobody_is_somebody_is_told(world) {
        let token = world.ana();
        let key = key("operator/ana", 1, "hook");
        world.set(key.clone(), token).unwrap();
        let (seq, subject) = (world.all()[0].seq, format!("ana/{}/hook", key.task));
        let why = PushEnd::GivenUp("it answered 503, several times".into());
        world.act(Push::End { key, seq, why }).unwrap();
        assert_eq!(world.all(), []);
        let alert = world.store.alert(AlertKind::PushGivenUp, &subject).unwrap().unwrap();
        assert!(alert.message.contains("it answered 503, several times"), "{alert:?}");
        assert_eq!(world.trail().last().unwrap().1, "push.given_up");
    }

    /// Whoever names addresses that take nothing keeps nobody else's out of the list.
    fn of_what_one_operator_named_the_latest_are_shown(world) {
        let token = world.ana();
        world.operator("bo");
        let of_bo = world.hub.roster().operator(&"bo".parse().unwrap()).unwrap().tokens[0].sha256;
        let given_up = |world: &mut World<S>, owner: &str, task: u128, token: Digest| -> String {
            let key = key(&format!("operator/{owner}"), task, "hook");
            world.set(key.clone(), token).unwrap();
            let subject = format!("{owner}/{}/hook", key.task);
            let (seq, why) = (world.all()[0].seq, PushEnd::GivenUp("it answered 503".into()));
            world.act(Push::End { key, seq, why }).unwrap();
            subject
        };
        let others = given_up(world, "bo", 1, of_bo);
        let most = ALERTS_OPEN_PER_PARTY_MAX as u128;
        let own: Vec<String> = (1..=most + 1).map(|task| given_up(world, "ana", task, token)).collect();
        let open = world.store.alerts(false, None, 100).unwrap();
        let shown: Vec<String> = open.into_iter().map(|alert| alert.subject).collect();
        let expected: Vec<String> = std::iter::once(&others).chain(&own[1..]).rev().cloned().collect();
        assert_eq!(shown, expected);
        let gone = world.store.alert(AlertKind::PushGivenUp, &own[0]).unwrap().unwrap();
        assert!(gone.message.starts_with("gave way to newer ones, and is not over: operator/ana is told"), "{gone:?}");
        // The trail has all of them.
        let all = world.trail().into_iter().filter(|(_, kind, _)| kind == "push.given_up").count();
        assert_eq!(all, ALERTS_OPEN_PER_PARTY_MAX + 2);
    }
}
