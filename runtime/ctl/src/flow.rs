//! `nexctl flow` and `nexctl run`: what can be run, and how runs get along.

use std::path::Path;

use nexus_client::Client;
use nexus_flow::Format;
use nexus_wire::flow::{Flow, FlowAbsent, FlowDelete, FlowGet, FlowList, FlowPage, FlowPut, OnError};
use nexus_wire::limits::{FLOW_BYTES_MAX, PAGE_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::name::FlowName;
use nexus_wire::run::{
    RunCancel, RunDetail, RunGet, RunInfo, RunList, RunPage, RunRetry, RunStart, RunStarted, RunState,
};
use nexus_wire::{Ms, RunId};
use serde_json::Value;

use crate::cli::{FlowAction, RunAction, RunsOf};
use crate::failure::Failure;
use crate::ids::Short;
use crate::page::Page;
use crate::table::{self, span};
use crate::ui::{Shape, Tone, printable, yaml};
use crate::until::until;
use crate::{Run, ids, text};

pub(crate) async fn flow(run: &Run, action: FlowAction) -> Result<(), Failure> {
    match action {
        FlowAction::Validate { files } => validate(run, &files),
        FlowAction::Put { file } => {
            let flow = read(&file)?;
            let mut client = run.connect().await?;
            let stored = run.change(&mut client, FlowPut { flow }).await?;
            client.close().await;
            if run.ui.shape() != Shape::Data {
                for FlowAbsent { at, message } in &stored.absent {
                    let note = format!("{at}: {message}; as long as that is so the step fails");
                    run.ui.note(Tone::Warning, &printable(&note));
                }
            }
            run.answer(&stored, || match stored.changed {
                true => format!("flow {} is kept, version {}", stored.flow, stored.version),
                false => format!("flow {} is the same as before, version {}", stored.flow, stored.version),
            })
        }
        FlowAction::Delete { flow } => {
            let mut client = run.connect().await?;
            let deleted = run.change(&mut client, FlowDelete { flow }).await?;
            client.close().await;
            run.answer(&deleted, || match deleted.deleted {
                true => format!("flow {} is deleted; runs that have begun go on", deleted.flow),
                false => format!("there was no flow {}; see: nexctl flow list", deleted.flow),
            })
        }
        look @ (FlowAction::Graph { .. }
        | FlowAction::List
        | FlowAction::Runs { .. }
        | FlowAction::Show { .. }) => {
            let mut client = run.connect().await?;
            let page = run.within(shown(run, &mut client, look)).await?;
            client.close().await;
            page?.print(run)
        }
        FlowAction::Run { flow, input, wait } => {
            let input = input_of(input)?;
            let mut client = run.connect().await?;
            let started = run.change(&mut client, RunStart { flow, input, thread: None }).await?;
            followed(run, client, started, wait).await
        }
    }
}

/// What only looks.
async fn shown(run: &Run, client: &mut Client, action: FlowAction) -> Result<Page, Failure> {
    match action {
        FlowAction::Graph { flow } => {
            let info = client.call(FlowGet { flow }).await?;
            Page::of(run, &info.flow.steps, None, || graph(&info.flow))
        }
        FlowAction::Runs { of } => list_runs(run, client, of).await,
        FlowAction::Show { flow } => one(run, client, flow).await,
        FlowAction::List
        | FlowAction::Delete { .. }
        | FlowAction::Put { .. }
        | FlowAction::Run { .. }
        | FlowAction::Validate { .. } => list(run, client).await,
    }
}

pub(crate) async fn list(run: &Run, client: &mut Client) -> Result<Page, Failure> {
    let mut all = FlowPage::default();
    loop {
        let after = all.flows.last().map(|head| head.id.clone());
        let page = client.call(FlowList { after, limit: Some(PAGE_MAX) }).await?;
        all.flows.extend(page.flows);
        if !page.more {
            break;
        }
    }
    let empty = all.flows.is_empty().then_some("there are no flows; see: nexctl flow put --help");
    Page::of(run, &all, empty, || table::flows(&run.ui, &all.flows, run.now()))
}

pub(crate) async fn one(run: &Run, client: &mut Client, flow: FlowName) -> Result<Page, Failure> {
    let info = client.call(FlowGet { flow }).await?;
    let told =
        yaml(&info.flow).map_err(|error| Failure::Failed(format!("the flow cannot be shown: {error}")))?;
    Page::of(run, &info, None, || told)
}

pub(crate) async fn list_runs(run: &Run, client: &mut Client, of: RunsOf) -> Result<Page, Failure> {
    let RunsOf { flow, all, limit } = of;
    let mut page = RunPage::default();
    loop {
        let before = page.runs.last().map(|info| info.id);
        let left =
            limit.map(|limit| limit.saturating_sub(u32::try_from(page.runs.len()).unwrap_or(u32::MAX)));
        let limit = Some(left.unwrap_or(PAGE_MAX).min(PAGE_MAX));
        if limit == Some(0) {
            break;
        }
        let next = client.call(RunList { flow: flow.clone(), all, before, limit }).await?;
        let is_last = next.runs.is_empty() || !next.more;
        page.more = next.more;
        page.runs.extend(next.runs);
        if is_last {
            break;
        }
    }
    let none = if all { "there are no runs" } else { "no run is open; --all shows those that have ended" };
    let empty = page.runs.is_empty().then_some(none);
    Page::of(run, &page, empty, || table::runs(&run.ui, &page.runs, run.now()))
}

pub(crate) async fn one_run(run: &Run, client: &mut Client, id: &Short<RunId>) -> Result<Page, Failure> {
    let id = ids::run(client, id).await?;
    let detail = client.call(RunGet { run: id }).await?;
    Page::of(run, &detail, None, || told_in_full(run, &detail))
}

fn input_of(input: Option<String>) -> Result<Value, Failure> {
    let text = match input.as_deref() {
        None => return Ok(Value::Null),
        Some("-") => text::of_stdin(&mut std::io::stdin())?,
        Some(text) => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!("the input is no JSON: {error}; a text is written '\"text\"'"))
    })
}

/// The flow of a file, or all that is wrong with it.
fn read(file: &Path) -> Result<Flow, Failure> {
    let shown = file.display();
    let Some(format) = Format::of(&file.to_string_lossy()) else {
        let message = format!("{shown}: a flow is a file whose name ends in .yaml, .yml, .toml or .json");
        return Err(Failure::Usage(message));
    };
    let bytes = std::fs::metadata(file).map_err(|error| Failure::Failed(format!("{shown}: {error}")))?.len();
    if bytes > FLOW_BYTES_MAX as u64 {
        return Err(Failure::Failed(format!("{shown}: {bytes} bytes; {FLOW_BYTES_MAX} is the most")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Failed(format!("{shown}: {error}")))?;
    nexus_flow::read(&text, format).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(|fault| format!("{shown}:{fault}")).collect();
        Failure::Failed(told.join("\n"))
    })
}

pub(crate) fn validate(run: &Run, files: &[std::path::PathBuf]) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for file in files {
        match read(file) {
            Ok(flow) => {
                let steps = flow.steps.len();
                let s = if steps == 1 { "" } else { "s" };
                run.ui.result_line(&format!("{}: flow {}, {steps} step{s}", file.display(), flow.id))?;
            }
            Err(failure) => wrong.push(failure.to_string()),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Failed(wrong.join("\n"))) }
}

/// As Mermaid draws it. Ids have no characters that mean something there.
fn graph(flow: &Flow) -> String {
    let mut lines = vec!["flowchart TD".to_owned()];
    for step in &flow.steps {
        let what = match &step.act {
            nexus_wire::flow::StepAct::Approve(_) => "approve",
            nexus_wire::flow::StepAct::Ask(_) => "ask",
            nexus_wire::flow::StepAct::Dispatch(_) => "dispatch",
            nexus_wire::flow::StepAct::Flow(_) => "flow",
            nexus_wire::flow::StepAct::Wait(_) => "wait",
            nexus_wire::flow::StepAct::Write(_) => "write",
        };
        lines.push(format!("  s-{}[\"{} ({what})\"]", step.id, step.id));
        lines.extend(step.needs.iter().map(|need| format!("  s-{need} --> s-{}", step.id)));
        if let OnError::Goto(to) = &step.on_error {
            lines.push(format!("  s-{} -. on error .-> s-{to}", step.id));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

pub(crate) async fn runs(run: &Run, action: RunAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    match action {
        RunAction::List { of } => {
            let page = run.within(list_runs(run, &mut client, of)).await?;
            client.close().await;
            page?.print(run)
        }
        RunAction::Show { run: id } => {
            let page = run.within(one_run(run, &mut client, &id)).await?;
            client.close().await;
            page?.print(run)
        }
        RunAction::Cancel { run: id, reason } => {
            let id = run.within(ids::run(&mut client, &id)).await??;
            let info = run.change(&mut client, RunCancel { run: id, reason }).await?;
            client.close().await;
            run.answer(&info, || match info.state {
                RunState::Cancelled => format!("run {id} is cancelled"),
                RunState::Waiting | RunState::Running | RunState::Done | RunState::Failed => {
                    format!("run {id} had ended before: {}", info.state.as_str())
                }
            })
        }
        RunAction::Retry { run: id, from, wait } => {
            let id = run.within(ids::run(&mut client, &id)).await??;
            let started = run.change(&mut client, RunRetry { run: id, step: from }).await?;
            followed(run, client, started, wait).await
        }
    }
}

/// Says that it has begun, or what it came to.
async fn followed(run: &Run, client: Client, started: RunStarted, wait: bool) -> Result<(), Failure> {
    let id = started.run;
    if !wait {
        client.close().await;
        return run.answer(&started, || {
            let waiting = if started.state == RunState::Waiting { ", and waits for its group" } else { "" };
            format!("run {id} of flow {} has begun{waiting}; see: nexctl run show {id}", started.flow)
        });
    }
    let detail = end_of(run, client, id).await?;
    match run.ui.shape() {
        Shape::Data => run.ui.data(&detail)?,
        Shape::Text => {
            let output = serde_json::to_string_pretty(&detail.output).unwrap_or_default();
            run.ui.result_line(&printable(&output))?;
        }
    }
    match detail.info.state {
        RunState::Done => Ok(()),
        RunState::Waiting | RunState::Running | RunState::Failed | RunState::Cancelled => {
            Err(Failure::Failed(format!("run {id} is {}; see: nexctl run show {id}", told(&detail.info))))
        }
    }
}

/// What became of the run once it has ended.
async fn end_of(run: &Run, client: Client, id: RunId) -> Result<RunDetail, Failure> {
    let of = id.to_string();
    let look = async |asker: &mut Client| {
        let detail = asker.call(RunGet { run: id }).await?;
        Ok(detail.info.state.is_end().then_some(detail))
    };
    let is_news = |body: &LogBody| matches!(body, LogBody::Other { subject, .. } if *subject == of);
    until(run, client, &["run.ended"], look, is_news).await
}

/// `failed: step a: it broke`.
fn told(info: &RunInfo) -> String {
    match &info.error {
        Some(error) => format!("{}: {}", info.state.as_str(), printable(&error.message)),
        None => info.state.as_str().to_owned(),
    }
}

fn told_in_full(run: &Run, detail: &RunDetail) -> String {
    let (info, now) = (&detail.info, run.now());
    let took = |from: Ms, to: Option<Ms>| span(to.unwrap_or(now) - from);
    let mut lines = vec![
        format!("run {} of flow {}, version {}", info.id, info.flow, info.version),
        format!("started by {}, took {}: {}", info.by, took(info.accepted_at, info.ended_at), told(info)),
    ];
    if !info.causes.is_empty() {
        let causes: Vec<&str> = info.causes.iter().map(|name| name.as_str()).collect();
        lines.push(format!("led to by trigger {}", causes.join(", after ")));
    }
    if !info.groups.is_empty() {
        let groups = info.groups.iter().map(|group| printable(group)).collect::<Vec<_>>().join(", ");
        lines.push(format!("concurrency group: {groups}"));
    }
    for (said, other) in [("tries again", info.retry_of), ("was tried again as", info.retried_as)] {
        lines.extend(other.map(|other| format!("{said} {other}")));
    }
    let steps = table::run_steps(&run.ui, detail, now);
    let output = detail.output.as_ref().map(|output| {
        format!("output:\n{}\n", printable(&serde_json::to_string_pretty(output).unwrap_or_default()))
    });
    format!("{}\n{steps}{}", lines.join("\n"), output.unwrap_or_default())
}
