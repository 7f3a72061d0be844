//! Messages: threads, recipients' inboxes, repeats, the loop guard, and content of any kind and size.

use nexus_broker::hub::records::Reads;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig};
use nexus_wire::chat::{ChatSend, ChatSent, Message, ReplyMeta, Usage};
use nexus_wire::inbox::{Decision, InboxClose, Item, ItemBody};
use nexus_wire::limits::{DURABLE_BYTES_MAX, LOOP_MESSAGES_MAX, RECIPIENTS_MAX, TOPIC_BYTES_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::roster::{AspectRole, Register};
use nexus_wire::{ErrorCode, MessageId, Party, RequestId, ThreadId, TurnId, derive};

use crate::on_both_stores;
use crate::world::{World, memory, message, name, parsed, party};

fn log_of(effects: &[Effect]) -> Vec<&LogBody> {
    fn logged(effect: &Effect) -> Option<&LogBody> {
        if let Effect::Logged(entry) = effect { Some(&entry.body) } else { None }
    }
    effects.iter().filter_map(logged).collect()
}

fn in_thread(thread: ThreadId, content: &str) -> ChatSend {
    ChatSend { thread: Some(thread), ..message(content) }
}

on_both_stores! {
    fn a_message_reaches_inbox_thread_and_log_as_one(world) {
        world.operator("ana");
        world.online("wren");
        world.aspect("forge");
        let request = RequestId(world.id());
        let send = ChatSend { to: vec!["forge".into()], topic: Some("  the plan ".into()), ..message("hi @wren") };
        let (answer, effects) = world.request_as("operator/ana", request, Change::ChatSend(send.into()));
        let sent: ChatSent = parsed(&answer.unwrap());
        let expected = Message {
            id: derive::message_id(request, &party("operator/ana")),
            seq: world.hub.log_seq(),
            thread: derive::thread_id(sent.message),
            reply_to: None,
            from: party("operator/ana"),
            to: vec![party("forge"), party("wren")],
            content: "hi @wren".into(),
            at: world.at,
            meta: None,
            attachments: Vec::new(),
            reactions: Vec::new(),
        };
        assert_eq!(sent.recipients, expected.to);
        assert_eq!(log_of(&effects), vec![&LogBody::Message(Box::new(expected.clone()))]);
        assert_eq!(effects.iter().filter(|it| matches!(it, Effect::Push { .. })).count(), 1, "forge is offline");
        for name in ["wren", "forge"] {
            let inbox = world.inbox(name);
            assert_eq!(inbox.len(), 1);
            assert_eq!(inbox[0].body, ItemBody::Message(expected.clone()));
            assert_eq!(inbox[0].id, derive::message_item(expected.id, &name.parse().unwrap()));
        }
        let thread = world.store.thread(sent.thread).unwrap().unwrap();
        assert_eq!((&*thread.title, thread.messages), ("the plan", 1));
        assert_eq!(*thread.participants, [party("operator/ana"), party("forge"), party("wren")]);
        assert_eq!(world.store.messages(sent.thread, 0, 10).unwrap(), vec![expected.clone()]);
        let logged = world.store.log(expected.seq - 1, Some(sent.thread), 10).unwrap();
        assert_eq!(logged.iter().map(|entry| &entry.body).collect::<Vec<_>>(), vec![&LogBody::Message(Box::new(expected))]);
    }

    fn a_reply_goes_on_in_the_thread_and_to_its_participants(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let first = world.say("operator/ana", "@wren @forge hello");
        let reply = ChatSend { reply_to: Some(first.message), ..message("yes?") };
        let second = world.send("wren", reply).unwrap();
        assert_eq!(second.thread, first.thread);
        assert_eq!(second.recipients, vec![party("forge"), party("operator/ana")]);
        let third = world.send("operator/ana", in_thread(first.thread, "and?")).unwrap();
        assert_eq!(third.recipients, vec![party("forge"), party("wren")], "not the lead");
        assert!(first.seq < second.seq && second.seq < third.seq);
        let stranger = world.say("operator/ana", "another matter");
        let (thread, nothing) = (ThreadId(world.id()), MessageId(world.id()));
        let cases = [
            ("no thread", in_thread(thread, "x"), ErrorCode::NotFound),
            ("no message", ChatSend { reply_to: Some(nothing), ..message("x") }, ErrorCode::NotFound),
            ("of another thread", ChatSend { reply_to: Some(first.message), ..in_thread(stranger.thread, "x") }, ErrorCode::Invalid),
        ];
        for (case, send, code) in cases {
            assert_eq!(world.send("wren", send).unwrap_err().code, code, "{case}");
        }
        let of_wren = world.store.threads(Some(&party("wren")), None, 10).unwrap();
        assert_eq!(of_wren.iter().map(|it| it.id).collect::<Vec<_>>(), vec![first.thread]);
        let all = world.store.threads(None, None, 10).unwrap();
        assert_eq!(all.iter().map(|it| it.id).collect::<Vec<_>>(), vec![stranger.thread, first.thread]);
    }

    fn an_item_read_later_is_the_item_that_was_pushed(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let first = world.say("operator/ana", "@wren @forge \"hello\"\n\u{1}");
        let meta = ReplyMeta {
            turn: TurnId(world.id()),
            provider: "scripted".into(),
            model: "m \"1\"".into(),
            usage: Usage { input_tokens: 3, ..Usage::default() },
            cost_microusd: Some(9),
        };
        let reply = ChatSend { reply_to: Some(first.message), meta: Some(meta), ..message("yes \\ \"so\"\n\u{1}é") };
        let request = RequestId(world.id());
        let (_, effects) = world.request_as("wren", request, Change::ChatSend(reply.into()));
        let pushed = effects.iter().find_map(|effect| {
            if let Effect::Push { offset: 2, item, .. } = effect { Some(item.clone()) } else { None }
        });
        let read = world.store.inbox(&name("forge"), 1, 1).unwrap().remove(0).json;
        assert_eq!(Some(read), pushed);
        world.ack("forge", 2).unwrap();
        let item = world.inbox("forge").remove(1);
        let close = InboxClose { item: item.id, decision: Decision::Silent, reason: None, message: None, outcome: None, spent: None, meta: None };
        world.request::<serde_json::Value>("forge", Change::InboxClose(close)).unwrap();
        assert_eq!(world.inbox("forge")[1], Item { answered: true, ..item });
    }

    fn the_lead_gets_what_an_operator_addresses_to_nobody(world) {
        world.operator("ana");
        world.aspect_with("keel", AspectRole::Frame, 1);
        world.online("wren");
        assert_eq!(world.say("operator/ana", "hello").recipients, vec![party("keel")]);
        assert_eq!(world.say("wren", "hello").recipients, Vec::<Party>::new());
        let sent = world.send("operator/ana", ChatSend { to: vec!["wrenn".into()], ..message("x") }).unwrap();
        assert_eq!((sent.recipients, sent.unknown), (Vec::new(), vec!["wrenn".to_owned()]));
    }

    fn the_same_id_gets_the_first_answer_and_another_payload_an_error(world) {
        world.operator("ana");
        world.online("wren");
        let request = RequestId(world.id());
        let send = || Change::ChatSend(ChatSend { to: vec!["wren".into(), "nix".into()], ..message("once") }.into());
        let (first, effects) = world.request_as("operator/ana", request, send());
        assert!(!effects.is_empty());
        let first = first.unwrap();
        // Much has changed since.
        world.online("nix");
        let (again, effects) = world.request_as("operator/ana", request, send());
        assert_eq!((again.unwrap(), effects), (first, Vec::new()));
        let other = Change::ChatSend(message("twice").into());
        let error = world.request_as("operator/ana", request, other).0.unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::IdReused, false));
        // The id is the sender's own.
        let (of_wren, _) = world.request_as("wren", request, send());
        assert!(of_wren.is_ok());
        assert_eq!(world.inbox("wren").len(), 1);
    }

    fn twice_in_one_batch_is_once(world) {
        world.operator("ana");
        world.online("wren");
        let request = RequestId(world.id());
        let command = || (
            nexus_broker::hub::Origin::Call(1),
            nexus_broker::hub::CommandBody::Request {
                sender: party("operator/ana"), link: None, request, change: Change::ChatSend(message("@wren x").into()),
            },
        );
        let effects = world.batch(vec![command(), command(), command()]);
        let answers: Vec<_> = effects.iter().filter(|it| matches!(it, Effect::Answer { .. })).collect();
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(world.inbox("wren").len(), 1);
    }

    fn agents_that_talk_among_themselves_are_paused_until_an_operator_speaks(world) {
        world.operator("ana");
        world.operator("bob");
        world.online("wren");
        world.online("forge");
        let thread = world.say("operator/ana", "@wren @forge discuss").thread;
        let paused = |world: &crate::world::World<S>| world.store.thread(thread).unwrap().unwrap().paused;
        for n in 1..LOOP_MESSAGES_MAX {
            let sender = if n % 2 == 0 { "wren" } else { "forge" };
            world.send(sender, in_thread(thread, &format!("{n}"))).unwrap();
            assert!(!paused(world), "{n}");
        }
        world.send("wren", in_thread(thread, "the last one")).unwrap();
        assert!(paused(world));
        let last = world.store.messages(thread, 0, 100).unwrap().pop().unwrap();
        assert_eq!((last.from, last.to), (Party::System, vec![party("operator/ana")]));
        assert!(last.content.contains("20 messages"), "{}", last.content);
        let error = world.send("forge", in_thread(thread, "one more")).unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::ThreadPaused, false));
        assert!(world.say("forge", "elsewhere it goes on @wren").recipients.len() == 1);

        world.send("operator/bob", in_thread(thread, "go on")).unwrap();
        assert!(!paused(world));
        for sender in ["wren", "forge"] {
            world.send(sender, in_thread(thread, "same")).unwrap();
        }
        world.send("wren", in_thread(thread, "different")).unwrap();
        for sender in ["wren", "forge", "wren"] {
            assert!(!paused(world));
            world.send(sender, in_thread(thread, "same")).unwrap();
        }
        assert!(paused(world));
        let last = world.store.messages(thread, 0, 100).unwrap().pop().unwrap();
        assert!(last.content.contains("3 times"), "{}", last.content);
        assert_eq!(last.to, vec![party("operator/ana"), party("operator/bob")]);
    }

    fn a_message_that_comes_again_when_it_is_gone_pauses_under_a_name_of_its_own(world) {
        world.operator("ana");
        world.aspect("wren");
        world.start(HubConfig { loop_identical: 2, ..HubConfig::default() });
        world.register("wren", Register::default()).unwrap();
        let request = RequestId(world.id());
        let thread = world.say("operator/ana", "@wren say it twice").thread;
        let pauses = |world: &mut World<S>| {
            world.send("wren", in_thread(thread, "same")).unwrap();
            let again = Change::ChatSend(in_thread(thread, "same").into());
            let sent: ChatSent = parsed(&world.request_as("wren", request, again).0.unwrap());
            assert!(world.store.thread(thread).unwrap().unwrap().paused);
            sent.message
        };
        let twice = pauses(world);
        let before = world.at + 1;
        let prune = CommandBody::PruneMessages { before, messages: vec![twice] };
        assert_eq!(parsed::<serde_json::Value>(&world.call(prune).0.unwrap()), serde_json::json!({"pruned": 1}));
        world.send("operator/ana", in_thread(thread, "once more")).unwrap();
        assert_eq!(pauses(world), twice);
        let said: Vec<_> = world.store.messages(thread, 0, 99).unwrap();
        let said: Vec<_> = said.into_iter().filter(|it| it.from == Party::System).collect();
        assert_eq!(said.len(), 2);
        assert_ne!(said[0].id, said[1].id);
        // The store takes the ids of so much into its index together.
        for _ in 0..8 {
            world.send("operator/ana", message(&"long ".repeat(120_000))).unwrap();
        }
        assert_eq!(world.store.message(said[0].id).unwrap().map(|it| *it.message), Some(said[0].clone()));
    }

    fn how_long_agents_may_talk_among_themselves_is_a_setting(world) {
        let agents = ["wren", "forge"];
        agents.iter().for_each(|name| world.aspect(name));
        let paused = |world: &crate::world::World<S>, thread: ThreadId| {
            world.store.thread(thread).unwrap().unwrap().paused
        };
        let talk = |world: &mut crate::world::World<S>, config: HubConfig, generation: u64, times: u32| {
            world.start(config);
            for name in agents {
                let register = Register { last_generation: generation, ..Register::default() };
                world.register(name, register).unwrap();
            }
            let thread = world.say("wren", "@forge same").thread;
            for n in 0..times {
                let sender = agents[1 - n as usize % 2];
                assert!(!paused(world, thread), "{n}");
                world.send(sender, in_thread(thread, "same")).unwrap();
            }
            thread
        };
        let endless = HubConfig { loop_messages: 0, loop_identical: 0, ..HubConfig::default() };
        let thread = talk(world, endless, 0, 3 * LOOP_MESSAGES_MAX);
        assert!(!paused(world, thread));
        let four = HubConfig { loop_messages: 4, loop_identical: 0, ..HubConfig::default() };
        let thread = talk(world, four, 1, 3);
        assert!(paused(world, thread));
    }

    fn a_thread_of_agents_alone_asks_every_operator(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let thread = world.say("wren", "@forge same").thread;
        for sender in ["forge", "wren"] {
            world.send(sender, in_thread(thread, "@forge same")).unwrap();
        }
        let last = world.store.messages(thread, 0, 100).unwrap().pop().unwrap();
        assert_eq!((last.from, last.to), (Party::System, vec![party("operator/ana")]));
    }

    fn content_of_any_kind_comes_back_as_it_was(world) {
        world.operator("ana");
        world.online("wren");
        let large = "ü\"\\\n".repeat(80_000);
        let contents = ["a\0b\0", "\u{1}\u{1f}\u{7f}\u{2028}", "𝄞 \u{fffd} \u{202e}", "\"\\\n\t", " ", &large];
        for content in contents {
            let sent = world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message(content) }).unwrap();
            let item = world.inbox("wren").pop().unwrap();
            let ItemBody::Message(delivered) = item.body else { panic!("a message was sent") };
            assert_eq!(delivered.content, content);
            assert_eq!(world.store.messages(sent.thread, 0, 1).unwrap()[0].content, content);
        }
        let titles: Vec<String> = world.store.threads(None, None, 10).unwrap().into_iter().map(|it| it.title).collect();
        assert_eq!(titles[1..4], ["".to_owned(), "\"\\".to_owned(), "𝄞 \u{fffd} \u{202e}".to_owned()]);
        assert_eq!(titles[0].chars().count(), 3, "the first line of the large one");
    }

    fn what_is_too_large_or_makes_no_sense_is_refused_and_leaves_no_trace(world) {
        world.operator("ana");
        world.online("wren");
        let before = world.hub.clone();
        let fits = DURABLE_BYTES_MAX - 1000;
        let cases = [
            ("content", message(&"x".repeat(DURABLE_BYTES_MAX)), ErrorCode::TooLarge),
            ("content once it is escaped", message(&"\0".repeat(fits / 6 + 1000)), ErrorCode::TooLarge),
            ("nothing", message(""), ErrorCode::Invalid),
            ("recipients", ChatSend { to: vec!["wren".into(); RECIPIENTS_MAX + 1], ..message("x") }, ErrorCode::Invalid),
            ("topic", ChatSend { topic: Some("x".repeat(TOPIC_BYTES_MAX + 1)), ..message("x") }, ErrorCode::Invalid),
        ];
        for (case, send, code) in cases {
            assert_eq!(world.send("operator/ana", send).unwrap_err().code, code, "{case}");
        }
        assert_eq!(world.hub, before);
        for content in ["x".repeat(fits), "\0".repeat(fits / 6)] {
            world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message(&content) }).unwrap();
        }
        let sizes: Vec<usize> = world.store.inbox(&"wren".parse().unwrap(), 0, 10).unwrap().iter().map(|it| it.json.len()).collect();
        assert!(sizes.iter().all(|size| *size + 100 < nexus_wire::limits::FRAME_BYTES_MAX), "{sizes:?}");
    }

    fn who_is_not_or_no_longer_an_operator_cannot_speak(world) {
        world.operator("ana");
        world.operator("bob");
        assert_eq!(world.send("operator/eve", message("x")).unwrap_err().code, ErrorCode::Unauthorized);
        world.say("operator/bob", "x");
        let (by, name) = (party("operator/ana"), "bob".parse().unwrap());
        world.call(nexus_broker::hub::CommandBody::RevokeOperator { by, name }).0.unwrap();
        assert_eq!(world.send("operator/bob", message("x")).unwrap_err().code, ErrorCode::Unauthorized);
    }
}

#[test]
fn everyone_in_a_large_team_gets_one_item_each() {
    let mut world = memory();
    world.operator("ana");
    let names: Vec<String> = (0..300).map(|n| format!("a{n}")).collect();
    for name in &names {
        world.aspect(name);
    }
    world.register("a0", Register::default()).unwrap();
    let sent = world.say("operator/ana", "@all hands");
    assert_eq!(sent.recipients.len(), 300);
    world.send("a0", in_thread(sent.thread, "aye")).unwrap();
    let thread = world.store.thread(sent.thread).unwrap().unwrap();
    assert_eq!(thread.participants.len(), 301);
    assert_eq!((world.inbox("a0").len(), world.inbox("a7").len()), (1, 2));
}
