//! A team, and assistants at work with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nexus_tests::process::PATIENCE;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    ProgressNotificationParam, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RoleClient, RunningService, serve_client};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, Peer};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Answers what it is asked, and has a Hand that waits for a file.
pub(crate) const SCRIPT: &str = r#"
[[rule]]
match = "wait"
[[rule.step]]
hold = "answer-gate"
say = "at last"

[[rule]]
hand = "shout"
[[rule.step]]
answer = { loud = "{{ input.text | upper }}" }

[[rule]]
hand = "hold-on"
[[rule.step]]
hold = "hand-gate"
say = "held"

[[rule]]
match = "hello"
[[rule.step]]
say = "hello yourself"
"#;

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) wren: PathBuf,
    pub(crate) agent: Process,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let text =
            json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
        let loud =
            json!({"type": "object", "properties": {"loud": {"type": "string"}}, "required": ["loud"]});
        let hands = json!([
            {"name": "shout", "input_schema": text, "output_schema": loud},
            {"name": "hold-on", "timeout_s": 600},
        ]);
        let wren = world.home("wren", json!({"role": "frame", "hands": hands}), SCRIPT);
        let agent = world.agent(&wren);
        Self { world, wren, agent }
    }

    /// Lets what waits for this file go on.
    pub(crate) fn open(&self, gate: &str) {
        std::fs::write(self.wren.join(gate), "").expect("the folder is ours");
    }

    /// A token of a new operator with this role, in a file.
    pub(crate) fn token_file(&self, name: &str, role: &str) -> PathBuf {
        let (data, file) = (self.world.data(), self.world.dir().join(format!("{name}.token")));
        let args = ["operator", "add", name, "--role", role, "--data", &data.to_string_lossy()];
        let out = self.world.run("nexus", &args);
        assert!(out.status.success(), "{}", text(&out));
        let said = text(&out);
        let token = said.split_whitespace().find(|word| word.starts_with("nxo_")).expect("a token");
        std::fs::write(&file, token).expect("the folder is ours");
        file
    }

    /// The keyfile of a new aspect.
    pub(crate) fn keyfile(&self, name: &str) -> PathBuf {
        let (data, home) = (self.world.data(), self.world.dir().join(name));
        std::fs::create_dir_all(&home).expect("the folder is ours");
        let args =
            ["aspect", "add", name, "--data", &data.to_string_lossy(), "--home", &home.to_string_lossy()];
        let out = self.world.run("nexus", &args);
        assert!(out.status.success(), "{}", text(&out));
        home.join(".nexus").join("key.json")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command("nexus-mcp");
        command.args(args).env("NEXUS_URL", self.world.url()).env_remove("NEXUS_KEYFILE");
        command
    }

    /// As the first operator.
    pub(crate) async fn operator(&self) -> Assistant {
        self.assistant(&["--token-file", &self.world.data().join("operator.token").to_string_lossy()]).await
    }

    pub(crate) async fn aspect(&self, name: &str) -> Assistant {
        let keyfile = self.keyfile(name);
        self.assistant_of(&keyfile).await
    }

    pub(crate) async fn assistant_of(&self, keyfile: &Path) -> Assistant {
        let mut command = self.command(&["--keyfile", &keyfile.to_string_lossy()]);
        command.env_remove("NEXUS_URL");
        Assistant::start(command).await
    }

    pub(crate) async fn assistant(&self, args: &[&str]) -> Assistant {
        Assistant::start(self.command(args)).await
    }

    /// With the broker itself, over HTTP.
    pub(crate) async fn assistant_over_http(&self, token: &str) -> Assistant {
        let terms = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.world.url()));
        let terms = terms.auth_header(token.trim().to_owned());
        // Somebody else may have chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().build().expect("a client");
        Assistant::over(StreamableHttpClientTransport::with_client(client, terms)).await
    }

    pub(crate) fn states(&self) -> Vec<(String, String)> {
        let list = self.world.nexctl_json(&["get", "dispatches"]);
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = list["dispatches"].as_array().cloned().unwrap_or_default();
        all.iter().map(|it| (words(&it["hand"]), words(&it["state"]))).collect()
    }

    pub(crate) fn reaches(&self, hand: &str, state: &str) {
        let wanted = (hand.to_owned(), state.to_owned());
        wait_until(&format!("{hand} {state}"), || self.states().contains(&wanted).then_some(()));
    }
}

/// What a client was told without asking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) tools_changed: u32,
    pub(crate) progress: Vec<String>,
    pub(crate) updated: Vec<String>,
}

pub(crate) struct Listener(watch::Sender<Told>);

impl ClientHandler for Listener {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.send_modify(|told| told.tools_changed += 1);
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.send_modify(|told| told.progress.extend(progress.message));
    }

    async fn on_resource_updated(
        &self,
        updated: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.send_modify(|told| told.updated.push(updated.uri));
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("an assistant", "1"))
    }
}

/// A client, with its own `nexus-mcp` or of the broker.
pub(crate) struct Assistant {
    running: RunningService<RoleClient, Listener>,
    told: watch::Receiver<Told>,
}

impl Assistant {
    pub(crate) async fn start(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        Self::over(TokioChildProcess::new(command).expect("nexus-mcp starts")).await
    }

    async fn over<E: std::error::Error + Send + Sync + 'static, A>(
        transport: impl IntoTransport<RoleClient, E, A>,
    ) -> Self {
        let (sender, told) = watch::channel(Told::default());
        let running =
            within("the handshake", serve_client(Listener(sender), transport)).await.expect("it is MCP");
        Self { running, told }
    }

    pub(crate) fn peer(&self) -> &Peer<RoleClient> {
        self.running.peer()
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> CallToolResult {
        let request = request(name, arguments);
        within(name, self.peer().call_tool(request)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The structure of a result that has to be one.
    pub(crate) async fn ok(&self, name: &str, arguments: Value) -> Value {
        let result = self.call(name, arguments).await;
        assert_ne!(result.is_error, Some(true), "{name}: {}", said(&result));
        result.structured_content.unwrap_or_else(|| panic!("{name} has no structure"))
    }

    /// The text of a result that has to be a failure.
    pub(crate) async fn refused(&self, name: &str, arguments: Value) -> String {
        let result = self.call(name, arguments).await;
        assert_eq!(result.is_error, Some(true), "{name}: {}", said(&result));
        said(&result)
    }

    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = within("the tools", self.peer().list_all_tools()).await.expect("they are listed");
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Waits until the tools fit.
    pub(crate) async fn tools_until(&self, what: &str, fit: impl Fn(&[String]) -> bool) {
        let mut told = self.told.clone();
        within(what, async {
            while !fit(&self.tools().await) {
                told.changed().await.expect("the client lives");
            }
        })
        .await;
    }

    /// Waits until what it was told fits.
    pub(crate) async fn told(&self, what: &str, fit: impl Fn(&Told) -> bool) {
        let mut told = self.told.clone();
        within(what, told.wait_for(|told| fit(told))).await.expect("the client lives");
    }

    pub(crate) async fn end(self) {
        within("the end", self.running.cancel()).await.expect("it ends");
    }
}

pub(crate) fn request(name: &str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(name.to_owned()).with_arguments(arguments)
}

/// All the text of a result.
pub(crate) fn said(result: &CallToolResult) -> String {
    let texts: Vec<&str> =
        result.content.iter().filter_map(|it| it.as_text()).map(|it| it.text.as_str()).collect();
    texts.join("\n")
}

/// What takes longer hangs.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience: Duration = PATIENCE;
    tokio::time::timeout(patience, future).await.unwrap_or_else(|_| panic!("{what} hangs"))
}
