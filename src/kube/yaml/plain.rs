//! The type of a plain scalar: text, or one of the other types of YAML 1.1 that Go's yaml.v2 supports.

/// The words for null, booleans and NaN.
const WORDS: &[&str] = &[
    "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N",
    "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF",
    "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
];

/// Whether a plain scalar is text.
pub(super) fn is_text(text: &str) -> bool {
    if WORDS.contains(&text) {
        return false;
    }
    match text.as_bytes().first() {
        Some(b'.') => !(is_float(&text.replace('_', "")) && separates_digits(text)),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            !(is_integer(&digits) || is_float(&digits) || is_sexagesimal(text) || is_timestamp(text))
        }
        _ => true,
    }
}

/// Whether the text is an integer in Go: octal with `0` or `0o`, hexadecimal with `0x`, binary with `0b`.
fn is_integer(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let prefixed = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| unsigned.strip_prefix(prefix));
    let (radix, digits) = if let Some(digits) = prefixed(["0x", "0X"]) {
        (16, digits)
    } else if let Some(digits) = prefixed(["0o", "0O"]) {
        (8, digits)
    } else if let Some(digits) = prefixed(["0b", "0B"]) {
        (2, digits)
    } else {
        (10, unsigned)
    };
    // yaml.v2 accidentally accepts a sign after this prefix.
    let digits = match text.starts_with("0b") {
        true => digits.strip_prefix(['+', '-']).unwrap_or(digits),
        false => digits,
    };
    !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))
}

fn is_float(text: &str) -> bool {
    // Go's words such as `inf` are not numbers here.
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok()
}

/// Whether each underscore is between two digits.
fn separates_digits(text: &str) -> bool {
    let parts: Vec<&str> = text.split('_').collect();
    let is_digit = |c: char| c.is_ascii_digit();
    parts
        .windows(2)
        .all(|pair| matches!(pair, [left, right] if left.ends_with(is_digit) && right.starts_with(is_digit)))
}

/// Whether the text is a base-60 number, such as `1:30` or `12:30:45.5`: a type of YAML 1.1 that other libraries
/// support.
fn is_sexagesimal(text: &str) -> bool {
    let Some((first, mut rest)) = text.strip_prefix(['+', '-']).unwrap_or(text).split_once(':') else { return false };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if let Some((whole, fraction)) = rest.split_once('.') {
        if !is_digits(fraction) {
            return false;
        }
        rest = whole;
    }
    let is_below_60 = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    first.starts_with(|c: char| c.is_ascii_digit()) && is_digits(first) && rest.split(':').all(is_below_60)
}

/// Whether the text is a timestamp: `2026-08-18`, `2026-8-18 2:35:4.5`, `2026-08-18T02:35:04Z`,
/// `2026-08-18t02:35:04+02:00`.
fn is_timestamp(text: &str) -> bool {
    let mut rest = text.as_bytes();
    is_date(&mut rest).is_some()
        && match rest {
            [] => true,
            [b'T' | b't', time @ ..] => {
                rest = time;
                is_time(&mut rest).is_some() && is_zone(rest)
            }
            [b' ', time @ ..] => {
                rest = time.trim_ascii_start();
                is_time(&mut rest).is_some() && rest.is_empty()
            }
            _ => false,
        }
}

fn is_date(rest: &mut &[u8]) -> Option<()> {
    let (year, after) = rest.split_first_chunk::<4>()?;
    let year =
        year.iter().try_fold(0, |year, byte| byte.is_ascii_digit().then(|| year * 10 + u16::from(byte - b'0')))?;
    *rest = after;
    skip(rest, b'-')?;
    let month = number(rest, 1..=12)?;
    skip(rest, b'-')?;
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    number(rest, 1..=days)?;
    Some(())
}

fn is_time(rest: &mut &[u8]) -> Option<()> {
    number(rest, 0..=23)?;
    skip(rest, b':')?;
    number(rest, 0..=59)?;
    skip(rest, b':')?;
    number(rest, 0..=59)?;
    if let [b'.' | b',', b'0'..=b'9', fraction @ ..] = *rest {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *rest = fraction.get(digits..)?;
    }
    Some(())
}

fn is_zone(text: &[u8]) -> bool {
    let two = |high: u8, low: u8, largest: u8| {
        high.is_ascii_digit() && low.is_ascii_digit() && (high - b'0') * 10 + (low - b'0') <= largest
    };
    match *text {
        [b'Z'] => true,
        [b'+' | b'-', h, o, b':', m, i] => two(h, o, 24) && two(m, i, 60),
        _ => false,
    }
}

fn skip(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

/// Parses one or two digits.
fn number(rest: &mut &[u8], allowed: std::ops::RangeInclusive<u8>) -> Option<u8> {
    let digits = rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    *rest = after;
    let number = number.iter().fold(0, |number, digit| number * 10 + (digit - b'0'));
    allowed.contains(&number).then_some(number)
}
