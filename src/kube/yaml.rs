//! YAML as Kubernetes' API servers print it: from the JSON of an object, with sorted keys, by the rules of Go's
//! yaml.v2. That library wraps text at 80 columns, and quotes text that YAML 1.1 would convert to another type.
//!
//! In a few cases other libraries, or yaml.v2 itself, read yaml.v2's output as a different value. This printer adds
//! quotes there: for line and paragraph separators, the key `<<`, and text that is a number beyond 64 bits.

mod plain;
mod printer;
mod scalar;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde_json::{Map, Value};

use printer::{INDENT, Printer};
use scalar::Style;

/// The maximum length in bytes of a key that is written before a colon; a longer key is written after a question mark.
const SIMPLE_KEY: usize = 128;

/// The line breaks of YAML 1.1.
const LINE_BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The position of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After a dash, or the whole document.
    Item,
    /// After a key.
    Member,
}

/// Prints a document.
pub fn print(value: &Value) -> String {
    let mut printer = Printer::new();
    node(&mut printer, value, None, Place::Item);
    printer.indent(0);
    printer.into_text()
}

/// Prints a text on one line.
pub(crate) fn scalar(text: &str) -> String {
    match scalar::style(text) {
        Style::Plain => text.to_owned(),
        Style::SingleQuoted => format!("'{}'", text.replace('\'', "''")),
        Style::DoubleQuoted | Style::Literal => {
            let escaped = text.chars().map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                c if scalar::is_printable(c) => c.to_string(),
                c => format!("\\U{:08X}", u32::from(c)),
            });
            format!("\"{}\"", escaped.collect::<String>())
        }
    }
}

/// Prints a node; `indent` is the indentation of its parent.
fn node(printer: &mut Printer, value: &Value, indent: Option<usize>, place: Place) {
    let nested = indent.map_or(0, |indent| indent + INDENT);
    // Wrapped lines are indented at the top level, too.
    let wrap = indent.unwrap_or_default() + INDENT;
    match value {
        Value::Null => printer.word("null"),
        Value::Bool(true) => printer.word("true"),
        Value::Bool(false) => printer.word("false"),
        Value::Number(number) => printer.word(&number.to_string()),
        Value::String(text) => printer.scalar(text, scalar::style(text), wrap),
        Value::Array(items) if items.is_empty() => printer.word("[]"),
        Value::Object(members) if members.is_empty() => printer.word("{}"),
        Value::Array(items) => {
            // The dashes of a list are in the column of its key, unless the key is a long one.
            let below_key = place == Place::Member && !printer.is_in_indentation();
            let nested = indent.filter(|_| below_key).unwrap_or(nested);
            for item in items {
                printer.indent(nested);
                printer.mark("-");
                node(printer, item, Some(nested), Place::Item);
            }
        }
        Value::Object(members) => {
            for (key, value) in sorted(members) {
                printer.indent(nested);
                write_key(printer, key, nested);
                node(printer, value, Some(nested), Place::Member);
            }
        }
    }
}

fn write_key(printer: &mut Printer, key: &str, indent: usize) {
    if key.len() > SIMPLE_KEY || key.contains(LINE_BREAKS) {
        printer.mark("?");
        printer.scalar(key, scalar::style(key), indent + INDENT);
        printer.indent(indent);
        printer.mark(":");
    } else {
        let style = match key {
            // Without quotes, `<<` would merge another mapping.
            "<<" => Style::DoubleQuoted,
            _ => scalar::style(key),
        };
        printer.key(key, style);
    }
}

/// Sorts keys in the order of yaml.v2. That order is cyclic for some keys (`a9`, `a10`, `a1b`), for which Rust's sort
/// may panic.
fn sorted(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut sorted: Vec<(&str, &Value)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        let before = sorted.iter().rev().take_while(|(other, _)| order(key, other) == Ordering::Less).count();
        sorted.insert(sorted.len() - before, (key, value));
    }
    sorted
}

/// Compares keys: letters come last, and digits are compared as numbers. Rare letters of other scripts may be
/// classified differently than in yaml.v2.
fn order(left: &str, right: &str) -> Ordering {
    let Some(((at, l), r)) = left.char_indices().zip(right.chars()).find(|((_, l), r)| l != r) else {
        return left.len().cmp(&right.len());
    };
    match (l.is_alphabetic(), r.is_alphabetic()) {
        (true, true) => return l.cmp(&r),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (common, left) = left.split_at(at);
    let right = right.get(at..).unwrap_or_default();
    // A zero within a number is one of its digits.
    let is_in_number = common.chars().rev().take_while(char::is_ascii_digit).any(|digit| digit != '0');
    let begun = i64::from((l == '0' || r == '0') && is_in_number);
    let number = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit);
        digits.fold((begun, 0_usize), |(number, length), digit| {
            (number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), length + 1)
        })
    };
    number(left).cmp(&number(right)).then(l.cmp(&r))
}
