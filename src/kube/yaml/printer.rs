//! Prints lines of YAML: the positions of words, and scalars in each style.

use super::scalar::{self, Style};

/// Lines are wrapped at the first space beyond this column.
const WIDTH: usize = 80;

/// The indentation of a nested node, in spaces.
pub(super) const INDENT: usize = 2;

pub(super) struct Printer {
    text: String,
    /// The column in characters.
    column: usize,
    /// Whether a word may follow without a space.
    is_after_space: bool,
    /// Whether the line so far is only indentation, including dashes and question marks.
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

    /// Moves to a column, on a new line unless the current one is still empty there.
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

    /// Prints a dash, question mark or colon that counts as indentation.
    pub(super) fn mark(&mut self, mark: &str) {
        let is_in_indentation = self.is_in_indentation;
        self.word(mark);
        self.is_in_indentation = is_in_indentation;
    }

    /// Prints a word.
    pub(super) fn word(&mut self, word: &str) {
        self.space();
        word.chars().for_each(|c| self.put(c));
        (self.is_after_space, self.is_in_indentation) = (false, false);
    }

    /// Prints a key and its colon on one line.
    pub(super) fn key(&mut self, key: &str, style: Style) {
        self.write(key, style, None);
        self.put(':');
        (self.is_after_space, self.is_in_indentation) = (false, false);
    }

    /// Prints a scalar; lines after the first are indented by `indent`.
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
            // A literal block ends with its last line break.
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
                    // The line break replaces the first of several spaces.
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

    /// Prints a literal block.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with([' ', '\n']) {
            // The indentation indicator: the first line starts with spaces.
            self.put('2');
        }
        // The chomping indicator for trailing line breaks: `-` for none, `+` for several; one needs no indicator.
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
