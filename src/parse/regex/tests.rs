use super::*;

const LIMITS: RegexLimits = RegexLimits { bytes: 128, compiled: 64 * 1024 };

fn parse(text: &str) -> Result<TextExpr, String> {
    TextExpr::parse(text, &LIMITS).map_err(|error| error.message)
}

/// The groups of each match, `-` for a group that did not take part.
fn matches(text: &str, page: &str) -> Vec<String> {
    let pattern = parse(text).unwrap().pattern;
    let show = |group: Option<&str>| group.unwrap_or("-").to_owned();
    let shown = pattern.matches(page).map(|found| match pattern.names_objects() {
        false => show(found.value),
        true => [found.namespace, found.name, found.value].map(show).join("/"),
    });
    shown.collect()
}

#[test]
fn parses_and_prints() {
    for (text, printed) in [
        (r"/a (\d+)/", r"/a (\d+)/"),
        (r"  /a (\d+)/ ", r"/a (\d+)/"),
        (r"SUM ( /a (\d+)/ )", r"sum(/a (\d+)/)"),
        (r"count(/(?:a|b)\((\d+)\)/)", r"count(/(?:a|b)\((\d+)\)/)"),
        // A slash within the pattern may be escaped, but need not be.
        (r"/a/b\/c (\d+)/", r"/a/b\/c (\d+)/"),
        (r"/(?<name>\w+)=(?P<value>\d+)/", r"/(?<name>\w+)=(?P<value>\d+)/"),
    ] {
        assert!(looks_like_regex(text), "{text}");
        let expr = parse(text).unwrap();
        assert_eq!(expr.to_string(), printed);
        assert_eq!(parse(printed), Ok(expr));
    }
    for text in ["queue_depth", "a / b", "sum(a)/sum(b)", "sum($.a)", "rate(/a/)", "", "("] {
        assert!(!looks_like_regex(text), "{text}");
    }
}

#[test]
fn rejects() {
    let second = "expected one group, found a second one; write (?:…) for groups other than the number, or name the groups \
                  (?<value>…) and (?<name>…)";
    let other = "expected named groups only, found one without a name; write (?:…), or (?<value>…) if it is the number";
    let after = |found: &str| {
        format!("expected the end after the closing /, found {found}; write flags inside the slashes: /(?i)…/")
    };
    for (text, column, message) in [
        ("(a)", 1, r"expected a regular expression between slashes, such as /(\d+)/".to_owned()),
        ("/(a)", 5, "expected / after the regular expression, found the end".to_owned()),
        ("sum(/(a)/", 10, "expected \")\" after the regular expression, found the end".to_owned()),
        ("/(a)/i", 6, after("\"i\"")),
        ("/ä (a)/ * 2", 8, after("\"* 2\"")),
        ("/a/", 2, r"expected a group around the number, such as (\d+), found none".to_owned()),
        ("/(?<name>a)/", 2, r"expected a group (?<value>…) around the number, such as (\d+), found none".to_owned()),
        (r"/\([(]ä(a) (?:b)(b)/", 17, second.to_owned()),
        ("/(a)(?<name>b)/", 2, other.to_owned()),
        ("/(?<name>b)(a)(?<value>c)/", 12, other.to_owned()),
        ("/(?<value>a)(?<namespace>b)/", 13, "expected a group (?<name>…) with (?<namespace>…), found none".to_owned()),
        ("/(?<value>a)(?<pod>b)/", 13, "unknown group \"pod\"; known are value, name and namespace".to_owned()),
        (r"/ab(cd\d/", 4, "found open group without closing ')'".to_owned()),
        (r"/a(b|\pL)/", 6, "Unicode character classes are not supported".to_owned()),
        ("/ab(cd/", 4, "found open group without closing ')'".to_owned()),
        ("max(/ab)(cd)/)", 8, "found closing ')' without matching '('".to_owned()),
        (r"/(a)\pL/", 5, "Unicode character classes are not supported".to_owned()),
        ("/(?<value>a)(?<value>b)/", 14, "duplicate capture group name".to_owned()),
        ("/(a{1000}{1000}{1000})/", 2, "compiled regex exceeded size limit".to_owned()),
    ] {
        let error = TextExpr::parse(text, &LIMITS).unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (column, format!("{message} (column {column})").as_str()));
    }
    let long = format!("/{}(a)/", "b".repeat(128));
    assert_eq!(parse(&long), Err("expected an expression of at most 128 bytes, found 133".to_owned()));
}

#[test]
fn matches_lines() {
    let page = "pool:   www\nlisten queue:    12 \nmax listen queue: 30\n";
    for (text, found) in [
        (r"/^listen queue: *(\d+)/", &["12"][..]),
        (r"/^listen queue:(.*)$/", &["12"]),
        (r"/listen queue: *(\d+)/", &["12", "30"]),
        (r"/^(?:max )?listen queue: *(\d+) ?$/", &["12", "30"]),
        (r"/^pool:\s+\w+\nlisten queue: *(\d+)/", &["12"]),
        (r"/^Listen/i (\d)/", &[]),
        (r"/(?i)^LISTEN QUEUE: *(?<value>\d+)/", &["12"]),
        (r"/^pool: (\d*)/", &[""]),
        (r"/^pool:(?: (\d+))?/", &["-"]),
    ] {
        let (lines, windows) = (matches(text, page), matches(text, &page.replace('\n', "\r\n")));
        assert_eq!(lines, found, "{text}");
        // A literal line feed is one byte.
        assert!(windows == found || text.contains(r"\n"), "{text}: {windows:?}");
    }
}

#[test]
fn matches_objects() {
    let page = "shop/web: 3\nshop/db: 4\ncache: 5\n";
    for (text, found) in [
        (r"/(?<name>\w+): (?<value>\d)/", &["-/web/3", "-/db/4", "-/cache/5"][..]),
        (r"/^(?:(?<namespace>\w+)\/)?(?<name>\w+): (?<value>\d)$/", &["shop/web/3", "shop/db/4", "-/cache/5"]),
        (r"/^(?<namespace>\w+)\/(?<name>\w+): (?<value>4)?/", &["shop/web/-", "shop/db/4"]),
    ] {
        assert_eq!(matches(text, page), found, "{text}");
    }
}
