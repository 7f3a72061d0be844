//! Lists in pages. A cursor says where a list goes on and is opaque to whoever passes it: inside is the mark
//! that the frame of the same list has.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexus_wire::alert::AlertPage;
use nexus_wire::approval::ApprovalPage;
use nexus_wire::audit::AuditPage;
use nexus_wire::chat::{ChatPage, ThreadPage};
use nexus_wire::flow::FlowPage;
use nexus_wire::gather::GatherPage;
use nexus_wire::hands::DispatchPage;
use nexus_wire::registry::{RegistryChanges, RegistryPage, RegistryRows};
use nexus_wire::roster::Team;
use nexus_wire::run::RunPage;
use nexus_wire::trigger::{TriggerPage, TriggerSlots};
use nexus_wire::{ErrorBody, ErrorCode, ToBroker};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Answered};
use super::input;
use crate::edge::Edge;
use crate::identity::Identity;
use crate::listen::problem::Problem;

/// Where in a list to go on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct At {
    /// `next_cursor` of the page before; wins over `before` and `after`.
    cursor: Option<String>,
}

impl At {
    /// The mark in the cursor, or the one that was named outright.
    pub(super) fn or<T: FromStr>(&self, named: Option<T>) -> Result<Option<T>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(named) };
        let mark = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let mark = mark.and_then(|mark| mark.strip_prefix('@')?.parse().ok());
        mark.map(Some).ok_or_else(|| {
            let message = "`cursor` is not of this list; pass the `next_cursor` of its page before, as it is";
            ErrorBody::new(ErrorCode::Invalid, message).into()
        })
    }
}

/// A page of a list.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Page<T> {
    #[serde(flatten)]
    page: T,
    /// Where the list goes on; absent on its last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a page says of the place where the list goes on; `None` on the last one.
pub(super) trait Paged {
    fn mark(&self) -> Option<String>;
}

macro_rules! paged {
    ($($page:ty: $items:ident => $mark:expr,)*) => {
        $(impl Paged for $page {
            fn mark(&self) -> Option<String> {
                let last = self.$items.last().filter(|_| self.more)?;
                let mark: fn(_) -> String = $mark;
                Some(mark(last))
            }
        })*
    };
}

paged! {
    AlertPage: alerts => |it: &nexus_wire::alert::Alert| it.seq.to_string(),
    ApprovalPage: approvals => |it: &nexus_wire::approval::ApprovalInfo| it.id.to_string(),
    ChatPage: messages => |it: &nexus_wire::chat::Message| it.seq.to_string(),
    FlowPage: flows => |it: &nexus_wire::flow::FlowHead| it.id.to_string(),
    GatherPage: gathers => |it: &nexus_wire::gather::GatherInfo| it.id.to_string(),
    RegistryChanges: changes => |it: &nexus_wire::registry::RegistryChange| it.version.to_string(),
    RegistryPage: registries => |it: &nexus_wire::registry::RegistryHead| it.name.to_string(),
    RegistryRows: rows => |it: &nexus_wire::registry::RegistryRow| it.row.clone(),
    RunPage: runs => |it: &nexus_wire::run::RunInfo| it.id.to_string(),
    Team: aspects => |it: &nexus_wire::roster::AspectInfo| it.name.to_string(),
    TriggerPage: triggers => |it: &nexus_wire::trigger::TriggerInfo| it.definition.name.to_string(),
    TriggerSlots: slots => |it: &nexus_wire::trigger::TriggerSlot| it.no.to_string(),
}

/// Those that may end before they are full, and be empty, say themselves where they go on.
macro_rules! paged_by_next {
    ($($page:ty),*) => {
        $(impl Paged for $page {
            fn mark(&self) -> Option<String> {
                self.next.map(|next| next.to_string())
            }
        })*
    };
}

paged_by_next! { AuditPage, DispatchPage, ThreadPage }

/// Answers a frame that reads a list.
pub(super) async fn list<T>(edge: &Edge, caller: &Identity, frame: impl Into<ToBroker>) -> Answered<Page<T>>
where
    T: DeserializeOwned + Paged + Serialize,
{
    list_by(edge, caller, frame, T::mark).await
}

/// As [`list`]; `mark` says where it goes on.
pub(super) async fn list_by<T>(
    edge: &Edge,
    caller: &Identity,
    frame: impl Into<ToBroker>,
    mark: impl FnOnce(&T) -> Option<String>,
) -> Answered<Page<T>>
where
    T: DeserializeOwned + Serialize,
{
    let json = edge.request(caller, input::fresh().0, frame.into(), 0).await?;
    let page: T = json.parse().map_err(|error| {
        Problem::from(ErrorBody::new(ErrorCode::Internal, format!("a page does not read back: {error}")))
    })?;
    let next_cursor = mark(&page).map(|mark| URL_SAFE_NO_PAD.encode(format!("@{mark}")));
    Ok(Answer::of(&Page { page, next_cursor }))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_nothing_in_it_may_go_on() {
        let marks = [
            AuditPage { entries: Vec::new(), more: true, next: Some(17) }.mark(),
            ThreadPage { more: true, next: Some(9), ..ThreadPage::default() }.mark(),
            DispatchPage::default().mark(),
        ];
        assert_eq!(marks, [Some("17".to_owned()), Some("9".to_owned()), None]);
    }
}
