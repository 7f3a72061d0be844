//! The home page of the dashboard: which parts it has, and what each of them shows. What a part may show is a closed
//! set of things that the broker knows; there is no address and no code in it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::audit::UsageBy;
use crate::ids::ThreadId;
use crate::name::{AspectName, FlowName, RegistryName};

/// Its parts, in the order in which they are read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeLayout {
    /// At most 24.
    pub widgets: Vec<HomeWidget>,
}

/// One part of the page.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeWidget {
    pub kind: HomeKind,
    /// Absent: what it shows says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it shows. Of `markdown` there is none, and of `agents` it is `aspects`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<HomeSource>,
    /// Of `markdown` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default)]
    pub width: HomeWidth,
    /// So many lines, rows or messages at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// How a part shows what it shows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeKind {
    /// Who is there, and at what.
    Agents,
    /// Bars.
    Chart,
    /// The last messages of a thread, and a place to write.
    Chat,
    /// A text.
    Markdown,
    /// How many, or how much: one number.
    Stat,
    /// A few lines.
    Table,
    /// What was, or will be, along the time.
    Timeline,
}

impl HomeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Chart => "chart",
            Self::Chat => "chat",
            Self::Markdown => "markdown",
            Self::Stat => "stat",
            Self::Table => "table",
            Self::Timeline => "timeline",
        }
    }
}

/// Where a part stands. Parts that follow each other fill two columns, until one comes that has the page for itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeWidth {
    /// In the left column, three fifths of the page.
    #[default]
    Wide,
    /// In the right column.
    Narrow,
    /// Over both.
    Full,
}

/// What a part shows: one thing by its name, with how it is asked for. In a file a name alone will do where nothing
/// has to be said: `source: alerts`.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeSource {
    /// Alerts that nobody has acknowledged.
    Alerts(HomeAll),
    /// What agents ask people.
    Approvals(HomeAll),
    Aspects(HomeAll),
    /// Rows of a registry.
    Registry(HomeRegistry),
    /// Runs of flows, the latest first.
    Runs(HomeRuns),
    Thread(HomeThread),
    /// What triggers will do next.
    Triggers(HomeTriggers),
    /// What was spent.
    Usage(HomeUsage),
    /// What waits for a person: questions and approvals, and threads with something they have not read.
    Waits(HomeAll),
    /// Runs and dispatches at work that are no part of others.
    Work(HomeAll),
}

impl HomeSource {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alerts(_) => "alerts",
            Self::Approvals(_) => "approvals",
            Self::Aspects(_) => "aspects",
            Self::Registry(_) => "registry",
            Self::Runs(_) => "runs",
            Self::Thread(_) => "thread",
            Self::Triggers(_) => "triggers",
            Self::Usage(_) => "usage",
            Self::Waits(_) => "waits",
            Self::Work(_) => "work",
        }
    }
}

/// There is nothing to say about it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeAll {}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeRegistry {
    pub name: RegistryName,
    /// The fields that are shown, at most 12; none: what names a row, and the first of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// An expression over the fields, as `registry.read` takes it.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeRuns {
    /// Only of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowName>,
    #[serde(default)]
    pub state: HomeRunState,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeRunState {
    #[default]
    All,
    Open,
    Ended,
}

/// One of the two.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeThread {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ThreadId>,
    /// The latest one with this aspect in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<AspectName>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeTriggers {
    /// How far ahead, at most 168 hours (24).
    #[serde(default = "a_day")]
    pub hours: u32,
}

fn a_day() -> u32 {
    24
}

impl Default for HomeTriggers {
    fn default() -> Self {
        Self { hours: a_day() }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HomeUsage {
    #[serde(default)]
    pub by: UsageBy,
    /// Days in UTC with today as the last of them, at most 92 (1).
    #[serde(default = "one")]
    pub days: u32,
    #[serde(default)]
    pub figure: HomeFigure,
}

fn one() -> u32 {
    1
}

impl Default for HomeUsage {
    fn default() -> Self {
        Self { by: UsageBy::default(), days: one(), figure: HomeFigure::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeFigure {
    #[default]
    Cost,
    Tokens,
}

/// `GET /api/v1/home`: the layout in effect.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Home {
    pub widgets: Vec<HomeWidget>,
    /// The file of the workspace that says so. Absent: it is what Nexus ships.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Why the file as it stands now is not what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// `workspace.yaml` as it is written.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct HomeFile {
    pub home: HomeLayout,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum SourceName {
    Alerts,
    Approvals,
    Aspects,
    Registry,
    Runs,
    Thread,
    Triggers,
    Usage,
    Waits,
    Work,
}

const SOURCES: &[&str] =
    &["alerts", "approvals", "aspects", "registry", "runs", "thread", "triggers", "usage", "waits", "work"];

/// Written out, because a derived one takes either a name or an object, and not both for the same source.
impl<'de> Deserialize<'de> for HomeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = HomeSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source, such as `alerts` or `usage: { by: aspect }`")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<HomeSource, E> {
        Ok(match name {
            "alerts" => HomeSource::Alerts(HomeAll {}),
            "approvals" => HomeSource::Approvals(HomeAll {}),
            "aspects" => HomeSource::Aspects(HomeAll {}),
            "registry" => return Err(E::custom("which registry? write `registry: { name: … }`")),
            "runs" => HomeSource::Runs(HomeRuns::default()),
            "thread" => {
                return Err(E::custom("which thread? write `thread: { with: … }`, or its `id`"));
            }
            "triggers" => HomeSource::Triggers(HomeTriggers::default()),
            "usage" => HomeSource::Usage(HomeUsage::default()),
            "waits" => HomeSource::Waits(HomeAll {}),
            "work" => HomeSource::Work(HomeAll {}),
            other => return Err(E::unknown_variant(other, SOURCES)),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HomeSource, A::Error> {
        let Some(name) = map.next_key::<SourceName>()? else {
            return Err(A::Error::custom(format!("which source? there are {}", SOURCES.join(", "))));
        };
        let source = match name {
            SourceName::Alerts => HomeSource::Alerts(map.next_value()?),
            SourceName::Approvals => HomeSource::Approvals(map.next_value()?),
            SourceName::Aspects => HomeSource::Aspects(map.next_value()?),
            SourceName::Registry => HomeSource::Registry(map.next_value()?),
            SourceName::Runs => HomeSource::Runs(map.next_value()?),
            SourceName::Thread => HomeSource::Thread(map.next_value()?),
            SourceName::Triggers => HomeSource::Triggers(map.next_value()?),
            SourceName::Usage => HomeSource::Usage(map.next_value()?),
            SourceName::Waits => HomeSource::Waits(map.next_value()?),
            SourceName::Work => HomeSource::Work(map.next_value()?),
        };
        match map.next_key::<SourceName>()? {
            None => Ok(source),
            Some(_) => Err(A::Error::custom("there is one source for each part; make two parts of it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<HomeSource, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_source_is_a_name_or_says_more_and_comes_back_as_it_went() {
        let usage = HomeUsage { by: UsageBy::Model, days: 7, figure: HomeFigure::Tokens };
        let told = [
            (json!("alerts"), HomeSource::Alerts(HomeAll {})),
            (json!({"alerts": {}}), HomeSource::Alerts(HomeAll {})),
            (json!("triggers"), HomeSource::Triggers(HomeTriggers { hours: 24 })),
            (json!({"usage": {"by": "model", "days": 7, "figure": "tokens"}}), HomeSource::Usage(usage)),
        ];
        for (written, source) in told {
            assert_eq!(read(written), Ok(source.clone()));
            let again = serde_json::to_value(&source).ok().and_then(|value| read(value).ok());
            assert_eq!(again, Some(source));
        }
        for name in SOURCES {
            let bare = read(json!(name));
            assert!(bare.is_ok() != ["registry", "thread"].contains(name), "{name}: {bare:?}");
            assert!(bare.is_err() || bare.is_ok_and(|source| source.as_str() == *name));
        }
    }

    #[test]
    fn what_is_no_source_is_told() {
        let wrong = [
            (json!("http://x"), "unknown variant `http://x`, expected one of `alerts`"),
            (json!({"url": {}}), "unknown field `url`, expected one of `alerts`"),
            (json!({}), "which source? there are alerts, approvals"),
            (json!({"alerts": {}, "work": {}}), "there is one source for each part"),
            (json!({"alerts": {"all": true}}), "unknown field `all`"),
            (json!("registry"), "which registry?"),
            (json!(7), "invalid type: integer `7`, expected a source"),
        ];
        for (written, expected) in wrong {
            let told = read(written).expect_err(expected);
            assert!(told.starts_with(expected), "{told}, not {expected}");
        }
    }
}
