//! `nexctl mark`, `react`, `rename` and `search`: what is done to threads and messages that are there, and how they
//! are found.

use nexus_wire::chat::ChatSearch;
use nexus_wire::thread::{ChatMark, ChatReact, ThreadRename};

use crate::cli::{self};
use crate::failure::Failure;
use crate::page::Page;
use crate::ui::{Shape, printable};
use crate::{Run, ids, table, trail};

pub(crate) async fn mark(run: &Run, mark: cli::Mark) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let thread = run.within(ids::thread(&mut client, &mark.thread)).await??;
    let marked = run.change(&mut client, ChatMark { thread, seq: mark.seq }).await?;
    client.close().await;
    match run.ui.shape() {
        Shape::Data => run.ui.data(&marked),
        Shape::Text => {
            run.ui.result_line(&format!("thread {} is read up to {}", marked.thread, marked.position))
        }
    }
}

pub(crate) async fn react(run: &Run, react: cli::React) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let message = run.within(ids::message(&mut client, &react.message)).await??;
    let request = ChatReact { message, emoji: react.emoji, remove: react.remove };
    let reacted = run.change(&mut client, request).await?;
    client.close().await;
    let done = if reacted.removed { "taken back from" } else { "put to" };
    match run.ui.shape() {
        Shape::Data => run.ui.data(&reacted),
        Shape::Text => {
            let emoji = printable(&reacted.emoji);
            run.ui.result_line(&format!("{emoji} {done} message {}", reacted.message))
        }
    }
}

pub(crate) async fn rename(run: &Run, rename: cli::Rename) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let thread = run.within(ids::thread(&mut client, &rename.thread)).await??;
    let renamed = run.change(&mut client, ThreadRename { thread, title: rename.words.join(" ") }).await?;
    client.close().await;
    match run.ui.shape() {
        Shape::Data => run.ui.data(&renamed),
        Shape::Text => {
            let title = printable(&renamed.title);
            run.ui.result_line(&format!("thread {} is called {title:?}", renamed.thread))
        }
    }
}

pub(crate) async fn search(run: &Run, search: cli::Search) -> Result<(), Failure> {
    let cli::Search { query, thread, by, since, until, before, limit } = search;
    let (since, until) = run.between(since, until)?;
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, thread.as_ref(), ids::thread)).await??;
    let request = ChatSearch { query, thread, by, since, until, cursor: before, limit };
    let found = run.within(trail::search(&mut client, request)).await??;
    client.close().await;
    let empty = found.hits.is_empty().then_some(match found.next {
        Some(_) => "nothing found among the messages that were looked at",
        None => "nothing found",
    });
    let rows = || table::hits(&found.hits, &run.zone);
    Page::of(run, &found, empty, rows)?.going_on("--before", found.next).print(run)
}
