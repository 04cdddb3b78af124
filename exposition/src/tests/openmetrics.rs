use super::*;

#[test]
fn reads_a_page() {
    let expected = [
        r#"Counter http_requests_total code="200" path="/a\"b\\c\nd" 1027 at 1395066363123"#,
        r#"Counter http_requests_created code="200" 1605281325"#,
        r#"Info build_info version="1.2" 1"#,
        r#"Histogram latency_seconds_bucket le="1.0" 11"#,
        r#"Histogram latency_seconds_bucket le="+Inf" 17"#,
        "Histogram latency_seconds_sum 324789.3",
        "Histogram latency_seconds_count 17",
        "Unknown other NaN",
        "",
    ];
    assert_eq!(read(Format::OpenMetrics, PAGES[1].1.as_bytes()), Ok(expected.join("\n")));
}

#[test]
fn reads_samples() {
    assert_parses(
        Format::OpenMetrics,
        &[
            ("a 1", "Unknown a 1"),
            ("a{} 1", "Unknown a 1"),
            ("a{b=\"c\"} 1", "Unknown a b=\"c\" 1"),
            ("a{b=\"c\",} 1", "Unknown a b=\"c\" 1"),
            ("a{b=\"\\d\\\\\"} 1", "Unknown a b=\"\\\\d\\\\\" 1"),
            ("a 1 2", "Unknown a 1 at 2000"),
            ("a 1 1520879607.789", "Unknown a 1 at 1520879607789"),
            ("a 1 1604676851.123456789", "Unknown a 1 at 1604676851123"),
            ("a 1 -1.5e-3", "Unknown a 1 at -2"),
            ("a 1 9223372036854", "Unknown a 1 at 9223372036854000"),
            ("a 1 # {b=\"#\"} 2", "Unknown a 1"),
            ("a 1 2 # {} NaN 3.5", "Unknown a 1 at 2000"),
            ("a infinity", "Unknown a inf"),
            ("{\"a.b\",\"c.d\"=\"e\"} 1 2 # {\"f.g\"=\"h\"} 3", "Unknown a.b c.d=\"e\" 1 at 2000"),
        ],
    );
}

#[test]
fn reads_metadata() {
    assert_parses(
        Format::OpenMetrics,
        &[
            ("# TYPE a counter\na_total 1", "Counter a_total 1"),
            ("# TYPE a gauge\na 1", "Gauge a 1"),
            ("# TYPE a gaugehistogram\na_gsum 1", "GaugeHistogram a_gsum 1"),
            ("# TYPE a stateset\na{a=\"on\"} 1", "StateSet a a=\"on\" 1"),
            ("# TYPE a unknown\na 1", "Unknown a 1"),
            ("# HELP a ", ""),
            ("# HELP a b \\n \" \\x \t", ""),
            ("# TYPE \"a.b\" counter\n{\"a.b_total\"} 1", "Counter a.b_total 1"),
            ("# TYPE a histogram\na_bucket{le=\"1\"} 1", "Histogram a_bucket le=\"1.0\" 1"),
            ("# HELP \"a b\" c", ""),
            ("# UNIT \"a.b_seconds\" seconds", ""),
            ("# UNIT a ", ""),
            ("# UNIT a_seconds seconds", ""),
        ],
    );
    assert_eq!(read(Format::OpenMetrics, b"# EOF"), Ok(String::new()));
    assert_eq!(read(Format::OpenMetrics, b"a 1\n# EOF"), Ok("Unknown a 1\n".to_owned()));
}

#[test]
fn rejects_malformed_lines() {
    assert_rejects(
        Format::OpenMetrics,
        &[
            (b"\n", "line 1, column 1: expected a sample or metadata, found the end of the line"),
            (b" a 1\n", r#"line 1, column 1: expected a metric name, found " ""#),
            (b"a\t1\n", r#"line 1, column 2: expected "{" or a space after the metric name, found "\t""#),
            (b"a  1\n", r#"line 1, column 3: expected a number, found " ""#),
            (b"a {} 1\n", r#"line 1, column 3: expected a number, found "{}""#),
            (b"a{}1\n", r#"line 1, column 4: expected a space before the value, found "1""#),
            (b"a{ b=\"\"} 1\n", r#"line 1, column 3: expected a label name or "}", found " ""#),
            (b"a{b =\"\"} 1\n", r#"line 1, column 4: expected "=" after a label name, found " ""#),
            (b"a{b=\"\", c=\"\"} 1\n", r#"line 1, column 8: expected a label name or "}", found " ""#),
            (b"a{b=\"\"c=\"\"} 1\n", r#"line 1, column 7: expected "," or "}" after a label, found "c=\"\"}""#),
            (b"a 1\t2\n", r#"line 1, column 3: expected a number, found "1""#),
            (b"a 1_2\n", r#"line 1, column 3: expected a number, found "1_2""#),
            (b"a 1\r\n", &carriage_return(3)),
            (b"a 1 \n", "line 1, column 5: expected a timestamp in seconds, found the end of the line"),
            (b"a 1 1z\n", r#"line 1, column 5: expected a timestamp in seconds, found "1z""#),
            (b"a 1 NaN\n", r#"line 1, column 5: expected a timestamp in seconds, found "NaN""#),
            (b"a 1 -Inf\n", r#"line 1, column 5: expected a timestamp in seconds, found "-Inf""#),
            (
                b"a 1 9223372036854776\n",
                r#"line 1, column 5: expected a timestamp in seconds, found "9223372036854776""#,
            ),
            (b"a 1 2 3\n", r#"line 1, column 6: expected an exemplar or the end of the line, found " ""#),
            (b"a 1 #\n", r#"line 1, column 4: expected an exemplar or the end of the line, found " ""#),
            (b"a 1 # {\n", r#"line 1, column 8: expected a label name or "}", found the end of the line"#),
            (b"a 1 # {b=c} 1\n", r#"line 1, column 10: expected a label value in double quotes, found "c}""#),
            (
                b"a 1 # {}\n",
                "line 1, column 9: expected a space before the exemplar\'s value, found the end of the line",
            ),
            (b"a 1 # {} x\n", r#"line 1, column 10: expected the exemplar's value, found "x""#),
            (b"a 1 # {} 1 Inf\n", r#"line 1, column 12: expected a timestamp in seconds, found "Inf""#),
            (b"a 1 # {} 1 2 3\n", r#"line 1, column 13: expected the end of the line, found " ""#),
            (
                b"a 1 # {\"b\"} 1\n",
                r#"line 1, column 8: expected labels of an exemplar, which has no metric name, found "\"b\"}""#,
            ),
            (b"{ \"a\"} 1\n", r#"line 1, column 1: expected a metric name, found "{""#),
        ],
    );
}

#[test]
fn rejects_malformed_metadata() {
    const KINDS: &str = "expected counter, gauge, histogram, gaugehistogram, stateset, info, summary or unknown";
    const WORDS: &str = r##"expected "# TYPE ", "# HELP ", "# UNIT " or "# EOF""##;
    assert_rejects(
        Format::OpenMetrics,
        &[
            (b"#\n", &format!("line 1, column 1: {WORDS}, found \"#\"")),
            (b"# a comment\n", &format!("line 1, column 1: {WORDS}, found \"#\"")),
            (b"#TYPE a gauge\n", &format!("line 1, column 1: {WORDS}, found \"#TYPE\"")),
            (b"#  TYPE a gauge\n", &format!("line 1, column 1: {WORDS}, found \"#\"")),
            (b"# EOF \n", &format!("line 1, column 1: {WORDS}, found \"#\"")),
            (b"# TYPE a untyped\n", &format!("line 1, column 10: {KINDS}, found \"untyped\"")),
            (b"# TYPE a  gauge\n", &format!("line 1, column 10: {KINDS}, found \" \"")),
            (b"# TYPE a gauge \n", &format!("line 1, column 10: {KINDS}, found \"gauge\"")),
            (b"# TYPE \n", "line 1, column 8: expected a metric name after TYPE, found the end of the line"),
            (b"# TYPE a\n", "line 1, column 9: expected a space after the metric name, found the end of the line"),
            (b"# HELP a\n", "line 1, column 9: expected a space after the metric name, found the end of the line"),
            (b"# HELP 1 b\n", r#"line 1, column 8: expected a metric name after HELP, found "1""#),
            (b"# UNIT a\n", "line 1, column 9: expected a space after the metric name, found the end of the line"),
            (b"# UNIT  b\n", r#"line 1, column 8: expected a metric name after UNIT, found " ""#),
            (b"# UNIT a b\n", r#"line 1, column 10: expected a unit that the metric name ends with, found "b""#),
            (b"# UNIT ab b\n", r#"line 1, column 11: expected a unit that the metric name ends with, found "b""#),
        ],
    );
}

#[test]
fn rejects_pages_without_their_end() {
    const MISSING: &str = r##"expected "# EOF" at the end, found none: the page is cut off, or it is not OpenMetrics"##;
    const AFTER: &str = r##"line 2, column 1: expected nothing after "# EOF", found more of the page"##;
    assert_rejects(
        Format::OpenMetrics,
        &[
            (b"", &format!("line 1, column 1: {MISSING}")),
            (b"a 1", &format!("line 1, column 4: {MISSING}")),
            (b"a 1\n", &format!("line 2, column 1: {MISSING}")),
            (b"a 1\n# EO", &format!("line 2, column 5: {MISSING}")),
            (b"# EOF\n\n", AFTER),
            (b"# EOF\na", AFTER),
            (b"# EOF\na 1\n", AFTER),
            (b"# EOF\n\xff\n", AFTER),
            (b"# EOF\n# EOF\n", AFTER),
        ],
    );
}
