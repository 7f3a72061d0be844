//! One screen as it is now, printed: for a report, a page, a script.

mod ansi;
mod svg;

use std::time::Duration;

use nexus_client::{Broker, Follow};
use nexus_operator::failure::Failure;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::time::Instant;

use crate::app::{App, Effect, Event};
use crate::cli::{Form, Size};
use crate::shell::{Asking, follow, told, wall};
use crate::view::{self, Theme};

/// What was streamed before comes in one go; when nothing has come for so long, that was all.
const QUIET: Duration = Duration::from_millis(400);
/// A team that is never quiet is shown as it is then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The screen, as text in that form.
pub(crate) async fn take(
    mut app: App,
    broker: Broker,
    size: Size,
    form: Form,
    theme: Theme,
) -> Result<String, Failure> {
    let mut following = Some(follow(broker).await?);
    let Some((asking, mut answers)) = following.as_ref().map(Follow::caller).map(Asking::new) else {
        return Ok(String::new());
    };
    let end = Instant::now() + PATIENCE;
    let mut event = Event::Redraw;
    loop {
        for effect in app.update(event, wall()) {
            // Nobody watches, so nothing but what has to be known is done.
            if matches!(effect, Effect::Load(_)) {
                asking.carry_out(effect);
            }
        }
        let quiet = (Instant::now() + QUIET).min(end);
        event = tokio::select! {
            biased;
            answer = answers.recv() => answer.unwrap_or(Event::Tick),
            news = told(&mut following) => news,
            () = tokio::time::sleep_until(quiet) => {
                if app.is_settled() || Instant::now() >= end {
                    break;
                }
                Event::Tick
            }
        };
    }
    app.update(Event::Tick, wall()).clear();
    Ok(written(&drawn(&app, theme, size)?, form))
}

fn drawn(app: &App, theme: Theme, size: Size) -> Result<Buffer, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("the screen cannot be drawn: {error}"));
    let mut terminal =
        Terminal::new(TestBackend::new(size.width, size.height)).map_err(|error| failed(&error))?;
    terminal.draw(|frame| view::draw(app, theme, frame)).map_err(|error| failed(&error))?;
    Ok(terminal.backend().buffer().clone())
}

pub(crate) fn written(screen: &Buffer, form: Form) -> String {
    match form {
        Form::Text => text(screen),
        Form::Ansi => ansi::of(screen),
        Form::Svg => svg::of(screen),
    }
}

/// Its rows, without the blanks at their ends.
fn text(screen: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..screen.area.height {
        let row: String = columns(screen, y).map(|(_, cell)| cell.symbol()).collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// The cells of a row that something begins in: what is two columns wide covers the one after it.
fn columns(screen: &Buffer, y: u16) -> impl Iterator<Item = (u16, &ratatui::buffer::Cell)> {
    let mut covered = 0;
    (0..screen.area.width).filter_map(move |x| {
        if covered > 0 {
            covered -= 1;
            return None;
        }
        let cell = screen.cell((x, y))?;
        covered = view::width_of(cell.symbol()).saturating_sub(1);
        Some((x, cell))
    })
}
