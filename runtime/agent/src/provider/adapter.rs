//! One provider of one aspect: the adapter for its API, made from its settings.

use std::path::Path;

use super::anthropic::Anthropic;
use super::command::Command;
use super::ollama::Ollama;
use super::openai::Openai;
use super::retry::Telling;
use super::scripted::Scripted;
use super::settings::{ProviderKind, ProviderSettings};
use super::via::Via;
use super::{ProviderStartError, http};
use crate::conversation::{ModelReply, ModelRequest, ProviderErrorKind};

/// What an aspect without a provider says to whoever talks to it.
const NOBODY: &str =
    "this aspect has no model to answer with; dispatch one of its Hands, which nexctl describe aspect shows";

#[derive(Debug)]
pub(crate) enum Adapter {
    Anthropic(Anthropic),
    Command(Box<Command>),
    None,
    Ollama(Ollama),
    Openai(Openai),
    Scripted(Scripted),
}

impl Adapter {
    /// `via` is the way through the broker, for settings that name a credential of it.
    pub(crate) fn open(
        mut settings: ProviderSettings,
        home: &Path,
        via: Option<&Via>,
    ) -> Result<Self, ProviderStartError> {
        let via = match (&settings.credential, via) {
            (Some(name), Some(via)) => {
                settings.base_url = via.base_url(name);
                Some(via.clone())
            }
            (Some(_), None) => return Err(ProviderStartError::NoBroker),
            (None, _) => None,
        };
        let client = || http::client(&settings.base_url, via.as_ref());
        if let Some(command) = settings.command.take() {
            return Ok(Self::Command(Box::new(Command::new(settings, command, home))));
        }
        Ok(match settings.kind {
            ProviderKind::Command => return Err(ProviderStartError::NoCommand),
            ProviderKind::Anthropic => Self::Anthropic(Anthropic::new(client()?, settings, via)),
            ProviderKind::None => Self::None,
            ProviderKind::Ollama => Self::Ollama(Ollama::new(client()?, settings, via)),
            ProviderKind::Openai => Self::Openai(Openai::new(client()?, settings, via)),
            ProviderKind::Scripted => Self::Scripted(Scripted::open(home)?),
        })
    }

    /// One attempt at a round, numbered from 1.
    pub(crate) async fn attempt(
        &self,
        request: &ModelRequest,
        number: u32,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        match self {
            Self::Anthropic(adapter) => adapter.attempt(request, telling).await,
            Self::Command(adapter) => adapter.attempt(request, telling).await,
            Self::None => Err(ProviderErrorKind::Refused(NOBODY.to_owned())),
            Self::Ollama(adapter) => adapter.attempt(request, telling).await,
            Self::Openai(adapter) => adapter.attempt(request, telling).await,
            Self::Scripted(adapter) => adapter.attempt(request, number, telling).await,
        }
    }

    /// `None`: this API does not count.
    pub(crate) async fn count_tokens(
        &self,
        request: &ModelRequest,
    ) -> Option<Result<u64, ProviderErrorKind>> {
        match self {
            Self::Anthropic(adapter) => Some(adapter.count_tokens(request).await),
            Self::Command(_) | Self::None | Self::Ollama(_) | Self::Openai(_) | Self::Scripted(_) => None,
        }
    }

    /// `None`: this API has no embeddings, or none that an adapter asks for.
    pub(crate) async fn embed(&self, texts: &[String]) -> Option<Result<Vec<Vec<f32>>, ProviderErrorKind>> {
        match self {
            Self::Ollama(adapter) => Some(adapter.embed(texts).await),
            Self::Anthropic(_) | Self::Command(_) | Self::None | Self::Openai(_) | Self::Scripted(_) => None,
        }
    }
}
