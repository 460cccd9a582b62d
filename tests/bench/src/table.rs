//! The table that people read.

use crate::report::{Against, Row, Unit};

/// All rows, in one table for each part of the project (the first word of a case), and how many ends hold.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for part in rows.chunk_by(|first, second| part(first) == part(second)) {
        text.push('\n');
        text.push_str(&aligned(&cells(part)));
    }
    let ends: Vec<bool> = rows.iter().filter_map(Row::holds).collect();
    let held = ends.iter().filter(|holds| **holds).count();
    text + &format!("\nends held in {held} of {} cases\n", ends.len())
}

fn part(row: &Row) -> &str {
    row.case.split('/').next().unwrap_or_default()
}

/// A header and one line a row; a column for each reference, in the order of first appearance.
fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    let all = rows.iter().flat_map(|row| &row.against);
    for against in all.filter(|against| !against.aside) {
        if !names.contains(&against.reference.name) {
            names.push(against.reference.name);
        }
    }
    let titles = ["case", "ours"].into_iter().chain(names.iter().copied());
    let titles = titles.chain(["asked for", "holds"]);
    let mut table: Vec<Vec<String>> = vec![titles.map(str::to_owned).collect()];
    table.extend(rows.iter().map(|row| line(row, &names)));
    table
}

fn line(row: &Row, names: &[&str]) -> Vec<String> {
    let ours = row.ours.as_ref();
    let ours = ours.map(|ours| figure(row.unit, ours.median()));
    let mut cells = vec![row.case.clone(), ours.unwrap_or_else(dash)];
    for name in names {
        let mut all = row.against.iter().filter(|against| !against.aside);
        let found = all.find(|against| against.reference.name == *name);
        cells.push(found.map_or_else(dash, |against| compared(row, against)));
    }
    let mut asked: Vec<String> = row.against.iter().filter_map(|a| asked(row, a)).collect();
    asked.extend(limit(row));
    cells.push(if asked.is_empty() {
        dash()
    } else {
        asked.join(", ")
    });
    cells.push(row.holds().map_or_else(dash, |holds| yes(holds).to_owned()));
    cells
}

/// A reference's figure and how many times as long ours takes.
fn compared(row: &Row, against: &Against) -> String {
    let figure = figure(row.unit, against.reference.median());
    match row.verdict(against) {
        Some(verdict) => format!("{figure} ×{:.2}", verdict.ratio),
        None => figure,
    }
}

/// What is asked for beside this reference, and what was reached where the ratio does not show it.
fn asked(row: &Row, against: &Against) -> Option<String> {
    let end = against.end?;
    let name = against.reference.name;
    let Some(verdict) = row.verdict(against) else {
        return Some(format!("{name} {end}"));
    };
    let holds = yes(verdict.holds?);
    Some(match end {
        crate::report::End::Times(_) => format!("{name} {end} {holds}"),
        crate::report::End::Plus(_) => format!("{name} {end} {holds} ({:+.0})", verdict.more),
    })
}

/// The limit whatever others are.
fn limit(row: &Row) -> Option<String> {
    let most = figure(row.unit, row.most?);
    let holds = row.within().map_or("", yes);
    Some(format!("≤ {most} {holds}").trim_end().to_owned())
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

fn dash() -> String {
    "–".to_owned()
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => time(value),
        _ if !value.is_finite() => dash(),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Kibibytes => format!("{value:.1} KiB"),
        Unit::Times => format!("{value:.2}"),
    }
}

/// Three figures and a unit.
fn time(nanos: f64) -> String {
    match nanos {
        _ if !nanos.is_finite() => dash(),
        _ if nanos < 1e3 => format!("{nanos:.0} ns"),
        _ if nanos < 1e4 => format!("{:.2} µs", nanos / 1e3),
        _ if nanos < 1e5 => format!("{:.1} µs", nanos / 1e3),
        _ if nanos < 1e6 => format!("{:.0} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}

/// Pads every column to its widest cell; figures stand at the right.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = table.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in table {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let figure = column > 0 && column + 2 < columns;
            let pad = " ".repeat(width - cell.chars().count());
            let (before, after) = if figure { (&*pad, "") } else { ("", &*pad) };
            let gap = if column == 0 { "" } else { "  " };
            text.extend([gap, before, cell, after]);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{render, time};
    use crate::report::tests::example;

    #[test]
    fn a_table_shows_figures_ratios_and_ends() {
        let text = render(&[example()]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines[0].starts_with("case           ours"));
        assert!(lines[1].contains("500 ns ×1.80"));
        assert!(lines[1].contains("spin +500ns yes (+400), seqpacket ×1 no"));
        assert!(lines[1].ends_with("no"));
        assert_eq!(lines[2], "ends held in 0 of 1 cases");
    }

    #[test]
    fn times_have_three_figures() {
        let shown = [12.0, 4321.0, 54_321.0, 654_321.0, 7_654_321.0].map(time);
        assert_eq!(shown, ["12 ns", "4.32 µs", "54.3 µs", "654 µs", "7.65 ms"]);
    }
}
