use nexus_wire::chat::ChatSend;

use super::*;

/// Three turns that end at once: what is taken up together is no way around the bound.
#[test]
fn posts_that_come_together_fill_the_room_like_those_that_come_one_after_another() {
    let home = tempfile::tempdir().expect("a folder");
    let outbox = || Outbox::open(home.path(), Durability::Fsync).expect("an outbox");
    let inbox = Inbox::open(home.path(), Durability::Fsync).expect("an inbox");
    let room = Room { posts: 1, bytes: usize::MAX };
    let thread = Thread { inbox, outbox: outbox(), room, waiting: VecDeque::new() };
    let (commands, taken) = mpsc::channel(COMMANDS_MAX);
    let posts: Vec<Post> = (1..=3)
        .map(|n| {
            let frame = ChatSend { content: format!("number {n}"), ..ChatSend::default() }.into();
            Post { id: RequestId(Uuid::from_u128(n)), trace: None, frame }
        })
        .collect();
    let mut answers = Vec::new();
    for post in &posts {
        let (done, answer) = oneshot::channel();
        commands
            .try_send(Command::Post { posts: vec![post.clone()], waits: true, done })
            .expect("there is room for three commands");
        answers.push(answer);
    }
    drop(commands);
    thread.serve(taken);
    let answered: Vec<bool> =
        answers.iter_mut().map(|answer| matches!(answer.try_recv(), Ok(Ok(())))).collect();
    assert_eq!(answered, [true, false, false]);
    assert_eq!(outbox().pending().cloned().collect::<Vec<_>>(), posts[..1]);
}
