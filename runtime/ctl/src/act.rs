//! `nexctl say`, `ack`, `dispatch` and `cancel`: one request each, and for a dispatch its end if that is waited for.

use std::collections::BTreeSet;

use nexus_client::Client;
use nexus_wire::alert::AlertAck;
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::gather::{GatherCancel, GatherState};
use nexus_wire::hands::{
    CancelReceipt, Candidate, Dispatch, DispatchCancel, DispatchInfo, DispatchRetry, DispatchState,
    DispatchStatus, Dispatched, Wanted,
};
use nexus_wire::log::LogBody;
use nexus_wire::name::Party;
use nexus_wire::{DispatchId, HandRef, HandTarget, NameError};

use crate::cli::{self};
use crate::failure::Failure;
use crate::look::whole_team;
use crate::table::span;
use crate::ui::{Shape, Tone, printable};
use crate::until::until;
use crate::{Run, attach, ids, near, text};

pub(crate) async fn say(run: &Run, say: cli::Say) -> Result<(), Failure> {
    let files = attach::look_at(&say.along.attach)?;
    let content = match say.words.is_empty() {
        // There is a file instead.
        true => String::new(),
        false => text::of_words(&say.words, &mut std::io::stdin())?,
    };
    let mut client = run.connect().await?;
    check_names(run, &mut client, &say.to).await?;
    check_first_word(run, &mut client, &say).await?;
    let thread = run.within(ids::optional(&mut client, say.thread.as_ref(), ids::thread)).await??;
    let reply_to = run.within(ids::optional(&mut client, say.reply_to.as_ref(), ids::message)).await??;
    let topic = say.along.topic;
    let message = ChatSend { thread, reply_to, to: say.to, content, topic, ..ChatSend::default() };
    let sent = attach::send(run, &mut client, message.clone(), files).await?;
    client.close().await;
    match run.ui.shape() {
        Shape::Data => run.ui.data(&sent)?,
        Shape::Text => run.ui.result_line(&sent_line(&sent))?,
    }
    if sent.recipients.is_empty() {
        let line = "nobody received it: the team has no lead, so say --to whom, or mention @somebody";
        run.ui.note(Tone::Warning, line);
    }
    attach::note_title(run, &message, &sent);
    Ok(())
}

fn sent_line(sent: &ChatSent) -> String {
    let to = sent.recipients.iter().map(Party::to_string).collect::<Vec<_>>().join(", ");
    let to = if to.is_empty() { String::new() } else { format!(" to {to}") };
    format!("message {} sent{to} in thread {}", sent.message, sent.thread)
}

/// Refused before anything is sent: half of a message's recipients would be worse than none.
async fn check_names(run: &Run, client: &mut Client, to: &[String]) -> Result<(), Failure> {
    if to.is_empty() {
        return Ok(());
    }
    let team = run.within(whole_team(client)).await??.aspects;
    let names: BTreeSet<&str> = team.iter().map(|aspect| aspect.name.as_str()).collect();
    for name in to {
        let bare = name.strip_prefix('@').unwrap_or(name);
        if bare != "all" && !bare.starts_with("operator/") && !names.contains(bare) {
            let hint = near::hint(bare, names);
            return Err(Failure::Failed(format!("there is no aspect named {bare:?}; {hint}")));
        }
    }
    Ok(())
}

/// `ask` takes an aspect before the text: whoever writes the same here does not mean the lead.
async fn check_first_word(run: &Run, client: &mut Client, say: &cli::Say) -> Result<(), Failure> {
    let [first, _, ..] = say.words.as_slice() else { return Ok(()) };
    if !say.to.is_empty() || say.thread.is_some() || say.reply_to.is_some() {
        return Ok(());
    }
    let is_name = first.starts_with("operator/") || {
        let team = run.within(whole_team(client)).await??.aspects;
        team.iter().any(|aspect| aspect.name.as_str() == first)
    };
    if !is_name {
        return Ok(());
    }
    let message = format!(
        "is it for {first}? Write: nexctl say --to {first} \"…\"; where {first} begins the text, put all of it in quotes"
    );
    Err(Failure::Usage(message))
}

pub(crate) async fn ack(run: &Run, ack: cli::Ack) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let alert = run.change(&mut client, AlertAck { key: ack.key }).await?;
    client.close().await;
    if run.ui.shape() == Shape::Data {
        return run.ui.data(&alert);
    }
    let standing = match alert.cleared_at {
        Some(_) => "and is over",
        None => "and stays open until its cause is gone",
    };
    let by = alert.acked_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    run.ui.result_line(&format!("{} is acknowledged{by} {standing}", printable(&alert.key)))
}

pub(crate) async fn cancel(run: &Run, cancel: cli::Cancel) -> Result<(), Failure> {
    let cli::Cancel { dispatch, gather, reason, rest, keep_rest } = cancel;
    let mut client = run.connect().await?;
    if let Some(gather) = gather {
        let gather = run.within(ids::gather(&mut client, &gather)).await??;
        let cancel_rest = (rest || keep_rest).then_some(rest);
        let ended = run.change(&mut client, GatherCancel { gather, reason, cancel_rest }).await?;
        client.close().await;
        if run.ui.shape() == Shape::Data {
            return run.ui.data(&ended);
        }
        if ended.state == GatherState::Cancelled {
            run.ui.result_line(&format!("cancelled gather {gather}"))?;
        } else {
            run.ui.result_line(&format!("gather {gather} had ended before: {}", ended.state.as_str()))?;
        }
        return tell(run, &ended.rest);
    }
    // clap wants one of the two.
    let Some(dispatch) = dispatch else { return Ok(()) };
    let dispatch = run.within(ids::dispatch(&mut client, &dispatch)).await??;
    let receipt = run.change(&mut client, DispatchCancel { dispatch, reason }).await?;
    client.close().await;
    if run.ui.shape() == Shape::Data {
        return run.ui.data(&receipt);
    }
    tell(run, &receipt)
}

/// What became of each dispatch.
fn tell(run: &Run, receipt: &CancelReceipt) -> Result<(), Failure> {
    for (dispatches, what) in [
        (&receipt.stopped, "nobody was at work on it"),
        (&receipt.unconfirmed, "its worker is told to stop and has not confirmed yet"),
        (&receipt.unreachable, "its worker is offline and will be told when it is back"),
    ] {
        for dispatch in dispatches {
            run.ui.result_line(&format!("cancelled {dispatch}: {what}"))?;
        }
    }
    for dispatch in &receipt.already_ended {
        run.ui.result_line(&format!("had ended before {dispatch}"))?;
    }
    Ok(())
}

pub(crate) async fn retry(run: &Run, retry: cli::Retry) -> Result<(), Failure> {
    let deadline_s = retry.deadline.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX));
    let mut client = run.connect().await?;
    let dispatch = run.within(ids::dispatch(&mut client, &retry.dispatch)).await??;
    let request = DispatchRetry { dispatch, deadline_s, budget: retry.budget.into() };
    let accepted = run.change(&mut client, request).await?;
    accepted_or_ended(run, client, &accepted, retry.wait).await
}

pub(crate) async fn dispatch(run: &Run, dispatch: cli::Dispatch) -> Result<(), Failure> {
    let (hand, input) = destination(&dispatch.words, dispatch.needs.is_empty())?;
    let capability = (!dispatch.needs.is_empty()).then_some(Wanted {
        needs: dispatch.needs,
        likes: dispatch.likes,
        prefer: dispatch.prefer,
        avoid: dispatch.avoid,
    });
    let input = match input {
        "-" => text::of_stdin(&mut std::io::stdin())?,
        text => text.to_owned(),
    };
    let input = serde_json::from_str(&input).map_err(|error| {
        Failure::Usage(format!(
            "the input is not JSON: {error}; quote it for the shell: '{{\"claim\": \"…\"}}'"
        ))
    })?;
    let deadline_s = dispatch.deadline.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX));
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, dispatch.thread.as_ref(), ids::thread)).await??;
    let request = Dispatch {
        hand: hand.map(HandTarget::Hand),
        capability,
        input,
        skill: dispatch.skill,
        thread,
        deadline_s,
        budget: dispatch.budget.into(),
        ..Dispatch::default()
    };
    let accepted = run.change(&mut client, request).await?;
    accepted_or_ended(run, client, &accepted, dispatch.wait).await
}

/// Shows what was accepted, or waits for its end and shows that.
async fn accepted_or_ended(
    run: &Run,
    client: Client,
    accepted: &Dispatched,
    wait: bool,
) -> Result<(), Failure> {
    if accepted.clamped {
        run.ui.note(Tone::Warning, "the deadline was longer than allowed and is shorter now");
    }
    tell_choice(run, accepted);
    if !wait {
        client.close().await;
        return match run.ui.shape() {
            Shape::Data => run.ui.data(accepted),
            Shape::Text => run.ui.result_line(&accepted_line(accepted)),
        };
    }
    run.ui.note(Tone::Dim, &accepted_line(accepted));
    let id = accepted.dispatch;
    let info = tokio::select! {
        info = end_of(run, client, id) => info?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted(format!(
            "interrupted; the work goes on: nexctl get dispatches {id}, nexctl cancel {id}"
        ))),
    };
    show_end(run, &info)
}

/// The Hand, unless one is to be chosen, and the text of the input.
fn destination(words: &[String], is_named: bool) -> Result<(Option<HandRef>, &str), Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if !is_named {
        return match words[..] {
            [] => Ok((None, "{}")),
            [input] => Ok((None, input)),
            [..] => Err(Failure::Usage("name the Hand or say what it --needs, and not both".to_owned())),
        };
    }
    let (hand, input) = match words[..] {
        [hand] => (hand, "{}"),
        [hand, input] => (hand, input),
        [..] => {
            let message = "name the Hand as ASPECT/HAND, or say what it --needs to be good at";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    let hand = hand.parse().map_err(|error: NameError| Failure::Usage(error.to_string()))?;
    Ok((Some(hand), input))
}

/// Why it is that Hand, where the broker has chosen it.
fn tell_choice(run: &Run, accepted: &Dispatched) {
    for candidate in &accepted.why {
        run.ui.note(Tone::Dim, &printable(&choice_line(candidate)));
    }
}

pub(crate) fn choice_line(candidate: &Candidate) -> String {
    let score = candidate.score.map(|score| format!(" ({score})")).unwrap_or_default();
    match candidate.lost {
        None => format!("chosen: {}{score}", candidate.hand),
        Some(_) => format!("not {}{score}: {}", candidate.hand, candidate.because),
    }
}

fn accepted_line(accepted: &Dispatched) -> String {
    let place = match accepted.position {
        0 => String::new(),
        before => format!(", {before} before it"),
    };
    format!("dispatch {} to {} is {}{place}", accepted.dispatch, accepted.chosen, accepted.state.as_str())
}

/// What is known of the dispatch once it has ended.
async fn end_of(run: &Run, client: Client, id: DispatchId) -> Result<DispatchInfo, Failure> {
    let look = async |asker: &mut Client| {
        let info = asker.call(DispatchStatus { dispatch: id, without_output: false }).await?;
        Ok(info.state.is_end().then_some(info))
    };
    until(run, client, &[], look, |body| match body {
        LogBody::DispatchEnded(outcome) => outcome.dispatch == id,
        LogBody::DispatchAssigned { dispatch, aspect, .. } => {
            if *dispatch == id {
                run.ui.note(Tone::Dim, &format!("begun by {aspect}"));
            }
            false
        }
        LogBody::DispatchAccepted(_)
        | LogBody::Alert(_)
        | LogBody::ItemClosed(_)
        | LogBody::ItemTaken(_)
        | LogBody::Reacted(_)
        | LogBody::Message(_)
        | LogBody::Other { .. } => false,
    })
    .await
}

fn show_end(run: &Run, info: &DispatchInfo) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(info)?,
        Shape::Text => {
            if let Some(output) = &info.output {
                let text = serde_json::to_string_pretty(output).unwrap_or_default();
                run.ui.result_line(&if run.ui.live { printable(&text) } else { text })?;
            }
            let took = info.ended_at.map(|ended| format!(" in {}", span(ended - info.accepted_at)));
            run.ui.note(
                Tone::Dim,
                &format!("— {} {}{}", info.hand, info.state.as_str(), took.unwrap_or_default()),
            );
        }
    }
    if info.state == DispatchState::Done {
        return Ok(());
    }
    let why = info.error.as_ref().map(|error| format!(": {}: {}", error.code, error.message));
    let state = info.state.as_str();
    Err(Failure::Failed(format!("{} {state}{}", info.hand, why.unwrap_or_default())))
}
