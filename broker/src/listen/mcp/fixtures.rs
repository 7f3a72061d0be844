//! What public conformance suites look for in a server: tools, prompts and resources whose names and answers are
//! agreed upon. Nothing of the team is behind them. There only with `nexus serve --conformance-fixtures`.

#![expect(deprecated, reason = "the older generation, which is served too, has it")]

mod calls;
mod inputs;

use std::sync::OnceLock;

use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, Prompt, PromptArgument, PromptMessage, ReadResourceResult, Reference,
    RequestStateCodec, Resource, ResourceContents, ResourceTemplate, Role, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::SubscriptionSink;
use serde_json::json;
use tokio::sync::broadcast;

/// One red pixel.
const IMAGE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// No sound at all.
const AUDIO: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";
const SCHEME: &str = "test://";

pub(super) struct Fixtures {
    /// States that a client brings back are only good if they came from here.
    codec: RequestStateCodec,
    changes: broadcast::Sender<List>,
}

impl std::fmt::Debug for Fixtures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixtures").finish_non_exhaustive()
    }
}

/// A list that was said to have changed.
#[derive(Clone, Copy, Debug)]
enum List {
    Prompts,
    Tools,
}

/// What changes, for one subscription.
#[derive(Debug)]
pub(super) struct Changes(broadcast::Receiver<List>);

impl Changes {
    /// Tells of it until the subscription ends.
    pub(super) async fn tell(mut self, sink: &SubscriptionSink) {
        loop {
            // One that was not asked for is refused by the sink.
            let _ = match self.0.recv().await {
                Ok(List::Prompts) => sink.notify_prompt_list_changed().await,
                Ok(List::Tools) => sink.notify_tool_list_changed().await,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
        }
    }
}

impl Default for Fixtures {
    fn default() -> Self {
        let secret: [u8; 32] = rand::random();
        Self { codec: RequestStateCodec::new_unchecked(secret), changes: broadcast::Sender::new(16) }
    }
}

impl Fixtures {
    /// What the server says of itself, and what fixtures are good for besides.
    pub(super) fn extend(mut info: ServerConfig) -> ServerConfig {
        let all = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let own = &mut info.capabilities;
        own.completions = own.completions.take().or(all.completions);
        own.logging = all.logging;
        own.prompts = all.prompts;
        own.tools = all.tools;
        let lists_change = own.resources.as_ref().and_then(|it| it.list_changed);
        own.resources = all.resources;
        if let Some(resources) = &mut own.resources {
            resources.list_changed = lists_change;
        }
        info
    }

    pub(super) fn tools(&self) -> Vec<Tool> {
        static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
        // A test reads it.
        TOOLS
            .get_or_init(|| serde_json::from_str(include_str!("fixtures/tools.json")).unwrap_or_default())
            .clone()
    }

    pub(super) fn tool(&self, name: &str) -> Option<Tool> {
        self.tools().into_iter().find(|it| it.name == name)
    }

    /// What changes from now on.
    pub(super) fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    pub(super) fn prompts(&self) -> Vec<Prompt> {
        let argument =
            |name: &str, about: &str| PromptArgument::new(name).with_description(about).with_required(true);
        vec![
            Prompt::new("test_simple_prompt", Some("Has no arguments"), None),
            Prompt::new(
                "test_prompt_with_arguments",
                Some("Says its arguments"),
                Some(vec![argument("arg1", "The first"), argument("arg2", "The second")]),
            ),
            Prompt::new(
                "test_prompt_with_embedded_resource",
                Some("Brings a resource"),
                Some(vec![argument("resourceUri", "The resource's address")]),
            ),
            Prompt::new("test_prompt_with_image", Some("Brings an image"), None),
            Prompt::new("test_input_required_result_prompt", Some("Needs an answer of the user"), None),
        ]
    }

    /// `None`: there is no such fixture.
    pub(super) fn prompt(
        &self,
        request: &GetPromptRequestParams,
    ) -> Option<Result<GetPromptResponse, ErrorData>> {
        let argument = |name: &str| {
            let value = request.arguments.as_ref().and_then(|it| it.get(name));
            value.and_then(|it| it.as_str()).unwrap_or_default().to_owned()
        };
        let text = |text: &str| PromptMessage::new_text(Role::User, text);
        let messages = match request.name.as_str() {
            "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => {
                let said = format!(
                    "Prompt with arguments: arg1='{}', arg2='{}'",
                    argument("arg1"),
                    argument("arg2")
                );
                vec![text(&said)]
            }
            "test_prompt_with_embedded_resource" => {
                let contents =
                    ResourceContents::text("Embedded resource content for testing.", argument("resourceUri"));
                let block = ContentBlock::resource(contents.with_mime_type("text/plain"));
                vec![
                    PromptMessage::new(Role::User, block),
                    text("Please process the embedded resource above."),
                ]
            }
            "test_prompt_with_image" => vec![
                PromptMessage::new(Role::User, ContentBlock::image(IMAGE, "image/png")),
                text("Please analyze the image above."),
            ],
            "test_input_required_result_prompt" => {
                return Some(inputs::prompt(request.input_responses.as_ref()));
            }
            _ => return None,
        };
        Some(Ok(GetPromptResult::new(messages).into()))
    }

    pub(super) fn resources(&self) -> Vec<Resource> {
        vec![
            Resource::new("test://static-text", "static-text")
                .with_description("A text")
                .with_mime_type("text/plain"),
            Resource::new("test://static-binary", "static-binary")
                .with_description("An image")
                .with_mime_type("image/png"),
            Resource::new("test://watched-resource", "watched-resource")
                .with_description("A text to subscribe to")
                .with_mime_type("text/plain"),
        ]
    }

    pub(super) fn templates(&self) -> Vec<ResourceTemplate> {
        let template = ResourceTemplate::new("test://template/{id}/data", "template");
        vec![template.with_description("Says which one it is").with_mime_type("application/json")]
    }

    /// Whether an address is one of a fixture, be there something or not.
    pub(super) fn has(uri: &str) -> bool {
        uri.starts_with(SCHEME)
    }

    /// `None`: the address is no fixture's.
    pub(super) fn read(&self, uri: &str) -> Option<Result<ReadResourceResult, ErrorData>> {
        let name = uri.strip_prefix(SCHEME)?;
        let template = name.strip_prefix("template/").and_then(|it| it.strip_suffix("/data"));
        let contents = match (name, template) {
            ("static-text", _) => {
                let text = "This is the content of the static text resource.";
                ResourceContents::text(text, uri).with_mime_type("text/plain")
            }
            ("watched-resource", _) => ResourceContents::text("Watched.", uri).with_mime_type("text/plain"),
            ("static-binary", _) => ResourceContents::blob(IMAGE, uri).with_mime_type("image/png"),
            (_, Some(id)) => {
                let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                ResourceContents::text(data.to_string(), uri).with_mime_type("application/json")
            }
            (_, None) => {
                let message = format!("there is no resource {uri}");
                return Some(Err(ErrorData::resource_not_found(message, Some(json!({"uri": uri})))));
            }
        };
        Some(Ok(ReadResourceResult::new(vec![contents])))
    }

    /// `None`: it is asked about something that is no fixture.
    pub(super) fn complete(&self, request: &CompleteRequestParams) -> Option<CompleteResult> {
        let values = match &request.r#ref {
            Reference::Prompt(prompt) if prompt.name.starts_with("test_") => ["paris", "park", "party"],
            Reference::Resource(resource) if Self::has(&resource.uri) => ["1", "2", "3"],
            Reference::Prompt(_) | Reference::Resource(_) | _ => return None,
        };
        let begun = |value: &&str| value.starts_with(&request.argument.value);
        let values = values.iter().copied().filter(begun).map(str::to_owned).collect();
        CompletionInfo::new(values).ok().map(CompleteResult::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_is_read_and_named_once() {
        let fixtures = Fixtures::default();
        let mut names: Vec<String> = fixtures.tools().into_iter().map(|it| it.name.into_owned()).collect();
        assert_eq!(names.len(), 28);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 28);
    }
}
