//! Everything that can be read of two stores, compared as whole values.

use std::fmt::Debug;

use nexus_broker::hub::records::{Checkpoint, KnowledgeScope, Reads, RunsWanted, Stored, Which};
use nexus_wire::audit::AuditList;
use nexus_wire::chat::{Message, ThreadInfo};
use nexus_wire::inbox::{Item, ItemBody};
use nexus_wire::log::LogBody;
use nexus_wire::{Party, derive};

use crate::world::party;

const MANY: u32 = 100_000;

/// Reads something long in steps and as a whole; both give the same.
fn paged<T: Debug + PartialEq>(read: impl Fn(u64, u32) -> Stored<Vec<T>>, at: impl Fn(&T) -> u64) -> Vec<T> {
    let whole = read(0, MANY).unwrap();
    for step in [1, 3, 64, 65] {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = read(after, step).unwrap();
            assert!(page.len() <= step as usize);
            let Some(last) = page.last() else { break };
            after = at(last);
            all.extend(page);
        }
        assert_eq!(all, whole, "in steps of {step}");
        if whole.len() > 300 {
            break;
        }
    }
    whole
}

/// Told from the messages alone.
fn unread_of(messages: &[Message], reader: &Party, position: u64) -> u64 {
    let own = messages.iter().rposition(|message| message.from == *reader).map_or(0, |at| at + 1);
    messages[own..].iter().filter(|message| message.seq > position).count() as u64
}

pub(crate) fn assert_same(a: &impl Reads, b: &impl Reads) {
    assert_eq!(a.snapshot().unwrap(), b.snapshot().unwrap());
    let aspects = a.aspects().unwrap();
    assert_eq!(aspects, b.aspects().unwrap());
    let operators = a.operators().unwrap();
    assert_eq!(operators, b.operators().unwrap());

    assert_same_history(a, b);

    let wanted = RunsWanted { all: true, ..RunsWanted::default() };
    let runs = a.runs(&wanted, None, MANY).unwrap();
    assert_eq!(runs, b.runs(&wanted, None, MANY).unwrap());
    for info in runs.iter().take(20) {
        assert_eq!(a.run(info.id).unwrap(), b.run(info.id).unwrap());
        assert_eq!(a.run_tasks(info.id).unwrap(), b.run_tasks(info.id).unwrap());
    }
    assert_eq!(a.flows(None, MANY).unwrap(), b.flows(None, MANY).unwrap());

    let approvals = a.approvals(true, None, 100).unwrap();
    assert_eq!(approvals, b.approvals(true, None, 100).unwrap());
    assert_eq!(a.approvals(false, None, 2).unwrap(), b.approvals(false, None, 2).unwrap());
    for info in approvals.iter().take(5) {
        assert_eq!(a.approval(info.id).unwrap(), b.approval(info.id).unwrap());
        assert_eq!(
            a.approvals(true, Some(info.id), 2).unwrap(),
            b.approvals(true, Some(info.id), 2).unwrap()
        );
    }

    let triggers = a.triggers(None, MANY).unwrap();
    assert_eq!(triggers, b.triggers(None, MANY).unwrap());
    for record in &triggers {
        let (name, id) = (record.name(), record.info.id);
        assert_eq!(a.trigger(name).unwrap(), b.trigger(name).unwrap());
        assert_eq!(a.triggers(Some(name), 2).unwrap(), b.triggers(Some(name), 2).unwrap());
        let slots = a.trigger_slots(id, record.info.slots + 1, MANY).unwrap();
        assert_eq!(slots, b.trigger_slots(id, record.info.slots + 1, MANY).unwrap());
        assert_eq!(a.trigger_slots(id, 3, 1).unwrap(), b.trigger_slots(id, 3, 1).unwrap());
        for delivery in (0..8).map(|no| format!("d-{no}")) {
            assert_eq!(a.hook_delivery(id, &delivery).unwrap(), b.hook_delivery(id, &delivery).unwrap());
        }
    }

    let registries = a.registries(None, MANY).unwrap();
    assert_eq!(registries, b.registries(None, MANY).unwrap());
    assert_eq!(a.registry_count().unwrap(), b.registry_count().unwrap());
    for name in ["clients", "notes"].map(|name| name.parse().unwrap()) {
        assert_eq!(a.registry(&name).unwrap(), b.registry(&name).unwrap());
        assert_eq!(a.registries(Some(&name), 1).unwrap(), b.registries(Some(&name), 1).unwrap());
        let rows = a.registry_rows(&name, None, MANY).unwrap();
        assert_eq!(rows, b.registry_rows(&name, None, MANY).unwrap());
        for row in &rows {
            assert_eq!(a.registry_row(&name, &row.row).unwrap(), b.registry_row(&name, &row.row).unwrap());
            let rest = a.registry_rows(&name, Some(&row.row), 2).unwrap();
            assert_eq!(rest, b.registry_rows(&name, Some(&row.row), 2).unwrap());
            let history = a.registry_changes(&name, Some(&row.row), u64::MAX, 3).unwrap();
            assert_eq!(history, b.registry_changes(&name, Some(&row.row), u64::MAX, 3).unwrap());
        }
        for (field, value) in [("mail", "\"a@b\""), ("mail", "\"acme\""), ("hours", "1"), ("hours", "2")] {
            let holder = a.registry_holder(&name, field, value).unwrap();
            assert_eq!(holder, b.registry_holder(&name, field, value).unwrap());
        }
        let changes = a.registry_changes(&name, None, u64::MAX, MANY).unwrap();
        assert_eq!(changes, b.registry_changes(&name, None, u64::MAX, MANY).unwrap());
        assert_eq!(
            a.registry_changes(&name, None, 4, 2).unwrap(),
            b.registry_changes(&name, None, 4, 2).unwrap()
        );
    }

    let mut parties: Vec<Party> = aspects.iter().map(|it| Party::Aspect(it.name.clone())).collect();
    parties.push(party("operator/ana"));
    for of in &parties {
        assert_eq!(a.threads(Some(of), None, 3).unwrap(), b.threads(Some(of), None, 3).unwrap());
        let gathers = a.open_gathers(of).unwrap();
        assert_eq!(gathers, b.open_gathers(of).unwrap());
        for info in &gathers {
            assert_eq!(a.gather(info.id).unwrap(), b.gather(info.id).unwrap());
        }
        assert_eq!(a.open_dispatches(of).unwrap(), b.open_dispatches(of).unwrap());
        for query in ["river", "run*", "\"the sea\" OR look", "sea -deep", "topic", "nothing of that"] {
            let scope = KnowledgeScope::of(of, a).unwrap();
            assert_eq!(scope, KnowledgeScope::of(of, b).unwrap());
            let ranked = a.knowledge_search(&scope, None, query).unwrap();
            assert_eq!(ranked, b.knowledge_search(&scope, None, query).unwrap(), "{of} {query}");
            for rank in ranked.into_iter().take(2) {
                assert_eq!(a.knowledge_hit(query, rank).unwrap(), b.knowledge_hit(query, rank).unwrap());
                assert_eq!(a.knowledge_entry(rank.entry).unwrap(), b.knowledge_entry(rank.entry).unwrap());
            }
        }
        for topic in ["topic 0", "topic 1", "topic 2", "topic 3"] {
            assert_eq!(a.knowledge(of, topic).unwrap(), b.knowledge(of, topic).unwrap());
            assert_eq!(a.knowledge_usage(of, topic).unwrap(), b.knowledge_usage(of, topic).unwrap());
            let versions = a.knowledge_history(of, topic, u32::MAX, 5).unwrap();
            assert_eq!(versions, b.knowledge_history(of, topic, u32::MAX, 5).unwrap());
        }
        let scope = KnowledgeScope::of(of, a).unwrap();
        for (by, prefix) in [(None, "topic"), (Some(of), ""), (None, "t\0"), (None, "topic 1")] {
            let listed = a.knowledge_list(&scope, by, prefix, None, 9).unwrap();
            assert_eq!(listed, b.knowledge_list(&scope, by, prefix, None, 9).unwrap());
            let after = listed.first().map(|head| (head.from.clone(), head.topic.clone()));
            let rest = a.knowledge_list(&scope, by, prefix, after.as_ref(), 8).unwrap();
            assert_eq!(rest, b.knowledge_list(&scope, by, prefix, after.as_ref(), 8).unwrap());
            assert_eq!(rest, listed.into_iter().skip(1).collect::<Vec<_>>());
        }
    }

    assert_eq!(a.knowledge_grants(None).unwrap(), b.knowledge_grants(None).unwrap());
    for record in &aspects {
        let grants = a.knowledge_grants(Some(&record.name)).unwrap();
        assert_eq!(grants, b.knowledge_grants(Some(&record.name)).unwrap());
        let name = &record.name;
        assert_eq!(a.aspect(name).unwrap().as_ref(), Some(record));
        assert_eq!(b.aspect(name).unwrap().as_ref(), Some(record));
        let items = paged(|after, limit| a.inbox(name, after, limit), |item| item.offset);
        assert_eq!(items, paged(|after, limit| b.inbox(name, after, limit), |item| item.offset));
        let last = items.last().map_or(0, |item| item.offset);
        assert!(last == record.tail || record.cursor == record.tail, "what is open is there");
        let unacked = items.iter().filter(|item| item.offset > record.cursor);
        let seqs = unacked.filter_map(|item| {
            let body = serde_json::from_str::<Item>(&item.json).unwrap().body;
            if let ItemBody::Message(message) = body { Some(message.seq) } else { None }
        });
        let first = seqs.min();
        assert_eq!(a.first_unacked(name).unwrap(), first, "{name}");
        assert_eq!(b.first_unacked(name).unwrap(), first, "{name}");
        assert_eq!(a.inbox_floor(name).unwrap(), b.inbox_floor(name).unwrap());
        for item in &items {
            assert_eq!(a.closed(name, item.id).unwrap(), b.closed(name, item.id).unwrap());
        }
    }

    let threads = a.threads(None, None, MANY).unwrap();
    assert_eq!(threads, b.threads(None, None, MANY).unwrap());
    let pages = |reads: &dyn Fn(Option<u64>) -> Vec<ThreadInfo>| {
        let mut all = reads(None);
        while let Some(last) = all.last() {
            let page = reads(Some(last.last_seq));
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        all
    };
    assert_eq!(pages(&|before| a.threads(None, before, 7).unwrap()), threads);
    assert_eq!(pages(&|before| b.threads(None, before, 7).unwrap()), threads);
    for info in &threads {
        assert_eq!(a.thread(info.id).unwrap(), b.thread(info.id).unwrap());
        let messages = paged(|after, limit| a.messages(info.id, after, limit), |it| it.seq);
        assert_eq!(messages, paged(|after, limit| b.messages(info.id, after, limit), |it| it.seq));
        let pruned = a.thread_pruned(info.id).unwrap();
        assert_eq!(pruned, b.thread_pruned(info.id).unwrap());
        assert_eq!(messages.len() as u64 + pruned.map_or(0, |it| it.messages), info.messages);
        assert_eq!(messages.last().map(|it| it.seq), Some(info.last_seq));
        for before in [0, info.last_seq / 2, info.last_seq, u64::MAX] {
            let page = a.messages_before(info.id, 3, before, 3).unwrap();
            assert_eq!(page, b.messages_before(info.id, 3, before, 3).unwrap());
            let earlier = messages.iter().filter(|it| it.seq > 3 && it.seq < before);
            let expected: Vec<_> = earlier.clone().skip(earlier.count().saturating_sub(3)).cloned().collect();
            assert_eq!(page, expected, "before {before}");
        }
        for of in &parties {
            assert_eq!(a.read_position(of, info.id).unwrap(), b.read_position(of, info.id).unwrap());
            let unread = a.unread(of, info.id, 999).unwrap();
            assert_eq!(unread, b.unread(of, info.id, 999).unwrap());
            assert_eq!(a.unread(of, info.id, u64::MAX).unwrap(), b.unread(of, info.id, u64::MAX).unwrap());
            assert_eq!(unread, unread_of(&messages, of, a.read_position(of, info.id).unwrap()));
        }
        for message in &messages {
            assert_eq!(a.reactions(message.id).unwrap(), b.reactions(message.id).unwrap());
            for record in &aspects {
                let item = derive::message_item(message.id, &record.name);
                assert_eq!(a.taken(&record.name, item).unwrap(), b.taken(&record.name, item).unwrap());
            }
        }
        let log = a.log(0, Some(info.id), 7).unwrap();
        assert_eq!(log, b.log(0, Some(info.id), 7).unwrap());
    }

    for which in [Which::All, Which::Dead, Which::Open] {
        let dispatches = a.dispatches(which, None, MANY).unwrap();
        assert_eq!(dispatches, b.dispatches(which, None, MANY).unwrap());
        for (at, info) in dispatches.iter().enumerate() {
            let next = a.dispatches(which, Some(info.id), 2).unwrap();
            assert_eq!(next, b.dispatches(which, Some(info.id), 2).unwrap());
            assert_eq!(next, dispatches[at + 1..].iter().take(2).cloned().collect::<Vec<_>>());
            assert_eq!(a.dispatch(info.id).unwrap(), b.dispatch(info.id).unwrap());
            assert_eq!(a.dispatch_head(info.id).unwrap(), b.dispatch_head(info.id).unwrap());
        }
    }

    assert_eq!(a.contents_floor().unwrap(), b.contents_floor().unwrap());
    let now = a.snapshot().unwrap().last_at;
    for before in [now, now - 5_000] {
        assert_eq!(a.messages_older(before, 3, 9).unwrap(), b.messages_older(before, 3, 9).unwrap());
        let asked = a.approvals_older(before, None, 9).unwrap();
        assert_eq!(asked, b.approvals_older(before, None, 9).unwrap());
        let rest = a.approvals_older(before, asked.first().copied(), 8).unwrap();
        assert_eq!(rest, b.approvals_older(before, asked.first().copied(), 8).unwrap());
        assert_eq!(rest, asked.into_iter().skip(1).collect::<Vec<_>>());
        let ended = a.dispatches_older(before, None, 9).unwrap();
        assert_eq!(ended, b.dispatches_older(before, None, 9).unwrap());
        let rest = a.dispatches_older(before, ended.first().copied(), 8).unwrap();
        assert_eq!(rest, b.dispatches_older(before, ended.first().copied(), 8).unwrap());
        assert_eq!(rest, ended.into_iter().skip(1).collect::<Vec<_>>());
    }

    assert_eq!(a.log_floor().unwrap(), b.log_floor().unwrap());
    let last = a.snapshot().unwrap().last_at;
    for before in [last, last - 100_000] {
        assert_eq!(a.log_before(before, 50).unwrap(), b.log_before(before, 50).unwrap());
    }

    let blobs = a.blobs(None, MANY).unwrap();
    assert_eq!(blobs, b.blobs(None, MANY).unwrap());
    assert_eq!(a.blobs(Some(3), 2).unwrap(), b.blobs(Some(3), 2).unwrap());
    assert_eq!(a.blob_usage(None).unwrap(), b.blob_usage(None).unwrap());
    for of in &parties {
        assert_eq!(a.blob_usage(Some(of)).unwrap(), b.blob_usage(Some(of)).unwrap());
    }
    for (_, blob) in &blobs {
        let id = blob.id;
        assert_eq!(a.blob(id).unwrap().as_ref(), Some(blob));
        assert_eq!(b.blob(id).unwrap().as_ref(), Some(blob));
        assert_eq!(a.blob_references(id).unwrap(), b.blob_references(id).unwrap());
        assert_eq!(a.blob_mentions(id, 3).unwrap(), b.blob_mentions(id, 3).unwrap());
        for of in &parties {
            assert_eq!(a.blob_is_shown_to(id, of).unwrap(), b.blob_is_shown_to(id, of).unwrap());
        }
        let before = blob.at + 1;
        assert_eq!(a.blobs_unreferenced(before, 3).unwrap(), b.blobs_unreferenced(before, 3).unwrap());
    }

    let alerts = a.alerts(true, None, MANY).unwrap();
    assert_eq!(alerts, b.alerts(true, None, MANY).unwrap());
    assert_eq!(a.alerts(false, None, MANY).unwrap(), b.alerts(false, None, MANY).unwrap());
    for alert in &alerts {
        let before = Some(alert.seq);
        assert_eq!(a.alerts(true, before, 2).unwrap(), b.alerts(true, before, 2).unwrap());
        let (one, other) = (a.alert(alert.kind, &alert.subject), b.alert(alert.kind, &alert.subject));
        assert_eq!((one.unwrap().as_ref(), other.unwrap().as_ref()), (Some(alert), Some(alert)));
    }

    let log = paged(|after, limit| a.log(after, None, limit), |entry| entry.seq);
    assert_eq!(log, paged(|after, limit| b.log(after, None, limit), |entry| entry.seq));
    let pruned = checkpoints(a);
    assert_eq!(pruned, checkpoints(b));
    let floor = pruned.last().map_or(0, |checkpoint| checkpoint.seq);
    for (at, entry) in log.iter().enumerate() {
        assert_eq!(entry.seq, floor + at as u64 + 1, "the log has no holes");
        if let LogBody::Message(message) = &entry.body {
            assert_eq!(a.message(message.id).unwrap(), b.message(message.id).unwrap());
        }
    }
}

/// Each store has hashes of its own.
fn checkpoints(store: &impl Reads) -> Vec<Checkpoint> {
    store.checkpoints().unwrap().into_iter().map(|it| Checkpoint { hash: [0; 32], ..it }).collect()
}

/// What looks back: every row by every filter, and what was spent.
fn assert_same_history(a: &impl Reads, b: &impl Reads) {
    let all = a.audit(&AuditList::default(), MANY).unwrap();
    assert_eq!(all, b.audit(&AuditList::default(), MANY).unwrap());
    assert!(all.is_sorted_by(|one, next| one.seq > next.seq), "the latest first");
    for entry in all.iter().step_by(1 + all.len() / 16) {
        let family = entry.kind.split('.').next().map(str::to_owned);
        let filters = [
            AuditList { by: Some(entry.actor.clone()), ..AuditList::default() },
            AuditList { kind: Some(entry.kind.clone()), before: Some(entry.seq + 1), ..AuditList::default() },
            AuditList { kind: family, until: Some(entry.at + 1), ..AuditList::default() },
            AuditList { subject: Some(entry.subject.clone()), ..AuditList::default() },
            AuditList { thread: entry.thread, since: Some(entry.at), ..AuditList::default() },
        ];
        for filter in filters {
            let found = a.audit(&filter, 20).unwrap();
            assert_eq!(found, b.audit(&filter, 20).unwrap(), "{filter:?}");
            let last = all.iter().find(|it| it.seq == entry.seq);
            assert!(
                found.len() == 20 || found.iter().any(|it| Some(it) == last),
                "{filter:?} leaves {entry:?} out"
            );
        }
    }
    let none = AuditList { kind: Some("mess".into()), ..AuditList::default() };
    assert_eq!((a.audit(&none, 5).unwrap(), b.audit(&none, 5).unwrap()), (Vec::new(), Vec::new()));
    let until = all.get(all.len() / 2).map_or(0, |entry| entry.at);
    for span in [i64::MIN..i64::MAX, until..i64::MAX, i64::MIN..until] {
        assert_eq!(spent(a, &span), spent(b, &span));
    }
}

fn spent(store: &impl Reads, span: &std::ops::Range<i64>) -> Vec<String> {
    let mut found = Vec::new();
    store.spent(span.start, span.end, &mut |spent| found.push(format!("{spent:?}"))).unwrap();
    found.sort_unstable();
    found
}
