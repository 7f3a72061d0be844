//! The store as a whole: put back to an earlier state; and blobs, whose rows say which files are to be there.

use nexus_broker::hub::records::{Checkpoint, Pruned, Reads, StoreError, Transaction, Which};
use nexus_broker::hub::{Change, CommandBody, Hub, HubConfig, PutBlob, is_named_to};
use nexus_broker::store::{Head, ReaderPool, SqliteStore, Standing};
use nexus_wire::attachment::Attachment;
use nexus_wire::audit::AuditList;
use nexus_wire::blob::BlobInfo;
use nexus_wire::chat::{ChatSend, ChatSent, Usage};
use nexus_wire::hands::{Dispatch, DispatchResult, DispatchStanding, Dispatched, Lease};
use nexus_wire::inbox::{Decision, InboxClose, Resume};
use nexus_wire::knowledge::{KnowledgeStore, KnowledgeStored};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::roster::Register;
use nexus_wire::session::{SessionAct, SessionCommand, SessionOrdered};
use nexus_wire::thread::{ChatReact, Reacted};
use nexus_wire::{BlobId, DispatchId, EpochId, ErrorCode, FromBroker, HandRef, ItemId, MessageId, RequestId};
use rusqlite::OptionalExtension as _;
use serde_json::json;
use uuid::Uuid;

use crate::on_both_stores;
use crate::world::{World, name, parsed, party, sqlite};

fn put(by: &str, id: u8, bytes: u64) -> CommandBody {
    let (media_type, name) = ("text/plain".to_owned(), Some(format!("{id}.txt")));
    CommandBody::PutBlob { by: party(by), blob: PutBlob { id: BlobId([id; 32]), bytes, media_type, name } }
}

fn forget<S: Transaction>(world: &mut World<S>, before: i64, limit: u32) -> Vec<BlobId> {
    let FromBroker::Ok(json) = world.call(CommandBody::ForgetBlobs { before, limit }).0.unwrap() else {
        panic!("an answer is `ok`")
    };
    json.parse().unwrap()
}

on_both_stores! {
    fn after_a_restore_every_inbox_begins_a_new_epoch_at_the_brokers_cursor(world) {
        world.operator("ana");
        let before = world.online("wren");
        world.aspect("forge");
        for n in 0..4 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        let link = world.link("wren").unwrap();
        world.apply(CommandBody::Ack { aspect: name("wren"), link, offset: 2 });

        let new_epoch = EpochId(world.id());
        world.call(CommandBody::Restored { new_epoch }).0.unwrap();
        let epoch = |world: &crate::world::World<S>, of: &str| world.hub.roster().aspect(&name(of)).unwrap().epoch;
        assert_ne!(before.epoch, new_epoch);
        assert_eq!(epoch(world, "wren"), new_epoch);
        assert_eq!(epoch(world, "forge"), EpochId(Uuid::nil()), "one that never registered has none to end");

        // The runtime got further before the restore than the broker remembers.
        let resume = Resume { epoch: before.epoch, offset: 9, item: Some(ItemId(Uuid::from_u128(9))) };
        let register = Register { resume: Some(resume), last_generation: 5, ..Register::default() };
        let registered = world.register("wren", register).unwrap();
        assert_eq!((registered.epoch, registered.offset), (new_epoch, 2));
        assert_eq!(registered.situation.undelivered, 2);
    }

    fn the_same_bytes_are_one_blob_on_the_quota_of_everybody_who_put_them(world) {
        world.operator("ana");
        world.aspect("wren");
        let first: BlobInfo = parsed(&world.call(put("wren", 1, 100)).0.unwrap());
        let at = world.at;
        let again: BlobInfo = parsed(&world.call(put("wren", 1, 100)).0.unwrap());
        assert_eq!(again, BlobInfo { at: at + 1, ..first });
        let both: BlobInfo = parsed(&world.call(put("operator/ana", 1, 100)).0.unwrap());
        assert_eq!(both.owners, vec![party("wren"), party("operator/ana")]);
        assert_eq!(both.name.as_deref(), Some("1.txt"));
        let usage = |of: Option<&str>| world.store.blob_usage(of.map(party).as_ref()).unwrap();
        assert_eq!((usage(Some("wren")), usage(Some("operator/ana")), usage(None)), (100, 100, 100));
    }

    fn what_does_not_fit_the_quota_is_refused_and_changes_nothing(world) {
        world.operator("ana");
        world.aspect("wren");
        let config = HubConfig { blob_quota: 1_000, blob_quota_all: 1_500, ..HubConfig::default() };
        world.hub = Hub::rebuild(&world.store, config.clone()).unwrap();
        let ask = |world: &mut World<S>, body| {
            world.at += 1;
            world.store.begin().unwrap();
            let command = nexus_broker::hub::Command { at: world.at, origin: nexus_broker::hub::Origin::Call(1), trace: None, body };
            let effects = world.hub.apply(&mut world.store, command).unwrap();
            world.store.commit().unwrap();
            let answer = effects.into_iter().find_map(|effect| {
                if let nexus_broker::hub::Effect::Answer { answer, .. } = effect { Some(answer) } else { None }
            });
            answer.unwrap().map(drop).map_err(|error| error.code)
        };
        assert_eq!(ask(world, put("wren", 1, 600)), Ok(()));
        assert_eq!(ask(world, put("wren", 2, 401)), Err(ErrorCode::QuotaExceeded));
        assert_eq!(ask(world, put("wren", 2, 400)), Ok(()));
        assert_eq!(ask(world, put("wren", 1, 600)), Ok(()), "what is there already costs nothing");
        assert_eq!(ask(world, put("operator/ana", 3, 501)), Err(ErrorCode::QuotaExceeded), "all together");
        assert_eq!(ask(world, put("operator/ana", 1, 600)), Ok(()), "no new bytes");
        assert_eq!(world.store.blobs(None, 9).unwrap().len(), 2);
        assert_eq!(Hub::rebuild(&world.store, config).unwrap(), world.hub);
    }

    fn a_blob_goes_when_its_grace_is_over_and_nothing_refers_to_it(world) {
        world.operator("ana");
        world.online("wren");
        let sent = world.say("operator/ana", "@wren look");
        for id in 1..=4 {
            world.call(put("operator/ana", id, 10)).0.unwrap();
        }
        let put_at = world.at;
        world.store.begin().unwrap();
        world.store.put_blob_reference(BlobId([2; 32]), sent.thread, sent.seq).unwrap();
        world.store.put_blob_reference(BlobId([2; 32]), sent.thread, sent.seq).unwrap();
        world.store.commit().unwrap();
        let shown = [1, 2].map(|id| world.store.blob_is_shown_in(BlobId([id; 32]), sent.thread).unwrap());
        assert_eq!(shown, [false, true]);
        assert_eq!(forget(world, put_at - 3, 9), Vec::new(), "none is that old");
        world.call(put("operator/ana", 1, 10)).0.unwrap();
        assert_eq!(forget(world, put_at + 1, 1), vec![BlobId([3; 32])], "one at a time, those put again later");
        assert_eq!(forget(world, put_at + 1, 9), vec![BlobId([4; 32])]);
        let left: Vec<BlobId> = world.store.blobs(None, 9).unwrap().into_iter().map(|(_, it)| it.id).collect();
        assert_eq!(left, vec![BlobId([2; 32]), BlobId([1; 32])]);
        // A number is never given twice, so a page's cursor stays what it was.
        world.call(put("operator/ana", 4, 10)).0.unwrap();
        assert_eq!(world.store.blobs(None, 1).unwrap()[0].0, 5);
    }

    fn a_blob_that_a_message_attaches_stays_and_is_for_who_takes_part(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        world.online("harrow");
        world.call(put("wren", 1, 10)).0.unwrap();
        let attach = |to: &str, id: u8| ChatSend {
            to: vec![to.to_owned()],
            attachments: vec![Attachment {
                blob: format!("blob:sha256-{}", format!("{id:02x}").repeat(32)).parse().unwrap(),
                name: "a.txt".into(),
                media_type: None,
                bytes: None,
            }],
            ..ChatSend::default()
        };
        let code = |world: &mut World<S>, from: &str, send| world.send(from, send).map(drop).map_err(|it| it.code);
        assert_eq!(code(world, "forge", attach("wren", 1)), Err(ErrorCode::NotFound), "not its own");
        assert_eq!(code(world, "operator/ana", attach("wren", 2)), Err(ErrorCode::NotFound), "not there");
        assert_eq!(world.store.blob_references(BlobId([1; 32])).unwrap(), 0);
        assert_eq!(code(world, "wren", attach("forge", 1)), Ok(()));
        assert_eq!(code(world, "forge", attach("wren", 1)), Ok(()), "shown to it, it may show it on");
        assert_eq!(code(world, "harrow", attach("wren", 1)), Err(ErrorCode::NotFound));
        assert_eq!(world.store.blob_references(BlobId([1; 32])).unwrap(), 2);
        let end = world.at + 1;
        assert_eq!(forget(world, end, 9), Vec::new());
    }

    fn a_blob_that_work_or_knowledge_names_stays_and_is_for_whoever_may_read_that(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        let hands = vec![serde_json::from_str(r#"{"name":"work"}"#).unwrap()];
        world.register("wren", Register { hands, slots: 1, ..Register::default() }).unwrap();
        for (by, id) in [("operator/ana", 1), ("wren", 2), ("forge", 3), ("forge", 4)] {
            world.call(put(by, id, 10)).0.unwrap();
        }
        let name = |id: u8| format!("blob:{}", BlobId([id; 32]));
        let may = |world: &World<S>, who: &str, id: u8| is_named_to(&world.store, &party(who), BlobId([id; 32])).unwrap();

        // An input, by its invoker.
        let input = json!({"read": [name(1)], "and": format!("see {}", name(9))});
        let hand: HandRef = "wren/work".parse().unwrap();
        let asked: Dispatched = world.request("operator/ana", Change::Dispatch(Dispatch::to(hand, input).into())).unwrap();
        assert_eq!((may(world, "wren", 1), may(world, "forge", 1)), (true, false), "whoever works on it");
        assert_eq!(world.store.blob_mentions(BlobId([9; 32]), 9).unwrap(), Vec::new(), "it is not there");
        // What a worker has not may not be had by naming it.
        let output = json!({"made": name(2), "guessed": name(3)});
        let result = DispatchResult {
            lease: Lease { dispatch: asked.dispatch, attempt: 1 },
            output: Some(output),
            error: None,
            usage: Usage::default(),
            cost_microusd: None,
        };
        world.request::<DispatchStanding>("wren", Change::DispatchResult(result)).unwrap();
        assert_eq!((may(world, "wren", 2), may(world, "wren", 3)), (true, false));
        // Knowledge: as far as it is read.
        let store = |topic: &str, id: u8| KnowledgeStore { topic: topic.into(), content: name(id), shared: false };
        world.request::<KnowledgeStored>("forge", Change::KnowledgeStore(store("mine", 4))).unwrap();
        assert_eq!((may(world, "forge", 4), may(world, "wren", 4)), (true, false));

        let end = world.at + 1;
        assert_eq!(forget(world, end, 9), vec![BlobId([3; 32])], "what nothing names");
        let references = [1, 2, 4].map(|id| world.store.blob_references(BlobId([id; 32])).unwrap());
        assert_eq!(references, [1, 1, 1]);
    }

    fn a_blob_is_refused_that_could_not_be_given_back(world) {
        world.operator("ana");
        let code = |world: &mut World<S>, blob: PutBlob| {
            let body = CommandBody::PutBlob { by: party("operator/ana"), blob };
            world.call(body).0.unwrap_err().code
        };
        let good = PutBlob { id: BlobId([1; 32]), bytes: 1, media_type: "a/b".into(), name: None };
        let large = PutBlob { bytes: nexus_wire::limits::BLOB_BYTES_MAX + 1, ..good.clone() };
        assert_eq!(code(world, large), ErrorCode::TooLarge);
        for name in ["", "a\nb", &"x".repeat(256)] {
            let named = PutBlob { name: Some(name.to_owned()), ..good.clone() };
            assert_eq!(code(world, named), ErrorCode::Invalid, "{name:?}");
        }
        assert_eq!(code(world, PutBlob { media_type: String::new(), ..good }), ErrorCode::Invalid);
    }

    fn acknowledged_items_go_in_blocks_when_they_are_old_and_no_others_do(world) {
        world.operator("ana");
        let first = world.online("wren");
        for n in 0..200 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        let items = world.inbox("wren");
        let wren = name("wren");
        let prune = |world: &mut World<S>, before, limit| -> serde_json::Value {
            parsed(&world.call(CommandBody::PruneInboxes { before, limit }).0.unwrap())
        };
        let end = world.at + 1;
        assert_eq!(prune(world, end, 9), json!({"blocks": 0}), "nothing is acknowledged");
        let link = world.link("wren").unwrap();
        world.apply(CommandBody::Ack { aspect: wren.clone(), link, offset: 150 });
        assert_eq!(prune(world, items[63].at, 9), json!({"blocks": 0}), "its last item is not that old");
        assert_eq!(prune(world, items[63].at + 1, 9), json!({"blocks": 1}));
        assert_eq!(prune(world, end, 1), json!({"blocks": 1}), "as many as allowed");
        assert_eq!(prune(world, end, 9), json!({"blocks": 0}), "the rest is not acknowledged whole");
        assert_eq!(world.store.inbox_floor(&wren).unwrap(), 128);
        let left: Vec<u64> = world.store.inbox(&wren, 0, 999).unwrap().iter().map(|it| it.offset).collect();
        assert_eq!(left, (129..=200).collect::<Vec<_>>());
        // A client from before goes on in the same epoch; what it lacks is announced on its link.
        for offset in [10, 127, 128, 129] {
            let item = items[offset as usize - 1].id;
            let resume = Resume { epoch: first.epoch, offset, item: Some(item) };
            let register = Register { resume: Some(resume), last_generation: 99, ..Register::default() };
            let registered = world.register("wren", register).unwrap();
            assert_eq!((registered.epoch, registered.offset), (first.epoch, offset), "{offset}");
        }
        world.say("operator/ana", "@wren more");
        assert_eq!(world.store.inbox(&wren, 0, 999).unwrap().len(), 73);
    }

    fn a_block_of_items_stays_as_long_as_the_last_that_is_kept_of_it(world) {
        world.operator("ana");
        world.online("wren");
        let send = ChatSend { to: vec!["wren".into()], content: "first".into(), ..ChatSend::default() };
        let opened = world.send("operator/ana", send).unwrap();
        let reply = |world: &mut World<S>| {
            let send = ChatSend { thread: Some(opened.thread), content: "more".into(), ..ChatSend::default() };
            world.send("operator/ana", send).unwrap().message
        };
        let mut messages = vec![opened.message];
        messages.extend((0..61).map(|_| reply(world)));
        let order = SessionCommand { of: name("wren"), session: "global".into(), act: SessionAct::Compact };
        world.request::<SessionOrdered>("operator/ana", Change::SessionCommand(order)).unwrap();
        let ordered_at = world.at;
        messages.extend((0..2).map(|_| reply(world)));
        world.ack("wren", 65).unwrap();
        let before = world.at + 1;
        let (pruned, _) = world.call(CommandBody::PruneMessages { before, messages });
        assert_eq!(parsed::<serde_json::Value>(&pruned.unwrap()), json!({"pruned": 63}));
        let wren = name("wren");
        let there = |offset| world.store.inbox_at(&wren, offset).unwrap().map(|item| item.offset);
        assert_eq!([0, 1, 63, 64, 65, 66].map(there), [None, None, Some(63), None, Some(65), None]);
        for (before, blocks) in [(ordered_at, 0), (ordered_at + 1, 1)] {
            let (pruned, _) = world.call(CommandBody::PruneInboxes { before, limit: 9 });
            assert_eq!(parsed::<serde_json::Value>(&pruned.unwrap()), json!({"blocks": blocks}));
        }
        world.check();
    }

    fn messages_that_nobody_waits_for_go_with_all_that_hangs_on_them(world) {
        world.operator("ana");
        let first = world.online("wren");
        world.call(put("operator/ana", 1, 10)).0.unwrap();
        let attachment = Attachment {
            blob: BlobId([1; 32]), name: "a.txt".into(), media_type: None, bytes: None,
        };
        let send = ChatSend { to: vec!["wren".into()], attachments: vec![attachment], ..ChatSend::default() };
        let opened = world.send("operator/ana", send).unwrap();
        let reply = |content: &str| ChatSend { thread: Some(opened.thread), content: content.into(), ..ChatSend::default() };
        let sent: Vec<_> = ["one", "two", "three"].map(|it| world.send("operator/ana", reply(it)).unwrap()).into();
        let react = ChatReact { message: opened.message, emoji: "x".into(), remove: false };
        world.request::<Reacted>("wren", Change::ChatReact(react)).unwrap();
        let link = world.link("wren").unwrap();
        let wren = name("wren");
        // All but the last two are on wren's disk.
        world.apply(CommandBody::Ack { aspect: wren.clone(), link, offset: 2 });
        let items = world.inbox("wren");
        let all: Vec<MessageId> = std::iter::once(opened.message).chain(sent.iter().map(|it| it.message)).collect();
        let prune = |world: &mut World<S>, before| -> serde_json::Value {
            parsed(&world.call(CommandBody::PruneMessages { before, messages: all.clone() }).0.unwrap())
        };
        let end = world.at + 1;
        let opened_at = items[0].at;
        assert_eq!(prune(world, opened_at), json!({"pruned": 0}), "it is not that old");
        assert_eq!(prune(world, end), json!({"pruned": 2}), "what is acknowledged");
        assert_eq!(prune(world, end), json!({"pruned": 0}), "the rest is not");
        world.apply(CommandBody::Ack { aspect: wren.clone(), link, offset: 4 });
        assert_eq!(prune(world, end), json!({"pruned": 1}), "the last of a thread stays");
        let left = world.store.messages(opened.thread, 0, 9).unwrap();
        assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), vec![all[3]]);
        let pruned = Pruned { messages: 3, up_to: sent[1].seq };
        assert_eq!(world.store.thread_pruned(opened.thread).unwrap(), Some(pruned));
        assert_eq!(world.store.reactions(opened.message).unwrap(), Vec::new());
        assert_eq!(world.store.blob_references(BlobId([1; 32])).unwrap(), 0);
        let offsets: Vec<u64> = world.store.inbox(&wren, 0, 9).unwrap().iter().map(|it| it.offset).collect();
        assert_eq!(offsets, vec![4]);
        // Of what is gone the log says that it was there.
        let log = world.store.log(0, Some(opened.thread), 99).unwrap();
        let there = LogBody::Other { kind: "message".into(), subject: opened.message.to_string() };
        assert_eq!(log.iter().find(|entry| entry.seq == opened.seq).map(|it| &it.body), Some(&there));
        // Whoever has the item that is gone goes on in the same epoch, and the thread goes on as it was.
        let resume = Resume { epoch: first.epoch, offset: 1, item: Some(items[0].id) };
        let register = Register { resume: Some(resume), last_generation: 99, ..Register::default() };
        let registered = world.register("wren", register).unwrap();
        assert_eq!((registered.epoch, registered.offset), (first.epoch, 1));
        let more = world.send("operator/ana", reply("more")).unwrap();
        assert_eq!((more.thread, more.recipients), (opened.thread, vec![party("wren")]));
        world.check();
    }

    fn a_request_that_comes_again_when_its_message_is_gone_goes_on_in_the_thread_it_opened(world) {
        world.operator("ana");
        let request = RequestId(world.id());
        let send = ChatSend { content: "first".into(), ..ChatSend::default() };
        let again = |world: &mut World<S>| -> ChatSent {
            let answer = world.request_as("operator/ana", request, Change::ChatSend(send.clone().into()));
            parsed(&answer.0.unwrap())
        };
        let opened = again(world);
        let reply = ChatSend { thread: Some(opened.thread), content: "second".into(), ..ChatSend::default() };
        let second = world.send("operator/ana", reply).unwrap();
        let before = world.at + 1;
        let prune = CommandBody::PruneMessages { before, messages: vec![opened.message] };
        assert_eq!(parsed::<serde_json::Value>(&world.call(prune).0.unwrap()), json!({"pruned": 1}));
        let known = world.store.thread(opened.thread).unwrap().unwrap();
        let anew = again(world);
        assert_eq!((anew.message, anew.thread), (opened.message, opened.thread));
        let info = world.store.thread(opened.thread).unwrap().unwrap();
        assert_eq!((info.created_at, info.messages), (known.created_at, known.messages + 1));
        let left = world.store.messages(opened.thread, 0, 9).unwrap();
        assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), vec![second.message, anew.message]);
        let log = world.store.log(0, Some(opened.thread), 9).unwrap();
        let told = log.iter().map(|it| {
            let message = if let LogBody::Message(message) = &it.body { Some(message.seq) } else { None };
            (it.seq, message)
        });
        let wanted = [(opened.seq, None), (second.seq, Some(second.seq)), (anew.seq, Some(anew.seq))];
        assert_eq!(told.collect::<Vec<_>>(), wanted, "the first is not told as the second with its id");
        world.check();
    }

    fn dispatches_go_when_their_tree_has_ended_and_both_sides_know(world) {
        world.operator("ana");
        world.online("forge");
        world.aspect("wren");
        let hands = vec![serde_json::from_str(r#"{"name":"work"}"#).unwrap()];
        world.register("wren", Register { hands, slots: 4, ..Register::default() }).unwrap();
        let hand: HandRef = "wren/work".parse().unwrap();
        let ask = |world: &mut World<S>, parent: Option<Lease>, by: &str| -> DispatchId {
            let dispatch = Dispatch { parent, ..Dispatch::to(hand.clone(), json!({"x": 1})) };
            world.request::<Dispatched>(by, Change::Dispatch(dispatch.into())).unwrap().dispatch
        };
        let root = ask(world, None, "forge");
        let lease = |dispatch| Lease { dispatch, attempt: 1 };
        let child = ask(world, Some(lease(root)), "wren");
        let end = |world: &mut World<S>, dispatch| {
            let result = DispatchResult {
                lease: lease(dispatch), output: Some(json!(1)), error: None, usage: Usage::default(), cost_microusd: None,
            };
            world.request::<DispatchStanding>("wren", Change::DispatchResult(result)).unwrap();
        };
        end(world, child);
        let prune = |world: &mut World<S>| -> serde_json::Value {
            let (before, dispatches) = (world.at + 1, vec![root, child]);
            parsed(&world.call(CommandBody::PruneDispatches { before, dispatches }).0.unwrap())
        };
        for (aspect, offset) in [("wren", 3), ("forge", 0)] {
            if offset > 0 {
                world.ack(aspect, offset).unwrap();
            }
        }
        assert_eq!(prune(world), json!({"pruned": 0}), "its tree is at work");
        end(world, root);
        assert_eq!(prune(world), json!({"pruned": 1}), "forge does not know of the end of the root");
        world.ack("forge", 1).unwrap();
        assert_eq!(prune(world), json!({"pruned": 1}));
        assert_eq!(world.store.dispatch(root).unwrap(), None);
        assert_eq!(world.store.dispatches(Which::All, None, 9).unwrap(), Vec::new());
        let log = world.store.log(0, None, 99).unwrap();
        let ended = LogBody::Other { kind: "dispatch.ended".into(), subject: root.to_string() };
        assert!(log.iter().any(|entry| entry.body == ended));
        world.check();
    }

    fn what_is_done_again_when_it_is_kept_no_longer_is_another_entry_and_the_first_is_not_told_as_it(world) {
        world.operator("ana");
        world.aspect("wren");
        let hands = vec![serde_json::from_str(r#"{"name":"work"}"#).unwrap()];
        world.register("wren", Register { hands, slots: 4, ..Register::default() }).unwrap();
        let send = ChatSend { to: vec!["wren".into()], content: "first".into(), ..ChatSend::default() };
        let opened = world.send("operator/ana", send).unwrap();
        let reply = ChatSend { thread: Some(opened.thread), content: "second".into(), ..ChatSend::default() };
        world.send("operator/ana", reply).unwrap();
        let item = world.inbox("wren")[0].id;
        let close = |world: &mut World<S>, decision| {
            let close = InboxClose {
                item, decision, reason: None, message: None, outcome: None, spent: None, meta: None,
            };
            world.request::<serde_json::Value>("wren", Change::InboxClose(close)).unwrap();
        };
        let request = RequestId(world.id());
        let ask = |world: &mut World<S>| -> DispatchId {
            let dispatch = Dispatch::to("wren/work".parse::<HandRef>().unwrap(), json!(1));
            let answer = world.request_as("operator/ana", request, Change::Dispatch(dispatch.into())).0;
            parsed::<Dispatched>(&answer.unwrap()).dispatch
        };
        close(world, Decision::Silent);
        let dispatch = ask(world);
        let result = DispatchResult {
            lease: Lease { dispatch, attempt: 1 }, output: Some(json!(1)), error: None, usage: Usage::default(),
            cost_microusd: None,
        };
        world.request::<DispatchStanding>("wren", Change::DispatchResult(result)).unwrap();
        world.ack("wren", 3).unwrap();
        let before = world.at + 1;
        for prune in [
            CommandBody::PruneMessages { before, messages: vec![opened.message] },
            CommandBody::PruneDispatches { before, dispatches: vec![dispatch] },
        ] {
            assert_eq!(parsed::<serde_json::Value>(&world.call(prune).0.unwrap()), json!({"pruned": 1}));
        }
        close(world, Decision::Acted);
        assert_eq!(ask(world), dispatch);
        let told = |entry: LogEntry| match entry.body {
            LogBody::ItemClosed(close) => Some(format!("{:?}", close.decision)),
            LogBody::DispatchAccepted(_) => Some("accepted".to_owned()),
            LogBody::DispatchEnded(_) => Some("ended".to_owned()),
            LogBody::Other { kind, .. } if kind.starts_with("item.") || kind.starts_with("dispatch.") => Some(kind),
            LogBody::Message(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::Alert(_)
            | LogBody::Other { .. } => None,
        };
        let told: Vec<String> = world.store.log(0, None, 99).unwrap().into_iter().filter_map(told).collect();
        assert_eq!(told, ["item.closed", "dispatch.accepted", "dispatch.ended", "Acted", "accepted"]);
        world.check();
    }

    fn the_log_goes_up_to_a_checkpoint_that_is_right_and_never_whole(world) {
        world.operator("ana");
        for n in 0..9 {
            world.say("operator/ana", &format!("{n}"));
        }
        let checkpoint = |world: &World<S>, seq| Checkpoint {
            seq,
            at: 0,
            hash: world.store.log_hash(seq).unwrap().unwrap_or([7; 32]),
            signature: "signed".into(),
        };
        let head = world.hub.log_seq();
        let wrong = Checkpoint { hash: [7; 32], ..checkpoint(world, 4) };
        for (case, checkpoint) in [("another hash", wrong), ("the head", checkpoint(world, head)), ("none", checkpoint(world, 0))] {
            let refused = world.call(CommandBody::PruneLog(checkpoint)).0.unwrap_err();
            assert_eq!(refused.code, ErrorCode::Invalid, "{case}");
        }
        let good = checkpoint(world, 4);
        world.call(CommandBody::PruneLog(good.clone())).0.unwrap();
        assert_eq!(world.store.checkpoints().unwrap(), vec![Checkpoint { at: world.at, ..good.clone() }]);
        assert_eq!(world.call(CommandBody::PruneLog(good)).0.unwrap_err().code, ErrorCode::Invalid, "again");
        let left: Vec<u64> = world.store.log(0, None, 99).unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(left, (5..=head + 1).collect::<Vec<_>>());
    }
}

#[test]
fn the_chain_goes_on_from_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    let mut heads = Vec::new();
    for n in 0..9 {
        world.say("operator/ana", &format!("{n}"));
        let seq = world.hub.log_seq();
        heads.push(Head { seq, hash: world.store.log_hash(seq).unwrap().unwrap() });
    }
    let Head { seq, hash } = heads[4];
    let checkpoint = Checkpoint { seq, at: 0, hash, signature: "signed".into() };
    world.call(CommandBody::PruneLog(checkpoint)).0.unwrap();
    let readers = world.store.readers(1);
    let verify = |against| readers.read(|reader| reader.verify(against));
    assert_eq!(verify(None).unwrap().head.seq, world.hub.log_seq());
    let standing = |against| verify(Some(against)).unwrap().against.unwrap();
    assert_eq!(standing(heads[2]), Standing::Pruned);
    assert_eq!(standing(heads[4]), Standing::Contained);
    assert_eq!(standing(Head { hash: [1; 32], ..heads[4] }), Standing::Differs);
    assert_eq!(standing(heads[7]), Standing::Contained);
    drop(world);
    let path = dir.path().join("nexus.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE checkpoints SET hash = zeroblob(32)", []).unwrap();
    assert!(matches!(verify(None), Err(StoreError::Corrupt(_))));
    // Opened again, time and numbers go on.
    raw.execute("UPDATE checkpoints SET hash = ?1", [hash]).unwrap();
    drop(raw);
    let mut world = sqlite(dir.path());
    world.at += 100;
    world.say("operator/ana", "after");
    world.store.readers(1).read(|reader| reader.check_derived().and_then(|()| reader.verify(None))).unwrap();
}

#[test]
fn a_change_of_any_column_of_any_entry_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.online("wren");
    world.say("operator/ana", "@wren one");
    world.say("operator/ana", "@wren two");
    let last = world.hub.log_seq();
    drop(world);
    let path = dir.path().join("nexus.db");
    let whole = std::fs::read(&path).unwrap();
    let verify =
        || ReaderPool::new(&path, 1).read(|reader| reader.verify(None)).map(|checked| checked.head.seq);
    assert_eq!(verify().unwrap(), last);
    let of_others = [
        "at = at + 1",
        "kind = 'x' || kind",
        "actor = 'operator/eve'",
        "thread = CASE WHEN thread IS NULL THEN 1 ELSE NULL END",
        "subject = x'00'",
        "detail = 'x'",
        "content_sha256 = zeroblob(32)",
        "hash = zeroblob(32)",
    ];
    let anew = || {
        std::fs::write(&path, &whole).unwrap();
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.pragma_update(None, "foreign_keys", false).unwrap();
        raw
    };
    let changed = |sql: &str| anew().execute(sql, []).unwrap();
    let is_named = |seq: u64, change: &str| {
        let found = verify().unwrap_err().to_string();
        // The last entry's own hash has nothing after it, and is not that of its row either.
        assert!(found.contains(&format!("entry {seq} ")), "{change} at {seq}: {found}");
    };
    let mut messages = 0;
    for seq in 1..=last {
        let sql = format!("SELECT body FROM message_blocks WHERE first = {seq}");
        let body: Option<Vec<u8>> = anew().query_row(&sql, [], |row| row.get(0)).optional().unwrap();
        let (table, number) = if body.is_some() { ("message_blocks", "first") } else { ("log", "seq") };
        if let Some(body) = body {
            messages += 1;
            for (field, body) in changes_of_a_message(&body) {
                let sql = format!("UPDATE message_blocks SET body = ?1 WHERE first = {seq}");
                assert_eq!(anew().execute(&sql, [body]).unwrap(), 1);
                is_named(seq, field);
            }
        } else {
            for change in of_others {
                assert_eq!(changed(&format!("UPDATE log SET {change} WHERE seq = {seq}")), 1);
                is_named(seq, change);
            }
        }
        assert_eq!(changed(&format!("DELETE FROM {table} WHERE {number} = {seq}")), 1);
        // A log cut at its end is whole in itself: that is what a head written down elsewhere is for.
        assert_eq!(verify().is_ok(), seq == last, "deleted {seq}");
    }
    assert_eq!(messages, 2);
}

/// A block of one message with each field changed that its hash is made of.
fn changes_of_a_message(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    // The form, the hash, the length, a small `seq`; a length and the id; the time, of which all bytes but the last go on;
    // a length and the thread; then text.
    let (hash, id, at) = (1, 39, 55);
    let thread = at + body[at..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 2;
    let place = |text: &[u8]| body.windows(text.len()).position(|window| window == text).unwrap();
    let (sender, content) = (place(b"operator/ana"), place(b"@wren"));
    let mut changes = vec![];
    for (field, place) in [
        ("id", id),
        ("at", at),
        ("thread", thread),
        ("sender", sender + 11),
        ("content", content + 4),
        ("hash", hash + 31),
    ] {
        let mut changed = body.to_vec();
        changed[place] ^= 2;
        changes.push((field, changed));
    }
    let mut none = body.to_vec();
    none[hash..hash + 32].fill(0);
    changes.push(("no hash", none));
    changes
}

#[test]
fn a_message_that_is_kept_no_longer_leaves_its_entry_in_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    let sent: Vec<ChatSent> = (0..6).map(|n| world.say("operator/ana", &format!("{n}"))).collect();
    // Each opened a thread of its own, of which it is the last; these two are not.
    let old: Vec<MessageId> = sent[1..3].iter().map(|it| it.message).collect();
    for first in &sent[1..3] {
        let reply = ChatSend { thread: Some(first.thread), content: "more".into(), ..ChatSend::default() };
        world.send("operator/ana", reply).unwrap();
    }
    let head = Head { seq: world.hub.log_seq(), hash: [0; 32] };
    let head = Head { hash: world.store.log_hash(head.seq).unwrap().unwrap(), ..head };
    let hashes =
        |world: &World<_>| (1..=head.seq).map(|seq| Reads::log_hash(&world.store, seq).unwrap()).collect();
    let before: Vec<Option<[u8; 32]>> = hashes(&world);
    let audit = world.store.audit(&AuditList::default(), 99).unwrap();
    let prune = CommandBody::PruneMessages { before: world.at + 1, messages: old };
    assert_eq!(parsed::<serde_json::Value>(&world.call(prune).0.unwrap()), json!({"pruned": 2}));
    let standing = |world: &World<SqliteStore>| {
        world.store.readers(1).read(|reader| reader.verify(Some(head))).unwrap().against.unwrap()
    };
    assert_eq!(standing(&world), Standing::Contained);
    assert_eq!(hashes(&world), before);
    let told =
        world.store.audit(&AuditList { before: Some(head.seq + 1), ..AuditList::default() }, 99).unwrap();
    assert_eq!(told, audit);
    // Between the two that are gone, and behind them.
    for seq in [sent[1].seq, sent[3].seq] {
        let hash = world.store.log_hash(seq).unwrap().unwrap();
        let checkpoint = Checkpoint { seq, at: 0, hash, signature: "signed".into() };
        world.call(CommandBody::PruneLog(checkpoint)).0.unwrap();
        assert_eq!(standing(&world), Standing::Contained);
        let left: Vec<u64> = world.store.log(0, None, 99).unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(left, (seq + 1..=world.hub.log_seq()).collect::<Vec<_>>());
        assert_eq!(world.store.log_hash(seq).unwrap(), None);
        world.check();
    }
    let kept = world.store.messages(sent[0].thread, 0, 9).unwrap();
    assert_eq!(kept.len(), 1, "a message stays when its entry goes");
    drop(world);
    let mut world = sqlite(dir.path());
    world.at += 100;
    world.say("operator/ana", "after");
    assert_eq!(standing(&world), Standing::Contained);
}
