//! What a client of `/mcp` talks to: the team, and before it what conformance suites look for, where that was asked
//! for. A link that is closed answers what is under way, so that nobody waits for what does not come any more.

#![expect(deprecated, reason = "the older generation, which is served too, has it")]

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_mcp_server::TeamServer;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
    CompleteRequestParams, CompleteResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use super::fixtures::{Changes, Fixtures};
use super::link::Link;

type Context = RequestContext<RoleServer>;

/// JSON-RPC leaves these numbers to servers; clients show the text.
const CLOSED: ErrorCode = ErrorCode(-32000);

pub(super) struct Served {
    link: Arc<Link>,
    team: TeamServer<Link>,
    fixtures: Option<Arc<Fixtures>>,
    /// Listened to from before the client is told that it is subscribed.
    changes: Mutex<Option<Changes>>,
}

impl Served {
    pub(super) fn new(link: Arc<Link>, fixtures: Option<Arc<Fixtures>>) -> Self {
        let team = TeamServer::new(Arc::clone(&link), env!("CARGO_PKG_VERSION"));
        Self { team, link, fixtures, changes: Mutex::default() }
    }

    async fn unless_closed<T>(
        &self,
        answer: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.link.closed() => {
                let message = "the broker ended this link before there was an answer: it is stopping, or the credential was taken back; connect again and look before repeating what acts";
                Err(ErrorData::new(CLOSED, message, None))
            }
        }
    }

    /// Fixtures are of all kinds, whatever the team has.
    async fn page<T: Default>(
        &self,
        page: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        match self.unless_closed(page).await {
            Err(error) if self.fixtures.is_some() && error.code == ErrorCode::METHOD_NOT_FOUND => {
                Ok(T::default())
            }
            page => page,
        }
    }
}

impl ServerHandler for Served {
    fn get_info(&self) -> ServerConfig {
        let info = self.team.get_info();
        if self.fixtures.is_some() { Fixtures::extend(info) } else { info }
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.team.supported_protocol_versions()
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: Context,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.team.on_initialized(context).await;
    }

    async fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) {
        self.team.on_cancelled(notification, context).await;
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let fixture = self.fixtures.as_ref().and_then(|it| it.tool(name));
        fixture.or_else(|| self.team.get_tool(name))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut page = self.page(self.team.list_tools(request, context)).await?;
        if let Some(fixtures) = self.fixtures.as_ref().filter(|_| is_first) {
            page.tools.splice(0..0, fixtures.tools());
        }
        Ok(page)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.fixtures.as_ref().filter(|it| it.tool(&request.name).is_some()) {
            Some(fixtures) => self.unless_closed(fixtures.call(request, context)).await,
            None => self.unless_closed(self.team.call_tool(request, context)).await,
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut page = self.page(self.team.list_prompts(request, context)).await?;
        if let Some(fixtures) = self.fixtures.as_ref().filter(|_| is_first) {
            page.prompts.splice(0..0, fixtures.prompts());
        }
        Ok(page)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        match self.fixtures.as_ref().and_then(|it| it.prompt(&request)) {
            Some(prompt) => prompt,
            None => self.unless_closed(self.team.get_prompt(request, context)).await,
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut page = self.page(self.team.list_resources(request, context)).await?;
        if let Some(fixtures) = self.fixtures.as_ref().filter(|_| is_first) {
            page.resources.splice(0..0, fixtures.resources());
        }
        Ok(page)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let is_first = is_first(request.as_ref());
        let mut page = self.page(self.team.list_resource_templates(request, context)).await?;
        if let Some(fixtures) = self.fixtures.as_ref().filter(|_| is_first) {
            page.resource_templates.splice(0..0, fixtures.templates());
        }
        Ok(page)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match self.fixtures.as_ref().and_then(|it| it.read(&request.uri)) {
            Some(answer) => answer.map(Into::into),
            None => self.unless_closed(self.team.read_resource(request, context)).await,
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        match self.fixtures.as_ref().and_then(|it| it.complete(&request)) {
            Some(answer) => Ok(answer),
            None => self.unless_closed(self.team.complete(request, context)).await,
        }
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        if self.fixtures.is_some() {
            return Ok(());
        }
        self.team.set_level(request, context).await
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        if self.fixtures.is_some() && Fixtures::has(&request.uri) {
            return Ok(());
        }
        self.unless_closed(self.team.subscribe(request, context)).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        if self.fixtures.is_some() && Fixtures::has(&request.uri) {
            return Ok(());
        }
        self.unless_closed(self.team.unsubscribe(request, context)).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        if let Some(fixtures) = &self.fixtures {
            *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(fixtures.changes());
            return Some(requested.clone());
        }
        self.team.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let sink = context.sink().clone();
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let fixtures = async {
            match changes {
                Some(changes) => changes.tell(&sink).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = self.team.listen(context) => ended,
            () = fixtures => Ok(()),
            // The stream ends as it should, with a result.
            () = self.link.closed() => Ok(()),
        }
    }

    async fn get_task(&self, request: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData> {
        self.unless_closed(self.team.get_task(request, context)).await
    }

    async fn update_task(&self, request: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        self.unless_closed(self.team.update_task(request, context)).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        self.unless_closed(self.team.cancel_task(request, context)).await
    }
}

/// Fixtures stand on the first page.
fn is_first(request: Option<&PaginatedRequestParams>) -> bool {
    request.is_none_or(|it| it.cursor.is_none())
}
