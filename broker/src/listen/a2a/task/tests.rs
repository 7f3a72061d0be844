//! What a message, a dispatch and what is asked of people are as a task.

use nexus_wire::hands::DispatchInfo;

use super::*;

const ORIGIN: &str = "http://localhost:1";
const MESSAGE: &str = "0199a0b1-c2d3-8123-8456-789abcdef012";
const THREAD: &str = "0199a0b1-c2d3-8123-8456-789abcdef013";
const OTHER: &str = "0199a0b1-c2d3-8123-8456-789abcdef014";

fn said(receipt: Value) -> Said {
    let message = json!({
        "id": MESSAGE, "seq": 7, "thread": THREAD, "from": "operator/ana", "to": ["wren"], "content": "which?",
        "at": 1_000,
    });
    Said {
        aspect: "wren".parse().unwrap(),
        message: serde_json::from_value(message).unwrap(),
        receipt: serde_json::from_value(receipt).unwrap(),
        answer: None,
        waits: None,
    }
}

fn work(rest: Value) -> Work {
    let mut info = json!({
        "id": MESSAGE, "hand": "wren/verify", "invoker": "operator/ana", "key": "operator/ana", "root": MESSAGE,
        "depth": 0, "attempt": 1, "accepted_at": 1_000, "assigned_at": 2_000, "ended_at": 3_000, "deadline_at": 9_000,
        "input": {"n": 1},
    });
    for (key, value) in rest.as_object().unwrap() {
        info[key] = value.clone();
    }
    Work { info: serde_json::from_value::<DispatchInfo>(info).unwrap(), waits: None }
}

fn question(asked: Value) -> ApprovalInfo {
    serde_json::from_value(json!({
        "id": OTHER, "aspect": "wren", "asked": asked, "thread": THREAD, "state": "open", "asked_at": 2_000,
        "expires_at": 9_000,
    }))
    .unwrap()
}

fn stand(source: Source) -> (TaskState, Option<String>, Option<String>) {
    let TaskStatus { state, message, timestamp } = source.status();
    let text = message.and_then(|it| it.text().map(str::to_owned));
    (state, timestamp.map(|at| at.timestamp_millis().to_string()), text)
}

#[test]
fn a_message_is_a_task_that_stands_as_its_receipt_does() {
    let cases: [(&str, Value, TaskState, &str, Option<&str>); 8] = [
        ("stored", json!({"party": "wren", "state": "stored"}), TaskState::Submitted, "1000", None),
        ("delivered", json!({"party": "wren", "state": "delivered"}), TaskState::Submitted, "1000", None),
        (
            "in context",
            json!({"party": "wren", "state": "in_context", "at": 2_000}),
            TaskState::Working,
            "2000",
            None,
        ),
        (
            "replied",
            json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "replied"}),
            TaskState::Completed,
            "3000",
            None,
        ),
        (
            "silent",
            json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "silent", "reason": "not for me"}),
            TaskState::Completed,
            "3000",
            Some("not for me"),
        ),
        (
            "failed",
            json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "failed", "reason": "no model"}),
            TaskState::Failed,
            "3000",
            Some("no model"),
        ),
        (
            "failed without a word",
            json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "failed"}),
            TaskState::Failed,
            "3000",
            Some("the agent could not answer"),
        ),
        (
            "cancelled",
            json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "failed",
                "reason": "cancelled by operator/ana"}),
            TaskState::Canceled,
            "3000",
            Some("cancelled by operator/ana"),
        ),
    ];
    for (name, receipt, state, at, text) in cases {
        let found = stand(Source::Said(Box::new(said(receipt))));
        assert_eq!(found, (state, Some(at.to_owned()), text.map(str::to_owned)), "{name}");
    }
}

#[test]
fn what_is_asked_of_people_is_input_that_is_required() {
    let receipt = json!({"party": "wren", "state": "in_context", "at": 1_500});
    let asked = question(json!({"type": "question", "question": "Which?", "choices": ["red", "blue"]}));
    let source = Source::Said(Box::new(Said { waits: Some(asked), ..said(receipt) }));
    let status = serde_json::to_value(source.status()).unwrap();
    assert_eq!(
        status,
        json!({"state": "TASK_STATE_INPUT_REQUIRED", "timestamp": "1970-01-01T00:00:02Z", "message": {
            "messageId": OTHER, "contextId": THREAD, "taskId": MESSAGE, "role": "ROLE_AGENT",
            "parts": [
                {"text": "Which?"},
                {"data": {"approval": OTHER, "choices": ["red", "blue"]}, "mediaType": "application/json"},
            ],
        }})
    );
    let tool = question(json!({"type": "tool", "tool": "write", "summary": "Writes a.", "arguments": "{}"}));
    let working = work(json!({"state": "running"}));
    let (state, at, text) = stand(Source::Work(Box::new(Work { waits: Some(tool), ..working })));
    assert_eq!((state, at.as_deref()), (TaskState::InputRequired, Some("2000")));
    assert_eq!(text.as_deref(), Some("May I use write? Writes a. (answer `approve` or `deny`)"));
}

#[test]
fn the_answer_and_its_files_are_the_artifact() {
    let blob = format!("blob:sha256-{}", "ab".repeat(32));
    let answer = json!({
        "id": OTHER, "seq": 9, "thread": THREAD, "from": "wren", "to": ["operator/ana"], "content": "both", "at": 3_000,
        "attachments": [{"blob": blob, "name": "a.csv", "media_type": "text/csv"}],
    });
    let receipt =
        json!({"party": "wren", "state": "answered", "at": 3_000, "decision": "replied", "reply": OTHER});
    let answer = serde_json::from_value(answer).unwrap();
    let source = Source::Said(Box::new(Said { answer: Some(answer), ..said(receipt) }));
    let url = format!("{ORIGIN}/api/v1/blobs/sha256-{}", "ab".repeat(32));
    let task = serde_json::to_value(source.task(ORIGIN, Extent::default())).unwrap();
    assert_eq!(
        task,
        json!({
            "id": MESSAGE, "contextId": THREAD, "metadata": {"aspect": "wren"},
            "status": {"state": "TASK_STATE_COMPLETED", "timestamp": "1970-01-01T00:00:03Z"},
            "artifacts": [{"artifactId": "answer", "name": "answer", "parts": [
                {"text": "both"}, {"url": url, "filename": "a.csv", "mediaType": "text/csv"},
            ]}],
            "history": [{"messageId": MESSAGE, "contextId": THREAD, "taskId": MESSAGE, "role": "ROLE_USER",
                "parts": [{"text": "which?"}]}],
        })
    );
    let bare = source.task(ORIGIN, Extent { history: Some(0), artifacts: false });
    assert_eq!((bare.history, bare.artifacts), (None, None));
}

#[test]
fn work_is_a_task_that_stands_as_it_does() {
    let error = |code: &str| json!({"code": code, "message": "why"});
    let cases: [(Value, TaskState, &str, Option<&str>); 10] = [
        (json!({"state": "pending"}), TaskState::Submitted, "1000", None),
        (json!({"state": "running"}), TaskState::Working, "2000", None),
        (json!({"state": "waiting"}), TaskState::Working, "2000", None),
        (json!({"state": "retaking"}), TaskState::Working, "2000", None),
        (json!({"state": "unreachable"}), TaskState::Working, "2000", None),
        (json!({"state": "done", "output": {"ok": true}}), TaskState::Completed, "3000", None),
        (
            json!({"state": "failed", "error": error("worker_lost")}),
            TaskState::Failed,
            "3000",
            Some("worker_lost: why"),
        ),
        (
            json!({"state": "failed", "error": error("hand_gone")}),
            TaskState::Rejected,
            "3000",
            Some("hand_gone: why"),
        ),
        (
            json!({"state": "timed_out", "error": error("deadline")}),
            TaskState::Failed,
            "3000",
            Some("deadline: why"),
        ),
        (
            json!({"state": "cancelled", "error": error("cancelled")}),
            TaskState::Canceled,
            "3000",
            Some("cancelled: why"),
        ),
    ];
    for (rest, state, at, text) in cases {
        let found = stand(Source::Work(Box::new(work(rest.clone()))));
        assert_eq!(found, (state, Some(at.to_owned()), text.map(str::to_owned)), "{rest}");
    }
    let done = Source::Work(Box::new(work(json!({"state": "done", "output": "yes"}))));
    assert_eq!(done.context(), MESSAGE, "work that belongs to no thread is a context of its own");
    assert_eq!(done.artifacts(ORIGIN), [artifact(RESULT, vec![Part::text("yes")])]);
}
