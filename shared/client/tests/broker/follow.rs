//! Following the log: each entry once, in order, whatever happens to links.

use nexus_client::{Client, Followed};
use nexus_wire::frame::ToBroker;
use nexus_wire::log::{LogBody, LogEntry, Subscribe, Subscribed};
use nexus_wire::observe::{ObserveGap, Observed, ObservedWhat};
use nexus_wire::roster::{Team, TeamList};
use nexus_wire::{AspectName, TurnId};

use super::stub::{Served, Stub};

fn entry(seq: u64) -> LogEntry {
    let body = LogBody::Other { kind: "test".into(), subject: seq.to_string() };
    LogEntry { seq, at: 0, actor: nexus_wire::Party::System, thread: None, body }
}

async fn subscribed(served: &mut Served, head: u64) -> Option<u64> {
    let (id, frame) = served.recv().await;
    let ToBroker::Subscribe(subscribe) = frame else { panic!("{frame:?}") };
    assert!(subscribe.observe);
    served.ok(id, &Subscribed { head, ..Subscribed::default() }).await;
    subscribe.from_seq
}

#[tokio::test]
async fn it_resumes_after_the_last_entry_seen() {
    let mut stub = Stub::start().await;
    let client = Client::connect(stub.broker()).await.expect("connected");
    let mut served = stub.link().await;
    let script = async {
        assert_eq!(subscribed(&mut served, 4).await, None);
    };
    let subscribe = Subscribe { observe: true, ..Subscribe::default() };
    let (follow, ()) = tokio::join!(client.follow(subscribe), script);
    let mut follow = follow.expect("subscribed");

    // Lost before any entry came: it goes on where it began.
    drop(served);
    assert!(matches!(follow.next().await, Ok(Followed::Lost { .. })));
    let script = async {
        let mut served = stub.link().await;
        assert_eq!(subscribed(&mut served, 6).await, Some(4));
        for seq in [5, 6, 6, 5, 7] {
            served.push(entry(seq)).await;
        }
        served
    };
    let mut seen = Vec::new();
    let reading = async {
        assert!(matches!(follow.next().await, Ok(Followed::Reconnected)));
        while seen.len() < 3 {
            let Ok(Followed::Log(entry)) = follow.next().await else { panic!("no entry") };
            seen.push(entry.seq);
        }
    };
    let (served, ()) = tokio::join!(script, reading);
    assert_eq!(seen, [5, 6, 7]);

    drop(served);
    let script = async {
        let mut served = stub.link().await;
        assert_eq!(subscribed(&mut served, 7).await, Some(7));
        served.push(entry(9)).await;
        served
    };
    let reading = async {
        assert!(matches!(follow.next().await, Ok(Followed::Lost { .. })));
        assert!(matches!(follow.next().await, Ok(Followed::Reconnected)));
        assert!(matches!(follow.next().await, Ok(Followed::Log(entry)) if entry.seq == 9));
    };
    tokio::join!(script, reading);
}

#[tokio::test]
async fn what_streams_goes_on_after_the_last_frame_of_each_aspect() {
    let name = |text: &str| text.parse::<AspectName>().expect("a name");
    let mut stub = Stub::start().await;
    let client = Client::connect(stub.broker()).await.expect("connected");
    let mut served = stub.link().await;
    let script = async {
        let (id, _) = served.recv().await;
        let observed = [(name("forge"), 3), (name("wren"), 5)].into();
        served.ok(id, &Subscribed { head: 0, observed }).await;
    };
    let subscribe = Subscribe { observe: true, ..Subscribe::default() };
    let (follow, ()) = tokio::join!(client.follow(subscribe), script);
    let mut follow = follow.expect("subscribed");
    let note = ObservedWhat::Progress { note: "x".into() };
    let turn = TurnId(uuid::Uuid::nil());
    let frame = Observed { aspect: name("wren"), turn, thread: None, dispatch: None, what: note, seq: 6 };
    served.push(frame).await;
    let gap = |aspect, from, to| ObserveGap { aspect: name(aspect), from, to, reason: "x".into() };
    served.push(gap("forge", 4, 9)).await;
    assert!(matches!(follow.next().await, Ok(Followed::Observed(it)) if it.seq == 6));
    assert!(matches!(follow.next().await, Ok(Followed::ObserveGap(it)) if it.to == 9));
    // What it has seen was of another history: it goes on from where this one ends.
    served.push(gap("wren", 3, 6)).await;
    assert!(matches!(follow.next().await, Ok(Followed::ObserveGap(_))));
    drop(served);
    assert!(matches!(follow.next().await, Ok(Followed::Lost { .. })));
    let script = async {
        let mut served = stub.link().await;
        let (_, frame) = served.recv().await;
        let ToBroker::Subscribe(subscribe) = frame else { panic!("{frame:?}") };
        assert_eq!(subscribe.observe_from, Some([(name("forge"), 9), (name("wren"), 2)].into()));
    };
    tokio::select! {
        () = script => {}
        other = follow.next() => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_clients_request_is_repeated_and_its_owner_is_told() {
    let mut stub = Stub::start().await;
    let mut client = Client::connect(stub.broker()).await.expect("connected");
    let (told, mut notices) = tokio::sync::mpsc::channel(8);
    client.on_notice(move |notice| {
        told.try_send(format!("{notice:?}")).expect("there is room");
    });
    let script = async {
        let (first, _) = stub.link().await.recv().await;
        let mut served = stub.link().await;
        let (second, frame) = served.recv().await;
        assert_eq!(frame, ToBroker::TeamList(TeamList::default()));
        assert_eq!(first, second);
        served.ok(second, &Team::default()).await;
        served
    };
    let (team, _served) = tokio::join!(client.call(TeamList::default()), script);
    assert_eq!(team.expect("answered"), Team::default());
    assert!(notices.recv().await.expect("told").starts_with("Lost"));
    assert_eq!(notices.recv().await.as_deref(), Some("Reconnected"));
}
