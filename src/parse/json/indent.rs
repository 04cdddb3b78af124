//! Indents JSON as `kubectl` does. One function for all types, because serde_json's pretty printer is compiled
//! separately for each type that it prints.

/// Indents JSON without whitespace between tokens: one value per line, two spaces per level.
pub(crate) fn indent(compact: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    let mut before = 0;
    for &byte in compact {
        if is_string {
            text.push(byte);
            (is_string, is_escaped) = (is_escaped || byte != b'"', !is_escaped && byte == b'\\');
            before = byte;
            continue;
        }
        let opens = matches!(before, b'{' | b'[');
        match byte {
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                // Empty lists and objects stay on one line.
                if !opens {
                    new_line(&mut text, depth);
                }
            }
            _ if opens => new_line(&mut text, depth),
            _ => {}
        }
        text.push(byte);
        match byte {
            b'{' | b'[' => depth += 1,
            b',' => new_line(&mut text, depth),
            b':' => text.push(b' '),
            b'"' => is_string = true,
            _ => {}
        }
        before = byte;
    }
    text
}

fn new_line(text: &mut Vec<u8>, depth: usize) {
    text.push(b'\n');
    text.extend(std::iter::repeat_n(b' ', 2 * depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prints_as_serde_json_does() {
        let nested = json!({"a": [1, -2.5e-7, true, null], "b": {"c": {}, "d": [], "e": [[], [{}]]}});
        let texts = json!({"\"{": "a\\", "[,:": "\\\"]}", "é\n": "\u{202e}{"});
        for value in [json!(null), json!(1), json!("{"), json!([]), json!({}), json!([{}]), nested, texts] {
            let expected = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(String::from_utf8(indent(value.to_string().as_bytes())).unwrap(), expected);
        }
        assert_eq!(indent(b""), b"");
    }
}
