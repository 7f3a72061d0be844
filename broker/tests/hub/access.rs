//! Tokens, passwords, sessions, the setup token, overlapping keys, used assertions and credentials.

use nexus_broker::hub::records::{CredentialTerms, Digest, OperatorRecord, UsedAssertion};
use nexus_broker::hub::{Access, CommandBody, Effect, NewToken, Note, Proof};
use nexus_wire::access::{KeyRotated, SessionInfo};
use nexus_wire::admin::{OperatorInfo, OperatorRole};
use nexus_wire::credential::{CredentialInfo, CredentialKind, CredentialMode};
use nexus_wire::limits::{CLOSE_REVOKED, SESSION_TTL, SESSIONS_PER_OPERATOR_MAX, TOKENS_PER_OPERATOR_MAX};
use nexus_wire::roster::Register;
use nexus_wire::{ErrorCode, LinkId, Ms, OperatorName, Party};
use serde_json::Value;

use crate::on_both_stores;
use crate::world::{name, parsed, party};

fn ana() -> OperatorName {
    "ana".parse().unwrap()
}

fn access(act: Access) -> CommandBody {
    CommandBody::Access { by: party("operator/ana"), act }
}

fn token(label: &str, byte: u8) -> Access {
    Access::AddToken { operator: ana(), token: new_token(label, byte) }
}

fn new_token(label: &str, byte: u8) -> NewToken {
    NewToken { name: label.parse().unwrap(), sha256: Digest([byte; 32]), lifetime_ms: None }
}

fn rotate(byte: u8, overlap_ms: Ms) -> CommandBody {
    access(Access::RotateKey { aspect: name("wren"), public_key: [byte; 32], overlap_ms })
}

fn closes(effects: &[Effect]) -> Vec<(LinkId, u16)> {
    let close = |effect: &Effect| match effect {
        Effect::Close { link, code, .. } => Some((*link, *code)),
        Effect::Answer { .. }
        | Effect::Attach { .. }
        | Effect::Push { .. }
        | Effect::RosterChanged { .. }
        | Effect::AtWork { .. }
        | Effect::DoorsChanged
        | Effect::HooksChanged
        | Effect::PushesChanged
        | Effect::WatchesChanged
        | Effect::Insist { .. }
        | Effect::Tell { .. }
        | Effect::Logged(_)
        | Effect::Passed(_) => None,
    };
    effects.iter().filter_map(close).collect()
}

on_both_stores! {
    fn tokens_come_and_go_one_by_one(world) {
        world.operator("ana");
        for (label, byte) in [("laptop", 1), ("ci", 2)] {
            world.call(access(token(label, byte))).0.unwrap();
        }
        assert_eq!(world.call(access(token("other", 2))).0.unwrap_err().code, ErrorCode::Invalid, "a digest once");
        world.call(access(token("ci", 3))).0.unwrap();
        world.call(access(Access::RevokeToken { operator: ana(), name: "laptop".parse().unwrap() })).0.unwrap();
        world.apply(access(Access::Used(vec![(Digest([3; 32]), 77), (Digest([9; 32]), 78)])));
        let record = world.hub.roster().operator(&ana()).unwrap();
        let tokens: Vec<_> = record.tokens.iter().map(|it| (it.name.as_str(), it.sha256.0[0], it.last_used_at)).collect();
        assert_eq!(tokens, [("ci", 3, Some(77)), ("first", b'a', None)]);
        for n in 2..TOKENS_PER_OPERATOR_MAX {
            world.call(access(token(&format!("t{n}"), 10 + n as u8))).0.unwrap();
        }
        assert_eq!(world.call(access(token("more", 9))).0.unwrap_err().code, ErrorCode::Invalid);
    }

    fn another_role_leaves_the_ways_in(world) {
        world.operator("ana");
        let role = |who: &str, role| access(Access::SetRole { operator: who.parse().unwrap(), role });
        let only = world.call(role("ana", OperatorRole::Viewer)).0.unwrap_err();
        assert_eq!((only.code, only.message.contains("only admin")), (ErrorCode::Invalid, true));
        assert_eq!(world.call(role("eve", OperatorRole::Viewer)).0.unwrap_err().code, ErrorCode::NotFound);
        world.operator("bo");
        let before = world.hub.roster().operator(&ana()).unwrap().clone();
        let (answer, effects) = world.call(role("ana", OperatorRole::Viewer));
        let after = OperatorRecord { role: OperatorRole::Viewer, ..before };
        assert_eq!(parsed::<OperatorInfo>(&answer.unwrap()), after.info());
        assert_eq!(world.hub.roster().operator(&ana()), Some(&after));
        assert!(effects.contains(&Effect::DoorsChanged), "the gate is told");
        let (_, again) = world.call(role("ana", OperatorRole::Viewer));
        assert!(!again.iter().any(|it| matches!(it, Effect::Logged(_))), "nothing changed");
    }

    fn a_session_needs_the_password_that_was_checked(world) {
        world.operator("ana");
        let open = |byte: u8, hash: &str| {
            let proof = Proof::Password { hash: hash.into() };
            access(Access::OpenSession { operator: ana(), sha256: Digest([byte; 32]), proof })
        };
        assert_eq!(world.call(open(1, "h1")).0.unwrap_err().code, ErrorCode::Unauthorized, "no password yet");
        world.call(access(Access::SetPassword { operator: ana(), hash: "h1".into() })).0.unwrap();
        let info: SessionInfo = parsed(&world.call(open(1, "h1")).0.unwrap());
        let expires_at = Some(world.at + SESSION_TTL.as_millis() as Ms);
        assert_eq!((info.operator, info.role, info.expires_at), (ana(), OperatorRole::Admin, expires_at));
        for byte in 2..=SESSIONS_PER_OPERATOR_MAX as u8 + 1 {
            world.call(open(byte, "h1")).0.unwrap();
        }
        let sessions = |world: &crate::world::World<_>| {
            world.hub.roster().operator(&ana()).unwrap().sessions.iter().map(|it| it.sha256.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(sessions(world), (2..=SESSIONS_PER_OPERATOR_MAX as u8 + 1).collect::<Vec<_>>(), "the oldest went");
        world.call(access(Access::CloseSession { operator: ana(), sha256: Digest([2; 32]) })).0.unwrap();
        assert_eq!(sessions(world)[0], 3);
        world.call(access(Access::SetPassword { operator: ana(), hash: "h2".into() })).0.unwrap();
        assert_eq!(sessions(world), Vec::<u8>::new(), "a new password ends them all");
        assert_eq!(world.call(open(1, "h1")).0.unwrap_err().code, ErrorCode::Unauthorized);
    }

    fn a_session_of_a_token_ends_with_it(world) {
        world.operator("ana");
        let brief = NewToken { lifetime_ms: Some(9_000), ..new_token("brief", 3) };
        world.call(access(Access::AddToken { operator: ana(), token: brief })).0.unwrap();
        let expires_at = Some(world.at + 9_000);
        world.call(access(token("laptop", 4))).0.unwrap();
        let open = |byte: u8, with: u8| {
            let proof = Proof::Token { sha256: Digest([with; 32]) };
            access(Access::OpenSession { operator: ana(), sha256: Digest([byte; 32]), proof })
        };
        assert_eq!(world.call(open(1, 9)).0.unwrap_err().code, ErrorCode::Unauthorized, "nobody's token");
        let info: SessionInfo = parsed(&world.call(open(1, 3)).0.unwrap());
        assert_eq!(info.expires_at, expires_at, "no longer than the token");
        world.call(open(2, 4)).0.unwrap();
        world.call(access(Access::SetPassword { operator: ana(), hash: "h1".into() })).0.unwrap();
        let sessions = |world: &crate::world::World<_>| {
            world.hub.roster().operator(&ana()).unwrap().sessions.iter().map(|it| it.sha256.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(sessions(world), Vec::<u8>::new(), "a new password ends them, too");
        world.call(open(1, 3)).0.unwrap();
        world.call(open(2, 4)).0.unwrap();
        world.call(access(Access::RevokeToken { operator: ana(), name: "brief".parse().unwrap() })).0.unwrap();
        assert_eq!(sessions(world), [2]);
        world.call(access(token("laptop", 5))).0.unwrap();
        assert_eq!(sessions(world), Vec::<u8>::new(), "a token that was replaced is another");
    }

    fn the_setup_token_makes_one_admin(world) {
        let setup = |byte: u8, who: &str| access(Access::UseSetup {
            sha256: Digest([byte; 32]),
            operator: who.parse().unwrap(),
            password_hash: None,
            token: Some(new_token("setup", 40)),
        });
        assert_eq!(world.call(setup(1, "bo")).0.unwrap_err().code, ErrorCode::Unauthorized, "none was offered");
        world.call(access(Access::OfferSetup { sha256: Digest([1; 32]) })).0.unwrap();
        world.call(access(Access::OfferSetup { sha256: Digest([2; 32]) })).0.unwrap();
        assert_eq!(world.call(setup(1, "bo")).0.unwrap_err().code, ErrorCode::Unauthorized, "a later one voids it");
        world.operator("ana");
        world.call(setup(2, "bo")).0.unwrap();
        let bo = world.hub.roster().operator(&"bo".parse().unwrap()).unwrap();
        assert_eq!((bo.role, bo.tokens.len()), (OperatorRole::Admin, 1));
        assert_eq!(world.call(setup(2, "eve")).0.unwrap_err().code, ErrorCode::Unauthorized, "used");
        world.call(access(Access::OfferSetup { sha256: Digest([3; 32]) })).0.unwrap();
        world.at += 24 * 3_600 * 1_000;
        assert_eq!(world.call(setup(3, "eve")).0.unwrap_err().code, ErrorCode::Unauthorized, "too late");
    }

    fn keys_overlap_for_as_long_as_was_asked(world) {
        world.online("wren");
        let old = world.link("wren").unwrap();
        let (answer, effects) = world.call(rotate(2, 5_000));
        let until = world.at + 5_000;
        let rotated = KeyRotated { name: name("wren"), key_generation: 2, previous_until: Some(until) };
        assert_eq!(parsed::<KeyRotated>(&answer.unwrap()), rotated);
        assert_eq!((closes(&effects), world.link("wren")), (Vec::new(), Some(old)));
        assert_eq!(world.hub.next_timer(), Some(until));
        world.at = until - 2;
        assert_eq!(closes(&world.apply(CommandBody::Tick)), Vec::new());
        world.at = until;
        assert_eq!(closes(&world.apply(CommandBody::Tick)), [(old, CLOSE_REVOKED)]);
        assert_eq!((world.link("wren"), world.hub.next_timer()), (None, None));
    }

    fn a_link_of_the_new_key_outlives_the_overlap(world) {
        world.online("wren");
        world.call(rotate(2, 5_000)).0.unwrap();
        world.register("wren", Register { last_generation: 1, ..Register::default() }).unwrap();
        world.at += 5_000;
        assert_eq!(closes(&world.apply(CommandBody::Tick)), Vec::new());
        assert!(world.link("wren").is_some());
        let now = world.link("wren").unwrap();
        assert_eq!(closes(&world.call(rotate(3, 0)).1), [(now, CLOSE_REVOKED)], "without overlap at once");
        assert_eq!(world.call(rotate(4, -1)).0.unwrap_err().code, ErrorCode::Invalid);
        assert_eq!(world.call(rotate(4, 25 * 3_600 * 1_000)).0.unwrap_err().code, ErrorCode::Invalid);
    }

    fn an_assertion_is_used_once_until_it_expires(world) {
        let digest = Digest([1; 32]);
        let used = |until: Ms| access(Access::UseAssertion(UsedAssertion { until, digest }));
        let until = world.at + 60_000;
        world.call(used(until)).0.unwrap();
        assert_eq!(world.call(used(until)).0.unwrap_err().code, ErrorCode::Unauthorized);
        assert_eq!(world.call(used(until + 1)).0.unwrap_err().code, ErrorCode::Unauthorized);
        world.at = until;
        world.call(used(until + 60_000)).0.unwrap();
    }

    fn credentials_are_kept_as_they_come(world) {
        let terms = CredentialTerms {
            kind: CredentialKind::Provider,
            mode: CredentialMode::Proxy,
            base_url: Some("https://api.example".into()),
            header: "authorization".into(),
            prefix: "Bearer ".into(),
            allowed_aspects: vec![name("wren")],
        };
        let label = || "model".parse().unwrap();
        let put = Access::PutCredential { name: label(), terms: terms.clone(), sealed: vec![1] };
        let added: CredentialInfo = parsed(&world.call(access(put)).0.unwrap());
        let made_at = world.at;
        world.at += 10;
        let rotate = |terms: &CredentialTerms, byte: u8| {
            access(Access::RotateCredential { name: label(), terms: terms.clone(), sealed: vec![byte] })
        };
        let rotated: CredentialInfo = parsed(&world.call(rotate(&terms, 2)).0.unwrap());
        assert_eq!(rotated, CredentialInfo { rotated_at: world.at, created_at: made_at, ..added });
        let wider = CredentialTerms { allowed_aspects: vec![name("forge"), name("wren")], ..terms.clone() };
        let change = |was: u8| {
            let terms = wider.clone();
            access(Access::ChangeCredential { name: label(), terms, sealed: vec![3], was: vec![was] })
        };
        world.at += 10;
        let late = world.call(change(1)).0.unwrap_err();
        assert_eq!(late.code, ErrorCode::Invalid, "the secret it was made from is not the one that is kept");
        let changed: CredentialInfo = parsed(&world.call(change(2)).0.unwrap());
        assert_eq!(changed, CredentialInfo { allowed_aspects: wider.allowed_aspects.clone(), ..rotated });
        let late = world.call(rotate(&terms, 2)).0.unwrap_err();
        assert_eq!(late.code, ErrorCode::Invalid, "sealed under terms that are no longer those");
        world.call(rotate(&wider, 2)).0.unwrap();
        assert_eq!(world.hub.doors().credential(&label()).unwrap().sealed, [2]);
        world.call(access(Access::RemoveCredential { name: label() })).0.unwrap();
        let gone = world.call(access(Access::RemoveCredential { name: label() })).0.unwrap_err();
        assert_eq!((gone.code, world.hub.doors().credentials().count()), (ErrorCode::NotFound, 0));
    }

    fn what_is_noted_is_in_the_log(world) {
        let note = Note { actor: Party::System, kind: "refused.credential", subject: "10.0.0.7".into() };
        let (answer, effects) = world.call(access(Access::Note(vec![note.clone(), note])));
        assert_eq!(parsed::<Value>(&answer.unwrap()), serde_json::json!({}));
        assert_eq!(effects.iter().filter(|it| matches!(it, Effect::Logged(_))).count(), 2);
    }
}
