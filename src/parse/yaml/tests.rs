use super::*;

const LIMITS: YamlLimits = YamlLimits { bytes: 1_000, depth: 4, nodes: 20 };

/// `line:column+width` before each key and value; `|` marks verbatim text.
fn show(node: &Node) -> String {
    let Span { line, column, width } = node.span;
    let value = match &node.value {
        YamlValue::Scalar { text, quoted, verbatim } => {
            let mark = if *verbatim { "|" } else { "" };
            if *quoted { format!("{mark}{text:?}") } else { format!("{mark}{text}") }
        }
        YamlValue::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        YamlValue::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                format!("{}:{}+{} {} = {}", key.span.line, key.span.column, key.span.width, key.text, show(value))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    };
    format!("{line}:{column}+{width} {value}")
}

#[test]
fn parses() {
    for (text, tree) in [
        ("", "1:1+0 "),
        ("# only a comment\n", "1:1+0 "),
        ("a: b", "1:1+0 {1:1+1 a = 1:4+1 |b}"),
        ("---\na:\n", "2:1+0 {2:1+1 a = 2:2+0 |}"),
        ("a:  'b c'  # d", "1:1+0 {1:1+1 a = 1:5+5 |\"b c\"}"),
        ("a: 'b'\nc: \"d\"", "1:1+0 {1:1+1 a = 1:4+3 |\"b\", 2:1+1 c = 2:4+3 |\"d\"}"),
        ("a: \"b\\tc\"", "1:1+0 {1:1+1 a = 1:4+0 \"b\\tc\"}"),
        ("a: b  \n", "1:1+0 {1:1+1 a = 1:4+1 |b}"),
        ("é: ü x", "1:1+0 {1:1+1 é = 1:4+3 |ü x}"),
        (
            "a:\n- b\n- c: d\n  e: f\n",
            "1:1+0 {1:1+1 a = 2:3+0 [2:3+1 |b 3:3+0 {3:3+1 c = 3:6+1 |d, 4:3+1 e = 4:6+1 |f}]}",
        ),
        ("a: [b, \"*\"]", "1:1+0 {1:1+1 a = 1:4+1 [1:5+1 |b 1:8+3 |\"*\"]}"),
        ("[[[[a]]]]", "1:1+1 [1:2+1 [1:3+1 [1:4+1 [1:5+1 |a]]]]"),
        ("a: {b: c}\na: d", "1:1+0 {1:1+1 a = 1:4+1 {1:5+1 b = 1:8+1 |c}, 2:1+1 a = 2:4+1 |d}"),
        ("a: |\n  b\n  c\n", "1:1+0 {1:1+1 a = 2:3+0 \"b\\nc\\n\"}"),
        ("a: b\n  c\n", "1:1+0 {1:1+1 a = 1:4+0 b c}"),
    ] {
        assert_eq!(parse(text, &LIMITS).map(|node| show(&node)), Ok(tree.to_owned()), "{text}");
    }
}

#[test]
fn rejects() {
    let anchor = "anchors and aliases (&, *) are not supported, because a short file could expand without limit; repeat the \
                  value";
    let alias = "not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; \
                 a lone * must be quoted: \"*\"";
    let tag = "tags (!) are not supported; text that starts with ! must be quoted";
    for (text, error) in [
        ("a: &b c", format!("1:4: {anchor}")),
        ("a: &b {c: d}", format!("1:4: {anchor}")),
        ("a: &b [c]\nd: *b", format!("1:4: {anchor}")),
        ("a: !!str b", format!("1:4: {tag}")),
        ("a: !x [b]", format!("1:4: {tag}")),
        ("a: b\n---\nc: d", "2:1: expected one document, found a second one (---)".into()),
        ("a: [*]", format!("1:5: {alias}")),
        ("- *\n", format!("1:3: {alias}")),
        ("a: b: c", "1:5: not YAML: mapping values are not allowed in this context; text with a colon and a space must be quoted".into()),
        ("a:\n\tb: c", "2:2: not YAML: tabs disallowed within this context (block indentation)".into()),
        ("a: [b\n\n", "1:6: not YAML: while parsing a flow sequence, expected ',' or ']'".into()),
        (
            "a: \"\\d\"",
            "1:4: not YAML: while parsing a quoted scalar, found unknown escape character; text with backslashes belongs in \
             single quotes"
                .into(),
        ),
        ("a: \"b", "1:4: not YAML: while scanning a quoted scalar, found unexpected end of stream".into()),
        ("a: b\nc", "2:2: not YAML: simple key expected".into()),
        ("{{ .Values.x }}: b", "1:1: expected a key, found a mapping; text with braces must be quoted".into()),
        ("? [a]\n: b", "1:3: expected a key, found a list".into()),
        ("[[[[[a]]]]]", "1:5: nested deeper than 4 levels".into()),
        ("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9]", "1:40: more than 20 keys and values".into()),
        (&"#".repeat(1_001), "1:1: the file is longer than 1000 bytes".into()),
    ] {
        assert_eq!(parse(text, &LIMITS).map_err(|error| error.to_string()), Err(error), "{text}");
    }
}
