//! The table as Markdown.

use std::fmt::Write as _;

use super::figures::Unit;
use super::{Bar, Line, Report, Spread, Verdict};

/// The whole report.
pub(crate) fn markdown(report: &Report) -> String {
    let machine = &report.machine;
    let mut out = String::new();
    let versions: Vec<String> = report.versions.iter().map(|(name, it)| format!("{name} {it}")).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "Commit `{}`, {}; {}, {} cores, {:.0} GiB, {}, {}, load {} before{}. {}. Median of {} rounds (min–max).\n",
        report.commit,
        report.date,
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.disk,
        machine.load,
        if machine.real_time { ", run with real-time priority" } else { "" },
        versions.join(", "),
        report.rounds,
    );
    for (name, why) in &report.missing_yardsticks {
        let _ = writeln!(out, "Missing yardstick: {name} ({why}).\n");
    }
    out.push_str("| row | what | measured | yardstick | ratio | first bar | goal |\n");
    out.push_str("|---|---|---|---|---|---|---|\n");
    for line in &report.lines {
        out.push_str(&row(line));
        out.push('\n');
    }
    for line in &report.lines {
        if let Some(why) = &line.missing {
            let _ = write!(out, "\n- `{}`: {why}", line.figure.name);
        }
    }
    let misses = report.misses();
    if !misses.is_empty() {
        let _ = write!(out, "\nFirst bar missed: {}.", misses.join(", "));
    }
    out.trim_end().to_owned() + "\n"
}

fn row(line: &Line) -> String {
    let figure = &line.figure;
    let measured = match (line.measured, &line.missing) {
        (Some(spread), _) => spread_text(spread, figure.unit),
        (None, Some(_)) => "not measured, see below".to_owned(),
        (None, None) => "not measured".to_owned(),
    };
    let yardstick = match (figure.yardstick, line.against) {
        (Some(name), Some(spread)) => format!("{name}: {}", spread_text(spread, figure.unit)),
        (Some(name), None) => name.to_owned(),
        (None, _) => "–".to_owned(),
    };
    let ratio = line
        .judged
        .map_or_else(|| "–".to_owned(), |it| format!("**{:.2}** ({:.2}–{:.2})", it.median, it.min, it.max));
    let first = verdict(line.first.as_ref(), figure.first, figure.unit, figure.yardstick.is_some());
    let goal = verdict(line.goal.as_ref(), figure.goal, figure.unit, figure.yardstick.is_some());
    format!("| {} | {} | {measured} | {yardstick} | {ratio} | {first} | {goal} |", figure.name, figure.what)
}

fn verdict(verdict: Option<&Verdict>, bar: Option<Bar>, unit: Unit, is_ratio: bool) -> String {
    let amount = |bar: f64| if is_ratio { bar.to_string() } else { amount(bar, unit) };
    let bar = match bar {
        Some(Bar::AtLeast(bar)) => format!("≥ {}", amount(bar)),
        Some(Bar::AtMost(bar)) => format!("≤ {}", amount(bar)),
        None => return "–".to_owned(),
    };
    match verdict {
        Some(verdict) if verdict.passed => format!("{bar} pass"),
        Some(_) => format!("{bar} **miss**"),
        None => bar,
    }
}

fn spread_text(spread: Spread, unit: Unit) -> String {
    let (min, max) = (amount(spread.min, unit), amount(spread.max, unit));
    format!("{} ({min}–{max})", amount(spread.median, unit))
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::PerSecond => format!("{:.1} k/s", value / 1e3),
        Unit::Microseconds => format!("{value:.1} µs"),
        Unit::Milliseconds => format!("{value:.1} ms"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Kibibytes if value >= 10_240.0 => format!("{:.1} MiB", value / 1024.0),
        Unit::Kibibytes => format!("{value:.1} KiB"),
        Unit::Bytes => format!("{value:.0} B"),
    }
}
