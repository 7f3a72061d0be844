//! `nexctl get approvals`, `approve`, `deny` and `answer`: what aspects wait for people for.

use nexus_client::{CallError, Client};
use nexus_wire::ApprovalId;
use nexus_wire::approval::{
    ApprovalAnswer, ApprovalGet, ApprovalInfo, ApprovalList, ApprovalState, Asked, Verdict,
};
use nexus_wire::limits::PAGE_MAX;

use crate::cli::{self, Output};
use crate::failure::Failure;
use crate::table::{self, ago};
use crate::ui::{Tone, printable};
use crate::{Run, text};

pub(crate) async fn decide(run: &Run, decide: cli::Decide, verdict: Verdict) -> Result<(), Failure> {
    send(run, &decide.approval, verdict, decide.note).await
}

pub(crate) async fn answer(run: &Run, answer: cli::Answer) -> Result<(), Failure> {
    let words = text::of_words(&answer.words, &mut std::io::stdin())?;
    send(run, &answer.approval, Verdict::Answer, Some(words)).await
}

async fn send(run: &Run, typed: &str, verdict: Verdict, text: Option<String>) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let approval = run.within(named(&mut client, typed)).await??;
    let info = run.within(client.call(ApprovalAnswer { approval, verdict, text: text.clone() })).await??;
    client.close().await;
    let meant = match verdict {
        Verdict::Approve => ApprovalState::Approved,
        Verdict::Deny => ApprovalState::Denied,
        Verdict::Answer => ApprovalState::Answered,
    };
    if run.output == Output::Json {
        run.ui.json(&info)?;
    } else if info.state == meant {
        run.ui.result_line(&printable(&format!("{}: {}", ended(&info), asks(&info))))?;
    }
    if info.state == meant && (verdict != Verdict::Answer || info.text == text) {
        return Ok(());
    }
    Err(Failure::Failed(format!("it was {} before: {}", ended(&info), asks(&info))))
}

/// The one whose id is that, or begins or ends so.
async fn named(client: &mut Client, typed: &str) -> Result<ApprovalId, Failure> {
    if let Ok(id) = typed.parse() {
        return Ok(id);
    }
    let typed = typed.to_ascii_lowercase();
    let open = all_open(client).await?;
    let fits = |info: &&ApprovalInfo| {
        let id = info.id.to_string();
        !typed.is_empty() && (id.starts_with(&typed) || id.ends_with(&typed))
    };
    let found: Vec<&ApprovalInfo> = open.iter().filter(fits).collect();
    match found[..] {
        [one] => Ok(one.id),
        [] => Err(Failure::Failed(format!(
            "nothing that waits for people has an id like {typed:?}; see: nexctl get approvals"
        ))),
        [..] => {
            let ids: Vec<String> = found.iter().map(|info| info.id.to_string()).collect();
            Err(Failure::Failed(format!("more than one has an id like {typed:?}: {}", ids.join(", "))))
        }
    }
}

async fn all_open(client: &mut Client) -> Result<Vec<ApprovalInfo>, CallError> {
    let mut all: Vec<ApprovalInfo> = Vec::new();
    loop {
        let before = all.last().map(|info| info.id);
        let page = client.call(ApprovalList { all: false, before, limit: Some(PAGE_MAX) }).await?;
        let is_last = !page.more || page.approvals.is_empty();
        all.extend(page.approvals);
        if is_last {
            return Ok(all);
        }
    }
}

pub(crate) async fn list(run: &Run, client: &mut Client, list: ApprovalList) -> Result<(), Failure> {
    let page = client.call(list).await?;
    let empty = match list.all {
        true => "nothing was asked of people yet",
        false => "nothing waits for people; --all shows what has ended",
    };
    let rows = table::approvals(&run.ui, &page.approvals, run.now());
    run.list(&page, page.approvals.is_empty().then_some(empty), &rows)?;
    if let (true, Some(last)) = (page.more, page.approvals.last()) {
        run.ui.note(Tone::Dim, &format!("there are more; go on with --before {}", last.id));
    }
    Ok(())
}

pub(crate) async fn show(run: &Run, client: &mut Client, typed: &str) -> Result<(), Failure> {
    let approval = named(client, typed).await?;
    let info = client.call(ApprovalGet { approval }).await?;
    if run.output == Output::Json {
        return run.ui.json(&info);
    }
    run.ui.result(&table::approvals(&run.ui, std::slice::from_ref(&info), run.now()))?;
    let detail = match &info.asked {
        Asked::Tool { summary, arguments, .. } => format!("\n{summary}\n\narguments\n{arguments}"),
        Asked::Question { question, choices } if choices.is_empty() => format!("\n{question}"),
        Asked::Question { question, choices } => {
            format!("\n{question}\n\nchoices\n{}", choices.join("\n"))
        }
    };
    run.ui.result_line(&printable(&detail))?;
    if let Some(thread) = info.thread {
        run.ui.result_line(&format!("\nin thread {thread}"))?;
    }
    if let Some(lease) = info.lease {
        run.ui.result_line(&format!("\nfor dispatch {}", lease.dispatch))?;
    }
    if info.state != ApprovalState::Open {
        run.ui.result_line(&printable(&format!("\n{}", ended(&info))))?;
    }
    Ok(())
}

/// What came of it, and who said so.
fn ended(info: &ApprovalInfo) -> String {
    let by = info.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let text = info.text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
    format!("{}{by}{text}", info.state.as_str())
}

fn asks(info: &ApprovalInfo) -> String {
    let since = ago(info.asked_at, info.ended_at.unwrap_or(info.asked_at));
    let about = match &info.asked {
        Asked::Tool { tool, summary, .. } => format!("{tool}, {summary}"),
        Asked::Question { question, .. } => question.clone(),
    };
    format!("{about}, asked by {} {since} before", info.aspect)
}
