//! Assignments: done, put right, cancelled, waiting for children, and lost with their process.

use super::*;

fn lease(n: u128) -> Lease {
    Lease { dispatch: DispatchId(Uuid::from_u128(n)), attempt: 1 }
}

fn assignment(n: u128, input: Value) -> ItemBody {
    ItemBody::Assignment(Assignment {
        lease: lease(n),
        hand: "check".parse().expect("a name"),
        input,
        invoker: "wren".parse().expect("a party"),
        thread: None,
        depth: 1,
        timeout_s: 60,
        deadline_at: 0,
        budget: Default::default(),
    })
}

impl FakeLink {
    /// The next request hands in a result; it is answered.
    fn handed_in(&mut self) -> DispatchResult {
        let (id, frame) = self.request();
        let ToBroker::DispatchResult(result) = frame else { panic!("no result: {frame:?}") };
        let standing = DispatchStanding { dispatch: result.lease.dispatch, state: DispatchState::Done };
        self.ok(id, &standing);
        result
    }
}

#[test]
fn an_assignment_is_worked_on_and_its_output_checked() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, assignment(1, json!({"claim": "it is"})));
    link.acked(1);
    let result = link.handed_in();
    assert_eq!((result.lease, result.output), (lease(1), Some(json!({"verdict": "yes, it is"}))));
    // This one says no JSON, is asked once more, and says it again.
    link.deliver(2, 2, assignment(2, json!({})));
    link.acked(2);
    let result = link.handed_in();
    assert_eq!(result.output, None);
    let error = result.error.expect("a failure");
    assert_eq!(error.code, "invalid_output");
    assert!(error.message.contains("it is not JSON"), "{}", error.message);
    process.kill(&fake);
}

#[test]
fn a_hand_that_waits_for_its_child_yields_and_goes_on_when_told() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, assignment(1, json!({"child": true})));
    link.acked(1);
    let (id, frame) = link.request();
    let ToBroker::Dispatch(dispatch) = frame else { panic!("no dispatch: {frame:?}") };
    assert_eq!(dispatch.parent, Some(lease(1)));
    let child = derive::dispatch_id(id, &"forge".parse().expect("a party"));
    link.ok(id, &dispatched(child));
    let (id, frame) = link.request();
    let ToBroker::DispatchWait(wait) = frame else { panic!("no wait: {frame:?}") };
    assert_eq!((wait.lease, wait.on), (lease(1), vec![child]));
    link.ok(id, &DispatchStanding { dispatch: lease(1).dispatch, state: DispatchState::Waiting });
    // A reconnect while it waits: the lease is still held, and said to wait.
    drop(link);
    let (mut link, register) = fake.registered(EPOCH, 1, 2);
    assert_eq!(
        register.leases.iter().map(|held| (held.lease, held.waiting)).collect::<Vec<_>>(),
        [(lease(1), true)]
    );
    link.deliver(2, 2, outcome(child, "wren/deep", json!({"verdict": "deep"})));
    link.acked(2);
    link.deliver(3, 3, ItemBody::Resume { lease: lease(1), wait: 1 });
    link.acked(3);
    assert_eq!(link.handed_in().output, Some(json!({"verdict": "deep"})));
    process.kill(&fake);
}

#[test]
fn a_cancelled_task_stops_and_hands_nothing_in() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, assignment(1, json!({"hold": true})));
    link.acked(1);
    link.deliver(2, 2, ItemBody::Cancel { lease: lease(1), reason: "not needed".into() });
    link.acked(2);
    let (id, frame) = link.request();
    let ToBroker::DispatchStopped(stopped) = &frame else { panic!("not stopped: {frame:?}") };
    // What it has used depends on how far its round had come.
    assert_eq!((stopped.lease, stopped.cost_microusd), (lease(1), Some(0)));
    drop(link);
    std::fs::write(fake.home.path().join("go"), "").expect("written");
    let (mut link, register) = fake.registered(EPOCH, 2, 2);
    assert_eq!(register.leases, []);
    let (again, repeated) = link.request();
    assert_eq!((again, repeated), (id, frame));
    link.ok(again, &json!({}));
    link.deliver(3, 3, assignment(3, json!({"claim": "more"})));
    link.acked(3);
    assert_eq!(link.handed_in().lease, lease(3));
    process.kill(&fake);
}

#[test]
fn a_task_dies_with_its_process_but_a_result_on_its_way_does_not() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, assignment(1, json!({"claim": "done"})));
    link.acked(1);
    let (id, first) = link.request();
    link.deliver(2, 2, assignment(2, json!({"hold": true})));
    link.acked(2);
    while !fake.inbox().contains(&format!("\"taken\":{{\"id\":\"{}\"", Uuid::from_u128(2))) {
        std::thread::yield_now();
    }
    process.kill(&fake);
    let process = fake.start();
    let (mut link, register) = fake.registered(EPOCH, 2, 2);
    let held: Vec<Lease> = register.leases.iter().map(|held| held.lease).collect();
    assert_eq!(held, [lease(1)], "the result that was not taken yet keeps its lease; the lost task does not");
    let (again, frame) = link.request();
    assert_eq!((again, frame), (id, first));
    link.ok(again, &DispatchStanding { dispatch: lease(1).dispatch, state: DispatchState::Done });
    // There is nothing to stop any more, which is as good.
    link.deliver(3, 3, ItemBody::Cancel { lease: lease(2), reason: "not needed".into() });
    link.acked(3);
    let nothing =
        DispatchStopped { lease: lease(2), usage: nexus_wire::chat::Usage::default(), cost_microusd: None };
    assert_eq!(link.request().1, ToBroker::DispatchStopped(nothing));
    process.kill(&fake);
}

#[test]
fn turns_that_wait_for_others_keep_nobody_from_working_and_work_on_when_there_is_room() {
    let mut fake = Fake::new(ECHO);
    std::fs::write(fake.home.path().join("work/note.txt"), "seen\n").expect("written");
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    let mut offset = 0;
    let mut deliver = |link: &mut FakeLink, body: ItemBody| {
        offset += 1;
        link.deliver(offset, offset.into(), body);
        link.acked(offset);
    };
    let of_thread =
        |n: u128, text: &str| message_in(ThreadId(Uuid::from_u128(500 + n)), n, "operator/ana", text);
    // As many as may be at work at once.
    let turns = crate::agent::TURNS_MAX as u128;
    let mut asked = Vec::new();
    for n in 0..turns {
        deliver(&mut link, of_thread(n, "ask wren"));
        let (id, _) = link.request();
        let dispatch = derive::dispatch_id(id, &"forge".parse().expect("a party"));
        link.ok(id, &dispatched(dispatch));
        asked.push(dispatch);
    }
    deliver(&mut link, of_thread(turns, "say it goes on"));
    assert_eq!(link.posted().1.content, "you said it goes on");
    assert_eq!(link.closed().decision, Decision::Replied);
    // Their answers come while others have all the room.
    for n in 0..turns {
        deliver(&mut link, of_thread(100 + n, &format!("hold {n}")));
    }
    // A turn may lose its room while its session opens; once it has read its note it has it until it is told to go.
    while fake.session_files().iter().filter(|session| session.contains("seen")).count() < asked.len() {
        std::thread::yield_now();
    }
    for dispatch in asked {
        deliver(&mut link, outcome(dispatch, "wren/check", json!({"verdict": "yes"})));
    }
    std::fs::write(fake.home.path().join("go"), "").expect("written");
    let mut expected: Vec<String> =
        (0..turns).flat_map(|n| ["wren says yes".to_owned(), format!("seen, {n}")]).collect();
    let (mut said, mut closed) = (Vec::new(), 0);
    while said.len() < expected.len() || closed < expected.len() {
        let (id, frame) = link.request();
        if let ToBroker::ChatSend(send) = frame {
            link.ok(id, &sent(id));
            said.push(send.content);
        } else {
            assert!(matches!(frame, ToBroker::InboxClose(_)), "{frame:?}");
            link.ok(id, &json!({}));
            closed += 1;
        }
    }
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
    process.kill(&fake);
}
