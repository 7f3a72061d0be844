//! `nexctl mark`, `react` and `rename`: what is done to threads and messages that are there.

use nexus_wire::thread::{ChatMark, ChatReact, ThreadRename};

use crate::Run;
use crate::cli::{self, Output};
use crate::failure::Failure;
use crate::ui::printable;

pub(crate) async fn mark(run: &Run, mark: &cli::Mark) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let request = ChatMark { thread: mark.thread, seq: mark.seq };
    let marked = run.within(client.call(request)).await??;
    client.close().await;
    match run.output {
        Output::Json => run.ui.json(&marked),
        Output::Table => {
            run.ui.result_line(&format!("thread {} is read up to {}", marked.thread, marked.position))
        }
    }
}

pub(crate) async fn react(run: &Run, react: cli::React) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let request = ChatReact { message: react.message, emoji: react.emoji, remove: react.remove };
    let reacted = run.within(client.call(request)).await??;
    client.close().await;
    let done = if reacted.removed { "taken back from" } else { "put to" };
    match run.output {
        Output::Json => run.ui.json(&reacted),
        Output::Table => {
            let emoji = printable(&reacted.emoji);
            run.ui.result_line(&format!("{emoji} {done} message {}", reacted.message))
        }
    }
}

pub(crate) async fn rename(run: &Run, rename: &cli::Rename) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let request = ThreadRename { thread: rename.thread, title: rename.words.join(" ") };
    let renamed = run.within(client.call(request)).await??;
    client.close().await;
    match run.output {
        Output::Json => run.ui.json(&renamed),
        Output::Table => {
            let title = printable(&renamed.title);
            run.ui.result_line(&format!("thread {} is called {title:?}", renamed.thread))
        }
    }
}
