//! A whole broker in this process, over real sockets.

mod client;
mod dashboard;
mod events;
mod gathers;
mod http;
mod invitations;
mod links;
mod people;
mod share;
mod traces;

use std::path::Path;

use nexus_client::KeyFile;
use nexus_wire::AspectName;
use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::roster::AspectRole;
use tempfile::TempDir;

use crate::config::Config;
use crate::hub::CommandBody;
use crate::identity::token;
use crate::serve::Running;

struct World {
    dir: TempDir,
    running: Running,
    token: String,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = start(dir.path(), settings).await;
        let token = running.first_token().unwrap().to_owned();
        Self { dir, running, token }
    }

    fn url(&self) -> &str {
        self.running.url()
    }

    fn authority(&self) -> &str {
        self.url().split_once("://").unwrap().1
    }

    /// Lets an aspect in; what it would find in its home.
    async fn aspect(&self, name: &str) -> KeyFile {
        let name: AspectName = name.parse().unwrap();
        let id = self.running.edge.info().nexus_id;
        let ca = std::fs::read_to_string(self.dir.path().join("ca.pem")).unwrap();
        let keyfile = KeyFile::generate(name.clone(), id, self.url().to_owned(), Some(ca)).unwrap();
        let add = AspectAdd {
            name,
            role: AspectRole::Worker,
            public_key: keyfile.public_key.clone(),
            share_knowledge: true,
        };
        let body = CommandBody::AddAspect { by: nexus_wire::Party::System, add };
        self.running.edge.call(body, 0).await.unwrap();
        keyfile
    }

    async fn operator(&self, name: &str, role: OperatorRole) -> String {
        let token = token::mint();
        let add = OperatorAdd { name: name.parse().unwrap(), role, token_sha256: token::sha256_hex(&token) };
        let body = CommandBody::AddOperator { by: nexus_wire::Party::System, add };
        self.running.edge.call(body, 0).await.unwrap();
        token
    }
}

async fn start(data: &Path, settings: &[(&'static str, &str)]) -> Running {
    let mut flags = vec![("listen", "127.0.0.1:0".to_owned())];
    flags.extend(settings.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let (config, _) = Config::load(data, &flags, |_| None).unwrap();
    Running::start(config).await.unwrap()
}
