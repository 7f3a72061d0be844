//! `nexctl approve`, `deny` and `answer`: what aspects wait for people for.

use jiff::tz::TimeZone;
use nexus_wire::ApprovalId;
use nexus_wire::approval::{ApprovalAnswer, ApprovalInfo, ApprovalState, Asked, Verdict};

use crate::cli::{self};
use crate::failure::Failure;
use crate::ids::Short;
use crate::table::{self, ago};
use crate::ui::{Shape, printable};
use crate::{Run, ids, text};

pub(crate) async fn decide(run: &Run, decide: cli::Decide, verdict: Verdict) -> Result<(), Failure> {
    send(run, &decide.approval, verdict, decide.note).await
}

pub(crate) async fn answer(run: &Run, answer: cli::Answer) -> Result<(), Failure> {
    let words = text::of_words(&answer.words, &mut std::io::stdin())?;
    send(run, &answer.approval, Verdict::Answer, Some(words)).await
}

async fn send(
    run: &Run,
    typed: &Short<ApprovalId>,
    verdict: Verdict,
    text: Option<String>,
) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let approval = run.within(ids::approval(&mut client, typed)).await??;
    let info = run.change(&mut client, ApprovalAnswer { approval, verdict, text: text.clone() }).await?;
    client.close().await;
    let meant = match verdict {
        Verdict::Approve => ApprovalState::Approved,
        Verdict::Deny => ApprovalState::Denied,
        Verdict::Answer => ApprovalState::Answered,
    };
    if run.ui.shape() == Shape::Data {
        run.ui.data(&info)?;
    } else if info.state == meant {
        run.ui.result_line(&printable(&format!("{}: {}", ended(&info), asks(&info))))?;
    }
    if info.state == meant && (verdict != Verdict::Answer || info.text == text) {
        return Ok(());
    }
    Err(Failure::Failed(format!("it was {} before: {}", ended(&info), asks(&info))))
}

/// Everything of one.
pub(crate) fn details(info: &ApprovalInfo, zone: &TimeZone) -> String {
    let mut text = match &info.asked {
        Asked::Tool { summary, arguments, .. } => format!("\n{summary}\n\narguments\n{arguments}\n"),
        Asked::Question { question, choices } if choices.is_empty() => format!("\n{question}\n"),
        Asked::Question { question, choices } => format!("\n{question}\n\nchoices\n{}\n", choices.join("\n")),
    };
    if let Some(trigger) = &info.trigger {
        text.push_str(&format!("\n{}", table::proposed(trigger, zone)));
        if info.state == ApprovalState::Open {
            text.push_str("\nwhoever approves it owns this trigger, as if they had defined it themselves\n");
        }
    }
    if let Some(thread) = info.thread {
        text.push_str(&format!("\nin thread {thread}\n"));
    }
    if let Some(lease) = info.lease {
        text.push_str(&format!("\nfor dispatch {}\n", lease.dispatch));
    }
    if info.state != ApprovalState::Open {
        text.push_str(&format!("\n{}\n", ended(info)));
    }
    printable(&text)
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
