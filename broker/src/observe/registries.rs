//! Registries and their rows, as everybody is shown them.

use nexus_expr::{Expr, Shape};
use nexus_wire::limits::REPLY_BYTES_MAX;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    Registry, RegistryChanges, RegistryHead, RegistryHistory, RegistryInfo, RegistryList, RegistryPage,
    RegistryRead, RegistryRow, RegistryRows,
};
use nexus_wire::{ErrorBody, ErrorCode, Json};
use serde_json::{Map, Value};

use super::{Refusal, fit, not_found, page};
use crate::admit::RegistryLook;
use crate::hub::records::{Reads, RegistryRecord};

/// Rows that are looked at in one go.
const ROWS_AT_ONCE: u32 = 200;

pub(super) fn answer(store: &impl Reads, look: &RegistryLook) -> Result<Json, Refusal> {
    match look {
        RegistryLook::Get(get) => Ok(Json::of(&registry(store, &get.registry)?)),
        RegistryLook::History(wanted) => Ok(Json::of(&history(store, wanted)?)),
        RegistryLook::List(wanted) => Ok(Json::of(&list(store, wanted)?)),
        RegistryLook::Read(read) => Ok(Json::of(&rows(store, read)?)),
        RegistryLook::Row(get) => {
            registry(store, &get.registry)?;
            let missing = || not_found(format!("registry {} has no such row", get.registry));
            let row = store.registry_row(&get.registry, &get.row)?.ok_or_else(missing)?;
            Ok(Json::of(&row))
        }
    }
}

fn registry(store: &impl Reads, name: &RegistryName) -> Result<RegistryInfo, Refusal> {
    let found = store.registry(name)?.and_then(RegistryRecord::info);
    found.ok_or_else(|| not_found(format!("there is no registry {name}")))
}

fn list(store: &impl Reads, list: &RegistryList) -> Result<RegistryPage, Refusal> {
    let limit = page(list.limit);
    let found = store.registries(list.after.as_ref(), limit + 1)?;
    let mut registries: Vec<RegistryHead> = found.iter().filter_map(RegistryRecord::head).collect();
    let is_longer = registries.len() > limit as usize;
    registries.truncate(limit as usize);
    let more = fit(&mut registries, REPLY_BYTES_MAX) || is_longer;
    Ok(RegistryPage { registries, more })
}

fn history(store: &impl Reads, history: &RegistryHistory) -> Result<RegistryChanges, Refusal> {
    registry(store, &history.registry)?;
    let limit = page(history.limit);
    let before = history.before.unwrap_or(u64::MAX);
    let mut changes = store.registry_changes(&history.registry, history.row.as_deref(), before, limit + 1)?;
    let is_longer = changes.len() > limit as usize;
    changes.truncate(limit as usize);
    let more = fit(&mut changes, REPLY_BYTES_MAX) || is_longer;
    Ok(RegistryChanges { changes, more })
}

fn rows(store: &impl Reads, read: &RegistryRead) -> Result<RegistryRows, Refusal> {
    let RegistryInfo { registry, .. } = registry(store, &read.registry)?;
    let filter = read.filter.as_ref().map(|text| filter(&registry, text)).transpose()?;
    let limit = page(read.limit) as usize;
    let mut after = read.after.clone();
    let mut rows = Vec::new();
    while rows.len() <= limit {
        let found = store.registry_rows(&read.registry, after.as_deref(), ROWS_AT_ONCE)?;
        let Some(last) = found.last() else { break };
        after = Some(last.row.clone());
        for row in found {
            if passes(&registry, filter.as_ref(), &row)? {
                rows.push(row);
            }
        }
    }
    let is_longer = rows.len() > limit;
    rows.truncate(limit);
    let more = fit(&mut rows, REPLY_BYTES_MAX) || is_longer;
    Ok(RegistryRows { rows, more })
}

/// The expression, if it names fields that there are.
fn filter(registry: &Registry, text: &str) -> Result<Expr, Refusal> {
    let told = |place: nexus_expr::Place, message: &str| {
        let message = format!("filter, at {}:{}: {message}", place.line, place.column);
        Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message))
    };
    let expr = Expr::parse(text).map_err(|error| told(error.place, &error.message))?;
    let fields = Shape::fields(registry.fields.iter().map(|field| (field.name.as_str(), Shape::Any)));
    match expr.check(&fields).first() {
        None => Ok(expr),
        Some(missing) => Err(told(missing.place, &missing.to_string())),
    }
}

fn passes(registry: &Registry, filter: Option<&Expr>, row: &RegistryRow) -> Result<bool, Refusal> {
    let Some(filter) = filter else { return Ok(true) };
    let value = |name: &String| row.values.get(name).cloned().unwrap_or_default();
    let fields = registry.fields.iter().map(|field| (field.name.clone(), value(&field.name)));
    let scope = Value::Object(fields.collect::<Map<_, _>>());
    filter.holds(&scope).map_err(|error| {
        let message = format!("filter: row {}: {error}", row.row);
        Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message))
    })
}
