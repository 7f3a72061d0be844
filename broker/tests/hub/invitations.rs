//! Inviting people: who may, what ends an invitation, and that accepting is one thing that happens once.

use nexus_broker::hub::records::{Digest, OperatorRecord};
use nexus_broker::hub::{Access, CommandBody};
use nexus_wire::access::{InvitationAccepted, InvitationInfo};
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRole};
use nexus_wire::limits::INVITATIONS_MAX;
use nexus_wire::{EpochId, ErrorCode, Ms, OperatorName, Party};

use crate::on_both_stores;
use crate::world::{World, parsed, party};

const DAY: Ms = 24 * 3_600 * 1_000;

fn name(text: &str) -> OperatorName {
    text.parse().unwrap()
}

fn by(who: &str, act: Access) -> CommandBody {
    CommandBody::Access { by: party(who), act }
}

fn invite(who: &str, byte: u8) -> Access {
    Access::Invite {
        name: name(who),
        role: OperatorRole::Operator,
        sha256: Digest([byte; 32]),
        lifetime_ms: DAY,
    }
}

fn accept(byte: u8) -> CommandBody {
    let act = Access::AcceptInvitation { sha256: Digest([byte; 32]), password_hash: "h1".into() };
    CommandBody::Access { by: Party::System, act }
}

fn revoke(who: &str) -> CommandBody {
    CommandBody::RevokeOperator { by: Party::System, name: name(who) }
}

fn open<S>(world: &World<S>) -> Vec<(String, u8)> {
    let all = world.hub.doors().invitations(world.at);
    all.map(|it| (it.name.to_string(), it.sha256.0[0])).collect()
}

fn code<S: nexus_broker::hub::records::Transaction>(
    world: &mut World<S>,
    body: CommandBody,
) -> Option<ErrorCode> {
    world.call(body).0.err().map(|error| error.code)
}

on_both_stores! {
    fn whoever_is_invited_is_in_once_with_the_password_they_chose(world) {
        world.operator("ana");
        let info: InvitationInfo = parsed(&world.call(by("operator/ana", invite("bo", 1))).0.unwrap());
        let expected = InvitationInfo {
            name: name("bo"),
            role: OperatorRole::Operator,
            invited_by: party("operator/ana"),
            created_at: world.at,
            expires_at: world.at + DAY,
        };
        assert_eq!(info, expected);
        assert_eq!(world.hub.roster().operator(&name("bo")), None, "nobody is in before they accept");
        assert_eq!(code(world, accept(2)), Some(ErrorCode::Unauthorized), "another token");
        let accepted: InvitationAccepted = parsed(&world.call(accept(1)).0.unwrap());
        let record = OperatorRecord {
            name: name("bo"),
            role: OperatorRole::Operator,
            password: Some("h1".into()),
            tokens: Vec::new(),
            sessions: Vec::new(),
            created_at: world.at,
            revoked_at: None,
        };
        assert_eq!(accepted, InvitationAccepted { operator: record.info() });
        assert_eq!(world.hub.roster().operator(&name("bo")), Some(&record));
        assert_eq!((open(world), code(world, accept(1))), (Vec::new(), Some(ErrorCode::Unauthorized)), "used");
        assert_eq!(world.hub.roster().operator(&name("bo")), Some(&record), "and nothing has changed by that");
    }

    fn one_invitation_to_a_name_and_none_to_whoever_is_in(world) {
        world.operator("ana");
        world.call(by("operator/ana", invite("bo", 1))).0.unwrap();
        world.call(by("operator/ana", invite("bo", 2))).0.unwrap();
        assert_eq!((open(world), code(world, accept(1))), (vec![("bo".to_owned(), 2)], Some(ErrorCode::Unauthorized)));
        assert_eq!(code(world, by("operator/ana", invite("ana", 3))), Some(ErrorCode::Invalid));
        assert_eq!(code(world, by("operator/ana", invite("cy", 2))), Some(ErrorCode::Invalid), "a digest once");
        // Somebody let bo in meanwhile by another way.
        world.operator("bo");
        assert_eq!((open(world), code(world, accept(2))), (Vec::new(), Some(ErrorCode::Unauthorized)));
        assert_eq!(world.hub.roster().operator(&name("bo")).unwrap().password, None);
    }

    fn an_invitation_can_be_taken_back_and_expires(world) {
        world.operator("ana");
        for (who, byte) in [("bo", 1), ("cy", 2)] {
            world.call(by("operator/ana", invite(who, byte))).0.unwrap();
        }
        let back = |who: &str| by("operator/ana", Access::RevokeInvitation { name: name(who) });
        let info: InvitationInfo = parsed(&world.call(back("bo")).0.unwrap());
        assert_eq!(info.name, name("bo"));
        assert_eq!((code(world, back("bo")), code(world, accept(1))), (Some(ErrorCode::NotFound), Some(ErrorCode::Unauthorized)));
        world.at += DAY;
        assert_eq!((open(world), code(world, accept(2))), (Vec::new(), Some(ErrorCode::Unauthorized)), "too late");
        assert_eq!(code(world, back("cy")), Some(ErrorCode::NotFound));
        assert_eq!(world.hub.roster().operators().count(), 1);
        world.call(by("operator/ana", invite("dan", 2))).0.unwrap();
        assert_eq!(open(world), [("dan".to_owned(), 2)], "the digest of one that has expired is free");
    }

    fn it_is_an_admins_word_and_ends_with_it(world) {
        world.operator("ana");
        world.operator("eve");
        let role = |who: &str, role| by("operator/ana", Access::SetRole { operator: name(who), role });
        world.call(by("operator/eve", invite("bo", 1))).0.unwrap();
        world.call(by("operator/ana", invite("cy", 2))).0.unwrap();
        world.call(role("eve", OperatorRole::Operator)).0.unwrap();
        assert_eq!((open(world), code(world, accept(1))), (vec![("cy".to_owned(), 2)], Some(ErrorCode::Unauthorized)));
        assert_eq!(code(world, by("operator/eve", invite("bo", 1))), Some(ErrorCode::Forbidden));
        assert_eq!(code(world, by("operator/nobody", invite("bo", 1))), Some(ErrorCode::Forbidden));
        assert_eq!(code(world, by("wren", invite("bo", 1))), Some(ErrorCode::Forbidden));
        world.call(role("eve", OperatorRole::Admin)).0.unwrap();
        assert_eq!(open(world), [("cy".to_owned(), 2)], "an admin again, and yet what was void stays void");
        world.call(by("operator/eve", invite("bo", 1))).0.unwrap();
        world.call(revoke("eve")).0.unwrap();
        assert_eq!(open(world), [("cy".to_owned(), 2)]);
        world.call(by("system", invite("bo", 3))).0.unwrap();
        world.call(accept(3)).0.unwrap();
    }

    fn whoever_was_shut_out_can_be_invited_back_and_shut_out_again(world) {
        world.operator("ana");
        world.operator("bo");
        let created_at = world.hub.roster().operator(&name("bo")).unwrap().created_at;
        world.call(revoke("bo")).0.unwrap();
        world.call(by("operator/ana", invite("bo", 1))).0.unwrap();
        world.call(revoke("bo")).0.unwrap();
        assert_eq!((open(world), code(world, accept(1))), (Vec::new(), Some(ErrorCode::Unauthorized)));
        world.call(by("operator/ana", invite("bo", 1))).0.unwrap();
        world.call(accept(1)).0.unwrap();
        let info: OperatorInfo = world.hub.roster().operator(&name("bo")).unwrap().info();
        let expected = OperatorInfo {
            name: name("bo"),
            role: OperatorRole::Operator,
            created_at,
            revoked_at: None,
            has_password: true,
            tokens: Vec::new(),
            sessions: 0,
        };
        assert_eq!(info, expected, "with nothing but what they are given now");
        world.call(by("operator/ana", invite("cy", 2))).0.unwrap();
        let never_in = world.call(revoke("cy")).0.unwrap_err();
        assert_eq!((never_in.code, never_in.message.contains("take the invitation back")), (ErrorCode::NotFound, true));
    }

    fn invitations_are_bounded(world) {
        let lasting = |lifetime_ms: Ms| {
            by("system", Access::Invite { name: name("bo"), role: OperatorRole::Viewer, sha256: Digest([1; 32]), lifetime_ms })
        };
        for (lifetime, expected) in [(0, false), (-1, false), (30 * DAY + 1, false), (Ms::MAX, false), (1, true), (30 * DAY, true)] {
            assert_eq!(code(world, lasting(lifetime)).is_none(), expected, "{lifetime}");
        }
        for n in 1..INVITATIONS_MAX {
            world.call(by("system", invite(&format!("p{n}"), 1 + n as u8))).0.unwrap();
        }
        assert_eq!(code(world, by("system", invite("one-more", 250))), Some(ErrorCode::Invalid));
        world.call(by("system", invite("p1", 250))).0.unwrap();
        world.at += DAY;
        world.call(by("system", invite("one-more", 251))).0.unwrap();
        assert_eq!(open(world), [("bo".to_owned(), 1), ("one-more".to_owned(), 251)]);
    }

    fn a_restored_backup_has_no_open_invitation(world) {
        world.call(by("system", invite("bo", 1))).0.unwrap();
        let new_epoch = EpochId(world.id());
        world.call(CommandBody::Restored { new_epoch }).0.unwrap();
        assert_eq!((open(world), code(world, accept(1))), (Vec::new(), Some(ErrorCode::Unauthorized)));
    }

    fn a_token_that_is_added_ends_the_invitation_of_its_owner(world) {
        world.call(by("system", invite("bo", 1))).0.unwrap();
        let add = OperatorAdd { name: name("bo"), role: OperatorRole::Viewer, token_sha256: "ab".repeat(32) };
        world.operator("ana");
        world.call(CommandBody::AddOperator { by: Party::System, add }).0.unwrap();
        assert_eq!(open(world), []);
    }
}
