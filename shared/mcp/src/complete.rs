//! What an argument of a prompt or a template may be, while it is typed.

use nexus_wire::ErrorBody;
use nexus_wire::chat::{ChatThreads, ThreadPage};
use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};

use crate::bus::Bus;
use crate::server::TeamServer;

impl<B: Bus> TeamServer<B> {
    pub(crate) async fn completed(
        &self,
        request: &CompleteRequestParams,
    ) -> Result<CompletionInfo, ErrorBody> {
        let of = match &request.r#ref {
            Reference::Prompt(prompt) => prompt.name.as_str(),
            Reference::Resource(template) => template.uri.as_str(),
            _ => return Ok(CompletionInfo::default()),
        };
        let values: Vec<String> = match (of, request.argument.name.as_str()) {
            (_, "aspect") | ("nexus://knowledge/{of}/{topic}", "of") => {
                self.team().await?.aspects.into_iter().map(|aspect| aspect.name.to_string()).collect()
            }
            (_, "thread") => {
                let page: ThreadPage = self.look(ChatThreads::default()).await?;
                page.threads.into_iter().map(|thread| thread.id.to_string()).collect()
            }
            _ => Vec::new(),
        };
        let typed = request.argument.value.as_str();
        let mut fitting: Vec<String> = values.into_iter().filter(|value| value.starts_with(typed)).collect();
        let all = fitting.len();
        fitting.truncate(CompletionInfo::MAX_VALUES);
        let more = all > fitting.len();
        Ok(CompletionInfo::with_pagination(fitting, u32::try_from(all).ok(), more).unwrap_or_default())
    }
}
