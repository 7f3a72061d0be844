//! Registries, their rows, and what became of those.

use nexus_wire::Ms;
use nexus_wire::registry::{Registry, RegistryChange, RegistryHead, RegistryRow, RegistryValues};

use super::grid::Give::{Cut, Go, Keep};
use super::grid::{Cell, Grid};
use super::{ago, or_dash, title};
use crate::registry::plain;
use crate::ui::Ui;

pub fn registries(ui: &Ui, registries: &[RegistryHead], now: Ms) -> String {
    let columns = [
        ("REGISTRY", Keep),
        ("ROWS", Keep),
        ("FIELDS", Go(2)),
        ("VERSION", Go(4)),
        ("PUT", Go(1)),
        ("BY", Go(3)),
        ("ABOUT", Cut),
    ];
    let mut table = Grid::new(ui, &columns);
    for head in registries {
        table.add_row(vec![
            Cell::new(&head.name),
            Cell::new(head.rows),
            Cell::new(head.fields),
            Cell::new(head.version),
            Cell::new(ago(head.at, now)),
            Cell::new(&head.by),
            Cell::new(or_dash(&title(ui, &head.description))),
        ]);
    }
    table.text()
}

/// A column for each field; the last ones go first where there is no room.
pub fn registry_rows(ui: &Ui, registry: &Registry, rows: &[RegistryRow], now: Ms) -> String {
    let fields: Vec<&str> = registry
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| registry.key.as_deref() != Some(*name))
        .collect();
    let headings: Vec<String> = fields.iter().map(|name| name.to_uppercase()).collect();
    let mut columns = vec![("ROW", Keep)];
    columns.extend(headings.iter().enumerate().map(|(place, heading)| {
        let give = if place == 0 { Cut } else { Go(u8::try_from(place).unwrap_or(u8::MAX)) };
        (heading.as_str(), give)
    }));
    columns.extend([("VERSION", Go(250)), ("CHANGED", Go(251)), ("BY", Go(252))]);
    let mut table = Grid::new(ui, &columns);
    for row in rows {
        let mut cells = vec![Cell::new(title(ui, &row.row))];
        cells.extend(fields.iter().map(|name| {
            let value = row.values.get(*name).map(plain).unwrap_or_default();
            Cell::new(or_dash(&title(ui, &value)))
        }));
        cells.extend([Cell::new(row.version), Cell::new(ago(row.at, now)), Cell::new(&row.by)]);
        table.add_row(cells);
    }
    table.text()
}

pub fn registry_changes(ui: &Ui, changes: &[RegistryChange], now: Ms) -> String {
    let columns = [("VERSION", Keep), ("ROW", Keep), ("WHEN", Keep), ("BY", Go(1)), ("WHAT", Cut)];
    let mut table = Grid::new(ui, &columns);
    for change in changes {
        table.add_row(vec![
            Cell::new(change.version),
            Cell::new(title(ui, &change.row)),
            Cell::new(ago(change.at, now)),
            Cell::new(&change.by),
            Cell::new(title(ui, &what(change))),
        ]);
    }
    table.text()
}

/// `state: lead → active, hours: 3 → -`.
fn what(change: &RegistryChange) -> String {
    let none = RegistryValues::new();
    let (before, after) = match (&change.before, &change.after) {
        (_, None) => return "removed".to_owned(),
        (before, Some(after)) => (before.as_ref().unwrap_or(&none), after),
    };
    let told = |values: &RegistryValues, name: &str| values.get(name).map_or_else(|| "-".to_owned(), plain);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let parts: Vec<String> = changed
        .map(|name| match change.before {
            None => format!("{name}: {}", told(after, name)),
            Some(_) => format!("{name}: {} → {}", told(before, name), told(after, name)),
        })
        .collect();
    parts.join(", ")
}
