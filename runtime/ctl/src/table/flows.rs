//! Flows, runs, and the steps of one run.

use nexus_wire::Ms;
use nexus_wire::flow::FlowHead;
use nexus_wire::run::{RunDetail, RunInfo, RunState, StepState, TaskWork};

use super::grid::Give::{Cut, Go, Id, Keep, Wide};
use super::grid::{Cell, Grid};
use super::{ago, marked, or_dash, span, title};
use crate::ui::{Hue, Ui};

const KEPT: &str = "kept from the run before";

pub fn flows(ui: &Ui, flows: &[FlowHead], now: Ms) -> String {
    let columns =
        [("FLOW", Keep), ("VERSION", Keep), ("STEPS", Go(2)), ("PUT", Go(1)), ("BY", Go(3)), ("ABOUT", Cut)];
    let mut table = Grid::new(ui, &columns);
    for flow in flows {
        table.add_row(vec![
            Cell::new(&flow.id),
            Cell::new(flow.version),
            Cell::new(flow.steps),
            Cell::new(ago(flow.at, now)),
            Cell::new(&flow.by),
            Cell::new(or_dash(&title(ui, &flow.description))),
        ]);
    }
    table.text()
}

pub fn runs(ui: &Ui, runs: &[RunInfo], now: Ms) -> String {
    let columns = [
        ("RUN", Id),
        ("FLOW", Keep),
        ("STATE", Keep),
        ("AGE", Keep),
        ("TOOK", Go(2)),
        ("STEPS", Go(1)),
        ("BY", Go(3)),
        ("WHY", Cut),
        ("PARENT", Wide),
    ];
    let mut table = Grid::new(ui, &columns);
    for run in runs {
        let over = run.steps.iter().filter(|step| step.state.is_end()).count();
        let took = run.began_at.map(|began| span(run.ended_at.unwrap_or(now) - began));
        let why = run.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        table.add_row(vec![
            Cell::new(run.id),
            Cell::new(&run.flow),
            marked(run.state.as_str(), run_mark(run.state)),
            Cell::new(ago(run.accepted_at, now)),
            Cell::new(took.unwrap_or_else(|| "-".into())),
            Cell::new(format!("{over}/{}", run.steps.len())),
            Cell::new(&run.by),
            Cell::new(or_dash(&title(ui, &why))),
            Cell::new(run.parent.as_ref().map_or_else(|| "-".to_owned(), |parent| parent.run.to_string())),
        ]);
    }
    table.text()
}

/// A row for each step, and where it is done several times for each time.
pub fn run_steps(ui: &Ui, detail: &RunDetail, now: Ms) -> String {
    let columns = [
        ("STEP", Keep),
        ("STATE", Keep),
        ("AFTER", Keep),
        ("TOOK", Keep),
        ("ATTEMPT", Go(1)),
        ("WORK", Cut),
        ("WHY", Cut),
    ];
    let mut table = Grid::new(ui, &columns);
    let begun = detail.info.accepted_at;
    let dash = || "-".to_owned();
    for step in &detail.info.steps {
        let tasks: Vec<_> = detail.tasks.iter().filter(|task| task.step == step.id).collect();
        let one = tasks.first().filter(|_| tasks.len() == 1 && step.times == 1);
        let why = step.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        let why = match (step.kept, step.resumed && why.is_empty()) {
            (true, _) => KEPT.to_owned(),
            (false, true) => "goes on from the run before".to_owned(),
            (false, false) => why,
        };
        table.add_row(vec![
            Cell::new(&step.id),
            marked(step.state.as_str(), step_mark(step.state)),
            Cell::new(step.began_at.map_or_else(dash, |at| span((at - begun).max(0)))),
            Cell::new(step.began_at.map_or_else(dash, |at| span(step.ended_at.unwrap_or(now) - at))),
            Cell::new(one.map_or_else(dash, |task| task.attempt.to_string())),
            Cell::new(one.and_then(|task| task.work).map_or_else(dash, work)),
            Cell::new(or_dash(&title(ui, &why))),
        ]);
        for task in tasks.iter().filter(|_| one.is_none()) {
            let why = task.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
            let why = if task.began_at < begun && why.is_empty() { KEPT.to_owned() } else { why };
            table.add_row(vec![
                Cell::new(format!("  [{}]", task.index)),
                marked(task.state.as_str(), step_mark(task.state)),
                Cell::new(span((task.began_at - begun).max(0))),
                Cell::new(span(task.ended_at.unwrap_or(now) - task.began_at)),
                Cell::new(task.attempt),
                Cell::new(task.work.map_or_else(dash, work)),
                Cell::new(or_dash(&title(ui, &why))),
            ]);
        }
    }
    table.text()
}

fn work(work: TaskWork) -> String {
    match work {
        TaskWork::Approval(id) => format!("approval {id}"),
        TaskWork::Dispatch(id) => format!("dispatch {id}"),
        TaskWork::Run(id) => format!("run {id}"),
        TaskWork::Clock => "-".to_owned(),
        TaskWork::Event => "an entry of the log".to_owned(),
    }
}

fn run_mark(state: RunState) -> (char, Hue) {
    match state {
        RunState::Waiting => ('◌', Hue::Yellow),
        RunState::Running => ('◐', Hue::Yellow),
        RunState::Done => ('●', Hue::Green),
        RunState::Failed => ('●', Hue::Red),
        RunState::Cancelled => ('○', Hue::Grey),
    }
}

fn step_mark(state: StepState) -> (char, Hue) {
    match state {
        StepState::Pending => ('◌', Hue::Grey),
        StepState::Running => ('◐', Hue::Yellow),
        StepState::Done => ('●', Hue::Green),
        StepState::Failed => ('●', Hue::Red),
        StepState::Skipped | StepState::Unreached | StepState::Cancelled => ('○', Hue::Grey),
    }
}
