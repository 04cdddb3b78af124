//! If-None-Match: the result equals that of a reference for single tags, and every tag in a list of valid tags is
//! found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::etag;

fuzz_target!(|input: (&str, &str)| {
    let (header, tag) = input;
    let tag = format!("\"{tag}\"");
    assert_eq!(etag::has(header, &tag), reference(header, &tag), "{header:?} {tag:?}");
    if is_tag(&tag) {
        for list in [tag.clone(), format!("W/{tag}"), format!("\"x\" ,\t{tag}"), format!("{tag}, {header}")] {
            assert!(etag::has(&list, &tag), "{list:?}");
        }
    }
});

/// The reference, byte by byte (RFC 9110 §8.8.3 and §13.1.2).
fn reference(header: &str, tag: &str) -> bool {
    let bytes = header.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b',' => at += 1,
            b'*' => return true,
            _ => {
                let begin = if bytes[at..].starts_with(b"W/") { at + 2 } else { at };
                let is_end = |end: &usize| header.get(begin..*end).is_some_and(is_tag);
                let Some(end) = (begin + 2..=bytes.len()).find(is_end) else { return false };
                if &header[begin..end] == tag {
                    return true;
                }
                at = end;
            }
        }
    }
    false
}

/// Whether the whole text is one tag.
fn is_tag(text: &str) -> bool {
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inside.is_some_and(|inside| inside.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)))
}
