//! What comes in and what goes out. Nothing here is of a terminal or of a socket.

use nexus_wire::alert::{Alert, AlertAck};
use nexus_wire::approval::{ApprovalAnswer, ApprovalInfo};
use nexus_wire::audit::UsageReport;
use nexus_wire::chat::{ChatPage, ChatSend, ThreadInfo};
use nexus_wire::hands::{DispatchCancel, DispatchInfo, DispatchRetry};
use nexus_wire::inbox::Gap;
use nexus_wire::log::LogEntry;
use nexus_wire::observe::{ActivityChanged, ObserveGap, Observed};
use nexus_wire::roster::AspectInfo;
use nexus_wire::turn::{TurnCancel, TurnGoOn};
use nexus_wire::{DispatchId, Ms, ThreadId};

use super::due::List;

#[derive(Debug)]
pub enum Event {
    Key(Key),
    /// Text that came at once.
    Paste(String),
    News(Box<News>),
    Loaded(Box<Loaded>),
    NotLoaded {
        load: Load,
        why: String,
    },
    /// An act was carried out; what to say of it.
    Done(String),
    /// It was not; why.
    Refused(String),
    /// The terminal has another size, or shows something else.
    Redraw,
    /// Time has passed.
    Tick,
}

/// A key as far as it means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    Char(char),
    /// With Ctrl.
    Ctrl(char),
    Backspace,
    BackTab,
    Delete,
    Down,
    End,
    Enter,
    Esc,
    Home,
    Left,
    /// Alt-Enter, or Ctrl-J.
    Newline,
    PageDown,
    PageUp,
    Right,
    Tab,
    Up,
}

/// What is told by the broker, or of the connection to it.
#[derive(Debug)]
pub enum News {
    Activity(ActivityChanged),
    Log(LogEntry),
    LogGap(Gap),
    /// The connection is gone, or could not be made.
    Lost {
        why: String,
        retry_in: Ms,
    },
    Observed(Observed),
    ObserveGap(ObserveGap),
    /// There will be no further connection.
    Over(String),
    Reconnected,
    Roster(AspectInfo),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    List(List),
    /// The end of a thread, or what is before that `seq`.
    Messages {
        thread: ThreadId,
        before: Option<u64>,
    },
    Dispatch(DispatchId),
}

#[derive(Debug)]
pub enum Loaded {
    Team(Vec<AspectInfo>),
    Threads(Vec<ThreadInfo>),
    Messages { page: ChatPage, older: bool },
    Dispatches(Vec<DispatchInfo>),
    Dispatch(Box<DispatchInfo>),
    Approvals(Vec<ApprovalInfo>),
    Alerts(Vec<Alert>),
    Usage(UsageReport),
}

impl Loaded {
    pub fn list(&self) -> Option<List> {
        match self {
            Self::Team(_) => Some(List::Team),
            Self::Threads(_) => Some(List::Threads),
            Self::Dispatches(_) => Some(List::Dispatches),
            Self::Approvals(_) => Some(List::Approvals),
            Self::Alerts(_) => Some(List::Alerts),
            Self::Usage(_) => Some(List::Usage),
            Self::Messages { .. } | Self::Dispatch(_) => None,
        }
    }
}

#[derive(Debug, PartialEq)]
#[must_use = "effects do nothing until they are carried out"]
pub enum Effect {
    Load(Load),
    Act(Asked),
    /// Give the terminal back and stop, until whoever stopped us lets us go on.
    Suspend,
    /// Draw everything anew.
    Repaint,
    Quit,
}

/// Something a person wants done, and how they would call it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub act: Act,
    /// `cancel wren/verify-claim …3f2a`
    pub what: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Ack(AlertAck),
    Answer(ApprovalAnswer),
    Cancel(DispatchCancel),
    GoOn(TurnGoOn),
    /// A thread has been read.
    Mark(ThreadId),
    Retry(DispatchRetry),
    Say(Box<ChatSend>),
    Stop(TurnCancel),
}
