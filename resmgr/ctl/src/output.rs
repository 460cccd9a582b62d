//! How things are shown: colours, columns, times, JSON.

use crate::failure::{Failure, of_path};
use resmgr_namespace::{Errno, Pathname};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Where the output goes, and how.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut dyn Write,
    pub(crate) json: bool,
    colours: bool,
}

/// What a part of the output is.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Title,
    Directory,
    Bad,
}

impl<'a> Output<'a> {
    /// To standard output: coloured if that is a terminal, unless `NO_COLOR` says something.
    pub(crate) fn new(out: &'a mut dyn Write, json: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = !refused && std::io::stdout().is_terminal();
        Self { out, json, colours }
    }

    /// The text as a terminal shows it in colour.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.into();
        }
        let code = match paint {
            Paint::Title => "1",
            Paint::Directory => "34;1",
            Paint::Bad => "31;1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// One JSON value, which ends the line.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.out, "{value:#}")?;
        Ok(())
    }

    /// Columns under their titles. Those whose title begins with a space stand at the right.
    pub(crate) fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(titles[column].trim_start().chars().count())
        };
        let widths: Vec<_> = (0..titles.len()).map(width).collect();
        let lay = |cells: &[&str]| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let wide = widths[column];
                let cell = if titles[column].starts_with(' ') {
                    format!("{cell:>wide$}  ")
                } else {
                    format!("{cell:wide$}  ")
                };
                line += &cell;
            }
            line.trim_end().to_owned()
        };
        let heads: Vec<_> = titles.iter().map(|title| title.trim_start()).collect();
        let head = self.paint(Paint::Title, &lay(&heads));
        self.line(&head)?;
        for row in rows {
            let cells: Vec<_> = row.iter().map(String::as_str).collect();
            self.line(&lay(&cells))?;
        }
        Ok(())
    }
}

/// The path of an argument.
pub(crate) fn checked(path: &OsString) -> Result<Pathname, Failure> {
    let failed = |errno| of_path(&path.to_string_lossy(), errno);
    match path.as_bytes().first() {
        // An empty argument is a mistake of usage, not a name that is missing.
        None => Err(failed(Errno::INVAL)),
        Some(_) => Pathname::new(path.as_bytes()).map_err(failed),
    }
}

/// Bytes of a name as text; what cannot be printed is `\xNN`.
pub(crate) fn printable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) if !text.chars().any(char::is_control) && !text.contains('\\') => text.into(),
        _ => name.escape_ascii().to_string(),
    }
}

/// A time as a person reads it: three figures and a unit.
pub(crate) fn time(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let (value, unit) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (time.as_secs_f64() * 1e6, "µs"),
        1_000_000..1_000_000_000 => (time.as_secs_f64() * 1e3, "ms"),
        _ if time.as_secs() < 120 => (time.as_secs_f64(), "s"),
        _ if time.as_secs() < 7200 => (time.as_secs_f64() / 60.0, "min"),
        _ => (time.as_secs_f64() / 3600.0, "h"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::{printable, time};
    use std::time::Duration;

    #[test]
    fn times_have_three_figures_and_a_unit() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.50 µs"),
            (23_400_000, "23.4 ms"),
            (1_000_000_000, "1.00 s"),
            (119_000_000_000, "119 s"),
            (600_000_000_000, "10.0 min"),
            (36_000_000_000_000, "10.0 h"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), text);
        }
    }

    #[test]
    fn names_that_cannot_be_printed_are_escaped() {
        assert_eq!(printable("/dev/ö".as_bytes()), "/dev/ö");
        assert_eq!(printable(b"a\n"), "a\\n");
        assert_eq!(printable(b"\xff"), "\\xff");
        assert_eq!(printable(b"\x1b[31m"), "\\x1b[31m");
    }
}
