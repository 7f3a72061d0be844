//! `nexctl context`: which brokers this machine knows. Talks to none of them.

use std::path::{Path, PathBuf};

use crate::Run;
use crate::cli::{ContextAction, Global};
use crate::failure::Failure;
use crate::settings::{Config, Context, Env};
use crate::table;
use crate::ui::Shape;

pub(crate) fn context(run: &Run, global: &Global, env: &Env, action: ContextAction) -> Result<(), Failure> {
    let path = env.config_path()?;
    let mut config = Config::load(&path)?;
    match action {
        ContextAction::Add { name, token_file, make_current } => {
            let context = described(global, env, token_file)?;
            let line = format!("context {name} is {}", context.url);
            config.contexts.insert(name.clone(), context);
            if make_current || config.current.is_none() {
                config.current = Some(name);
            }
            config.save(&path)?;
            run.ui.result_line(&line)
        }
        ContextAction::List => list(run, &config),
        ContextAction::Remove { name } => {
            config.context(&name)?;
            config.contexts.remove(&name);
            config.current = config.current.filter(|current| *current != name);
            config.save(&path)?;
            run.ui.result_line(&format!("context {name} is forgotten"))
        }
        ContextAction::Use { name } => {
            config.context(&name)?;
            config.current = Some(name.clone());
            config.save(&path)?;
            run.ui.result_line(&format!("context {name} is the current one"))
        }
    }
}

fn described(global: &Global, env: &Env, token_file: Option<PathBuf>) -> Result<Context, Failure> {
    let url = global.reach.url.clone().or_else(|| env.url.clone()).ok_or_else(|| {
        Failure::Usage("which broker? add --url http://127.0.0.1:7888 or --url https://HOST:PORT".into())
    })?;
    let token = global.reach.token.as_deref().map(Into::into).or_else(|| env.token.clone());
    let token = token.filter(|_| token_file.is_none());
    if token.is_none() && token_file.is_none() {
        return Err(Failure::Usage("which token? add --token-file FILE, or set NEXUS_TOKEN".into()));
    }
    // A CA means something with TLS only; $NEXUS_CA may be set for another broker.
    let secure = url.trim_start().starts_with("https:");
    let ca_file = global.reach.ca.as_deref().or(env.ca.as_deref()).filter(|_| secure);
    let context = Context {
        url,
        token,
        token_file: token_file.as_deref().map(absolute).transpose()?,
        ca_file: ca_file.map(absolute).transpose()?,
        login: None,
    };
    // Said now rather than at the first use.
    context.target()?.broker()?;
    Ok(context)
}

/// The file as it can be found from any folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::Usage(format!("{} is no path: {error}", path.display())))
}

fn list(run: &Run, config: &Config) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => {
            let contexts: Vec<_> = config
                .contexts
                .iter()
                .map(|(name, context)| {
                    let current = config.current.as_ref() == Some(name);
                    serde_json::json!({"name": name, "url": context.url, "current": current})
                })
                .collect();
            run.ui.data(&serde_json::json!({"contexts": contexts}))
        }
        Shape::Text if config.contexts.is_empty() => run.ui.result_line(
            "no contexts; add one with: nexctl context add home --url http://127.0.0.1:7888 --token-file <data>/operator.token",
        ),
        Shape::Text => run.ui.result(&table::contexts(&run.ui, config)),
    }
}
