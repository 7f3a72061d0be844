//! The terminal, taken over for as long as a [`Screen`] is there and given back however the program ends.

use std::io::{self, IsTerminal as _, Stdout, Write as _};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use nexus_operator::failure::Failure;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::SignalKind;

use crate::app::App;
use crate::view::{self, Theme};

/// The wheel scrolls as the arrow keys do, and text can still be marked.
const WHEEL_ON: &[u8] = b"\x1b[?1007h";
const WHEEL_OFF: &[u8] = b"\x1b[?1007l";

/// What comes when a stopped process goes on.
pub(crate) fn resuming() -> SignalKind {
    SignalKind::from_raw(Signal::CONT.as_raw())
}

/// Says what to do where there is no terminal to draw on.
pub(crate) fn check() -> Result<(), Failure> {
    let stream = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) => return Ok(()),
        (false, _) => "standard input",
        (true, false) => "standard output",
    };
    Err(Failure::Usage(format!(
        "{stream} is no terminal; run nexus-watch in one (over ssh: ssh -t HOST nexus-watch), or print one screen with \
         --snapshot 100x30"
    )))
}

#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

fn failed(error: io::Error) -> Failure {
    Failure::Failed(format!("the terminal cannot be used: {error}; is $TERM right?"))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    out.write_all(WHEEL_ON)?;
    out.flush()
}

/// As much of it as can be done; nothing is left to say it to where it cannot.
fn give_back() {
    let mut out = io::stdout();
    let _ = out.write_all(WHEEL_OFF);
    let _ = execute!(out, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

impl Screen {
    pub(crate) fn enter() -> Result<Self, Failure> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        take().map_err(failed)?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(failed)?;
        Ok(Self { terminal })
    }

    pub(crate) fn draw(&mut self, app: &App, theme: Theme) -> Result<(), Failure> {
        self.terminal.draw(|frame| view::draw(app, theme, frame)).map(|_| ()).map_err(failed)
    }

    /// Everything is drawn anew at the next frame.
    pub(crate) fn repaint(&mut self) -> Result<(), Failure> {
        // Terminal::clear asks where the cursor is, which not every terminal answers.
        execute!(io::stdout(), Clear(ClearType::All)).map_err(failed)?;
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(failed)?;
        Ok(())
    }

    /// Stops the process as Ctrl-Z does elsewhere. Where nobody could let it go on it does not stop.
    pub(crate) fn suspend(&mut self) -> Result<(), Failure> {
        give_back();
        let stopped = kill_process(getpid(), Signal::TSTP);
        self.resume()?;
        stopped.map_err(|error| failed(error.into()))
    }

    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        take().map_err(failed)?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}
