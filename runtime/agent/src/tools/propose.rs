//! Triggers that a model proposes: whoever of the people approves one makes it theirs.

use jiff::Timestamp;
use nexus_wire::Ms;
use nexus_wire::approval::{ApprovalAsk, ApprovalEnd, ApprovalState, Asked};
use nexus_wire::name::TriggerName;
use nexus_wire::trigger::{
    Act, After, AskAspect, DispatchHand, Event, Every, Misfire, Overlap, Retry, StartFlow,
};
use nexus_wire::trigger::{Trigger, When};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

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
            Times::At(time) => When::At(moment(&time)?),
            Times::Event(event) => When::Event(event),
            Times::After(after) => When::After(after),
        };
        let act = match self.act {
            Deed::Ask(ask) => Act::Ask(ask),
            Deed::Dispatch(dispatch) => Act::Dispatch(dispatch),
            Deed::Flow(flow) => Act::Flow(flow),
        };
        Ok(Trigger {
            name,
            description: self.description,
            when,
            act,
            timezone: self.timezone,
            misfire: Misfire::default(),
            overlap: Overlap::default(),
            jitter_s: 0,
            retry: Retry::default(),
            budget: Default::default(),
            expires_at: None,
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

fn moment(time: &str) -> Result<Ms, String> {
    let at = time.trim().parse::<Timestamp>().map_err(|why| {
        format!("argument `when.at`: {time:?} is no time ({why}); write it as 2026-11-26T08:00:00Z")
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
        for (when, expected) in [
            (json!({"cron": "0 8 * * 1"}), json!({"cron": "0 8 * * 1"})),
            (json!({"every_s": 60}), json!({"every": {"seconds": 60}})),
            (json!({"at": "1970-01-01T01:00:01+01:00"}), json!({"at": 1000})),
            (json!({"event": {"kinds": ["message"]}}), json!({"event": {"kinds": ["message"]}})),
            (json!({"after": {"flow": "f"}}), json!({"after": {"flow": "f", "on": "success"}})),
        ] {
            let made = serde_json::to_value(trigger(of(when)).unwrap()).unwrap();
            assert_eq!(made["when"], expected);
        }
        for (input, expected) in [
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
}
