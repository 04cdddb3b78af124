//! CSV pages (RFC 4180) with a header. They are parsed, within limits, into the JSON values that JSONPaths read: an
//! array of objects with string members. Common CSV libraries accept a quote that is never closed, so they would accept
//! half a page as a complete one; here that is an error, as are rows that do not match the header.
//!
//! ```text
//! page  = header *( line-end row ) [ line-end ]      row = field *( "," field )      line-end = LF | CR LF
//! field = *( any but comma, quote, CR and LF ) | quote *( any but quote | quote quote ) quote
//! ```
//! Blank lines are skipped, and spaces around an unquoted field. An empty unquoted field adds no member to its object.
//! As in HAProxy's CSV, the header may start with `#`, and lines may end with a comma if the header does.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::escape::Escaped;
use super::json::page::object;

/// The maximum number of columns. 4,096: HAProxy has about a hundred.
const COLUMNS: usize = 4_096;

/// The number of bytes of a copied name that count as one value.
const NAME_BYTES: usize = 64;

/// Limits on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvLimits {
    /// Objects and their members.
    pub values: usize,
}

/// Why a page is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvPageError {
    /// The line on which the record starts, from 1.
    line: usize,
    kind: CsvErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CsvErrorKind {
    Encoding,
    NoHeader,
    /// A record has more fields than this.
    TooManyFields(usize),
    /// The header is one field that contains semicolons or tabs.
    Separator,
    NameTwice(String),
    Fields {
        expected: usize,
        found: usize,
    },
    OpenQuote,
    AfterQuote(String),
    QuoteInside,
    CarriageReturn,
    Values(usize),
}

/// Parses a page.
///
/// # Errors
/// If the page is not UTF-8 CSV, has no header, repeats a name in the header, has a row of another length, or exceeds
/// the limit.
pub fn parse_page(bytes: &[u8], limits: &CsvLimits) -> Result<Value, CsvPageError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        CsvPageError { line, kind: CsvErrorKind::Encoding }
    })?;
    // Spreadsheets write a byte order mark.
    let mut records = Records { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1, most: COLUMNS };
    let columns = Columns::of(records.next()?)?;
    // One more field proves a mismatch; lines that end with a comma have another one.
    records.most = columns.names.len() + 2;
    let (mut rows, mut left) = (Vec::new(), limits.values);
    while let Some(record) = records.next()? {
        let line = record.line;
        let cost = columns.cost(&record);
        left = left.checked_sub(cost).ok_or(CsvPageError { line, kind: CsvErrorKind::Values(limits.values) })?;
        rows.push(Value::Object(columns.row(record)?));
    }
    Ok(Value::Array(rows))
}

struct Columns<'t> {
    names: Vec<Cow<'t, str>>,
    /// Whether lines end with a comma.
    is_open: bool,
}

impl<'t> Columns<'t> {
    fn of(record: Option<Record<'t>>) -> Result<Self, CsvPageError> {
        let Some(Record { line, mut fields }) = record else {
            return Err(CsvPageError { line: 1, kind: CsvErrorKind::NoHeader });
        };
        if let [only] = fields.as_slice()
            && !only.quoted
            && only.text.contains([';', '\t'])
        {
            return Err(CsvPageError { line, kind: CsvErrorKind::Separator });
        }
        let is_open = fields.len() > 1 && fields.pop_if(|last| last.is_empty()).is_some();
        let mut names: Vec<_> = fields.into_iter().map(|field| field.text).collect();
        if let Some(Cow::Borrowed(first)) = names.first_mut() {
            *first = first.strip_prefix('#').unwrap_or(first).trim_matches([' ', '\t']);
        }
        let mut seen = BTreeSet::new();
        for name in &names {
            if !seen.insert(name.as_ref()) {
                return Err(CsvPageError { line, kind: CsvErrorKind::NameTwice(name.to_string()) });
            }
        }
        Ok(Self { names, is_open })
    }

    /// The number of values that a row counts as; each row has copies of the names.
    fn cost(&self, record: &Record<'_>) -> usize {
        let members = self.names.iter().zip(&record.fields).filter(|(_, field)| !field.is_empty());
        let (count, bytes) = members.fold((0, 0), |(count, bytes), (name, _)| (count + 1, bytes + name.len()));
        1 + object(count) + count + bytes / NAME_BYTES
    }

    fn row(&self, Record { line, mut fields }: Record<'_>) -> Result<Map<String, Value>, CsvPageError> {
        if self.is_open && fields.len() > self.names.len() {
            fields.pop_if(|last| last.is_empty());
        }
        let (expected, found) = (self.names.len(), fields.len());
        if expected != found {
            return Err(CsvPageError { line, kind: CsvErrorKind::Fields { expected, found } });
        }
        let members = self.names.iter().zip(fields).filter(|(_, field)| !field.is_empty());
        let mut row = Map::new();
        row.extend(members.map(|(name, field)| (name.to_string(), Value::String(field.text.into_owned()))));
        Ok(row)
    }
}

struct Record<'t> {
    line: usize,
    fields: Vec<Field<'t>>,
}

struct Field<'t> {
    text: Cow<'t, str>,
    quoted: bool,
}

impl Field<'_> {
    /// Whether the field is empty and unquoted.
    fn is_empty(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }
}

/// The records of a page, without blank lines.
struct Records<'t> {
    rest: &'t str,
    line: usize,
    /// The maximum number of fields in a record.
    most: usize,
}

impl<'t> Records<'t> {
    fn next(&mut self) -> Result<Option<Record<'t>>, CsvPageError> {
        while let Some(rest) = line_end(self.rest) {
            (self.rest, self.line) = (rest, self.line + 1);
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let fail = |kind| CsvPageError { line, kind };
        let mut fields = Vec::new();
        loop {
            fields.push(self.field().map_err(fail)?);
            if fields.len() > self.most {
                return Err(fail(CsvErrorKind::TooManyFields(self.most)));
            }
            let rest = self.rest;
            if let Some(after) = rest.strip_prefix(',') {
                self.rest = after;
                continue;
            }
            if let Some(after) = line_end(rest) {
                (self.rest, self.line) = (after, self.line + 1);
                break;
            }
            match rest.chars().next() {
                None => break,
                // The page ends without the line feed.
                Some('\r') if rest == "\r" => {
                    self.rest = "";
                    break;
                }
                Some('\r') => return Err(fail(CsvErrorKind::CarriageReturn)),
                Some('"') => return Err(fail(CsvErrorKind::QuoteInside)),
                // Unquoted fields end only at these characters.
                Some(other) => return Err(fail(CsvErrorKind::AfterQuote(other.to_string()))),
            }
        }
        Ok(Some(Record { line, fields }))
    }

    /// Reads one field, but not the separator after it.
    fn field(&mut self) -> Result<Field<'t>, CsvErrorKind> {
        let Some(inside) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n', '\r', '"']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(Field { text: Cow::Borrowed(text.trim_matches([' ', '\t'])), quoted: false });
        };
        let (mut text, mut at) = (String::new(), 0);
        loop {
            let rest = inside.get(at..).unwrap_or_default();
            let end = rest.find('"').ok_or(CsvErrorKind::OpenQuote)?;
            text.push_str(rest.get(..end).unwrap_or_default());
            at += end + 1;
            match inside.get(at..).unwrap_or_default().strip_prefix('"') {
                Some(_) => {
                    text.push('"');
                    at += 1;
                }
                None => break,
            }
        }
        self.line += text.matches('\n').count();
        self.rest = inside.get(at..).unwrap_or_default();
        Ok(Field { text: Cow::Owned(text), quoted: true })
    }
}

/// The text after the line end at its start.
fn line_end(text: &str) -> Option<&str> {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n'))
}

impl CsvPageError {
    /// Whether the page exceeds the limit on values.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, CsvErrorKind::Values(_))
    }

    /// The error without its line and without bytes of the page.
    pub fn cause(&self) -> &'static str {
        match self.kind {
            CsvErrorKind::Encoding => "expected UTF-8, found another encoding",
            CsvErrorKind::NoHeader => "expected a header, found nothing",
            CsvErrorKind::TooManyFields(_) => "expected fewer fields in one row",
            CsvErrorKind::Separator => "expected commas between fields, found semicolons or tabs",
            CsvErrorKind::NameTwice(_) => "expected each name of the header once",
            CsvErrorKind::Fields { .. } => "expected as many fields in each row as in the header",
            CsvErrorKind::OpenQuote => "expected a closing quote, found the end",
            CsvErrorKind::AfterQuote(_) => "expected a comma or the end of the line after a closing quote",
            CsvErrorKind::QuoteInside => "expected quotes around a field that contains a quote",
            CsvErrorKind::CarriageReturn => "expected a line feed after a carriage return",
            CsvErrorKind::Values(_) => "expected at most as many fields as maxBytes: on the source allows",
        }
    }
}

impl fmt::Display for CsvPageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            CsvErrorKind::NameTwice(name) => write!(f, "{}, found {} again", self.cause(), Escaped::new(name)),
            CsvErrorKind::Fields { expected, found } => {
                write!(f, "expected {expected} fields as in the header, found {found}")
            }
            CsvErrorKind::AfterQuote(found) => write!(f, "{}, found {}", self.cause(), Escaped::new(found)),
            CsvErrorKind::TooManyFields(most) => write!(f, "expected at most {most} fields in a row, found more"),
            CsvErrorKind::Values(max) => {
                write!(f, "expected at most {max} rows and fields that are not empty, found more")
            }
            _ => f.write_str(self.cause()),
        }
    }
}

impl std::error::Error for CsvPageError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Value, String> {
        parse_page(text.as_bytes(), &CsvLimits { values: 52 }).map_err(|error| error.to_string())
    }

    #[test]
    fn reads() {
        for (text, expected) in [
            ("a,b", json!([])),
            ("a,b\n1,2\n3,4\n", json!([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}])),
            ("a\r\n1\r\n", json!([{"a": "1"}])),
            ("a,b\r\n1,2\r\n3,4", json!([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}])),
            ("a,b\n1,2\r", json!([{"a": "1", "b": "2"}])),
            ("\u{feff}a\n1\n", json!([{"a": "1"}])),
            ("\n\na\n\n1\n\r\n2\n\n", json!([{"a": "1"}, {"a": "2"}])),
            // As in HAProxy's CSV.
            ("# a,b,\n1,2,\n,,\n1,2\n", json!([{"a": "1", "b": "2"}, {}, {"a": "1", "b": "2"}])),
            ("#a,#b\n1,2\n", json!([{"a": "1", "#b": "2"}])),
            ("a,b\n,\n,2\n", json!([{}, {"b": "2"}])),
            // A quoted empty field is present.
            ("a,b\n\"\",\"  \"\n", json!([{"a": "", "b": "  "}])),
            ("\"# a\",b c\n\"x,\"\"y\"\"\n\",é\n", json!([{"# a": "x,\"y\"\n", "b c": "é"}])),
            ("a, b\t\n 1 ,2 3 \n", json!([{"a": "1", "b": "2 3"}])),
            ("a,\"\"\n1,2\n", json!([{"a": "1", "": "2"}])),
            (",a\n0,1\n", json!([{"": "0", "a": "1"}])),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn rejects() {
        for (text, message) in [
            ("", "line 1: expected a header, found nothing"),
            ("\r\n", "line 1: expected a header, found nothing"),
            // Each row has copies of the names.
            (
                &format!("{}\n1\n", "a".repeat(2_752)),
                "line 2: expected at most 52 rows and fields that are not empty, found more",
            ),
            ("a,b\n1,2,,,\n", "line 2: expected at most 4 fields in a row, found more"),
            ("a;b\n1;2\n", "line 1: expected commas between fields, found semicolons or tabs"),
            ("a\tb\n1\t2\n", "line 1: expected commas between fields, found semicolons or tabs"),
            ("a,b,a\n1,2,3\n", "line 1: expected each name of the header once, found \"a\" again"),
            ("a,,\n1,,\n", ""),
            ("a,,,\n1,,,\n", "line 1: expected each name of the header once, found \"\" again"),
            ("a,b\n1,2\n3\n", "line 3: expected 2 fields as in the header, found 1"),
            ("a\r\n1\r\n2,3\r\n", "line 3: expected 1 fields as in the header, found 2"),
            ("a,b\n1,2,\n", "line 2: expected 2 fields as in the header, found 3"),
            ("a,b,\n1,\n\n1\n", "line 4: expected 2 fields as in the header, found 1"),
            ("a,b,\n1,2,3\n", "line 2: expected 2 fields as in the header, found 3"),
            ("a\n\"x\ny\"\n\"z\n1\n", "line 4: expected a closing quote, found the end"),
            ("a\n\"x\"y\n", "line 2: expected a comma or the end of the line after a closing quote, found \"y\""),
            ("a\n\"x\" \n", "line 2: expected a comma or the end of the line after a closing quote, found \" \""),
            ("a\nx\"y\"\n", "line 2: expected quotes around a field that contains a quote"),
            ("a\n \"y\"\n", "line 2: expected quotes around a field that contains a quote"),
            ("a\rb\r", "line 1: expected a line feed after a carriage return"),
            (
                "a,b\n1,2\n1,2\n1,2\n1,2\n1,2\n",
                "line 6: expected at most 52 rows and fields that are not empty, found more",
            ),
        ] {
            assert_eq!(parse(text).err().unwrap_or_default(), message, "{text:?}");
        }
        let error = parse_page(b"a\n\xe9\n", &CsvLimits { values: 52 }).unwrap_err();
        assert_eq!(error.to_string(), "line 2: expected UTF-8, found another encoding");
    }
}
