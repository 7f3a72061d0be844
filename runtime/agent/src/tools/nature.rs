//! What each built-in tool is: whether it reaches out, waits, needs leave, and may be repeated.

use super::Tool;

impl Tool {
    /// Whether it runs programs or asks strangers: a new home does not allow that before a person says so.
    pub fn reaches_out(self) -> bool {
        match self {
            Self::RunCommand | Self::FetchUrl => true,
            Self::ReadFile
            | Self::SearchFiles
            | Self::ListFiles
            | Self::WriteFile
            | Self::EditFile
            | Self::AttachFile
            | Self::ReadAttachment
            | Self::ExpandSummary
            | Self::ReadOutput
            | Self::SendMessage
            | Self::ReadThread
            | Self::SearchMessages
            | Self::ListTeam
            | Self::DispatchHand
            | Self::Gather
            | Self::CancelDispatch
            | Self::AskOperator
            | Self::CreateTrigger
            | Self::SearchKnowledge
            | Self::StoreKnowledge
            | Self::ReadRegistry
            | Self::WriteRegistry
            | Self::RunFlow
            | Self::ShowRun => false,
        }
    }

    /// Whether a call waits for the broker or for others, which have limits of their own on how long that takes.
    pub fn is_on_bus(self) -> bool {
        match self {
            Self::ReadFile
            | Self::SearchFiles
            | Self::ListFiles
            | Self::WriteFile
            | Self::EditFile
            | Self::RunCommand
            | Self::FetchUrl
            | Self::ExpandSummary
            | Self::ReadOutput => false,
            Self::AttachFile
            | Self::ReadAttachment
            | Self::SendMessage
            | Self::ReadThread
            | Self::SearchMessages
            | Self::ListTeam
            | Self::DispatchHand
            | Self::Gather
            | Self::CancelDispatch
            | Self::AskOperator
            | Self::CreateTrigger
            | Self::SearchKnowledge
            | Self::StoreKnowledge
            | Self::ReadRegistry
            | Self::WriteRegistry
            | Self::RunFlow
            | Self::ShowRun => true,
        }
    }

    /// Whether a call waits for what people or other agents do.
    pub fn waits_for_others(self) -> bool {
        match self {
            Self::AskOperator | Self::CreateTrigger | Self::DispatchHand | Self::Gather => true,
            Self::ReadFile
            | Self::SearchFiles
            | Self::ListFiles
            | Self::WriteFile
            | Self::EditFile
            | Self::RunCommand
            | Self::FetchUrl
            | Self::ExpandSummary
            | Self::ReadOutput
            | Self::AttachFile
            | Self::ReadAttachment
            | Self::SendMessage
            | Self::ReadThread
            | Self::SearchMessages
            | Self::ListTeam
            | Self::CancelDispatch
            | Self::SearchKnowledge
            | Self::StoreKnowledge
            | Self::ReadRegistry
            | Self::WriteRegistry
            | Self::RunFlow
            | Self::ShowRun => false,
        }
    }

    /// Whether it changes or reaches something outside of the team: a file, a process, a server.
    pub fn needs_leave(self) -> bool {
        match self {
            Self::WriteFile | Self::EditFile | Self::RunCommand | Self::FetchUrl => true,
            Self::ReadFile
            | Self::SearchFiles
            | Self::ListFiles
            | Self::AttachFile
            | Self::ReadAttachment
            | Self::ExpandSummary
            | Self::ReadOutput
            | Self::SendMessage
            | Self::ReadThread
            | Self::SearchMessages
            | Self::ListTeam
            | Self::DispatchHand
            | Self::Gather
            | Self::CancelDispatch
            | Self::AskOperator
            | Self::CreateTrigger
            | Self::SearchKnowledge
            | Self::StoreKnowledge
            | Self::ReadRegistry
            | Self::WriteRegistry
            | Self::RunFlow
            | Self::ShowRun => false,
        }
    }

    /// Whether an interrupted call may be made again: what reads, what the broker knows by its derived id, and what
    /// writes a whole file, which is found as it was written. An edit that puts in what it looks for would be made twice.
    pub fn is_repeatable(self) -> bool {
        match self {
            Self::EditFile | Self::RunCommand => false,
            Self::ReadFile
            | Self::SearchFiles
            | Self::ListFiles
            | Self::WriteFile
            | Self::FetchUrl
            | Self::AttachFile
            | Self::ReadAttachment
            | Self::ExpandSummary
            | Self::ReadOutput
            | Self::SendMessage
            | Self::ReadThread
            | Self::SearchMessages
            | Self::ListTeam
            | Self::DispatchHand
            | Self::Gather
            | Self::CancelDispatch
            | Self::AskOperator
            | Self::CreateTrigger
            | Self::SearchKnowledge
            | Self::StoreKnowledge
            | Self::ReadRegistry
            | Self::WriteRegistry
            | Self::RunFlow
            | Self::ShowRun => true,
        }
    }

    /// Whether it looks into the session it is called in, which needs nobody's leave.
    pub(super) fn is_of_session(self) -> bool {
        matches!(self, Self::ExpandSummary | Self::ReadOutput)
    }
}
