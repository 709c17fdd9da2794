//! Tables: columns without lines. They are as wide as the terminal, or as wide as their contents in a file or a pipe.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, presets};

use super::{Tint, printable};

/// Below this width, columns would be one letter wide. (A terminal without a size reports 0.)
const NARROW: u16 = 60;

pub struct Table {
    inner: comfy_table::Table,
    colors: bool,
    right: Vec<usize>,
    rows: usize,
}

impl Table {
    pub(super) fn new(headers: &[&str], colors: bool) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        // On a screen a long cell is wrapped. In a file, or on a very narrow screen, each row stays one line.
        let screen = std::io::stdout().is_terminal() && inner.width().is_some_and(|width| width >= NARROW);
        inner.set_content_arrangement(if screen {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        let header = headers.iter().map(|name| {
            let cell = Cell::new(name.to_uppercase());
            if colors { cell.add_attribute(Attribute::Dim) } else { cell }
        });
        inner.set_header(header.collect::<Vec<_>>());
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { inner, colors, right: Vec::new(), rows: 0 }
    }

    /// Aligns these columns to the right, for figures.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Self {
        for index in columns {
            if let Some(column) = self.inner.column_mut(*index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.right = columns.to_vec();
        self
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.tinted(cells.into_iter().map(|text| (text.into(), None)));
    }

    pub fn tinted<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = (S, Option<Tint>)>) {
        let cells = cells.into_iter().map(|(text, tint)| {
            let text: String = text.into();
            let lines: Vec<String> = text.split('\n').map(printable).collect();
            let cell = Cell::new(lines.join("\n"));
            match tint.filter(|_| self.colors) {
                Some(Tint::Bold) => cell.add_attribute(Attribute::Bold),
                Some(Tint::Dim) => cell.add_attribute(Attribute::Dim),
                Some(Tint::Good) => cell.fg(Color::DarkGreen),
                Some(Tint::Bad) => cell.fg(Color::DarkRed),
                Some(Tint::Wait) => cell.fg(Color::DarkYellow),
                None => cell,
            }
        });
        self.inner.add_row(cells.collect::<Vec<_>>());
        self.rows += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Text without blanks at the ends of lines.
    pub fn render(&self) -> String {
        self.inner.trim_fmt()
    }
}
