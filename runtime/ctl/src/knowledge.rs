//! `nexctl knowledge`: what the team knows, and who may share and read.

use nexus_client::Client;
use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeEntry, KnowledgeGet, KnowledgeGrant, KnowledgeGranted, KnowledgeGrants,
    KnowledgeHead, KnowledgeHistory, KnowledgeHits, KnowledgeList, KnowledgePage, KnowledgeRevoke,
    KnowledgeSearch, KnowledgeStore, KnowledgeStored,
};
use nexus_wire::limits::PAGE_MAX;

use crate::cli::{Grant, KnowledgeAction, Whose};
use crate::failure::Failure;
use crate::page::Page;
use crate::ui::{Shape, Tone, printable};
use crate::{Run, table, text};

pub(crate) async fn knowledge(run: &Run, action: KnowledgeAction) -> Result<(), Failure> {
    let mut action = action;
    if let KnowledgeAction::Store { words, .. } = &mut action {
        // Read before anything is dialled: whoever types it should not be waited for on a link.
        *words = vec![text::of_words(words, &mut std::io::stdin())?];
    }
    let mut client = run.connect().await?;
    let done = run.within(carry_out(run, &mut client, action)).await?;
    client.close().await;
    done
}

async fn carry_out(run: &Run, client: &mut Client, action: KnowledgeAction) -> Result<(), Failure> {
    match action {
        KnowledgeAction::Delete { topic, whose } => {
            let stored = run.change(client, KnowledgeDelete { topic: topic.clone(), of: whose.of }).await?;
            changed(run, &stored, &format!("deleted {}", printable(&topic)))
        }
        KnowledgeAction::Get { topic, whose, at_version } => {
            let get = KnowledgeGet { topic, of: whose.of, version: at_version };
            let entry = client.call(get).await?;
            show(run, &entry)
        }
        KnowledgeAction::Grant(Grant { to, may, of }) => {
            let granted = run.change(client, KnowledgeGrant { to, may: may.into(), of }).await?;
            grant(run, granted)
        }
        KnowledgeAction::Grants { to } => {
            let page = client.call(KnowledgeGrants { to }).await?;
            let rows = table::grants(&run.ui, &page.grants, run.now());
            let empty = page.grants.is_empty().then_some("nothing is granted");
            run.list(&page, empty, &rows)
        }
        KnowledgeAction::History { topic, whose, limit } => {
            let limit = limit.unwrap_or(u32::MAX);
            let page = pages(limit, async |left, cursor| {
                let history = KnowledgeHistory {
                    topic: topic.clone(),
                    of: whose.of.clone(),
                    limit: Some(left),
                    cursor,
                };
                Ok(client.call(history).await?)
            });
            entries(run, &page.await?, "no versions")
        }
        KnowledgeAction::List { whose, prefix, limit } => {
            list(run, client, whose, &prefix, limit).await?.print(run)
        }
        KnowledgeAction::Revoke(Grant { to, may, of }) => {
            let revoked = run.change(client, KnowledgeRevoke { to, may: may.into(), of }).await?;
            grant(run, revoked)
        }
        KnowledgeAction::Search { words, whose, min_score, limit } => {
            let query = words.join(" ");
            let search =
                KnowledgeSearch { query, of: whose.of, min_score, limit, ..KnowledgeSearch::default() };
            let found = client.call(search).await?;
            hits(run, &found)
        }
        KnowledgeAction::Store { topic, words, share } => {
            let store = KnowledgeStore { topic: topic.clone(), content: words.concat(), shared: share };
            let stored = run.change(client, store).await?;
            changed(run, &stored, &format!("stored {}", printable(&topic)))
        }
    }
}

pub(crate) async fn list(
    run: &Run,
    client: &mut Client,
    whose: Whose,
    prefix: &str,
    limit: Option<u32>,
) -> Result<Page, Failure> {
    let all = pages(limit.unwrap_or(u32::MAX), async |left, cursor| {
        let (of, prefix) = (whose.of.clone(), prefix.to_owned());
        Ok(client.call(KnowledgeList { of, prefix, limit: Some(left), cursor }).await?)
    });
    let all = all.await?;
    let empty = "no entries; store one with: nexctl knowledge store <topic> \"…\"";
    let rows = || table::knowledge(&run.ui, &all.entries, run.now());
    Page::of(run, &all, all.entries.is_empty().then_some(empty), rows)
}

/// Pages one after the other, until there are no more or as many as were asked for.
async fn pages(
    mut left: u32,
    mut ask: impl AsyncFnMut(u32, Option<String>) -> Result<KnowledgePage, Failure>,
) -> Result<KnowledgePage, Failure> {
    let mut all = KnowledgePage { entries: Vec::new(), cursor: None };
    loop {
        let page = ask(left.min(PAGE_MAX), all.cursor.take()).await?;
        left = left.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(u32::MAX));
        all.entries.extend(page.entries);
        all.cursor = page.cursor;
        if all.cursor.is_none() || left == 0 {
            return Ok(all);
        }
    }
}

fn changed(run: &Run, stored: &KnowledgeStored, what: &str) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(stored),
        Shape::Text => run.ui.result_line(&format!("{what} (version {})", stored.version)),
    }
}

fn grant(run: &Run, granted: KnowledgeGranted) -> Result<(), Failure> {
    if run.ui.shape() == Shape::Data {
        return run.ui.data(&granted);
    }
    run.ui.result_line(match (granted.granted, granted.changed) {
        (true, true) => "granted",
        (true, false) => "was granted already",
        (false, true) => "revoked",
        (false, false) => "was not granted",
    })
}

fn entries(run: &Run, page: &KnowledgePage, empty: &str) -> Result<(), Failure> {
    let rows = table::knowledge(&run.ui, &page.entries, run.now());
    run.list(page, page.entries.is_empty().then_some(empty), &rows)
}

fn show(run: &Run, entry: &KnowledgeEntry) -> Result<(), Failure> {
    if run.ui.shape() == Shape::Data {
        return run.ui.data(entry);
    }
    run.ui.note(Tone::Dim, &about(&entry.head, run));
    run.ui.result_line(&printable(&entry.content))
}

pub(crate) fn about(head: &KnowledgeHead, run: &Run) -> String {
    let shared = if head.shared { ", shared" } else { "" };
    let deleted = if head.deleted { ", deleted" } else { "" };
    let mut text = format!(
        "{} of {}, version {}{shared}{deleted}, {} ago",
        printable(&head.topic),
        head.from,
        head.version,
        table::ago(head.at, run.now())
    );
    if let Some(usage) = head.usage {
        text.push_str(&format!("; found {} times, recalled {}", usage.found, usage.recalled));
        if let Some(at) = usage.last_recalled_at {
            text.push_str(&format!(", last {} ago", table::ago(at, run.now())));
        }
    }
    text
}

fn hits(run: &Run, found: &KnowledgeHits) -> Result<(), Failure> {
    let mut rows = String::new();
    for hit in &found.hits {
        rows.push_str(&format!(
            "{}  {}  version {}  score {:.1}\n",
            printable(&hit.topic),
            hit.from,
            hit.version,
            hit.score
        ));
        let snippet: String = hit.snippet.iter().map(|part| part.text.as_str()).collect();
        let snippet = printable(&snippet);
        for line in snippet.lines().filter(|line| !line.trim().is_empty()) {
            rows.push_str(&format!("  {}\n", line.trim_end()));
        }
    }
    run.list(found, found.hits.is_empty().then_some("nothing found"), &rows)?;
    if found.cursor.is_some() && run.ui.shape() == Shape::Text {
        run.ui.note(Tone::Dim, "there are more; ask for them with --limit, or more narrowly");
    }
    Ok(())
}
