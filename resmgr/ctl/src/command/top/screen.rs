//! The live view: one thread asks the servers, this one shows what came and listens to keys. So a server that does
//! not answer delays the numbers, and never a key.

use super::TITLES;
use super::sample::Sample;
use crate::failure::Failure;
use crate::survey::reason;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// How long a key is waited for, before it is looked whether the servers have answered.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Rows that a page key moves.
const PAGE: u16 = 10;

/// Columns other than the command and the name need no more than this.
const NUMBERS: u16 = 9;

/// Shows until the user has seen enough.
pub(super) fn run(interval: Duration) -> Result<(), Failure> {
    let (sender, samples) = sync_channel(1);
    std::thread::spawn(move || ask(interval, &sender));
    let terminal = ratatui::try_init()?;
    let done = View::new(interval).show(terminal, &samples);
    ratatui::restore();
    done
}

/// Asks until nobody listens.
fn ask(interval: Duration, to: &SyncSender<Result<Sample, Failure>>) {
    while to.send(Sample::take()).is_ok() {
        std::thread::sleep(interval);
    }
}

struct View {
    interval: Duration,
    before: Option<Sample>,
    now: Option<Sample>,
    /// Why there is nothing to show.
    failure: Option<Failure>,
    table: TableState,
}

impl View {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            before: None,
            now: None,
            failure: None,
            table: TableState::default(),
        }
    }

    fn show(
        mut self,
        mut terminal: DefaultTerminal,
        samples: &Receiver<Result<Sample, Failure>>,
    ) -> Result<(), Failure> {
        let mut changed = true;
        loop {
            if let Ok(sample) = samples.try_recv() {
                self.take(sample);
                changed = true;
            }
            if changed {
                terminal.draw(|frame| self.draw(frame))?;
            }
            changed = event::poll(LOOK_EVERY)?;
            if changed && self.is_over(&event::read()?) {
                return Ok(());
            }
        }
    }

    fn take(&mut self, sample: Result<Sample, Failure>) {
        match sample {
            Ok(sample) => {
                self.before = self.now.replace(sample);
                self.failure = None;
            }
            Err(failure) => {
                (self.before, self.now) = (None, None);
                self.failure = Some(failure);
            }
        }
    }

    /// Does what a key says; whether that is to end.
    fn is_over(&mut self, event: &Event) -> bool {
        let Event::Key(key) = event else { return false };
        if key.kind == KeyEventKind::Release {
            return false;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Down | KeyCode::Char('j') => self.table.scroll_down_by(1),
            KeyCode::Up | KeyCode::Char('k') => self.table.scroll_up_by(1),
            KeyCode::PageDown => self.table.scroll_down_by(PAGE),
            KeyCode::PageUp => self.table.scroll_up_by(PAGE),
            _ => {}
        }
        false
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let silent = self.silent();
        let below = u16::try_from(silent.len()).unwrap_or(u16::MAX).min(6);
        let parts = [
            Constraint::Length(1),
            Constraint::Min(3),
            Constraint::Length(below),
        ];
        let [head, middle, foot] = Layout::vertical(parts).areas(frame.area());
        frame.render_widget(self.head(), head);
        self.draw_table(frame, middle);
        let silent = Paragraph::new(Text::from(silent)).style(Style::new().fg(Color::Red));
        frame.render_widget(silent, foot);
    }

    fn head(&self) -> Paragraph<'static> {
        let text = match (&self.failure, &self.now) {
            (Some(failure), _) => failure.to_string(),
            (None, None) => "asking the servers".into(),
            (None, Some(now)) => {
                let servers = now.survey().processes.len();
                let every = self.interval.as_secs_f64();
                format!("resmgrctl top: {servers} servers, every {every} s; q quits")
            }
        };
        Paragraph::new(text).style(Style::new().add_modifier(Modifier::BOLD))
    }

    /// Those that said nothing, a line each.
    fn silent(&self) -> Vec<Line<'static>> {
        let silent = self.now.iter().flat_map(|now| &now.survey().silent);
        silent
            .map(|one| Line::from(format!("{}: {}", one.pid, reason(one.errno))))
            .collect()
    }

    fn draw_table(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self
            .now
            .as_ref()
            .map_or_else(Vec::new, |now| now.rows(self.before.as_ref()));
        let rows = rows.iter().map(|row| {
            let colour = if row.is_behind() {
                Color::Yellow
            } else {
                Color::Reset
            };
            let cells = row.cells().into_iter().zip(TITLES);
            Row::new(cells.map(|(text, title)| cell(text, title))).style(Style::new().fg(colour))
        });
        let widths = TITLES.map(|title| match title {
            "COMMAND" => Constraint::Length(15),
            "NAME" => Constraint::Min(10),
            _ => Constraint::Length(NUMBERS),
        });
        let titles = TITLES.map(|title| cell(title.trim_start().into(), title));
        let head = Row::new(titles).style(Style::new().add_modifier(Modifier::REVERSED));
        let table = Table::new(rows, widths)
            .header(head)
            .row_highlight_style(Style::new().add_modifier(Modifier::BOLD));
        frame.render_stateful_widget(table, area, &mut self.table);
    }
}

/// Numbers stand at the right, as their titles say.
fn cell(text: String, title: &str) -> Cell<'static> {
    let side = if title.starts_with(' ') {
        Alignment::Right
    } else {
        Alignment::Left
    };
    Cell::from(Text::from(text).alignment(side))
}
