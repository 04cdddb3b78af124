//! Lines of YAML: where words may stand, and how scalars are written in each style.

use super::scalar::{self, Style};

/// A line is wrapped at the first space beyond this column.
const WIDTH: usize = 80;

/// Spaces by which what is nested is indented.
pub(super) const INDENT: usize = 2;

pub(super) struct Printer {
    text: String,
    /// In characters.
    column: usize,
    /// Whether a word may follow without a space.
    is_after_space: bool,
    /// Whether the line so far is indentation, dashes and question marks included.
    is_in_indentation: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { text: String::new(), column: 0, is_after_space: true, is_in_indentation: true }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn is_in_indentation(&self) -> bool {
        self.is_in_indentation
    }

    /// Goes to a column, on the next line unless there is nothing here.
    pub(super) fn indent(&mut self, indent: usize) {
        let is_beyond = self.column > indent || (self.column == indent && !self.is_after_space);
        if !self.is_in_indentation || is_beyond {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        (self.is_after_space, self.is_in_indentation) = (true, true);
    }

    /// A dash, question mark or colon that counts as indentation.
    pub(super) fn mark(&mut self, mark: &str) {
        let is_in_indentation = self.is_in_indentation;
        self.word(mark);
        self.is_in_indentation = is_in_indentation;
    }

    /// A word as it is.
    pub(super) fn word(&mut self, word: &str) {
        self.space();
        word.chars().for_each(|c| self.put(c));
        (self.is_after_space, self.is_in_indentation) = (false, false);
    }

    /// A key and its colon, on one line.
    pub(super) fn key(&mut self, key: &str, style: Style) {
        self.write(key, style, None);
        self.put(':');
        (self.is_after_space, self.is_in_indentation) = (false, false);
    }

    /// A scalar; the lines after its first are indented by `indent`.
    pub(super) fn scalar(&mut self, text: &str, style: Style, indent: usize) {
        self.write(text, style, Some(indent));
    }

    fn write(&mut self, text: &str, style: Style, indent: Option<usize>) {
        self.space();
        match style {
            Style::Plain => self.plain(text, indent),
            Style::SingleQuoted => {
                self.put('\'');
                self.single_quoted(text, indent);
                self.put('\'');
            }
            Style::DoubleQuoted => {
                self.put('"');
                self.double_quoted(text, indent);
                self.put('"');
            }
            // Its last line break is part of it.
            Style::Literal => return self.literal(text, indent.unwrap_or_default()),
        }
        (self.is_after_space, self.is_in_indentation) = (false, false);
    }

    fn plain(&mut self, text: &str, indent: Option<usize>) {
        let mut rest = text.chars();
        let mut is_after_space = false;
        while let Some(c) = rest.next() {
            let is_alone = c == ' ' && !is_after_space && !rest.as_str().starts_with(' ');
            match indent {
                Some(indent) if is_alone && self.column > WIDTH => self.wrap(indent),
                _ => self.put(c),
            }
            is_after_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, indent: Option<usize>) {
        let mut rest = text.chars();
        let (mut is_first, mut is_after_space) = (true, false);
        while let Some(c) = rest.next() {
            let is_within = !is_first && !rest.as_str().is_empty();
            let is_alone = c == ' ' && !is_after_space && is_within && !rest.as_str().starts_with(' ');
            match indent {
                Some(indent) if is_alone && self.column > WIDTH => self.wrap(indent),
                _ => {
                    if c == '\'' {
                        self.put('\'');
                    }
                    self.put(c);
                }
            }
            (is_first, is_after_space) = (false, c == ' ');
        }
    }

    fn double_quoted(&mut self, text: &str, indent: Option<usize>) {
        let mut rest = text.chars();
        let (mut is_first, mut is_after_space) = (true, false);
        while let Some(c) = rest.next() {
            let is_within = !is_first && !rest.as_str().is_empty();
            let may_wrap = c == ' ' && !is_after_space && is_within && self.column > WIDTH;
            match indent {
                Some(indent) if may_wrap => {
                    self.wrap(indent);
                    // The first of several spaces is the wrap itself.
                    if rest.as_str().starts_with(' ') {
                        self.put('\\');
                    }
                }
                _ if c == '"' || c == '\\' || c == '\n' || !scalar::is_printable(c) => self.escape(c),
                _ => self.put(c),
            }
            (is_first, is_after_space) = (false, c == ' ');
        }
    }

    fn escape(&mut self, c: char) {
        let escape = match c {
            '\0' => "\\0",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            '\u{1b}' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => {
                let number = u32::from(c);
                let hexadecimal = match number {
                    0..=0xff => format!("\\x{number:02X}"),
                    0x100..=0xffff => format!("\\u{number:04X}"),
                    _ => format!("\\U{number:08X}"),
                };
                hexadecimal.chars().for_each(|c| self.put(c));
                return;
            }
        };
        escape.chars().for_each(|c| self.put(c));
    }

    /// Lines as they are, below a bar.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with([' ', '\n']) {
            // How much of the first line is indentation.
            self.put('2');
        }
        // Which of its last line breaks are part of it: none, all, or one, which needs no mark.
        match text.strip_suffix('\n') {
            None => self.put('-'),
            Some(before) if before.is_empty() || before.ends_with('\n') => self.put('+'),
            Some(_) => {}
        }
        self.line_break();
        (self.is_after_space, self.is_in_indentation) = (true, true);
        let mut begins_line = true;
        for c in text.chars() {
            if c == '\n' {
                self.line_break();
                self.is_in_indentation = true;
            } else {
                if begins_line {
                    self.indent(indent);
                }
                self.put(c);
                self.is_in_indentation = false;
            }
            begins_line = c == '\n';
        }
    }

    fn wrap(&mut self, indent: usize) {
        self.is_in_indentation = false;
        self.indent(indent);
    }

    fn space(&mut self) {
        if !self.is_after_space {
            self.put(' ');
        }
    }

    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }
}
