//! A link that sends without end, and those beside it. Who comes when is counted in entries of the log and answers, not
//! in seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::World;
use super::client::{PATIENCE, Raw};
use crate::meter::Reading;
use crate::observe::{READERS, READS_OF_ONE, sharing};

/// Says the same again and again until it is told to stop, and reads nothing. Ends with how often it was said.
fn flood(mut raw: Raw, text: String, stop: &Arc<AtomicBool>) -> JoinHandle<(Raw, usize)> {
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let mut said = 0;
        while !stop.load(Ordering::Relaxed) {
            raw.0.feed(Message::text(text.clone())).await.unwrap();
            said += 1;
            if said % 64 == 0 {
                raw.0.flush().await.unwrap();
            }
        }
        (raw, said)
    })
}

fn event(turn: Uuid, n: usize, text: &str) -> Value {
    json!({"turn": turn, "n": n, "event": {"type": "text", "text": text}})
}

/// How often links were made to wait, by the limit.
fn slowed(world: &World, limit: &str) -> u64 {
    let text = world.running.edge.published.meter.text(&Reading::default()).unwrap();
    let line = format!("nexus_rate_limited_total{{limit=\"{limit}\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn links_that_send_without_end_leave_the_others_their_turn() {
    const MESSAGES: usize = 20;
    let world = World::new().await;
    let (wren, forge) = (world.aspect("wren").await, world.aspect("forge").await);
    let stop = Arc::new(AtomicBool::new(false));
    // Two that want no answers, one of them at work that is durable, one that streams.
    let durable = json!({"kind": "chat.send", "payload": {"to": ["wren"], "content": "again"}}).to_string();
    let (mut streaming, _) = Raw::registered(&world, &wren, json!({})).await;
    let turn = Uuid::now_v7();
    streaming.send("observe.begin", None, json!({"turn": turn})).await;
    let streamed = json!({"kind": "observe.event", "payload": event(turn, 0, &"x".repeat(300))}).to_string();
    let floods = [flood(Raw::operator(&world).await, durable, &stop), flood(streaming, streamed, &stop)];

    let (mut hears, _) = Raw::registered(&world, &forge, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let mut before = Vec::new();
    for n in 0..MESSAGES {
        let head = *world.running.edge.published.head.borrow();
        let content = json!({"to": ["forge"], "content": n.to_string()});
        let reply = operator.request("chat.send", content).await;
        assert_eq!(reply["kind"], "ok", "{reply}");
        before.push(reply["payload"]["seq"].as_u64().unwrap() - head);
        let item = hears.next_of("deliver").await;
        assert_eq!(item["item"]["body"]["content"], n.to_string());
        hears.send("ack", None, json!({"offset": item["offset"]})).await;
        let get = json!({"message": reply["payload"]["message"]});
        assert_eq!(operator.request("chat.get", get).await["kind"], "ok");
    }
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        let (raw, said) = timeout(PATIENCE, flood).await.unwrap().unwrap();
        assert!(said > MESSAGES, "it was at it all the time: {said}");
        drop(raw);
    }

    // What one link may have waiting comes before ours, with what was being committed and what came on the way; without a
    // share of its own it had all 2 048 places.
    before.sort_unstable();
    assert!(before[MESSAGES / 2] < 2_048, "others before ours: {before:?}");
}

#[tokio::test]
async fn what_comes_faster_than_a_link_may_ask_waits_and_none_of_it_is_lost() {
    // Five seconds' worth are free.
    const REQUESTS: usize = 530;
    let world = World::with(&[("links.commands_per_s", "100")]).await;
    let mut quick = Raw::operator(&world).await;
    let ids: Vec<Uuid> = (0..REQUESTS).map(|_| Uuid::now_v7()).collect();
    let (mut sink, stream) = futures_util::StreamExt::split(quick.0);
    let sending = ids.clone();
    let sending = tokio::spawn(async move {
        for (n, id) in sending.iter().enumerate() {
            let frame = json!({"kind": "chat.send", "id": id, "payload": {"content": n.to_string()}});
            sink.feed(Message::text(frame.to_string())).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink
    });
    let mut stream = stream;
    for id in &ids {
        let message = timeout(PATIENCE, futures_util::StreamExt::next(&mut stream)).await.unwrap();
        let frame: Value = serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap();
        assert_eq!((&frame["kind"], &frame["in_reply_to"]), (&json!("ok"), &json!(id)));
    }
    quick = Raw(sending.await.unwrap().reunite(stream).unwrap());
    assert!(slowed(&world, "commands_of_link") > 0);
    assert_eq!(slowed(&world, "streams_of_link"), 0);
    assert_eq!(quick.request("team.list", json!({})).await["kind"], "ok", "and the link goes on");
}

#[tokio::test]
async fn what_streams_faster_than_a_link_may_waits_and_none_of_it_is_lost() {
    // Five seconds' worth are free, and this is far more.
    const EVENTS: usize = 90;
    let world = World::with(&[("links.stream_mb_per_s", "1")]).await;
    let wren = world.aspect("wren").await;
    let mut watcher = Raw::operator(&world).await;
    watcher.request("subscribe", json!({"observe": true})).await;
    let (mut raw, _) = Raw::registered(&world, &wren, json!({})).await;
    let turn = Uuid::now_v7();
    raw.send("observe.begin", None, json!({"turn": turn})).await;
    let text = "x".repeat(100_000);
    // Made beforehand: a machine that is busy might not make them as fast as the link may send.
    let said = |n| json!({"kind": "observe.event", "payload": event(turn, n, &text)}).to_string();
    let frames: Vec<String> = (0..EVENTS).map(said).collect();
    let sending = tokio::spawn(async move {
        for frame in frames {
            raw.0.feed(Message::text(frame)).await.unwrap();
        }
        raw.0.flush().await.unwrap();
        raw
    });
    watcher.next_of("observe").await;
    for n in 0..EVENTS {
        assert_eq!(watcher.next_of("observe").await["what"]["n"], n);
    }
    let mut raw = sending.await.unwrap();
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    assert!(slowed(&world, "streams_of_link") > 0);
}

#[tokio::test]
async fn one_link_that_reads_much_at_a_time_leaves_readers_to_others() {
    const READINGS: usize = 4 * READS_OF_ONE;
    let world = World::new().await;
    let share = Arc::new(Semaphore::new(READS_OF_ONE));
    let (began, mut begun) = mpsc::channel(READINGS);
    let (going_on, gate) = std::sync::mpsc::sync_channel::<()>(READINGS);
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let done = Arc::new(AtomicUsize::new(0));
    let readings: Vec<JoinHandle<()>> = (0..READINGS)
        .map(|_| {
            let (edge, share) = (Arc::clone(&world.running.edge), Arc::clone(&share));
            let (began, gate, done) = (began.clone(), Arc::clone(&gate), Arc::clone(&done));
            tokio::spawn(async move {
                let reading = edge.library.read(move |_| {
                    began.try_send(()).unwrap();
                    // Held up until somebody lets one of them go on.
                    let _ = gate.lock().unwrap().recv();
                    Ok(())
                });
                sharing(share, reading).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for _ in 0..READS_OF_ONE {
        timeout(PATIENCE, begun.recv()).await.unwrap().unwrap();
    }
    // As many as may are being read, and none of them is through.
    let mut other = Raw::operator(&world).await;
    assert_eq!(other.request("chat.threads", json!({})).await["kind"], "ok");
    assert_eq!((begun.try_recv().is_err(), done.load(Ordering::Relaxed)), (true, 0));
    for _ in 0..READINGS {
        going_on.send(()).unwrap();
    }
    for reading in readings {
        timeout(PATIENCE, reading).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_turn_begins_while_every_reader_is_at_a_search() {
    let world = World::new().await;
    let (wren, mut operator) = (world.aspect("wren").await, Raw::operator(&world).await);
    let opened = operator.request("chat.send", json!({"to": ["wren"], "content": "hello"})).await;
    let thread = &opened["payload"]["thread"];
    let (mut wren, _) = Raw::registered(&world, &wren, json!({})).await;
    let begun = Arc::new(Semaphore::new(0));
    let (end, searches): (Vec<_>, Vec<_>) = (0..READERS)
        .map(|_| {
            let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
            let (library, begun) = (world.running.edge.library.clone(), Arc::clone(&begun));
            let search = tokio::spawn(async move {
                let search = library.read(move |_| {
                    begun.add_permits(1);
                    // Until the other half is dropped.
                    let _ = ended.recv();
                    Ok(())
                });
                search.await.unwrap();
            });
            (end, search)
        })
        .unzip();
    begun.acquire_many(READERS as u32).await.unwrap().forget();
    let begin = wren.request("observe.begin", json!({"turn": Uuid::now_v7(), "thread": thread}));
    assert_eq!(timeout(PATIENCE, begin).await.unwrap()["kind"], "ok");
    drop(end);
    for search in searches {
        search.await.unwrap();
    }
}
