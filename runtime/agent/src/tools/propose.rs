//! Triggers that a model proposes: whoever of the people approves one makes it theirs.

use jiff::Timestamp;
use nexus_wire::Ms;
use nexus_wire::approval::{ApprovalAsk, ApprovalEnd, ApprovalState, Asked};
use nexus_wire::budget::Budget;
use nexus_wire::files::FilesWatch;
use nexus_wire::name::TriggerName;
use nexus_wire::trigger::{
    Act, After, AskAspect, DispatchHand, Event, Every, Misfire, Overlap, Retry, StartFlow, Trigger, Watch,
    When,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::whole;
use super::dispatch::Claims;
use super::{Caller, Tool, ToolOutcome, args, people};
use crate::uplink::Line;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateTrigger {
    /// A new one: lower case, digits, `-`.
    name: String,
    /// What it is there for, so that whoever approves it sees why.
    description: String,
    when: Times,
    #[serde(rename = "do")]
    act: Deed,
    /// The time zone in which `cron` is read, and on whose clock texts have their `date`, such as `Europe/Berlin`;
    /// without it UTC.
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    misfire: Option<Misfire>,
    /// Without it `queue` for `watch` and `files`, whose changes are told once, and `skip` otherwise.
    #[serde(default)]
    overlap: Option<Overlap>,
    /// Each slot is late by up to so many seconds, always by the same.
    #[serde(default, deserialize_with = "whole")]
    jitter_s: Option<u64>,
    #[serde(default)]
    retry: Option<Retry>,
    /// What each dispatch it makes may spend.
    #[serde(default)]
    budget: Option<Limits>,
    /// From here on it does nothing any more: a time with its offset, such as `2026-12-24T00:00:00Z`.
    #[serde(default)]
    expires_at: Option<String>,
}

/// What is absent is not limited.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// Of all kinds together: input, output, cache reads and cache writes.
    #[serde(default, deserialize_with = "whole")]
    tokens: Option<u64>,
    /// Millionths of a US dollar.
    #[serde(default, deserialize_with = "whole")]
    cost_microusd: Option<u64>,
}

/// One of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Times {
    /// Minute, hour, day of month, month, day of week.
    Cron(String),
    /// Every so many seconds.
    EveryS(u32),
    /// Once: a time with its offset, such as `2026-11-26T08:00:00Z`.
    At(String),
    /// When an entry of one of these kinds comes into the log, such as `message` or `dispatch_ended`.
    Event(Event),
    /// When another trigger's work or a run of a flow has ended.
    After(After),
    /// When what is at an address has changed.
    Watch(Watch),
    /// When an aspect reports that files it watches have changed.
    Files(FilesWatch),
    /// When somebody fires it by hand, and not otherwise.
    Manual,
}

/// One of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Deed {
    Ask(AskAspect),
    Dispatch(DispatchHand),
    Flow(StartFlow),
}

impl CreateTrigger {
    fn trigger(self) -> Result<Trigger, String> {
        let name =
            self.name.trim().parse::<TriggerName>().map_err(|why| format!("argument `name`: {why}"))?;
        let when = match self.when {
            Times::Cron(pattern) => When::Cron(pattern),
            Times::EveryS(seconds) => When::Every(Every { seconds, anchor: None }),
            Times::At(time) => When::At(moment("when.at", &time)?),
            Times::Event(event) => When::Event(event),
            Times::After(after) => When::After(after),
            Times::Watch(watch) => When::Watch(watch),
            Times::Files(watch) => When::Files(watch),
            Times::Manual => When::Manual,
        };
        let act = match self.act {
            Deed::Ask(ask) => Act::Ask(ask),
            Deed::Dispatch(dispatch) => Act::Dispatch(dispatch),
            Deed::Flow(flow) => Act::Flow(flow),
        };
        let overlap = self.overlap.unwrap_or(match when {
            When::Watch(_) | When::Files(_) => Overlap::Queue,
            When::Cron(_)
            | When::Every(_)
            | When::At(_)
            | When::Event(_)
            | When::After(_)
            | When::Webhook(_)
            | When::Manual => Overlap::Skip,
        });
        let Limits { tokens, cost_microusd } = self.budget.unwrap_or_default();
        let budget = Budget { tokens, cost_microusd };
        Ok(Trigger {
            name,
            description: self.description,
            when,
            act,
            timezone: self.timezone,
            misfire: self.misfire.unwrap_or_default(),
            overlap,
            jitter_s: u32::try_from(self.jitter_s.unwrap_or(0)).unwrap_or(u32::MAX),
            retry: self.retry.unwrap_or_default(),
            budget,
            expires_at: self.expires_at.map(|time| moment("expires_at", &time)).transpose()?,
            if_defined_at: None,
        })
    }

    pub(super) async fn run(
        self,
        line: &Line,
        claims: &Claims,
        caller: &Caller,
        id: nexus_wire::RequestId,
        wait_s: Option<u32>,
    ) -> ToolOutcome {
        let trigger = match self.trigger() {
            Ok(trigger) => trigger,
            Err(fault) => return ToolOutcome::error(fault),
        };
        let name = trigger.name.clone();
        let asks = ApprovalAsk {
            asked: asked(&trigger),
            thread: caller.thread,
            lease: caller.lease,
            notice: caller.notice_of(id),
            trigger: Some(Box::new(trigger)),
            deadline_s: wait_s,
        };
        match people::ask(line, claims, caller, id, asks).await {
            Ok((end, item)) => ToolOutcome { settles: Some(item), ..told(&name, &end) },
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

fn moment(argument: &str, time: &str) -> Result<Ms, String> {
    let at = time.trim().parse::<Timestamp>().map_err(|why| {
        format!("argument `{argument}`: {time:?} is no time ({why}); write it as 2026-11-26T08:00:00Z")
    })?;
    Ok(at.as_millisecond())
}

fn asked(trigger: &Trigger) -> Asked {
    Asked::Tool {
        tool: Tool::CreateTrigger.name().to_owned(),
        summary: format!("{}: {}", trigger.name, trigger.description),
        arguments: serde_json::to_string_pretty(trigger).unwrap_or_default(),
    }
}

fn told(name: &TriggerName, end: &ApprovalEnd) -> ToolOutcome {
    let said = end.text.as_ref().map_or_else(String::new, |text| format!(": {text}"));
    match end.state {
        ApprovalState::Approved => {
            ToolOutcome::json(&json!({"trigger": name, "owner": end.by, "note": end.text}))
        }
        ApprovalState::Denied => ToolOutcome::error(format!("people do not want this trigger{said}")),
        ApprovalState::Expired => ToolOutcome::error("nobody answered in time; there is no such trigger"),
        ApprovalState::Open | ApprovalState::Answered | ApprovalState::Withdrawn => {
            ToolOutcome::error(format!("there is no such trigger: it is {}", end.state.as_str()))
        }
    }
}

/// What people are asked by a call that is going to be made.
pub(super) fn proposal(input: &Value) -> Option<Asked> {
    args::parse::<CreateTrigger>(input).ok()?.trigger().ok().as_ref().map(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(input: Value) -> Result<Trigger, String> {
        args::parse::<CreateTrigger>(&input)?.trigger()
    }

    #[test]
    fn a_definition_is_what_the_bus_knows_as_one_or_the_argument_is_named() {
        let of = |when: Value| json!({"name": "n", "description": "d", "when": when, "do": {"ask": {"aspect": "wren", "text": "?"}}});
        let feed = json!({"watch": {"url": "https://example.org/feed", "every_s": 600}});
        let inbox = json!({"files": {"watch": "wren/inbox", "kinds": ["created"]}});
        let any_end = json!({"after": {"flow": "f", "on": "success"}});
        for (when, expected, overlap) in [
            (json!({"cron": "0 8 * * 1"}), json!({"cron": "0 8 * * 1"}), "skip"),
            (json!({"every_s": 60}), json!({"every": {"seconds": 60}}), "skip"),
            (json!({"at": "1970-01-01T01:00:01+01:00"}), json!({"at": 1000}), "skip"),
            (json!({"event": {"kinds": ["message"]}}), json!({"event": {"kinds": ["message"]}}), "skip"),
            (json!({"after": {"flow": "f"}}), any_end, "skip"),
            (feed.clone(), feed, "queue"),
            (inbox.clone(), inbox, "queue"),
            (json!("manual"), json!("manual"), "skip"),
        ] {
            let made = serde_json::to_value(trigger(of(when)).unwrap()).unwrap();
            assert_eq!((&made["when"], &made["overlap"]), (&expected, &json!(overlap)));
        }
        let mut bounded = of(json!({"every_s": 60}));
        bounded["expires_at"] = json!("soon");
        let mut priced = of(json!({"every_s": 60}));
        priced["budget"] = json!({"usd": 0.05});
        for (input, expected) in [
            (priced, "unknown field `usd`, expected `tokens` or `cost_microusd`"),
            (bounded, "argument `expires_at`: \"soon\" is no time"),
            (of(json!({"at": "tomorrow"})), "argument `when.at`: \"tomorrow\" is no time"),
            (of(json!({"webhook": {"preset": "github"}})), "unknown variant `webhook`"),
            (
                json!({"name": "Not so", "description": "d", "when": {"every_s": 60}, "do": {"flow": {"id": "f"}}}),
                "argument `name`",
            ),
            (
                json!({"name": "n", "when": {"every_s": 60}, "do": {"flow": {"id": "f"}}}),
                "missing field `description`",
            ),
        ] {
            let told = trigger(input).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn what_becomes_of_slots_is_said_as_people_say_it() {
        let made = trigger(json!({
            "name": "n", "description": "d", "when": {"cron": "0 8 * * *"}, "timezone": "Europe/Berlin",
            "do": {"dispatch": {"hand": "runner/script", "input": {}}},
            "misfire": {"all": 3}, "overlap": "queue", "jitter_s": "30", "retry": {"max": 2, "backoff_s": [60, 600]},
            "budget": {"cost_microusd": 50_000, "tokens": null}, "expires_at": "1970-01-01T00:00:02Z",
        }));
        assert_eq!(
            serde_json::to_value(made.unwrap()).unwrap(),
            json!({
                "name": "n", "description": "d", "when": {"cron": "0 8 * * *"}, "timezone": "Europe/Berlin",
                "do": {"dispatch": {"hand": "runner/script", "input": {}}},
                "misfire": {"all": 3}, "overlap": "queue", "jitter_s": 30, "retry": {"max": 2, "backoff_s": [60, 600]},
                "budget": {"cost_microusd": 50_000}, "expires_at": 2_000,
            })
        );
    }
}
