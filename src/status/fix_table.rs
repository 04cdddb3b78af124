//! The tables of docs/troubleshooting.md about metric errors, reduced at compile time to the cells that the page shows, so
//! that the binary does not contain the whole document.

#![expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which stops at an index out of bounds")]

const DOCUMENT: &[u8] = include_bytes!("../../docs/troubleshooting.md");

/// The sections that contain these tables.
const SECTIONS: [&[u8]; 3] = [b"## 404, NotFound", b"## 503, ServiceUnavailable", b"## 400, BadRequest"];

/// Two lines for each row: its first and its last cell.
pub(super) const TABLE: &str = match str::from_utf8(&CELLS) {
    Ok(text) => text,
    Err(_) => "",
};

const EXTRACTED: Extracted = Extracted::new(DOCUMENT);

static CELLS: [u8; EXTRACTED.length] = {
    let mut cells = [0; EXTRACTED.length];
    let mut at = 0;
    while at < cells.len() {
        cells[at] = EXTRACTED.bytes[at];
        at += 1;
    }
    cells
};

/// A buffer and the number of its bytes in use.
struct Extracted {
    bytes: [u8; DOCUMENT.len()],
    length: usize,
}

impl Extracted {
    const fn new(text: &[u8]) -> Self {
        let mut extracted = Self { bytes: [0; DOCUMENT.len()], length: 0 };
        let (mut start, mut is_wanted) = (0, false);
        while start < text.len() {
            let mut end = start;
            while end < text.len() && text[end] != b'\n' {
                end += 1;
            }
            if is_at(text, start, b"## ") {
                is_wanted = is_at(text, start, SECTIONS[0])
                    || is_at(text, start, SECTIONS[1])
                    || is_at(text, start, SECTIONS[2]);
            } else if is_wanted && is_at(text, start, b"| `") {
                extracted = extracted.with_row(text, start, end);
            }
            start = end + 1;
        }
        extracted
    }

    /// Adds the first and the last cell of a row, which has two or three cells.
    const fn with_row(self, text: &[u8], start: usize, end: usize) -> Self {
        let mut first_end = start + 2;
        while !is_at(text, first_end, b" | ") {
            first_end += 1;
        }
        let mut last_start = end - 2;
        while !is_at(text, last_start - 3, b" | ") {
            last_start -= 1;
        }
        self.with_line(text, start + 2, first_end).with_line(text, last_start, end - 2)
    }

    const fn with_line(mut self, text: &[u8], start: usize, end: usize) -> Self {
        let mut at = start;
        while at < end {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self.bytes[self.length] = b'\n';
        self.length += 1;
        self
    }
}

/// Whether the text contains `part` at this position.
const fn is_at(text: &[u8], at: usize, part: &[u8]) -> bool {
    let mut matched = 0;
    while matched < part.len() && at + matched < text.len() && text[at + matched] == part[matched] {
        matched += 1;
    }
    matched == part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_first_and_the_last_cell_of_each_row() {
        let document = str::from_utf8(DOCUMENT).unwrap();
        let sections = SECTIONS.map(|title| {
            let section =
                document.split("\n## ").find(|part| title[3..] == part.as_bytes()[..title.len() - 3]).unwrap();
            let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
            assert!(rows.len() >= 4, "{section}");
            rows
        });
        let cells = sections.concat().into_iter().flat_map(|row| {
            let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
            [*cells.first().unwrap(), *cells.last().unwrap()]
        });
        assert_eq!(TABLE.lines().collect::<Vec<_>>(), cells.collect::<Vec<_>>());
        assert!(TABLE.len() < 16 * 1024, "{} bytes", TABLE.len());
    }
}
