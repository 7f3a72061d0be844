//! `nexctl ask`: one question, its answer as it comes, and how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use nexus_client::{CallError, Client, Followed};
use nexus_wire::chat::{ChatRead, ChatSend, ChatSent, Message};
use nexus_wire::inbox::Decision;
use nexus_wire::log::Subscribe;
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState};
use nexus_wire::{AspectName, ErrorCode, Party, derive};
use serde::Serialize;

use crate::attach::Enclosure;
use crate::cli::{self};
use crate::failure::Failure;
use crate::look::whole_team;
use crate::table::ago;
use crate::ui::{Shape, Tone, Ui};
use crate::{Run, attach, ids, look, near, text};
use render::{Mode, Piece, Question, Renderer};

pub mod render;

/// The decision follows the answer within moments; without it the answer stands all the same.
const DECISION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long what could not be looked for rests.
const AGAIN: Duration = Duration::from_secs(1);

/// `nexctl ask -o json`.
#[derive(Serialize)]
struct Answered<'a> {
    message: &'a Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    tool_calls: usize,
}

pub(crate) async fn ask(run: &Run, ask: cli::Ask) -> Result<(), Failure> {
    let files = attach::look_at(&ask.along.attach)?;
    let mut client = run.connect().await?;
    let team = run.within(whole_team(&mut client)).await??.aspects;
    let (aspect, words) = addressee(&ask.words, &team)?;
    let content = text::of_words(words, &mut std::io::stdin())?;
    if !ask.quiet {
        warn_if_away(&run.ui, aspect, run.now());
    }
    let sent = send(run, &mut client, (&aspect.name, content), files, &ask).await?;
    let question = Question {
        aspect: aspect.name.clone(),
        message: sent.message,
        thread: sent.thread,
        item: derive::message_item(sent.message, &aspect.name),
    };
    // A decision belongs to an inbox and not to a thread, so all of the log is followed.
    let from_seq = Some(sent.seq.saturating_sub(1));
    let subscribe = Subscribe { from_seq, observe: true, ..Subscribe::default() };
    let mode = match run.ui.shape() {
        Shape::Data => Mode::Silent,
        Shape::Text if run.ui.live || ask.stream => Mode::Stream,
        Shape::Text => Mode::Whole,
    };
    let renderer = Renderer::new(question, mode);
    let mut asking = Asking { run, quiet: ask.quiet, seq: sent.seq, renderer };
    let patience = (!ask.timeout.is_zero()).then_some(ask.timeout);
    tokio::select! {
        done = asking.until_answered(client, subscribe) => done?,
        () = elapsed(patience) => return Err(Failure::TimedOut(asking.gave_up(&format!(
            "no answer within {} s", ask.timeout.as_secs()
        )))),
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted(asking.gave_up("interrupted"))),
    }
    asking.conclude()
}

/// The aspect that is asked, and the words that are left.
fn addressee<'a, 'b>(
    words: &'a [String],
    team: &'b [AspectInfo],
) -> Result<(&'b AspectInfo, &'a [String]), Failure> {
    let names = || team.iter().map(|aspect| aspect.name.as_str()).collect::<BTreeSet<_>>();
    match words {
        [first, rest @ ..] if !rest.is_empty() => {
            let found = team.iter().find(|aspect| aspect.name.as_str() == first);
            let aspect = found.ok_or_else(|| {
                let hint = near::hint(first, names());
                let quotes =
                    if hint.ends_with('?') { "" } else { "; a question to the lead stands in quotes" };
                Failure::Failed(format!("there is no aspect named {first:?}; {hint}{quotes}"))
            })?;
            Ok((aspect, rest))
        }
        [only] if team.iter().any(|aspect| aspect.name.as_str() == only) => {
            Err(Failure::Usage(format!("what is {only} to be asked? Write: nexctl ask {only} \"…\"")))
        }
        _ => {
            let lead = team.iter().find(|aspect| aspect.role == AspectRole::Frame).ok_or_else(|| {
                let names = names().into_iter().collect::<Vec<_>>().join(", ");
                Failure::Failed(if names.is_empty() {
                    "nobody is on the team yet; let an aspect in with: nexus aspect add <name> --home <home>"
                        .into()
                } else {
                    format!("the team has no lead, so name whom you ask, one of: {names}")
                })
            })?;
            Ok((lead, words))
        }
    }
}

fn warn_if_away(ui: &Ui, aspect: &AspectInfo, now: i64) {
    match aspect.state {
        AspectState::Offline => {
            let since = ago(aspect.since, now);
            ui.note(
                Tone::Warning,
                &format!("{} is offline (for {since}); the question waits for it", aspect.name),
            );
        }
        AspectState::Stalled | AspectState::Deaf => {
            let line = format!("{} is {}; it may not answer", aspect.name, aspect.state.as_str());
            ui.note(Tone::Warning, &line);
        }
        AspectState::Online | AspectState::Busy => {}
    }
}

async fn send(
    run: &Run,
    client: &mut Client,
    (to, content): (&AspectName, String),
    files: Vec<Enclosure>,
    ask: &cli::Ask,
) -> Result<ChatSent, Failure> {
    let thread = run.within(ids::optional(client, ask.thread.as_ref(), ids::thread)).await??;
    let topic = ask.along.topic.clone();
    let message = ChatSend { thread, to: vec![to.to_string()], content, topic, ..ChatSend::default() };
    let sent = attach::send(run, client, message.clone(), files).await?;
    if !ask.quiet {
        attach::note_title(run, &message, &sent);
    }
    Ok(sent)
}

async fn elapsed(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

struct Asking<'a> {
    run: &'a Run,
    quiet: bool,
    /// Of the question.
    seq: u64,
    renderer: Renderer,
}

impl Asking<'_> {
    async fn until_answered(&mut self, client: Client, subscribe: Subscribe) -> Result<(), Failure> {
        let mut follow = client.follow(subscribe).await?;
        let mut is_behind = false;
        while self.renderer.answer().is_none() && self.renderer.closed().is_none() {
            let followed = match tokio::time::timeout(AGAIN, follow.next()).await {
                Ok(followed) => followed?,
                Err(_) if is_behind => {
                    is_behind = !self.catch_up().await?;
                    continue;
                }
                Err(_) => continue,
            };
            // The answer may be in what is lost, and a broker that was put back to a backup need not have the question.
            is_behind |= matches!(followed, Followed::Gap(_) | Followed::Reconnected);
            let pieces = self.take(followed);
            self.show(pieces)?;
            if is_behind {
                is_behind = !self.catch_up().await?;
            }
        }
        let decision = async {
            while self.renderer.closed().is_none() {
                let pieces = self.take(follow.next().await?);
                self.show(pieces)?;
            }
            Ok(())
        };
        tokio::time::timeout(DECISION_TIMEOUT, decision).await.unwrap_or(Ok(()))
    }

    /// Looks for what the log may not tell any more. False where the broker cannot say it now.
    async fn catch_up(&mut self) -> Result<bool, Failure> {
        // Of its own: nobody reads meanwhile what comes on the one that is followed.
        let Ok(mut asker) = self.run.connect().await else { return Ok(false) };
        let Question { aspect, message, thread, .. } = self.renderer.question().clone();
        let wanted = ChatRead { thread: Some(thread), after: self.seq, ..ChatRead::default() };
        let looked = async {
            // The decision first: what it names as its answer was there before it.
            let receipts = look::receipts(&mut asker, message).await?;
            Ok((receipts, look::read(&mut asker, &wanted).await?))
        };
        let looked = looked.await;
        asker.close().await;
        let (page, said) = match looked {
            Ok(looked) => looked,
            Err(CallError::Refused(body)) if body.code == ErrorCode::NotFound => return Err(self.forgotten()),
            Err(CallError::Refused(body)) if body.retryable => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let asked = Party::Aspect(aspect);
        let receipt = page.receipts.iter().find(|receipt| receipt.party == asked);
        let pieces = self.renderer.caught_up(&said.messages, receipt);
        self.show(pieces)?;
        Ok(true)
    }

    fn take(&mut self, followed: Followed) -> Vec<Piece> {
        match followed {
            Followed::Log(entry) => self.renderer.log(&entry),
            Followed::Observed(observed) => self.renderer.observed(&observed),
            Followed::Activity(_) | Followed::Gap(_) | Followed::ObserveGap(_) | Followed::Roster(_) => {
                Vec::new()
            }
            Followed::Lost { .. } => self.renderer.lost(),
            Followed::Reconnected => self.renderer.reconnected(),
        }
    }

    fn show(&self, pieces: Vec<Piece>) -> Result<(), Failure> {
        for piece in pieces {
            match piece {
                Piece::Result(text) => self.run.ui.result(&text)?,
                Piece::Note(..) if self.quiet => {}
                Piece::Note(tone, line) => self.run.ui.note(tone, &line),
            }
        }
        Ok(())
    }

    /// Ends a line that was streaming; that it cannot be written changes nothing now.
    fn leave(&mut self) {
        let ended = self.renderer.leave();
        let _ = self.show(ended.into_iter().collect());
    }

    /// The broker has the question no more: nobody is going to answer it.
    fn forgotten(&mut self) -> Failure {
        self.leave();
        let question = self.renderer.question();
        Failure::Failed(format!(
            "the broker no longer has the question to {}: it was put back to an older backup; ask again",
            question.aspect
        ))
    }

    /// What to say when we leave before the answer.
    fn gave_up(&mut self, why: &str) -> String {
        self.leave();
        let question = self.renderer.question();
        format!(
            "{why}; {} goes on, and its answer will be in the thread: nexctl get messages {}",
            question.aspect, question.thread
        )
    }

    fn conclude(self) -> Result<(), Failure> {
        let Question { aspect, thread, .. } = self.renderer.question();
        let (decision, reason) = match self.renderer.closed() {
            Some(closed) => (Some(closed.decision), closed.reason.as_deref()),
            None => (None, None),
        };
        if let Some(message) = self.renderer.answer()
            && self.run.ui.shape() == Shape::Data
        {
            let tool_calls = self.renderer.tool_calls();
            self.run.ui.data(&Answered { message, decision, tool_calls })?;
        }
        let reason = reason.unwrap_or("it gave no reason");
        let said = match (decision, self.renderer.answer()) {
            (Some(Decision::Failed), _) => format!("{aspect} failed: {reason}"),
            (_, Some(_)) => return Ok(()),
            (Some(Decision::Silent), None) => format!("{aspect} chose not to answer: {reason}"),
            (Some(Decision::Acted), None) => format!("{aspect} acted and wrote no answer: {reason}"),
            (Some(Decision::Replied) | None, None) => format!("{aspect} answered elsewhere"),
        };
        Err(Failure::Failed(format!("{said}\n  the thread: nexctl get messages {thread}")))
    }
}
