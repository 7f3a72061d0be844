//! `workspace.yaml`: how the dashboard's home page is laid out, or everything that is wrong with that. Pure.

use std::collections::{BTreeMap, BTreeSet};

use nexus_expr::{Expr, Shape};
use nexus_flow::{Fault, Format, Places};
use nexus_wire::home::{HomeFile, HomeKind, HomeLayout, HomeRegistry, HomeSource, HomeThread, HomeWidget};
use nexus_wire::limits::{
    HOME_COLUMNS_MAX, HOME_DAYS_MAX, HOME_FILE_BYTES_MAX, HOME_HOURS_MAX, HOME_LINES_MAX,
    HOME_TEXT_BYTES_MAX, HOME_TITLE_BYTES_MAX, HOME_WIDGETS_MAX, REGISTRY_FILTER_BYTES_MAX,
};

use crate::layer::framework;

/// At the top of a workspace.
pub const HOME_FILE: &str = "workspace.yaml";

/// What is wrong, and the path of it: `home.widgets[2].source`.
struct Wrong {
    at: String,
    message: String,
}

/// The layout, and where its values stand; or every fault there is to be found. `None`: a file in which nothing is said.
pub(crate) fn read(text: &str) -> Result<Option<(HomeLayout, Places)>, Vec<Fault>> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(None);
    }
    let (file, places) = nexus_flow::read_as::<HomeFile>(text, Format::Yaml, HOME_FILE_BYTES_MAX)?;
    let wrong = check(&file.home);
    if wrong.is_empty() {
        return Ok(Some((file.home, places)));
    }
    let faults = wrong.into_iter().map(|Wrong { at, message }| Fault { place: places.of(&at), message });
    Err(faults.collect())
}

/// What the page looks like where no workspace says anything else.
pub fn shipped_home() -> HomeLayout {
    let file = framework().remove(HOME_FILE).unwrap_or_default();
    let read = std::str::from_utf8(&file).ok().and_then(|text| read(text).ok().flatten());
    read.map(|(layout, _)| layout).unwrap_or_default()
}

fn check(layout: &HomeLayout) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let count = layout.widgets.len();
    if !(1..=HOME_WIDGETS_MAX).contains(&count) {
        let message = format!("{count} widgets; there are 1 to {HOME_WIDGETS_MAX}");
        wrong.push(Wrong { at: "home.widgets".to_owned(), message });
    }
    for (place, widget) in layout.widgets.iter().enumerate() {
        let root = format!("home.widgets[{place}]");
        let mut told = |field: &str, message: String| {
            wrong.push(Wrong { at: format!("{root}.{field}"), message });
        };
        of_widget(widget, &mut told);
        if let Some(source) = &widget.source {
            of_source(source, &mut told);
        }
    }
    wrong
}

fn of_widget(widget: &HomeWidget, told: &mut impl FnMut(&str, String)) {
    let HomeWidget { kind, title, source, text, width: _, limit } = widget;
    if title.len() > HOME_TITLE_BYTES_MAX {
        told("title", format!("{} bytes; {HOME_TITLE_BYTES_MAX} is the most", title.len()));
    }
    if title.chars().any(char::is_control) {
        told("title", "a title is one line".to_owned());
    }
    match (kind, text) {
        (HomeKind::Markdown, None) => told("kind", "what does it say? write a `text`".to_owned()),
        (HomeKind::Markdown, Some(text)) if text.len() > HOME_TEXT_BYTES_MAX => {
            told("text", format!("{} bytes; {HOME_TEXT_BYTES_MAX} is the most", text.len()));
        }
        (_, Some(_)) if *kind != HomeKind::Markdown => {
            told("text", format!("a {} has no text; `kind: markdown` has", kind.as_str()));
        }
        (_, None | Some(_)) => {}
    }
    let shows = shown_by(*kind);
    match source {
        None if matches!(kind, HomeKind::Agents | HomeKind::Markdown) => {}
        None => {
            told(
                "kind",
                format!("what does it show? write a `source`; a {} shows {}", kind.as_str(), list(shows)),
            );
        }
        Some(_) if *kind == HomeKind::Markdown => {
            told("source", "markdown shows its `text` and nothing else".to_owned());
        }
        Some(source) if !shows.contains(&source.as_str()) => {
            let message =
                format!("a {} does not show {}; it shows {}", kind.as_str(), source.as_str(), list(shows));
            told("source", message);
        }
        Some(_) => {}
    }
    match limit {
        Some(_) if matches!(kind, HomeKind::Chart | HomeKind::Markdown | HomeKind::Stat) => {
            told("limit", format!("a {} has no lines", kind.as_str()));
        }
        Some(limit) if !(1..=HOME_LINES_MAX).contains(limit) => {
            told("limit", format!("{limit} is not within 1 to {HOME_LINES_MAX}"));
        }
        Some(_) | None => {}
    }
}

/// By the names that sources have.
fn shown_by(kind: HomeKind) -> &'static [&'static str] {
    match kind {
        HomeKind::Agents => &["aspects"],
        HomeKind::Chart => &["usage"],
        HomeKind::Chat => &["thread"],
        HomeKind::Markdown => &[],
        HomeKind::Stat => {
            &["alerts", "approvals", "aspects", "registry", "runs", "triggers", "usage", "waits", "work"]
        }
        HomeKind::Table => &["alerts", "approvals", "registry", "runs", "triggers", "usage", "waits", "work"],
        HomeKind::Timeline => &["runs", "triggers"],
    }
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

fn of_source(source: &HomeSource, told: &mut impl FnMut(&str, String)) {
    match source {
        HomeSource::Registry(registry) => of_registry(registry, told),
        HomeSource::Thread(HomeThread { id, with }) => {
            if id.is_some() == with.is_some() {
                told("source.thread", "say which thread: its `id`, or `with` which aspect it is".to_owned());
            }
        }
        HomeSource::Triggers(triggers) if !(1..=HOME_HOURS_MAX).contains(&triggers.hours) => {
            told("source.triggers.hours", format!("{} is not within 1 to {HOME_HOURS_MAX}", triggers.hours));
        }
        HomeSource::Usage(usage) if !(1..=HOME_DAYS_MAX).contains(&usage.days) => {
            told("source.usage.days", format!("{} is not within 1 to {HOME_DAYS_MAX}", usage.days));
        }
        HomeSource::Alerts(_)
        | HomeSource::Approvals(_)
        | HomeSource::Aspects(_)
        | HomeSource::Runs(_)
        | HomeSource::Triggers(_)
        | HomeSource::Usage(_)
        | HomeSource::Waits(_)
        | HomeSource::Work(_) => {}
    }
}

fn of_registry(registry: &HomeRegistry, told: &mut impl FnMut(&str, String)) {
    let HomeRegistry { name: _, columns, filter } = registry;
    if columns.len() > HOME_COLUMNS_MAX {
        told("source.registry.columns", format!("{} columns; {HOME_COLUMNS_MAX} is the most", columns.len()));
    }
    let mut seen = BTreeSet::new();
    for (place, column) in columns.iter().enumerate() {
        if !seen.insert(column) {
            told(
                &format!("source.registry.columns[{place}]"),
                format!("there is a column {column:?} before"),
            );
        }
    }
    let Some(filter) = filter else { return };
    if filter.len() > REGISTRY_FILTER_BYTES_MAX {
        let message = format!("{} bytes; {REGISTRY_FILTER_BYTES_MAX} is the most", filter.len());
        told("source.registry.where", message);
    } else if let Err(error) = Expr::parse(filter) {
        let message =
            format!("at {}:{} of this text: {}", error.place.line, error.place.column, error.message);
        told("source.registry.where", message);
    }
}

/// Something that a part of the page is about.
pub(crate) struct Named {
    pub(crate) at: String,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

/// Everything that parts of the page are about.
pub(crate) fn names(layout: &HomeLayout) -> Vec<Named> {
    let of = |(place, widget): (usize, &HomeWidget)| {
        let (field, kind, name) = match widget.source.as_ref()? {
            HomeSource::Registry(registry) => ("registry.name", "registry", registry.name.to_string()),
            HomeSource::Runs(runs) => ("runs.flow", "flow", runs.flow.as_ref()?.to_string()),
            HomeSource::Thread(thread) => ("thread.with", "aspect", thread.with.as_ref()?.to_string()),
            HomeSource::Alerts(_)
            | HomeSource::Approvals(_)
            | HomeSource::Aspects(_)
            | HomeSource::Triggers(_)
            | HomeSource::Usage(_)
            | HomeSource::Waits(_)
            | HomeSource::Work(_) => return None,
        };
        Some(Named { at: format!("home.widgets[{place}].source.{field}"), kind, name })
    };
    layout.widgets.iter().enumerate().filter_map(of).collect()
}

/// Which fields, of the registries that are known with theirs, there are not: the path of each and what is wrong there.
pub(crate) fn fields(layout: &HomeLayout, known: &BTreeMap<String, Vec<String>>) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    for (place, widget) in layout.widgets.iter().enumerate() {
        let Some(HomeSource::Registry(HomeRegistry { name, columns, filter })) = &widget.source else {
            continue;
        };
        let Some(fields) = known.get(name.as_str()) else { continue };
        let root = format!("home.widgets[{place}].source.registry");
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| !fields.contains(column)) {
            let message = format!("registry {name} has no field {column:?}; it has {}", fields.join(", "));
            wrong.push((format!("{root}.columns[{at}]"), message));
        }
        let shape = Shape::fields(fields.iter().map(|field| (field.as_str(), Shape::Any)));
        let parsed = filter.as_ref().and_then(|text| Expr::parse(text).ok());
        if let Some(missing) = parsed.and_then(|expr| expr.check(&shape).into_iter().next()) {
            let message =
                format!("at {}:{} of this text: {missing}", missing.place.line, missing.place.column);
            wrong.push((format!("{root}.where"), message));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use nexus_wire::home::HomeWidth;

    use super::*;

    fn told(text: &str) -> Vec<String> {
        match read(text) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_is_shipped_is_in_order() {
        let text = String::from_utf8(framework()[HOME_FILE].clone()).expect("UTF-8");
        assert_eq!(told(&text), [""; 0]);
        let widths: Vec<_> = shipped_home().widgets.iter().map(|it| (it.title.clone(), it.width)).collect();
        let expected = [
            ("Waits for you", HomeWidth::Wide),
            ("Alerts", HomeWidth::Wide),
            ("At work", HomeWidth::Wide),
            ("Last runs", HomeWidth::Wide),
            ("Who is there", HomeWidth::Narrow),
            ("Planned", HomeWidth::Narrow),
            ("Spent today", HomeWidth::Narrow),
        ];
        assert_eq!(widths, expected.map(|(title, width)| (title.to_owned(), width)));
    }

    #[test]
    fn what_the_documentation_shows_is_in_order() {
        let page = include_str!("../../../docs/workspace.md");
        let shown = page.split("```yaml\n").filter_map(|rest| rest.split("```").next());
        let shown: Vec<&str> = shown.filter(|text| text.starts_with("home:")).collect();
        assert_eq!(shown.iter().map(|text| told(text)).collect::<Vec<_>>(), [[""; 0]]);
    }

    #[test]
    fn a_file_in_which_nothing_is_said_is_no_fault() {
        assert_eq!(read("# Later.\n\n"), Ok(None));
    }

    #[test]
    fn every_fault_is_told_where_it_stands() {
        let text = "home:\n  widgets:\n    - { kind: stat }\n    - { kind: chart, source: alerts }\n    \
                    - kind: markdown\n      source: alerts\n      limit: 3\n    \
                    - { kind: table, source: { registry: { name: rates, columns: [a, a], where: 'a ==' } } }\n    \
                    - { kind: table, source: { usage: { days: 93 } }, limit: 0, text: x }\n    \
                    - { kind: timeline, source: { triggers: { hours: 0 } } }\n    \
                    - kind: chat\n      source: { thread: {} }\n      title: \"a\\nb\"\n";
        let expected = [
            "3:15: what does it show? write a `source`; a stat shows alerts, approvals",
            "4:30: a chart does not show alerts; it shows usage",
            "5:13: what does it say? write a `text`",
            "6:15: markdown shows its `text` and nothing else",
            "7:14: a markdown has no lines",
            "8:70: there is a column \"a\" before",
            "8:82: at 1:5 of this text: ",
            "9:71: a table has no text; `kind: markdown` has",
            "9:62: 0 is not within 1 to 50",
            "9:47: 93 is not within 1 to 92",
            "10:54: 0 is not within 1 to 168",
            "13:15: a title is one line",
            "12:25: say which thread: its `id`, or `with` which aspect it is",
        ];
        let found = told(text);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
    }

    #[test]
    fn what_is_no_layout_is_told_where_it_stands() {
        let wrong = [
            ("home: { widgets: [{ kind: gauge }] }", "1:27: unknown variant `gauge`"),
            ("home: { widgets: [{ kind: stat, source: moon }] }", "1:41: unknown variant `moon`"),
            ("home: { widgets: [{ kind: stat, source: { moon: {} } }] }", "1:43: unknown field `moon`"),
            ("home: { widgets: [{ kind: stat, source: { runs: { to: x } } }] }", "1:51: unknown field `to`"),
            ("home: { widgets: [{ kind: stat, src: alerts }] }", "1:33: unknown field `src`"),
            ("house: {}", "1:1: unknown field `house`"),
            ("home: { widgets: [] }", "1:18: 0 widgets; there are 1 to 24"),
            ("home: [", "2:1: "),
        ];
        for (text, expected) in wrong {
            let found = told(text);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}, not {expected}");
        }
    }
}
