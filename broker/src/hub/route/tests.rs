use proptest::prelude::*;

use super::*;
use crate::hub::records::{AspectRecord, OperatorRecord, Profile};
use nexus_wire::EpochId;
use nexus_wire::admin::OperatorRole;
use nexus_wire::roster::AspectRole;

fn aspect(name: &str, role: AspectRole, revoked_at: Option<i64>) -> AspectRecord {
    AspectRecord {
        name: name.parse().unwrap(),
        role,
        public_key: [0; 32],
        previous_key: None,
        key_generation: 1,
        share_knowledge: false,
        revoked_at,
        created_at: 0,
        link: None,
        generation: 0,
        acked_generation: 0,
        since: 0,
        epoch: EpochId(uuid::Uuid::nil()),
        tail: 0,
        cursor: 0,
        profile: Profile::default(),
        restraint: None,
    }
}

fn operator(name: &str) -> OperatorRecord {
    OperatorRecord {
        name: name.parse().unwrap(),
        role: OperatorRole::Operator,
        password: None,
        tokens: Vec::new(),
        sessions: Vec::new(),
        created_at: 0,
        revoked_at: None,
    }
}

/// keel leads; wren, wren-2 and forge work; gone was revoked. ana and wren are people, too.
fn roster() -> Roster {
    Roster::new(
        vec![
            aspect("keel", AspectRole::Frame, None),
            aspect("wren", AspectRole::Worker, None),
            aspect("wren-2", AspectRole::Worker, None),
            aspect("forge", AspectRole::Worker, None),
            aspect("gone", AspectRole::Worker, Some(1)),
        ],
        vec![operator("ana"), operator("wren")],
    )
}

struct Case {
    name: &'static str,
    sender: &'static str,
    to: &'static [&'static str],
    content: &'static str,
    thread: Option<&'static [&'static str]>,
    recipients: &'static [&'static str],
    unknown: &'static [&'static str],
}

const TOP: Case = Case {
    name: "",
    sender: "operator/ana",
    to: &[],
    content: "hello",
    thread: None,
    recipients: &[],
    unknown: &[],
};

const CASES: &[Case] = &[
    Case { name: "nobody, by an operator: the lead", recipients: &["keel"], ..TOP },
    Case { name: "nobody, by an aspect: nobody", sender: "forge", ..TOP },
    Case { name: "nobody, by the lead: nobody", sender: "keel", ..TOP },
    Case { name: "one", to: &["wren"], recipients: &["wren"], ..TOP },
    Case { name: "in any case, with a sign", to: &["@WREN"], recipients: &["wren"], ..TOP },
    Case { name: "an operator", to: &["operator/wren"], recipients: &["operator/wren"], ..TOP },
    Case {
        name: "an operator by the bare name",
        sender: "forge",
        to: &["ana"],
        recipients: &["operator/ana"],
        ..TOP
    },
    Case {
        name: "everyone but the sender",
        sender: "forge",
        to: &["all"],
        recipients: &["keel", "wren", "wren-2"],
        ..TOP
    },
    Case { name: "unknown: not the lead's", to: &["wrenn", "wrenn"], unknown: &["wrenn"], ..TOP },
    Case {
        name: "revoked is unknown",
        to: &["gone", "wren"],
        recipients: &["wren"],
        unknown: &["gone"],
        ..TOP
    },
    Case {
        name: "no name at all",
        to: &["", "a b", "operator/", "system"],
        unknown: &["", "a b", "operator/", "system"],
        ..TOP
    },
    Case { name: "oneself", sender: "wren", to: &["wren"], content: "@wren", ..TOP },
    Case { name: "mentioned", content: "ask @wren, please", recipients: &["wren"], ..TOP },
    Case {
        name: "mentioned at either end",
        content: "@forge or @wren",
        recipients: &["forge", "wren"],
        ..TOP
    },
    Case { name: "the longer name", content: "@wren-2: go", recipients: &["wren-2"], ..TOP },
    Case {
        name: "a dash behind the name",
        content: "@wren- no, @forge-",
        recipients: &["forge", "wren"],
        ..TOP
    },
    Case { name: "in any case", content: "@Wren @FORGE", recipients: &["forge", "wren"], ..TOP },
    Case {
        name: "in brackets and possessive",
        content: "(@wren's) \"@forge\"",
        recipients: &["forge", "wren"],
        ..TOP
    },
    Case { name: "end of a sentence", content: "thanks @wren.", recipients: &["wren"], ..TOP },
    Case {
        name: "a longer word is nobody: the lead",
        content: "@wrens @wren_x @wren2 @wrené",
        recipients: &["keel"],
        ..TOP
    },
    Case {
        name: "an address is no mention",
        content: "mail bob@wren or x.@wren or é@forge",
        recipients: &["keel"],
        ..TOP
    },
    Case {
        name: "an operator mentioned",
        content: "@operator/ana @Operator/WREN",
        sender: "forge",
        recipients: &["operator/ana", "operator/wren"],
        ..TOP
    },
    Case {
        name: "an aspect before an operator",
        content: "@wren",
        sender: "forge",
        recipients: &["wren"],
        ..TOP
    },
    Case {
        name: "all mentioned",
        content: "@all",
        sender: "operator/ana",
        recipients: &["forge", "keel", "wren", "wren-2"],
        ..TOP
    },
    Case { name: "all in a longer word", content: "@allison", recipients: &["keel"], ..TOP },
    Case {
        name: "named and mentioned",
        to: &["forge"],
        content: "@wren",
        recipients: &["forge", "wren"],
        ..TOP
    },
    Case {
        name: "a reply goes to the thread",
        sender: "wren",
        thread: Some(&["operator/ana", "wren", "forge"]),
        recipients: &["forge", "operator/ana"],
        ..TOP
    },
    Case {
        name: "a reply and a mention",
        sender: "wren",
        content: "@keel look",
        thread: Some(&["operator/ana", "wren"]),
        recipients: &["keel", "operator/ana"],
        ..TOP
    },
    Case { name: "a reply to oneself alone", thread: Some(&["operator/ana"]), ..TOP },
    Case {
        name: "who was revoked gets nothing",
        thread: Some(&["operator/ana", "gone", "wren"]),
        recipients: &["wren"],
        ..TOP
    },
];

#[test]
fn every_row_of_the_rule_holds() {
    let roster = roster();
    for case in CASES {
        let sender: Party = case.sender.parse().unwrap();
        let to: Vec<String> = case.to.iter().map(ToString::to_string).collect();
        let thread: Option<Vec<Party>> =
            case.thread.map(|thread| thread.iter().map(|party| party.parse().unwrap()).collect());
        let posting = Posting { sender: &sender, to: &to, content: case.content, thread: thread.as_deref() };
        let routed = route(&posting, &roster);
        let mut recipients: Vec<String> = routed.recipients.iter().map(Party::to_string).collect();
        recipients.sort();
        assert_eq!(recipients, case.recipients, "{}", case.name);
        assert_eq!(routed.unknown, case.unknown, "{}", case.name);
    }
}

proptest! {
    #[test]
    fn any_text_is_routed_to_known_others(content in "(\\PC|@|@wren|@all|operator/){0,40}", to in prop::collection::vec("\\PC{0,12}", 0..4)) {
        let (roster, sender) = (roster(), "forge".parse().unwrap());
        let routed = route(&Posting { sender: &sender, to: &to, content: &content, thread: None }, &roster);
        prop_assert!(routed.recipients.iter().all(|party| roster.knows(party) && *party != sender));
        prop_assert!(routed.unknown.iter().all(|name| to.contains(name)));
    }
}
