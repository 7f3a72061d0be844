//! What is kept: knowledge and who may read it, skills, blobs, credentials, contexts.

use nexus_wire::Ms;
use nexus_wire::blob::BlobInfo;
use nexus_wire::credential::CredentialInfo;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeUsage};
use nexus_wire::name::Party;
use nexus_wire::workspace::Skill;

use super::grid::Give::{Cut, Go, Keep, Wide};
use super::grid::{Cell, Grid};
use super::{ago, or_dash, title};
use crate::settings::Config;
use crate::ui::{Ui, printable};

pub fn knowledge(ui: &Ui, entries: &[KnowledgeHead], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("TOPIC", Cut),
            ("OF", Keep),
            ("VERSION", Go(1)),
            ("AGE", Keep),
            ("SHARED", Go(2)),
            ("BYTES", Go(3)),
            ("FOUND", Go(4)),
            ("RECALLED", Go(5)),
            ("ENTRY", Wide),
        ],
    );
    for head in entries {
        let usage =
            |of: fn(KnowledgeUsage) -> u64| head.usage.map_or_else(|| "-".into(), |it| of(it).to_string());
        let shared = match (head.deleted, head.shared) {
            (true, _) => "deleted",
            (false, true) => "yes",
            (false, false) => "no",
        };
        table.add_row(vec![
            or_dash(&title(ui, &head.topic)),
            head.from.to_string(),
            head.version.to_string(),
            ago(head.at, now),
            shared.to_owned(),
            head.bytes.to_string(),
            usage(|it| it.found),
            usage(|it| it.recalled),
            head.entry.to_string(),
        ]);
    }
    table.text()
}

pub fn skills(ui: &Ui, skills: &[Skill]) -> String {
    let mut table =
        Grid::new(ui, &[("SKILL", Keep), ("TITLE", Go(2)), ("FOR", Cut), ("INPUT", Go(1)), ("FILE", Wide)]);
    for skill in skills {
        let input = if skill.input_schema.is_some() { "by schema" } else { "any" };
        table.add_row(vec![
            printable(&skill.name),
            or_dash(&title(ui, &skill.title)),
            or_dash(&title(ui, &skill.description)),
            input.to_owned(),
            printable(&skill.file),
        ]);
    }
    table.text()
}

pub fn grants(ui: &Ui, grants: &[KnowledgeGrantInfo], now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("ASPECT", Keep), ("MAY", Keep), ("OF", Keep), ("BY", Go(1)), ("SINCE", Go(2))]);
    for grant in grants {
        let name = |party: &Option<Party>| party.as_ref().map_or_else(|| "-".to_owned(), Party::to_string);
        table.add_row(vec![
            grant.to.to_string(),
            grant.may.as_str().to_owned(),
            name(&grant.of),
            name(&grant.by),
            grant.at.map_or_else(|| "-".to_owned(), |at| ago(at, now)),
        ]);
    }
    table.text()
}

pub fn blobs(ui: &Ui, blobs: &[BlobInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("BYTES", Keep),
            ("NAME", Cut),
            ("TYPE", Go(2)),
            ("PUT", Go(1)),
            ("BY", Go(3)),
            ("USED", Go(4)),
            ("ID", Keep),
        ],
    );
    for info in blobs {
        let owners: Vec<String> = info.owners.iter().map(Party::to_string).collect();
        table.add_row(vec![
            Cell::new(info.bytes),
            Cell::new(printable(info.name.as_deref().unwrap_or("-"))),
            Cell::new(printable(&info.media_type)),
            Cell::new(ago(info.at, now)),
            Cell::new(owners.join(",")),
            Cell::new(info.references),
            Cell::new(info.id),
        ]);
    }
    table.text()
}

pub fn credentials(ui: &Ui, credentials: &[CredentialInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("NAME", Keep),
            ("KIND", Go(2)),
            ("MODE", Keep),
            ("GOES TO", Cut),
            ("HEADER", Go(3)),
            ("FOR", Cut),
            ("SECRET SET", Go(1)),
        ],
    );
    for info in credentials {
        let aspects: Vec<&str> = info.allowed_aspects.iter().map(nexus_wire::AspectName::as_str).collect();
        table.add_row(vec![
            Cell::new(&info.name),
            Cell::new(info.kind.as_str()),
            Cell::new(info.mode.as_str()),
            Cell::new(printable(info.base_url.as_deref().unwrap_or("-"))),
            Cell::new(printable(&info.header)),
            Cell::new(aspects.join(",")),
            Cell::new(ago(info.rotated_at, now)),
        ]);
    }
    table.text()
}

pub fn contexts(ui: &Ui, config: &Config) -> String {
    let mut table = Grid::new(ui, &[("", Keep), ("NAME", Keep), ("URL", Keep), ("TOKEN", Cut)]);
    for (name, context) in &config.contexts {
        let current = if config.current.as_ref() == Some(name) { "*" } else { "" };
        let token = match (&context.token_file, &context.token) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(_)) => "kept here".to_owned(),
            (None, None) => "none".to_owned(),
        };
        table.add_row(vec![current.to_owned(), name.clone(), context.url.clone(), token]);
    }
    table.text()
}
