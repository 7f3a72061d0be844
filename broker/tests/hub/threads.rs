//! Titles, read positions, reactions, receipts, attachments.

use nexus_broker::hub::{Change, CommandBody, Effect, PutBlob};
use nexus_wire::attachment::Attachment;
use nexus_wire::chat::ChatSend;
use nexus_wire::inbox::ItemBody;
use nexus_wire::limits::{ATTACHMENTS_MAX, EMOJI_BYTES_MAX, REACTIONS_MAX, TOPIC_BYTES_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::thread::{ChatMark, ChatMarked, ChatReact, InboxTaken, Reacted, ThreadRename, ThreadRenamed};
use nexus_wire::{BlobId, ErrorCode, FromBroker, MessageId, RequestId, ThreadId, derive};

use crate::on_both_stores;
use crate::world::{message, name, party};

fn react(message: MessageId, emoji: &str, remove: bool) -> Change {
    Change::ChatReact(ChatReact { message, emoji: emoji.into(), remove })
}

fn mark(thread: ThreadId, seq: Option<u64>) -> Change {
    Change::ChatMark(ChatMark { thread, seq })
}

on_both_stores! {
    fn a_title_is_changed_by_whoever_takes_part(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let thread = world.say("operator/ana", "@wren hello").thread;
        let rename = |title: &str| Change::ThreadRename(ThreadRename { thread, title: title.into() });
        let renamed: ThreadRenamed = world.request("wren", rename(" the plan ")).unwrap();
        assert_eq!(renamed, ThreadRenamed { thread, title: "the plan".into() });
        let head = world.hub.log_seq();
        world.request::<ThreadRenamed>("operator/ana", rename("the plan")).unwrap();
        assert_eq!(world.hub.log_seq(), head, "the same again is nothing new");
        let info = world.store.thread(thread).unwrap().unwrap();
        assert_eq!((&*info.title, info.messages), ("the plan", 1));
        let logged = world.store.log(head - 1, Some(thread), 1).unwrap().remove(0);
        let body = LogBody::Other { kind: "thread.renamed".into(), subject: thread.to_string() };
        assert_eq!((logged.actor, logged.body), (party("wren"), body));
        let long = "x".repeat(TOPIC_BYTES_MAX + 1);
        let cases = [
            ("forge", rename("mine now"), ErrorCode::NotFound),
            ("wren", rename("  "), ErrorCode::Invalid),
            ("wren", rename("two\nlines"), ErrorCode::Invalid),
            ("wren", rename(&long), ErrorCode::Invalid),
        ];
        for (sender, change, code) in cases {
            assert_eq!(world.request::<ThreadRenamed>(sender, change).unwrap_err().code, code);
        }
    }

    fn what_is_unread_is_counted_from_the_mark_and_from_ones_own_words(world) {
        world.operator("ana");
        world.operator("bob");
        world.online("wren");
        let first = world.say("operator/ana", "@wren one");
        let thread = first.thread;
        let say = |content: &str| ChatSend { thread: Some(thread), ..message(content) };
        let seqs: Vec<u64> =
            (2..90).map(|n| world.send("operator/ana", say(&format!("{n}"))).unwrap().seq).collect();
        let unread = |world: &crate::world::World<S>, who: &str| world.store.unread(&party(who), thread, 999).unwrap();
        assert_eq!((unread(world, "operator/ana"), unread(world, "operator/bob"), unread(world, "wren")), (0, 89, 89));
        let marked: ChatMarked = world.request("operator/bob", mark(thread, Some(seqs[9]))).unwrap();
        assert_eq!(marked, ChatMarked { thread, position: seqs[9] });
        assert_eq!(unread(world, "operator/bob"), 78);
        let back: ChatMarked = world.request("operator/bob", mark(thread, Some(first.seq))).unwrap();
        assert_eq!(back.position, seqs[9], "it goes forward only");
        world.send("wren", say("and I say")).unwrap();
        assert_eq!((unread(world, "wren"), unread(world, "operator/ana")), (0, 1));
        let all: ChatMarked = world.request("operator/bob", mark(thread, None)).unwrap();
        assert_eq!(unread(world, "operator/bob"), 0);
        let beyond: ChatMarked = world.request("operator/bob", mark(thread, Some(u64::MAX))).unwrap();
        assert_eq!(beyond, all, "nobody has read what is not written");
        world.online("forge");
        assert_eq!(world.request::<ChatMarked>("forge", mark(thread, None)).unwrap_err().code, ErrorCode::NotFound);
    }

    fn reactions_come_and_go_once_each_and_begin_no_turn(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        world.online("keel");
        let sent = world.say("operator/ana", "@wren @forge look");
        let items = (world.inbox("wren").len(), world.inbox("forge").len());
        let id = RequestId(world.id());
        let (answer, effects) = world.request_as("wren", id, react(sent.message, "👍", false));
        let reacted = Reacted {
            message: sent.message, thread: sent.thread, emoji: "👍".into(), by: party("wren"), removed: false,
        };
        assert_eq!(crate::world::parsed::<Reacted>(&answer.unwrap()), reacted);
        let told: Vec<_> = effects.iter().filter(|it| matches!(it, Effect::Tell { .. })).collect();
        let links = vec![world.link("forge").unwrap()];
        assert_eq!(told, vec![&Effect::Tell { links, frame: FromBroker::ChatReacted(reacted.clone()) }]);
        assert_eq!((world.inbox("wren").len(), world.inbox("forge").len()), items);
        let head = world.hub.log_seq();
        let (_, again) = world.request_as("wren", id, react(sent.message, "👍", false));
        assert_eq!((again, world.hub.log_seq()), (Vec::new(), head), "it is there already");
        world.request::<Reacted>("operator/ana", react(sent.message, "👍", false)).unwrap();
        world.request::<Reacted>("operator/ana", react(sent.message, "+1", false)).unwrap();
        world.request::<Reacted>("wren", react(sent.message, "👍", true)).unwrap();
        let found = world.store.reactions(sent.message).unwrap();
        let shown: Vec<_> = found.iter().map(|it| (it.emoji.as_str(), it.by.to_string())).collect();
        assert_eq!(shown, [("+1", "operator/ana".to_owned()), ("👍", "operator/ana".to_owned())]);
        let last = world.store.log(world.hub.log_seq() - 1, Some(sent.thread), 1).unwrap().remove(0);
        assert_eq!(last.body, LogBody::Reacted(Reacted { removed: true, ..reacted }));
        let long = "x".repeat(EMOJI_BYTES_MAX + 1);
        let cases = [
            ("keel", react(sent.message, "👍", false), ErrorCode::NotFound),
            ("wren", react(MessageId(world.id()), "👍", false), ErrorCode::NotFound),
            ("wren", react(sent.message, "", false), ErrorCode::Invalid),
            ("wren", react(sent.message, "a b", false), ErrorCode::Invalid),
            ("wren", react(sent.message, "a\0", false), ErrorCode::Invalid),
            ("wren", react(sent.message, &long, false), ErrorCode::Invalid),
        ];
        for (sender, change, code) in cases {
            assert_eq!(world.request::<Reacted>(sender, change).unwrap_err().code, code);
        }
        for n in found.len()..REACTIONS_MAX {
            world.request::<Reacted>("wren", react(sent.message, &format!("s{n}"), false)).unwrap();
        }
        let error = world.request::<Reacted>("forge", react(sent.message, "👍", false)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid);
    }

    fn what_is_taken_is_told_once_and_only_by_its_recipient(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let sent = world.say("operator/ana", "@wren look");
        let taken = || Change::InboxTaken(InboxTaken { message: sent.message });
        assert_eq!(world.request::<serde_json::Value>("forge", taken()).unwrap_err().code, ErrorCode::NotFound);
        let item = derive::message_item(sent.message, &name("wren"));
        assert_eq!(world.store.taken(&name("wren"), item).unwrap(), None);
        world.request::<serde_json::Value>("wren", taken()).unwrap();
        let at = world.at;
        let head = world.hub.log_seq();
        world.request::<serde_json::Value>("wren", taken()).unwrap();
        assert_eq!(world.store.taken(&name("wren"), item).unwrap(), Some(at));
        assert_eq!(world.hub.log_seq(), head);
        assert_eq!(world.store.read_position(&party("wren"), sent.thread).unwrap(), sent.seq);
        let last = world.store.log(head - 1, Some(sent.thread), 1).unwrap().remove(0);
        assert_eq!(last.body, LogBody::ItemTaken(InboxTaken { message: sent.message }));
    }

    fn attachments_go_where_their_message_goes(world) {
        world.operator("ana");
        world.online("wren");
        let (id, media_type) = (BlobId([0x0f; 32]), "text/csv".to_owned());
        let blob = PutBlob { id, bytes: 12, media_type, name: None };
        world.call(CommandBody::PutBlob { by: party("operator/ana"), blob }).0.unwrap();
        let file = |name: &str| Attachment {
            blob: format!("blob:sha256-{}", "0f".repeat(32)).parse().unwrap(),
            name: name.into(),
            media_type: Some("text/csv".into()),
            bytes: Some(12),
        };
        let with = |attachments: Vec<Attachment>| ChatSend { to: vec!["wren".into()], attachments, ..ChatSend::default() };
        let files = vec![file("claims.csv"), file("é \"1\".csv")];
        let sent = world.send("operator/ana", with(files.clone())).unwrap();
        let ItemBody::Message(delivered) = world.inbox("wren").remove(0).body else { panic!("a message was sent") };
        assert_eq!((delivered.content.as_str(), &delivered.attachments), ("", &files));
        assert_eq!(world.store.messages(sent.thread, 0, 1).unwrap(), vec![delivered]);
        let other_type = |media_type: &str| Attachment { media_type: Some(media_type.into()), ..file("x") };
        let cases = [
            with(vec![file("")]),
            with(vec![file("../x")]),
            with(vec![file("a\\b")]),
            with(vec![file("a\nb")]),
            with(vec![file(&"x".repeat(256))]),
            with(vec![other_type("csv")]),
            with(vec![other_type("text/\ncsv")]),
            with(vec![file("x"); ATTACHMENTS_MAX + 1]),
        ];
        for send in cases {
            assert_eq!(world.send("operator/ana", send).unwrap_err().code, ErrorCode::Invalid);
        }
    }

    fn a_paused_thread_is_an_alert_until_an_operator_speaks(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let thread = world.say("wren", "@forge same").thread;
        for sender in ["forge", "wren"] {
            world.send(sender, ChatSend { thread: Some(thread), ..message("@forge same") }).unwrap();
        }
        let open = world.store.alerts(false, None, 10).unwrap();
        assert_eq!(open.iter().map(|it| it.key.clone()).collect::<Vec<_>>(), [format!("thread_paused/{thread}")]);
        world.send("operator/ana", ChatSend { thread: Some(thread), ..message("go on") }).unwrap();
        assert_eq!(world.store.alerts(false, None, 10).unwrap(), Vec::new());
    }
}
