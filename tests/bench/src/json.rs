//! One JSON object a line, one line for each case and reference.
//!
//! `ours`, `reference`: medians in `unit`; `ratio`: ours over the reference; `end`: what is asked for, a
//! number when it is a ratio (at most), a string such as `"spin+500ns"` when it is a difference (at most) or
//! `"150ns"` when it is a limit whatever others are (then `reference` is null), null without one; `holds`: whether it was met, null without an end. `ours`, `ratio` and `holds` are
//! null where only the reference was measured.

use crate::measure::Series;
use crate::report::{Against, End, Row, Unit};
use std::fmt::Write;

/// All rows as lines.
pub(crate) fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for against in &row.against {
            text.push_str(&line(row, against));
            text.push('\n');
        }
        if row.against.is_empty() || row.most.is_some() {
            text.push_str(&alone(row));
            text.push('\n');
        }
    }
    text
}

fn line(row: &Row, against: &Against) -> String {
    let reference = &against.reference;
    let verdict = row.verdict(against);
    let case = string(&format!("{}/{}", row.case, reference.name));
    let (digits, unit) = (digits(row.unit), row.unit.name());
    let ours = number(row.ours.as_ref().map(Series::median), digits);
    let theirs = number(Some(reference.median()), digits);
    let ratio = number(verdict.map(|verdict| verdict.ratio), 3);
    let end = match against.end {
        None => "null".to_owned(),
        Some(End::Times(most)) => number(Some(most), 3),
        Some(end @ End::Plus(_)) => string(&format!("{}{end}", reference.name)),
    };
    let holds = truth(verdict.and_then(|verdict| verdict.holds));
    format!(
        "{{\"case\":{case},\"ours\":{ours},\"reference\":{theirs},\"unit\":\"{unit}\",\
         \"ratio\":{ratio},\"end\":{end},\"holds\":{holds}}}"
    )
}

/// A figure that is compared with nothing.
fn alone(row: &Row) -> String {
    let (digits, unit) = (digits(row.unit), row.unit.name());
    let case = string(&row.case);
    let ours = number(row.ours.as_ref().map(Series::median), digits);
    let end = match row.most {
        Some(most) => string(&format!("{most}{unit}")),
        None => "null".to_owned(),
    };
    let holds = truth(row.within());
    format!(
        "{{\"case\":{case},\"ours\":{ours},\"reference\":null,\"unit\":\"{unit}\",\
         \"ratio\":null,\"end\":{end},\"holds\":{holds}}}"
    )
}

fn digits(unit: Unit) -> usize {
    match unit {
        Unit::Nanoseconds | Unit::Bytes => 0,
        Unit::Kibibytes | Unit::Times => 2,
    }
}

fn truth(value: Option<bool>) -> &'static str {
    match value {
        None => "null",
        Some(true) => "true",
        Some(false) => "false",
    }
}

/// JSON has no word for what is not a number.
fn number(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.digits$}"),
        _ => "null".to_owned(),
    }
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // Writing to a string cannot fail.
            '\0'..='\x1f' => drop(write!(quoted, "\\u{:04x}", u32::from(letter))),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::{lines, string};
    use crate::report::{Row, Unit, tests::example};

    #[test]
    fn a_row_becomes_a_line_for_each_reference() {
        let text = lines(&[example()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"case":"ipc/example/spin","ours":900,"reference":500,"unit":"ns","ratio":1.800,"end":"spin+500ns","holds":true}"#
        );
        assert!(lines[1].ends_with(r#""ratio":1.500,"end":1.000,"holds":false}"#));
        assert!(lines[2].ends_with(r#""ratio":0.750,"end":null,"holds":null}"#));
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let text = lines(&[Row {
            ours: None,
            ..example()
        }]);
        assert!(text.lines().next().unwrap().contains(r#""ours":null"#));
    }

    #[test]
    fn a_limit_stands_alone() {
        let ours = crate::measure::Series::once("ours", 120.0);
        let row = Row::limited("pulse/awake", ours, Unit::Nanoseconds, 150.0);
        assert_eq!(
            lines(&[row]).trim_end(),
            r#"{"case":"pulse/awake","ours":120,"reference":null,"unit":"ns","ratio":null,"end":"150ns","holds":true}"#
        );
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(string("a\"b\\\n"), r#""a\"b\\\u000a""#);
    }
}
