//! `nexctl registry`: typed tables, and what stands in them.

use std::path::Path;

use nexus_client::Client;
use nexus_wire::limits::{DURABLE_BYTES_MAX, PAGE_MAX};
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    FieldType, Registry, RegistryDelete, RegistryFile, RegistryGet, RegistryHistory, RegistryList,
    RegistryPage, RegistryPut, RegistryRead, RegistryRemove, RegistryRow, RegistryRowGet, RegistryValues,
    RegistryWrite,
};
use serde_json::Value;

use crate::cli::RegistryAction;
use crate::failure::Failure;
use crate::page::Page;
use crate::ui::{printable, yaml};
use crate::{Run, table, text};

pub(crate) async fn registry(run: &Run, action: RegistryAction) -> Result<(), Failure> {
    match action {
        RegistryAction::Put { file } => put(run, &file).await,
        RegistryAction::Delete { registry } => {
            let mut client = run.connect().await?;
            let done = run.change(&mut client, RegistryDelete { registry }).await?;
            client.close().await;
            run.answer(&done, || match done.deleted {
                true => format!("registry {} is deleted, its rows and their history with it", done.registry),
                false => format!("there was no registry {}; see: nexctl registry list", done.registry),
            })
        }
        RegistryAction::Write { registry, row, values, if_version } => {
            let mut client = run.connect().await?;
            let info = run.within(client.call(RegistryGet { registry: registry.clone() })).await??;
            let row = (row != "-").then_some(row);
            let values = typed(&info.registry, &values)?;
            let write = RegistryWrite { registry, row, values, if_version };
            let done = run.change(&mut client, write).await?;
            client.close().await;
            run.answer(&done, || {
                let now = if done.changed { "is" } else { "was the same before," };
                printable(&format!("row {} {now} version {}", done.row, done.version))
            })
        }
        RegistryAction::Remove { registry, row, if_version } => {
            let mut client = run.connect().await?;
            let done = run.change(&mut client, RegistryRemove { registry, row, if_version }).await?;
            client.close().await;
            run.answer(&done, || {
                printable(&match done.removed {
                    true => format!("row {} is removed; its history stays", done.row),
                    false => format!("there was no row {}", done.row),
                })
            })
        }
        look @ (RegistryAction::Get { .. }
        | RegistryAction::History { .. }
        | RegistryAction::List
        | RegistryAction::Rows { .. }
        | RegistryAction::Show { .. }) => shown(run, look).await,
    }
}

async fn put(run: &Run, file: &Path) -> Result<(), Failure> {
    let put = RegistryPut::from(read(file)?);
    let mut client = run.connect().await?;
    let stored = run.change(&mut client, put).await?;
    client.close().await;
    run.answer(&stored, || {
        let is = if stored.changed { "is kept" } else { "is the same as before" };
        let entries = match stored.written {
            0 => String::new(),
            1 => "; 1 entry was written".to_owned(),
            written => format!("; {written} entries were written"),
        };
        format!("registry {} {is}, version {}{entries}", stored.registry, stored.version)
    })
}

fn read(file: &Path) -> Result<RegistryFile, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", file.display()));
    let written = match file.to_str() {
        Some("-") => text::of_stdin(&mut std::io::stdin())?,
        Some(_) | None => {
            let bytes = std::fs::metadata(file).map_err(|error| wrong(&error))?.len();
            if bytes > DURABLE_BYTES_MAX as u64 {
                return Err(wrong(&format!("{bytes} bytes; {DURABLE_BYTES_MAX} is the most")));
            }
            std::fs::read_to_string(file).map_err(|error| wrong(&error))?
        }
    };
    serde_yaml_ng::from_str(&written).map_err(|error| wrong(&error))
}

/// What only looks.
async fn shown(run: &Run, action: RegistryAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    match action {
        RegistryAction::List => run.within(list(run, &mut client)).await??.print(run)?,
        RegistryAction::Show { registry } => {
            run.within(one(run, &mut client, registry)).await??.print(run)?;
        }
        RegistryAction::Rows { registry, filter, limit, after } => {
            let info = run.within(client.call(RegistryGet { registry: registry.clone() })).await??;
            let page = run.within(client.call(RegistryRead { registry, filter, after, limit })).await??;
            let empty = page.rows.is_empty().then_some("there are no such rows");
            let next = page.rows.last().filter(|_| page.more).map(|row| row.row.clone());
            let rows = || table::registry_rows(&run.ui, &info.registry, &page.rows, run.now());
            Page::of(run, &page, empty, rows)?.going_on("--after", next).print(run)?;
        }
        RegistryAction::Get { registry, row } => {
            let row = run.within(client.call(RegistryRowGet { registry, row })).await??;
            run.answer(&row, || described(&row))?;
        }
        RegistryAction::History { registry, row, limit, before } => {
            let page = run.within(client.call(RegistryHistory { registry, row, before, limit })).await??;
            let empty = page.changes.is_empty().then_some("nothing has changed yet");
            let next = page.changes.last().filter(|_| page.more).map(|change| change.version);
            let rows = || table::registry_changes(&run.ui, &page.changes, run.now());
            Page::of(run, &page, empty, rows)?.going_on("--before", next).print(run)?;
        }
        RegistryAction::Delete { .. }
        | RegistryAction::Put { .. }
        | RegistryAction::Remove { .. }
        | RegistryAction::Write { .. } => {}
    }
    client.close().await;
    Ok(())
}

pub(crate) async fn list(run: &Run, client: &mut Client) -> Result<Page, Failure> {
    let mut all = RegistryPage::default();
    loop {
        let after = all.registries.last().map(|head| head.name.clone());
        let page = client.call(RegistryList { after, limit: Some(PAGE_MAX) }).await?;
        all.registries.extend(page.registries);
        if !page.more {
            break;
        }
    }
    let empty = "there are no registries; see: nexctl registry put --help";
    let rows = || table::registries(&run.ui, &all.registries, run.now());
    Page::of(run, &all, all.registries.is_empty().then_some(empty), rows)
}

pub(crate) async fn one(run: &Run, client: &mut Client, registry: RegistryName) -> Result<Page, Failure> {
    let info = client.call(RegistryGet { registry }).await?;
    let told = yaml(&info.registry)
        .map_err(|error| Failure::Failed(format!("the registry cannot be shown: {error}")))?;
    Page::of(run, &info, None, || told)
}

fn described(row: &RegistryRow) -> String {
    let mut lines = vec![format!("row {}, version {}, by {}", row.row, row.version, row.by)];
    lines.extend(row.values.iter().map(|(field, value)| format!("{field}: {}", plain(value))));
    lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
}

/// A text as it is, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What was typed, as the fields' types have it. What a field does not take is for the broker to say.
fn typed(registry: &Registry, given: &[String]) -> Result<RegistryValues, Failure> {
    let mut values = RegistryValues::new();
    for text in given {
        let Some((name, text)) = text.split_once('=') else {
            return Err(Failure::Usage(format!("{text:?}: write FIELD=VALUE, for example state=active")));
        };
        let kind = registry.fields.iter().find(|field| field.name == name).map(|field| field.kind);
        let value = match kind {
            _ if text.is_empty() => Value::Null,
            Some(FieldType::String | FieldType::Date | FieldType::Datetime) => Value::from(text),
            Some(FieldType::Json) => serde_json::from_str(text)
                .map_err(|error| Failure::Usage(format!("{name}: {text:?} is no JSON: {error}")))?,
            Some(FieldType::Number | FieldType::Integer | FieldType::Boolean) | None => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
            }
        };
        if values.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("{name} is given twice")));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_typed_becomes_what_the_field_takes() {
        let registry: Registry = serde_json::from_value(json!({"name": "r", "fields": [
            {"name": "a", "type": "string"}, {"name": "b", "type": "integer"}, {"name": "c", "type": "boolean"},
            {"name": "d", "type": "json"}, {"name": "e", "type": "number"},
        ]}))
        .expect("a registry");
        let typed = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|it| (*it).to_owned()).collect();
            typed(&registry, &given).map(|values| json!(values)).map_err(|failure| failure.to_string())
        };
        assert_eq!(
            typed(&["a=12", "b=12", "c=true", "d=[1, \"x=y\"]", "e="]),
            Ok(json!({"a": "12", "b": 12, "c": true, "d": [1, "x=y"], "e": null}))
        );
        assert_eq!(typed(&["b=twelve", "f=1"]), Ok(json!({"b": "twelve", "f": 1})));
        assert_eq!(typed(&["a"]), Err("\"a\": write FIELD=VALUE, for example state=active".to_owned()));
        assert_eq!(typed(&["a=1", "a=2"]), Err("a is given twice".to_owned()));
        assert!(typed(&["d=["]).unwrap_err().starts_with("d: \"[\" is no JSON"));
    }
}
