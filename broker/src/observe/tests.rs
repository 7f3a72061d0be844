#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

mod knowledge;
mod usage;

use std::collections::BTreeSet;

use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::audit::AuditList;
use nexus_wire::chat::{
    ChatFound, ChatHit, ChatPage, ChatRead, ChatSearch, ChatSend, ChatSent, ChatThreads, ThreadPage,
};
use nexus_wire::hands::{
    Dispatch, DispatchList, DispatchState, DispatchStatus, Dispatched, HandSpec, Lease, Wanted,
};
use nexus_wire::roster::{AspectRole, Register};
use nexus_wire::{EpochId, FromBroker, LinkId, MessageId, RequestId, ThreadId};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::hub::records::{Found, Transaction};
use crate::hub::{Change, Command, CommandBody, Effect, Hub, HubConfig, Origin};
use crate::store::MemoryStore;

struct World {
    store: MemoryStore,
    hub: Hub,
    at: i64,
}

fn party(name: &str) -> Party {
    name.parse().unwrap()
}

impl World {
    fn new() -> Self {
        let store = MemoryStore::new();
        let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
        let mut world = Self { store, hub, at: 1 };
        world.apply(CommandBody::AddOperator {
            by: Party::System,
            add: OperatorAdd {
                name: "ana".parse().unwrap(),
                role: OperatorRole::Operator,
                token_sha256: "ab".repeat(32),
            },
        });
        for (number, name) in (1_u128..).zip(["forge", "wren", "harrow"]) {
            let add = AspectAdd {
                name: name.parse().unwrap(),
                role: AspectRole::Worker,
                public_key: format!("{}{number}A", "A".repeat(41)),
                share_knowledge: true,
            };
            world.apply(CommandBody::AddAspect { by: Party::System, add });
            let hand: HandSpec =
                serde_json::from_value(json!({"name": "verify", "capabilities": ["check"]})).unwrap();
            world.apply(CommandBody::Register {
                aspect: name.parse().unwrap(),
                link: link(name).unwrap(),
                key_generation: 1,
                register: Register { hands: vec![hand], slots: 1, ..Register::default() },
                new_epoch: EpochId(Uuid::from_u128(number)),
            });
        }
        world
    }

    fn apply(&mut self, body: CommandBody) -> Json {
        self.at += 1;
        let command = Command { at: self.at, origin: Origin::Call(1), trace: None, body };
        self.store.begin().unwrap();
        let effects = self.hub.apply(&mut self.store, command).unwrap();
        self.store.commit().unwrap();
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => Some(answer.unwrap()),
            _ => None,
        });
        match answer {
            Some(FromBroker::Ok(json)) => json,
            Some(_) | None => Json::default(),
        }
    }

    fn request(&mut self, sender: &str, change: Change) -> Json {
        let request = RequestId(Uuid::from_u128(0x7000 + self.at as u128));
        self.apply(CommandBody::Request { sender: party(sender), link: link(sender), request, change })
    }

    fn read(&self, reader: &str, read: Read) -> Result<Json, ErrorCode> {
        answer(&self.store, &party(reader), &read).map_err(|refusal| ErrorBody::from(refusal).code)
    }
}

fn link(sender: &str) -> Option<LinkId> {
    party(sender).aspect().map(|name| LinkId(Uuid::from_u128(name.as_str().len() as u128)))
}

fn in_thread(thread: ThreadId, after: u64, limit: Option<u32>) -> Read {
    Read::ChatRead(ChatRead { thread: Some(thread), after, limit, ..ChatRead::default() })
}

#[test]
fn a_thread_is_for_those_who_take_part_and_those_at_work_for_it() {
    let mut world = World::new();
    let send = ChatSend { to: vec!["forge".into()], content: "hello".into(), ..ChatSend::default() };
    let sent: ChatSent = world.request("operator/ana", Change::ChatSend(send.into())).parse().unwrap();
    let thread = || in_thread(sent.thread, 0, None);
    let by_message = Read::ChatRead(ChatRead { message: Some(sent.message), ..ChatRead::default() });
    for reader in ["operator/ana", "operator/bo", "forge"] {
        assert!(world.read(reader, thread()).is_ok(), "{reader}");
        assert!(world.read(reader, by_message.clone()).is_ok(), "{reader}");
    }
    assert_eq!(world.read("wren", thread()), Err(ErrorCode::NotFound));
    assert_eq!(world.read("wren", by_message), Err(ErrorCode::NotFound));
    let hand: nexus_wire::HandRef = "wren/verify".parse().unwrap();
    let dispatch = Dispatch { thread: Some(sent.thread), ..Dispatch::to(hand, json!({})) };
    let dispatched: Dispatched = world.request("forge", Change::Dispatch(dispatch.into())).parse().unwrap();
    assert_eq!(dispatched.state, DispatchState::Running);
    assert!(world.read("wren", thread()).is_ok(), "its work comes from there");
    assert_eq!(world.read("harrow", thread()), Err(ErrorCode::NotFound));

    let status =
        || Read::DispatchStatus(DispatchStatus { dispatch: dispatched.dispatch, without_output: false });
    let listed = |reader: &str| {
        let list = Read::DispatchList(DispatchList { open: true, ..DispatchList::default() });
        world.read(reader, list).unwrap().parse::<DispatchPage>().unwrap().dispatches.len()
    };
    for (reader, expected) in [("operator/ana", 1), ("forge", 1), ("wren", 1), ("harrow", 0)] {
        assert_eq!(listed(reader), expected, "{reader}");
        assert_eq!(world.read(reader, status()).is_ok(), expected == 1, "{reader}");
    }
    let threads = |reader: &str| {
        let read = Read::ChatThreads(ChatThreads::default());
        world.read(reader, read).unwrap().parse::<ThreadPage>().unwrap().threads.len()
    };
    assert_eq!((threads("operator/bo"), threads("forge"), threads("harrow")), (1, 1, 0));
}

#[test]
fn a_tree_is_listed_alone() {
    let mut world = World::new();
    let to = |hand: &str| Dispatch::to(hand.parse::<nexus_wire::HandRef>().unwrap(), json!({}));
    let root: Dispatched =
        world.request("forge", Change::Dispatch(to("wren/verify").into())).parse().unwrap();
    let parent = Some(Lease { dispatch: root.dispatch, attempt: 1 });
    let child = Dispatch { parent, ..to("harrow/verify") };
    let child: Dispatched = world.request("wren", Change::Dispatch(child.into())).parse().unwrap();
    let other: Dispatched =
        world.request("forge", Change::Dispatch(to("wren/verify").into())).parse().unwrap();

    let listed = |reader: &str, root: DispatchId| {
        let list = DispatchList { root: Some(root), ..DispatchList::default() };
        let page = world.read(reader, Read::DispatchList(list)).unwrap().parse::<DispatchPage>().unwrap();
        page.dispatches.into_iter().map(|info| info.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(listed("operator/ana", root.dispatch), [child.dispatch, root.dispatch].into());
    assert_eq!(listed("harrow", root.dispatch), [child.dispatch].into());
    assert_eq!(listed("operator/ana", other.dispatch), [other.dispatch].into());
    assert_eq!(listed("operator/ana", child.dispatch), [].into());
}

#[test]
fn status_says_why_a_hand_was_chosen() {
    let mut world = World::new();
    let needs = Wanted { needs: vec!["check".into()], ..Wanted::default() };
    let dispatch = Dispatch { capability: Some(needs), input: json!({}), ..Dispatch::default() };
    let sent: Dispatched = world.request("operator/ana", Change::Dispatch(dispatch.into())).parse().unwrap();
    assert_eq!(sent.why.len(), 6, "each aspect's Hand and its shadow: {:?}", sent.why);
    let wanted = DispatchStatus { dispatch: sent.dispatch, without_output: false };
    let info: DispatchInfo =
        world.read("operator/ana", Read::DispatchStatus(wanted)).unwrap().parse().unwrap();
    assert_eq!(info.why, sent.why);
    let list = Read::DispatchList(DispatchList::default());
    let page: DispatchPage = world.read("operator/ana", list).unwrap().parse().unwrap();
    assert_eq!(page.dispatches[0].why, []);
}

#[test]
fn pages_follow_each_other_without_hole_or_repeat() {
    let mut world = World::new();
    let mut thread = None;
    for n in 0..7 {
        let send =
            ChatSend { thread, to: vec!["forge".into()], content: n.to_string(), ..ChatSend::default() };
        let sent: ChatSent = world.request("operator/ana", Change::ChatSend(send.into())).parse().unwrap();
        thread = Some(sent.thread);
    }
    let (mut after, mut seen, mut more) = (0, Vec::new(), true);
    while more {
        let page: ChatPage =
            world.read("forge", in_thread(thread.unwrap(), after, Some(3))).unwrap().parse().unwrap();
        after = page.messages.last().unwrap().seq;
        seen.extend(page.messages.into_iter().map(|message| message.content));
        more = page.more;
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    let both = ChatRead { thread, message: Some(nexus_wire::MessageId(Uuid::nil())), ..ChatRead::default() };
    assert_eq!(world.read("forge", Read::ChatRead(both)), Err(ErrorCode::Invalid));
    assert_eq!(world.read("forge", Read::ChatRead(ChatRead::default())), Err(ErrorCode::Invalid));
}

#[test]
fn what_is_kept_no_longer_is_told_wherever_a_page_begins() {
    let mut world = World::new();
    let mut sent: Vec<ChatSent> = Vec::new();
    for n in 0..3 {
        let thread = sent.first().map(|it| it.thread);
        let send =
            ChatSend { thread, to: vec!["forge".into()], content: n.to_string(), ..ChatSend::default() };
        sent.push(world.request("operator/ana", Change::ChatSend(send.into())).parse().unwrap());
    }
    world.apply(CommandBody::Ack {
        aspect: "forge".parse().unwrap(),
        link: link("forge").unwrap(),
        offset: 3,
    });
    let messages = sent.iter().map(|it| it.message).collect();
    world.apply(CommandBody::PruneMessages { before: world.at + 1, messages });
    let gap = |after| {
        let page = world.read("forge", in_thread(sent[0].thread, after, None)).unwrap();
        let gap = page.parse::<ChatPage>().unwrap().gap;
        gap.map(|gap| (gap.from, gap.to))
    };
    assert_eq!(gap(0), Some((1, sent[1].seq)));
    assert_eq!(gap(sent[0].seq), Some((sent[0].seq + 1, sent[1].seq)));
    assert_eq!([sent[1].seq, u64::MAX - 1, u64::MAX].map(gap), [None; 3]);
}

#[test]
fn a_page_of_the_trail_goes_on_where_it_ended_even_if_it_is_empty() {
    let entry = |seq| AuditEntry {
        seq,
        at: 0,
        kind: "x".into(),
        actor: Party::System,
        subject: String::new(),
        thread: None,
    };
    let page = |seqs: &[u64], next| {
        let found = seqs.iter().map(|seq| entry(*seq)).collect();
        let AuditPage { entries, more, next } = audit_page(Stretch { found, next }, 2);
        (entries.into_iter().map(|entry| entry.seq).collect::<Vec<_>>(), more, next)
    };
    assert_eq!(page(&[], Some(70)), (vec![], true, Some(70)), "so far");
    assert_eq!(page(&[90], Some(70)), (vec![90], true, Some(70)));
    assert_eq!(page(&[90, 80], None), (vec![90, 80], false, None), "as many as asked for, and no more");
    assert_eq!(page(&[90, 80, 75], Some(75)), (vec![90, 80], true, Some(80)), "none is left out");
    assert_eq!(page(&[], None), (vec![], false, None));

    let mut world = World::new();
    for _ in 0..5 {
        let send = ChatSend { to: vec!["forge".into()], content: "hello".into(), ..ChatSend::default() };
        world.request("operator/ana", Change::ChatSend(send.into()));
    }
    let mut asked = AuditList { kind: Some("message".into()), limit: Some(2), ..AuditList::default() };
    let mut counts = Vec::new();
    loop {
        let page: AuditPage =
            world.read("operator/ana", Read::AuditList(asked.clone())).unwrap().parse().unwrap();
        counts.push(page.entries.len());
        assert_eq!(page.more, page.next.is_some());
        let Some(next) = page.next else { break };
        asked.before = Some(next);
    }
    assert_eq!(counts, [2, 2, 1]);
}

#[test]
fn a_page_of_a_search_goes_on_where_it_ended_even_if_it_is_empty() {
    let hit = |seq: u64| ChatHit {
        message: MessageId(Uuid::from_u128(u128::from(seq))),
        seq,
        thread: ThreadId(Uuid::from_u128(1)),
        title: String::new(),
        from: Party::System,
        at: 0,
        snippet: Vec::new(),
    };
    let page = |seqs: &[u64], next| {
        let hits = seqs.iter().map(|seq| hit(*seq)).collect();
        let found = chat::found_page(Found { hits, next, indexed_seq: 99 }, 2);
        (found.hits.into_iter().map(|hit| hit.seq).collect::<Vec<_>>(), found.more, found.next)
    };
    assert_eq!(page(&[], Some(70)), (vec![], true, Some(70)), "so far");
    assert_eq!(page(&[90], Some(70)), (vec![90], true, Some(70)));
    assert_eq!(page(&[90, 80], None), (vec![90, 80], false, None), "as many as asked for, and no more");
    assert_eq!(page(&[90, 80, 75], Some(75)), (vec![90, 80], true, Some(80)), "none is left out");
    assert_eq!(page(&[90, 80, 75], None), (vec![90, 80], true, Some(80)));
    assert_eq!(page(&[], None), (vec![], false, None));

    let mut world = World::new();
    for to in ["forge", "wren", "forge", "wren", "forge", "forge", "forge"] {
        let send = ChatSend { to: vec![to.into()], content: "the moon".into(), ..ChatSend::default() };
        world.request("operator/ana", Change::ChatSend(send.into()));
    }
    let mut asked = ChatSearch { query: "moon".into(), limit: Some(2), ..ChatSearch::default() };
    let mut counts = Vec::new();
    loop {
        let page: ChatFound = world.read("forge", Read::ChatSearch(asked.clone())).unwrap().parse().unwrap();
        counts.push(page.hits.len());
        assert_eq!(page.more, page.next.is_some());
        let Some(next) = page.next else { break };
        asked.cursor = Some(next);
    }
    assert_eq!(counts, [2, 2, 1], "of all that it may read");
}

#[test]
fn pages_from_the_end_and_filters_of_threads_find_everything_once() {
    let mut world = World::new();
    let mut threads = Vec::new();
    for n in 0..5 {
        let to = if n % 2 == 0 { "forge" } else { "wren" };
        let send = ChatSend { to: vec![to.into()], content: n.to_string(), ..ChatSend::default() };
        let sent: ChatSent = world.request("operator/ana", Change::ChatSend(send.into())).parse().unwrap();
        threads.push(sent.thread);
    }
    for n in 0..6 {
        let send = ChatSend { thread: Some(threads[0]), content: format!("m{n}"), ..ChatSend::default() };
        world.request("operator/ana", Change::ChatSend(send.into()));
    }
    let (mut before, mut seen, mut more) = (u64::MAX, Vec::new(), true);
    while more {
        let read = ChatRead {
            thread: Some(threads[0]),
            before: Some(before),
            limit: Some(3),
            ..ChatRead::default()
        };
        let page: ChatPage = world.read("forge", Read::ChatRead(read)).unwrap().parse().unwrap();
        before = page.messages.first().unwrap().seq;
        seen.splice(0..0, page.messages.into_iter().map(|message| message.content));
        more = page.more;
    }
    assert_eq!(seen, ["0", "m0", "m1", "m2", "m3", "m4", "m5"]);

    let listed = |world: &World, reader: &str, filter: &ChatThreads| {
        let (mut request, mut found) = (ChatThreads { limit: Some(1), ..filter.clone() }, Vec::new());
        loop {
            let read = Read::ChatThreads(request.clone());
            let page: ThreadPage = world.read(reader, read).unwrap().parse().unwrap();
            assert_eq!(page.more, page.next.is_some());
            found.extend(page.threads.into_iter().map(|thread| (thread.id, thread.unread)));
            let Some(next) = page.next else { return found };
            request.before = Some(next);
        }
    };
    let of_wren = ChatThreads { participant: Some(party("wren")), ..ChatThreads::default() };
    let unread = ChatThreads { unread: true, ..ChatThreads::default() };
    assert_eq!(listed(&world, "operator/ana", &of_wren), [(threads[3], 0), (threads[1], 0)]);
    assert_eq!(listed(&world, "operator/ana", &unread), []);
    assert_eq!(listed(&world, "operator/bo", &unread).len(), 5);
    assert_eq!(listed(&world, "forge", &unread), [(threads[0], 7), (threads[4], 1), (threads[2], 1)]);
    assert_eq!(listed(&world, "forge", &of_wren), []);
    world.request("forge", Change::ChatMark(nexus_wire::thread::ChatMark { thread: threads[0], seq: None }));
    assert_eq!(listed(&world, "forge", &unread), [(threads[4], 1), (threads[2], 1)]);
}
