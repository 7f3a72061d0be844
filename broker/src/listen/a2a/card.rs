//! Agent cards: what a stranger is told, which is the same whoever is asked about, and what somebody with a
//! credential is told of an aspect and of the team.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use a2a::{
    AgentCapabilities, AgentCard, AgentInterface, AgentSkill, HttpAuthSecurityScheme, SecurityRequirement,
    SecurityScheme, TRANSPORT_PROTOCOL_HTTP_JSON, TRANSPORT_PROTOCOL_JSONRPC, VERSION,
};
use nexus_wire::hands::HandSpec;
use nexus_wire::roster::{AspectInfo, AspectRole};
use nexus_wire::{AspectName, NameError};

/// The name under which the Nexus as a whole is asked; no aspect can be called that.
const NEXUS: &str = "nexus";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
/// The skill of whoever can be talked to.
const TALK: &str = "talk";
const SCHEME: &str = "bearer";

/// Who is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Of {
    /// Whoever leads the team.
    Nexus,
    Aspect(AspectName),
}

impl FromStr for Of {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == NEXUS { Ok(Self::Nexus) } else { text.parse().map(Self::Aspect) }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nexus => f.write_str(NEXUS),
            Self::Aspect(name) => name.fmt(f),
        }
    }
}

/// What anybody may know. It says of every name the same, so that nobody learns from it who is on the team.
pub(super) fn public(origin: &str, of: &Of) -> AgentCard {
    let description = match of {
        Of::Nexus => "A team of AI agents. With a credential, its extended card names who is on it.",
        Of::Aspect(_) => "An agent of a Nexus, if there is one of that name: its extended card says so.",
    };
    card(origin, of, description.to_owned(), vec![talk()])
}

/// What somebody with a credential may know of one aspect.
pub(super) fn of_aspect(origin: &str, info: &AspectInfo) -> AgentCard {
    let role = match info.role {
        AspectRole::Frame => "leads the team",
        AspectRole::Worker => "is on the team",
    };
    let model = if info.model.is_empty() { String::new() } else { format!(" Its model is {}.", info.model) };
    let description = format!("The agent {} {role}.{model}", info.name);
    let skills = [talk()].into_iter().chain(info.hands.iter().map(skill)).collect();
    card(origin, &Of::Aspect(info.name.clone()), description, skills)
}

/// What somebody with a credential may know of the team: each of its aspects is a skill, with the address of the
/// card of its own.
pub(super) fn of_team(origin: &str, team: &[AspectInfo]) -> AgentCard {
    let lead = team.iter().find(|it| it.role == AspectRole::Frame);
    let lead = lead.map_or_else(
        || "nobody leads it, so ask one of its agents".to_owned(),
        |it| format!("{} leads it and answers what is sent here", it.name),
    );
    let ask = |it: &AspectInfo| AgentSkill {
        id: it.name.to_string(),
        name: format!("Ask {}", it.name),
        description: format!(
            "Its own card is {}/.well-known/agent-card.json",
            address(origin, &Of::Aspect(it.name.clone()))
        ),
        tags: tags("agent", &it.capabilities),
        examples: None,
        input_modes: None,
        output_modes: None,
        security_requirements: None,
    };
    let skills = [talk()].into_iter().chain(team.iter().map(ask)).collect();
    card(origin, &Of::Nexus, format!("A team of AI agents; {lead}."), skills)
}

fn address(origin: &str, of: &Of) -> String {
    format!("{origin}/a2a/{of}")
}

fn card(origin: &str, of: &Of, description: String, skills: Vec<AgentSkill>) -> AgentCard {
    let url = address(origin, of);
    let interface = |binding: &str| AgentInterface {
        url: url.clone(),
        protocol_binding: binding.to_owned(),
        protocol_version: VERSION.to_owned(),
        tenant: None,
    };
    let bearer = SecurityScheme::HttpAuth(HttpAuthSecurityScheme {
        scheme: "Bearer".to_owned(),
        description: Some("An operator's API token, or an aspect's access token".to_owned()),
        bearer_format: None,
    });
    AgentCard {
        name: match of {
            Of::Nexus => "Nexus".to_owned(),
            Of::Aspect(name) => name.to_string(),
        },
        description,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        supported_interfaces: [TRANSPORT_PROTOCOL_JSONRPC, TRANSPORT_PROTOCOL_HTTP_JSON]
            .map(interface)
            .to_vec(),
        capabilities: AgentCapabilities {
            streaming: Some(true),
            push_notifications: Some(true),
            extensions: None,
            extended_agent_card: Some(true),
        },
        default_input_modes: vec![TEXT.to_owned(), JSON.to_owned()],
        default_output_modes: vec![TEXT.to_owned()],
        skills,
        provider: None,
        documentation_url: None,
        icon_url: None,
        security_schemes: Some(HashMap::from([(SCHEME.to_owned(), bearer)])),
        security_requirements: Some(vec![SecurityRequirement::from([(SCHEME.to_owned(), Vec::new())])]),
        signatures: None,
    }
}

fn talk() -> AgentSkill {
    AgentSkill {
        id: TALK.to_owned(),
        name: "Talk".to_owned(),
        description: "Says something in a conversation and gets an answer.".to_owned(),
        tags: vec!["chat".to_owned()],
        examples: None,
        input_modes: None,
        output_modes: None,
        security_requirements: None,
    }
}

fn skill(hand: &HandSpec) -> AgentSkill {
    let description = match hand.description.trim() {
        "" => format!("The Hand {}: one input, one output.", hand.name),
        text => text.to_owned(),
    };
    AgentSkill {
        id: hand.name.to_string(),
        name: hand.name.to_string(),
        description,
        tags: tags("hand", &hand.capabilities),
        examples: None,
        input_modes: Some(vec![JSON.to_owned(), TEXT.to_owned()]),
        output_modes: Some(vec![JSON.to_owned(), TEXT.to_owned()]),
        security_requirements: None,
    }
}

fn tags(first: &str, others: &[String]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(others.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wren() -> AspectInfo {
        serde_json::from_value(json!({
            "name": "wren", "role": "frame", "state": "online", "since": 0, "model": "m1", "provider": "scripted",
            "context_mode": "thread", "capabilities": ["canon"], "slots": 1, "generation": 1, "backlog": 0,
            "hands": [{"name": "verify", "description": "Verifies a claim.", "capabilities": ["facts"]},
                      {"name": "bare"}],
        }))
        .unwrap()
    }

    fn value(card: &AgentCard) -> Value {
        serde_json::to_value(card).unwrap()
    }

    #[test]
    fn a_stranger_learns_of_every_name_the_same() {
        let one = value(&public("http://localhost:1", &"wren".parse().unwrap())).to_string();
        let other = value(&public("http://localhost:1", &"nobody".parse().unwrap())).to_string();
        assert_eq!(one.replace("wren", "nobody"), other);
        let nexus = value(&public("http://localhost:1", &Of::Nexus));
        assert_eq!(nexus["name"], "Nexus");
        assert_eq!(nexus["supportedInterfaces"][0]["url"], "http://localhost:1/a2a/nexus");
        assert_eq!(nexus["skills"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn who_is_in_learns_skills_and_where_each_agent_is() {
        let card = value(&of_aspect("https://nexus.example", &wren()));
        assert_eq!(card["description"], "The agent wren leads the team. Its model is m1.");
        let skills: Vec<_> =
            card["skills"].as_array().unwrap().iter().map(|it| (&it["id"], &it["tags"])).collect();
        let expected = [
            (json!("talk"), json!(["chat"])),
            (json!("verify"), json!(["hand", "facts"])),
            (json!("bare"), json!(["hand"])),
        ];
        assert_eq!(skills, expected.iter().map(|(id, tags)| (id, tags)).collect::<Vec<_>>());
        assert_eq!(
            card["supportedInterfaces"],
            json!([
                {"url": "https://nexus.example/a2a/wren", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
                {"url": "https://nexus.example/a2a/wren", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
            ])
        );
        let team = value(&of_team("https://nexus.example", &[wren()]));
        assert_eq!(team["description"], "A team of AI agents; wren leads it and answers what is sent here.");
        assert_eq!(team["skills"][1]["id"], "wren");
        assert_eq!(
            team["skills"][1]["description"],
            "Its own card is https://nexus.example/a2a/wren/.well-known/agent-card.json"
        );
    }

    #[test]
    fn the_nexus_has_a_name_that_no_aspect_can_have() {
        assert_eq!("nexus".parse::<Of>(), Ok(Of::Nexus));
        assert!("Wren".parse::<Of>().is_err() && "tasks:x".parse::<Of>().is_err());
        assert!(matches!("wren".parse::<Of>(), Ok(Of::Aspect(_))));
    }
}
