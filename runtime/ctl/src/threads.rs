//! `nexctl mark`, `react`, `rename` and `search`: what is done to threads and messages that are there, and how they
//! are found.

use nexus_wire::chat::ChatSearch;
use nexus_wire::thread::{ChatMark, ChatReact, ThreadRename};

use crate::Run;
use crate::cli::{self, Output};
use crate::failure::Failure;
use crate::table;
use crate::ui::{Tone, printable};

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

pub(crate) async fn search(run: &Run, search: cli::Search) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let cli::Search { query, thread, by, before, limit } = search;
    let request = ChatSearch { query, thread, by, cursor: before, limit, ..ChatSearch::default() };
    let found = run.within(client.call(request)).await??;
    client.close().await;
    match run.output {
        Output::Json => run.ui.json(&found)?,
        Output::Table if found.hits.is_empty() => run.ui.note(Tone::Plain, "nothing found"),
        Output::Table => run.ui.result(&table::hits(&found.hits, &run.zone))?,
    }
    if let Some(next) = found.next {
        run.ui.note(Tone::Dim, &format!("there are more; go on with --before {next}"));
    }
    Ok(())
}
