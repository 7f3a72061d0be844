//! The Hands of a runner as the team sees them: what each takes, gives, may take in time, and whether it may be repeated.

use nexus_wire::budget::Budget;
use nexus_wire::hands::HandSpec;
use nexus_wire::name::HandName;
use serde_json::{Value, json};

use super::Act;
use super::config::{RawNotify, Runner, Script};
use super::webhook::Webhook;
use crate::home::{Hand, Isolation};

/// For what stands around the work itself.
const SLACK_S: u32 = 30;
const NOTIFY_S: u32 = 60;
const DESCRIPTION_CHARS_MAX: usize = 2000;

impl Runner {
    /// `capabilities` and `slots` are the aspect's own: its Hands have them all.
    pub(crate) fn hands(&self, capabilities: &[String], slots: u32) -> Vec<Hand> {
        let offer = |act: Act, about: About| -> Option<Hand> {
            let name: HandName = act.name().parse().ok()?;
            let own = [act.capability()].into_iter().chain(about.repeatable_script.then_some("repeatable"));
            let own = own.map(str::to_owned).chain(capabilities.iter().cloned()).collect();
            let spec = HandSpec {
                name,
                description: about.description.chars().take(DESCRIPTION_CHARS_MAX).collect(),
                input_schema: Some(about.takes),
                output_schema: Some(about.gives),
                timeout_s: about.seconds.saturating_add(SLACK_S),
                concurrency: about.places.max(1),
                allowed_invokers: None,
                capabilities: own,
                idempotent: about.idempotent,
            };
            Some(Hand {
                spec,
                act: Some(act),
                instructions: String::new(),
                tools: Vec::new(),
                rounds_max: None,
                budget: Budget::default(),
                isolation: Isolation::default(),
                provider: None,
                sandbox: None,
                grants: Vec::new(),
            })
        };
        let mut hands = Vec::new();
        for act in [Act::Script, Act::ScriptRepeatable] {
            let repeatable = act == Act::ScriptRepeatable;
            let scripts: Vec<_> =
                self.scripts.iter().filter(|(_, script)| script.about.repeatable || !repeatable).collect();
            if !scripts.is_empty() {
                hands.extend(offer(act, of_scripts(&scripts, repeatable, slots)));
            }
        }
        if let Some(webhook) = &self.webhook {
            hands.extend(offer(Act::Webhook, of_webhook(webhook, slots)));
        }
        if let Some(most) = self.wait {
            // So that those who wait leave places to those who work.
            hands.extend(offer(
                Act::Wait,
                of_wait(u32::try_from(most.as_secs()).unwrap_or(u32::MAX), slots / 2),
            ));
        }
        if let Some(notify) = &self.notify {
            hands.extend(offer(Act::Notify, of_notify(notify, self.webhook.as_ref(), slots)));
        }
        hands
    }
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Script => "script",
            Self::ScriptRepeatable => "script-repeatable",
            Self::Wait => "wait",
            Self::Webhook => "webhook",
        }
    }

    fn capability(self) -> &'static str {
        match self {
            Self::Script | Self::ScriptRepeatable => "script",
            Self::Notify | Self::Wait | Self::Webhook => self.name(),
        }
    }
}

struct About {
    description: String,
    takes: Value,
    gives: Value,
    seconds: u32,
    places: u32,
    idempotent: bool,
    repeatable_script: bool,
}

fn of_scripts(scripts: &[(&String, &Script)], repeatable: bool, slots: u32) -> About {
    let lines = scripts.iter().map(|(name, script)| match script.about.description.trim() {
        "" => (*name).clone(),
        description => format!("{name}: {description}"),
    });
    let lines = lines.collect::<Vec<_>>().join("; ");
    let again = match repeatable {
        true => "It is run again when its runner is lost in the middle.",
        false => "When its runner is lost in the middle it is not run again.",
    };
    let names: Vec<&String> = scripts.iter().map(|(name, _)| *name).collect();
    let args = scripts.iter().map(|(_, script)| script.about.args_max).max().unwrap_or_default();
    let takes = json!({
        "type": "object",
        "properties": {
            "name": {"enum": names, "description": "Which script."},
            "args": {
                "type": "array", "items": {"type": "string"}, "maxItems": args,
                "description": "Arguments, passed on as they are; how many it takes is each script's own matter.",
            },
            "input": {"description": "Any JSON: on its standard input and, up to 64 KiB, in NEXUS_INPUT."},
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    let gives = json!({
        "type": "object",
        "properties": {
            "script": {"type": "string"},
            "output": {"description": "Its standard output, as text or as the JSON it is."},
            "truncated": {"type": "boolean"},
            "stderr": {"type": "string"},
            "duration_ms": {"type": "integer", "minimum": 0},
        },
        "required": ["script", "output", "truncated", "stderr", "duration_ms"],
    });
    About {
        description: format!("Runs one of these programs in a sandbox: {lines}. {again}"),
        takes,
        gives,
        seconds: scripts.iter().map(|(_, script)| script.about.timeout_s).max().unwrap_or_default(),
        places: slots,
        idempotent: repeatable,
        repeatable_script: repeatable,
    }
}

fn of_webhook(webhook: &Webhook, places: u32) -> About {
    let about = webhook.about();
    let again = match about.repeatable {
        true => "It is made again when its runner is lost in the middle, with the same Idempotency-Key.",
        false => "When its runner is lost in the middle it is not made again.",
    };
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let secrets = names(about.secrets.keys().map(String::as_str).collect());
    let credentials = names(about.credentials.iter().map(|name| name.as_str()).collect());
    let url = format!(
        "https://host/path, secret:<name> for an address that is secret, or credential:<name>/<path> through the broker. \
         Secrets: {secrets}. Credentials: {credentials}."
    );
    About {
        description: format!(
            "Makes one HTTP request to one of these servers: {}. {again}",
            webhook.servers()
        ),
        takes: json!({
            "type": "object",
            "properties": {
                "url": {"type": "string", "minLength": 1, "description": url},
                "method": {"enum": ["DELETE", "GET", "PATCH", "POST", "PUT"], "description": "POST unless said."},
                "headers": {
                    "type": "object", "additionalProperties": {"type": "string"},
                    "description": "A value may be or end with secret:<name>: \"Bearer secret:crm\".",
                },
                "body": {"description": "A text is sent as it is, anything else as JSON."},
            },
            "required": ["url"],
            "additionalProperties": false,
        }),
        gives: json!({
            "type": "object",
            "properties": {
                "status": {"type": "integer"},
                "content_type": {"type": "string"},
                "body": {"description": "As JSON where it is, else as text."},
                "truncated": {"type": "boolean"},
            },
            "required": ["status", "content_type", "body", "truncated"],
        }),
        seconds: about.timeout_s,
        places,
        idempotent: about.repeatable,
        repeatable_script: false,
    }
}

fn of_wait(most: u32, places: u32) -> About {
    About {
        description: format!("Does nothing for a while, at most {most} s, or until a moment."),
        takes: json!({
            "type": "object",
            "properties": {
                "seconds": {"type": "integer", "minimum": 0, "maximum": most},
                "until": {"type": "string", "description": "A moment, such as 2030-01-31T08:00:00Z."},
            },
            "additionalProperties": false,
            "oneOf": [{"required": ["seconds"]}, {"required": ["until"]}],
        }),
        gives: json!({
            "type": "object",
            "properties": {"until": {"type": "string"}, "waited_s": {"type": "integer", "minimum": 0}},
            "required": ["until", "waited_s"],
        }),
        seconds: most,
        places,
        idempotent: true,
        repeatable_script: false,
    }
}

fn of_notify(notify: &RawNotify, webhook: Option<&Webhook>, places: u32) -> About {
    let to = notify.to.as_ref().map(|to| to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let whom = to.unwrap_or_else(|| "anybody".to_owned());
    let services: Vec<&String> = notify.webhooks.keys().collect();
    let mut takes = json!({
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "operator": {"type": "string", "description": "A person's name."},
            "aspect": {"type": "string", "description": "An aspect's name."},
            "thread": {"type": "string", "description": "The id of a thread this runner takes part in."},
            "topic": {"type": "string", "description": "The title of the thread this opens."},
        },
        "required": ["text"],
        "additionalProperties": false,
        "oneOf": [{"required": ["operator"]}, {"required": ["aspect"]}, {"required": ["thread"]}],
    });
    let mut outside = String::new();
    if !services.is_empty() {
        let names = services.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        outside = format!(" Services outside it may tell: {names}.");
        takes["properties"]["webhook"] = json!({"enum": services, "description": "A service outside."});
        if let Some(ways) = takes["oneOf"].as_array_mut() {
            ways.push(json!({"required": ["webhook"]}));
        }
    }
    // Whether services outside go by the key is said for all that are called.
    let idempotent = services.is_empty() || webhook.is_some_and(|webhook| webhook.about().repeatable);
    About {
        description: format!("Tells somebody something in a message. It may tell {whom}.{outside}"),
        takes,
        gives: json!({
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "thread": {"type": "string"},
                "recipients": {"type": "array", "items": {"type": "string"}},
                "webhook": {"type": "string"},
                "status": {"type": "integer"},
            },
            "oneOf": [{"required": ["message", "thread", "recipients"]}, {"required": ["webhook", "status"]}],
        }),
        seconds: webhook
            .filter(|_| !services.is_empty())
            .map_or(NOTIFY_S, |it| it.about().timeout_s.max(NOTIFY_S)),
        places,
        idempotent,
        repeatable_script: false,
    }
}
