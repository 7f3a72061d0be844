//! What a terminal shows while something goes on: a picture drawn again and again, or that one has to wait.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::Failure;
use crate::page::Page;
use crate::ui::{Ui, size};

/// What takes less needs no excuse.
const SOON: Duration = Duration::from_secs(1);
const LINES_WITHOUT_TERMINAL: usize = 24;

/// Shows that something is being done once it takes long.
pub(crate) async fn patiently<T>(ui: &Ui, what: &'static str, work: impl Future<Output = T>) -> T {
    if !ui.attended {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(SOON, &mut work).await {
        return done;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is a fixed one; with a wrong one the plain bar would do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    bar.finish_and_clear();
    done
}

/// The terminal's second page, from its first drawing until it is dropped.
pub(crate) struct Screen<'a> {
    ui: &'a Ui,
    last: Option<Page>,
}

impl<'a> Screen<'a> {
    pub(crate) fn open(ui: &'a Ui) -> Result<Self, Failure> {
        ui.result("\u{1b}[?1049h\u{1b}[?25l")?;
        Ok(Self { ui, last: None })
    }

    /// As much as there are lines for; the last one is `status`.
    pub(crate) fn draw(&mut self, page: Page, status: &str) -> Result<(), Failure> {
        let lines = size().map_or(LINES_WITHOUT_TERMINAL, |(_, lines)| lines).max(2);
        self.ui.result(&frame(&page, status, lines))?;
        self.last = Some(page);
        Ok(())
    }

    /// The same with another status.
    pub(crate) fn say(&mut self, status: &str) -> Result<(), Failure> {
        let page = self.last.take().unwrap_or_default();
        self.draw(page, status)
    }

    /// Leaves what was seen last where the next command is typed.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        let last = self.last.take().unwrap_or_default();
        let ui = self.ui;
        drop(self);
        ui.result(&last.text)?;
        for (tone, note) in &last.notes {
            ui.note(*tone, note);
        }
        Ok(())
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no tidying.
        let _ = self.ui.result("\u{1b}[?25h\u{1b}[?1049l");
    }
}

/// What is written to show a page in so many lines.
fn frame(page: &Page, status: &str, lines: usize) -> String {
    let all: Vec<&str> = page.text.lines().chain(page.notes.iter().map(|(_, note)| note.as_str())).collect();
    let room = lines - 1;
    let shown = if all.len() <= room { all.len() } else { room - 1 };
    let mut text = String::from("\u{1b}[H");
    for line in &all[..shown] {
        text.push_str(&format!("{line}\u{1b}[K\r\n"));
    }
    if shown < all.len() {
        text.push_str(&format!("… and {} more\u{1b}[K\r\n", all.len() - shown));
    }
    text.push_str("\u{1b}[J");
    text.push_str(&format!("\u{1b}[{lines};1H\u{1b}[2m{status}\u{1b}[0m\u{1b}[K"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Tone;

    #[test]
    fn a_page_is_cut_to_the_lines_there_are() {
        let page =
            Page { text: "a\nb\nc\n".to_owned(), line: None, notes: vec![(Tone::Dim, "d".to_owned())] };
        let shown = |lines| frame(&page, "status", lines).replace("\u{1b}", "^");
        assert_eq!(shown(5), "^[Ha^[K\r\nb^[K\r\nc^[K\r\nd^[K\r\n^[J^[5;1H^[2mstatus^[0m^[K");
        assert_eq!(shown(4), "^[Ha^[K\r\nb^[K\r\n… and 2 more^[K\r\n^[J^[4;1H^[2mstatus^[0m^[K");
        assert_eq!(shown(2), "^[H… and 4 more^[K\r\n^[J^[2;1H^[2mstatus^[0m^[K");
    }
}
