//! What can be read as a resource: the team, what is unread, conversations, messages, knowledge, sessions, work. Reading
//! one marks nothing as read: clients fetch resources that nobody has looked at yet.

use nexus_wire::chat::{ChatGet, ChatRead, ChatThreads, ThreadPage};
use nexus_wire::hands::DispatchStatus;
use nexus_wire::knowledge::{KnowledgeGet, KnowledgeHead, KnowledgeList, KnowledgePage};
use nexus_wire::roster::TeamList;
use nexus_wire::session::{SessionList, SessionTree};
use nexus_wire::{
    AspectName, DispatchId, ErrorBody, ErrorCode, Json, MessageId, Party, RequestId, ThreadId, ToBroker,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::model::{ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use uuid::Uuid;

use crate::bus::Bus;
use crate::fault::invalid;
use crate::server::TeamServer;

pub(crate) const TEAM: &str = "nexus://team";
pub(crate) const UNREAD: &str = "nexus://unread";
const MEDIA_TYPE: &str = "application/json";
/// Of one page of a list.
const PAGE: u32 = 50;
/// Everything but what may stand in a segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a URI names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Team,
    Unread,
    Thread(ThreadId),
    Message(MessageId),
    Dispatch(DispatchId),
    Knowledge { of: Party, topic: String },
    Sessions(AspectName),
    Session { of: AspectName, session: String },
}

impl Place {
    pub(crate) fn uri(&self) -> String {
        match self {
            Self::Team => TEAM.to_owned(),
            Self::Unread => UNREAD.to_owned(),
            Self::Thread(thread) => format!("nexus://thread/{thread}"),
            Self::Message(message) => format!("nexus://message/{message}"),
            Self::Dispatch(dispatch) => format!("nexus://dispatch/{dispatch}"),
            Self::Knowledge { of, topic } => {
                format!("nexus://knowledge/{}/{}", segment(&of.to_string()), segment(topic))
            }
            Self::Sessions(of) => format!("nexus://session/{of}"),
            Self::Session { of, session } => format!("nexus://session/{of}/{}", segment(session)),
        }
    }

    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("nexus://")?;
        let parts: Vec<String> = path
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned).ok())
            .collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts[..] {
            ["team"] => Some(Self::Team),
            ["unread"] => Some(Self::Unread),
            ["thread", id] => id.parse().ok().map(Self::Thread),
            ["message", id] => id.parse().ok().map(Self::Message),
            ["dispatch", id] => id.parse().ok().map(Self::Dispatch),
            ["knowledge", of, topic] => {
                Some(Self::Knowledge { of: of.parse().ok()?, topic: topic.to_owned() })
            }
            ["session", of] => of.parse().ok().map(Self::Sessions),
            ["session", of, session] => {
                Some(Self::Session { of: of.parse().ok()?, session: session.to_owned() })
            }
            _ => None,
        }
    }

    fn frame(self, reader: &Party) -> ToBroker {
        match self {
            Self::Team => TeamList::default().into(),
            Self::Unread => ChatThreads {
                participant: Some(reader.clone()),
                unread: true,
                limit: Some(PAGE),
                ..ChatThreads::default()
            }
            .into(),
            // The latest page.
            Self::Thread(thread) => ChatRead {
                thread: Some(thread),
                before: Some(u64::MAX >> 1),
                limit: Some(PAGE),
                ..ChatRead::default()
            }
            .into(),
            Self::Message(message) => ChatGet { message }.into(),
            Self::Dispatch(dispatch) => DispatchStatus { dispatch, without_output: false }.into(),
            Self::Knowledge { of, topic } => KnowledgeGet { topic, of: Some(of), version: None }.into(),
            Self::Sessions(of) => SessionList { of, limit: None, cursor: None }.into(),
            Self::Session { of, session } => SessionTree { of, session, limit: None, cursor: None }.into(),
        }
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Where the next page of resources begins.
enum Cursor {
    Threads(Option<u64>),
    Knowledge(Option<String>),
}

impl Cursor {
    fn parse(text: Option<&str>) -> Result<Self, ErrorBody> {
        let wrong = || invalid("the cursor is not one that resources/list returned");
        match text {
            None => Ok(Self::Threads(None)),
            Some("knowledge") => Ok(Self::Knowledge(None)),
            Some(text) => match text.split_once(':') {
                Some(("threads", before)) => {
                    before.parse().map(|it| Self::Threads(Some(it))).map_err(|_| wrong())
                }
                Some(("knowledge", cursor)) => Ok(Self::Knowledge(Some(cursor.to_owned()))),
                Some(_) | None => Err(wrong()),
            },
        }
    }
}

impl<B: Bus> TeamServer<B> {
    pub(crate) async fn resources(&self, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorBody> {
        let (resources, next) = match Cursor::parse(cursor)? {
            Cursor::Threads(before) => {
                let asked = ChatThreads { before, limit: Some(PAGE), ..ChatThreads::default() };
                let page: ThreadPage = self.look(asked).await?;
                let mut resources = if before.is_none() { fixed() } else { Vec::new() };
                resources.extend(page.threads.iter().map(|thread| {
                    let about = format!("{} messages, {} unread", thread.messages, thread.unread);
                    resource(&Place::Thread(thread.id), &thread.title).with_description(about)
                }));
                let next = page.next.filter(|_| page.more).map(|next| format!("threads:{next}"));
                (resources, Some(next.unwrap_or_else(|| "knowledge".to_owned())))
            }
            Cursor::Knowledge(cursor) => {
                let asked = KnowledgeList { limit: Some(PAGE), cursor, ..KnowledgeList::default() };
                let page: KnowledgePage = self.look(asked).await?;
                let resources = page.entries.iter().map(known).collect();
                (resources, page.cursor.map(|cursor| format!("knowledge:{cursor}")))
            }
        };
        let mut listed = ListResourcesResult::with_all_items(resources);
        listed.next_cursor = next;
        Ok(listed)
    }

    pub(crate) async fn read(&self, uri: &str) -> Result<ReadResourceResult, ErrorBody> {
        let place = Place::parse(uri).ok_or_else(|| {
            ErrorBody::new(
                ErrorCode::NotFound,
                format!("there is no resource {uri}; see resources/templates/list"),
            )
        })?;
        let frame = place.frame(&self.who().party);
        let json: Json = self.bus().ask(RequestId(Uuid::now_v7()), frame).await?;
        let contents = ResourceContents::text(json.as_str(), uri).with_mime_type(MEDIA_TYPE);
        Ok(ReadResourceResult::new(vec![contents]))
    }

    pub(crate) fn templates(&self) -> Vec<ResourceTemplate> {
        let of_all = [
            ("nexus://thread/{thread}", "thread", "A conversation: its latest messages"),
            ("nexus://message/{message}", "message", "One message with its reactions"),
            ("nexus://dispatch/{dispatch}", "dispatch", "Work that was sent to a Hand"),
            (
                "nexus://knowledge/{of}/{topic}",
                "knowledge",
                "An entry of the shared knowledge, by author and topic",
            ),
        ];
        let of_people = [
            ("nexus://session/{aspect}", "sessions", "The sessions of an agent"),
            ("nexus://session/{aspect}/{session}", "session", "What is in a session of an agent, as a tree"),
        ];
        let people: &[_] = if self.who().role.is_operator() { &of_people } else { &[] };
        let all = of_all.iter().chain(people);
        all.map(|(uri, name, about)| {
            ResourceTemplate::new(*uri, *name).with_description(*about).with_mime_type(MEDIA_TYPE)
        })
        .collect()
    }
}

fn fixed() -> Vec<Resource> {
    vec![
        resource(&Place::Team, "team")
            .with_description("The agents of the team, how each is doing, and its Hands"),
        resource(&Place::Unread, "unread").with_description("Conversations with messages you have not read"),
    ]
}

fn resource(place: &Place, name: &str) -> Resource {
    Resource::new(place.uri(), name).with_mime_type(MEDIA_TYPE)
}

fn known(entry: &KnowledgeHead) -> Resource {
    let place = Place::Knowledge { of: entry.from.clone(), topic: entry.topic.clone() };
    let shared = if entry.shared { "shared" } else { "not shared" };
    resource(&place, &entry.topic).with_description(format!("knowledge of {}, {shared}", entry.from))
}

#[cfg(test)]
mod tests;
