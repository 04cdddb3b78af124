use super::*;

#[test]
fn reads_a_page() {
    let expected = [
        r#"Counter http_requests_total code="200" path="/a\"b\\c\nd" 1027 at 1395066363000"#,
        r#"Counter http_requests_total code="500" path="/é" 3"#,
        r#"Gauge queue_depth queue="a" -1500"#,
        "Gauge queue_depth inf at -1",
        r#"Histogram latency_seconds_bucket le="+Inf" 144320"#,
        "Histogram latency_seconds_sum 53423.12345678901",
        "Histogram latency_seconds_count 144320",
        "Unknown other NaN",
        "",
    ];
    assert_eq!(read(Format::Prometheus, PAGES[0].1.as_bytes()), Ok(expected.join("\n")));
}

#[test]
fn reads_samples() {
    assert_parses(
        Format::Prometheus,
        &[
            ("", ""),
            (" \t ", ""),
            ("a 1", "Unknown a 1"),
            (":a:b 1", "Unknown :a:b 1"),
            ("a{} 1", "Unknown a 1"),
            ("a{ } 1", "Unknown a 1"),
            ("a{b=\"c\"}1", "Unknown a b=\"c\" 1"),
            ("a{b=\"c\",} 1", "Unknown a b=\"c\" 1"),
            ("a\t{\tb\t=\t\"c\"\t,\td=\"e\" , }\t1\t", "Unknown a b=\"c\" d=\"e\" 1"),
            ("a{b=\"{},= #\"} 1", "Unknown a b=\"{},= #\" 1"),
            ("a{b=\"\\\\\",c=\"\\\"\",d=\"\\n\"} 1", "Unknown a b=\"\\\\\" c=\"\\\"\" d=\"\\n\" 1"),
            ("a{b=\"\\t\\é\\\\n\"} 1", "Unknown a b=\"\\\\t\\\\é\\\\n\" 1"),
            ("a{b=\"\0\r\t\"} 1", "Unknown a b=\"\\0\\r\\t\" 1"),
            ("a{b=\"\",c=\"d\"} 1", "Unknown a c=\"d\" 1"),
            ("a{b1=\"\",b2=\"\",b3=\"\"} 1", "Unknown a 1"),
            ("a 1 2", "Unknown a 1 at 2"),
            ("a 1 \t -2 \t ", "Unknown a 1 at -2"),
            ("a 1 +9223372036854775807", "Unknown a 1 at 9223372036854775807"),
            ("a -0", "Unknown a -0"),
            ("a +1.5E-3", "Unknown a 0.0015"),
            ("a -inf", "Unknown a -inf"),
            ("a Infinity", "Unknown a inf"),
            ("a nan", "Unknown a NaN"),
            ("{\"a.b\"} 1", "Unknown a.b 1"),
            ("{ \"a.b\" , c=\"d\"} 1", "Unknown a.b c=\"d\" 1"),
            ("{\"a.b\",c=\"\",\"é \\\\\"=\"d\",}1 2", "Unknown a.b é \\=\"d\" 1 at 2"),
            ("{c=\"d\",\"a\\n\\\"b\"} 1", "Unknown a\n\"b c=\"d\" 1"),
            ("{c=\"d\",\"a\",} 1", "Unknown a c=\"d\" 1"),
            ("a{\"b\"=\"c\",\"d.e\" = \"f\"} 1", "Unknown a b=\"c\" d.e=\"f\" 1"),
        ],
    );
}

#[test]
fn reads_metadata() {
    assert_parses(
        Format::Prometheus,
        &[
            ("# TYPE a counter\na 1", "Counter a 1"),
            ("# TYPE a gauge\na 1", "Gauge a 1"),
            ("# TYPE a summary\na{quantile=\"0.5\"} 1", "Summary a quantile=\"0.5\" 1"),
            ("# TYPE a untyped\na 1", "Unknown a 1"),
            ("\t#\tTYPE\ta\tcounter\t\na 1", "Counter a 1"),
            ("# TYPE a gauge\n# TYPE b counter\na 1", "Unknown a 1"),
            ("# TYPE \"a.b\" counter\n{\"a.b\"} 1", "Counter a.b 1"),
            ("# HELP \"a.b\" c", ""),
            (
                "# TYPE a histogram\na_bucket{le=\"1\",quantile=\"1\"} 1",
                "Histogram a_bucket le=\"1.0\" quantile=\"1\" 1",
            ),
            ("# TYPE a summary\na{le=\"1\",quantile=\"1\"} 1", "Summary a le=\"1\" quantile=\"1.0\" 1"),
            // The last TYPE line counts, whichever name it declares, as in Prometheus.
            ("# TYPE a histogram\nb{le=\"1\"} 1", "Unknown b le=\"1.0\" 1"),
            ("# TYPE a histogram\n# TYPE b gauge\na{le=\"1\"} 1", "Unknown a le=\"1\" 1"),
            ("a_bucket{le=\"1\"} 1", "Unknown a_bucket le=\"1\" 1"),
            ("# TYPE a gauge\n# HELP b c\nb 1", "Unknown b 1"),
            // Comments, as in Prometheus.
            ("#TYPE a counter\na 1", "Unknown a 1"),
            ("# type a counter\na 1", "Unknown a 1"),
            ("# TYPEa counter\na 1", "Unknown a 1"),
            ("#", ""),
            ("# TYPE", ""),
            ("# HELP", ""),
            ("# HELPME", ""),
            ("# UNIT a b", ""),
            ("# EOF\n#EOF", ""),
            ("# HELP a", ""),
            ("# HELP a ", ""),
            ("# HELP a \0 \\ \\x \r", ""),
            ("# HELP a.b c", ""),
        ],
    );
}

#[test]
fn rejects_malformed_lines() {
    assert_rejects(
        Format::Prometheus,
        &[
            (b"a 1\n2 3\n", r#"line 2, column 1: expected a metric name, found "2""#),
            (b"  =\n", r#"line 1, column 3: expected a metric name, found "=""#),
            (b"{a=\"b\"} 1\n", r#"line 1, column 1: expected a metric name, found "{a=\"b\"}""#),
            (b"{} 1\n", r#"line 1, column 1: expected a metric name, found "{}""#),
            (b"{\"a.b\":1}\n", r#"line 1, column 1: expected a metric name, found "{\"a.b\":1}""#),
            (b"{\"a.b\"}\n", "line 1, column 8: expected a number, found the end of the line"),
            (b"{\"a.b\",c} 1\n", r#"line 1, column 9: expected "=" after a label name, found "}""#),
            (b"{\"a.b\",\"c\"} 1\n", r#"line 1, column 8: expected only one metric name, found "\"c\"}""#),
            (b"{\"\"} 1\n", r#"line 1, column 1: expected a metric name, found "{\"\"}""#),
            (b"\"a.b\" 1\n", r#"line 1, column 1: expected a metric name, found "\"a.b\"""#),
            (
                b"a{\"b\"} 1\n",
                r#"line 1, column 3: expected labels only, because the metric name precedes them, found "\"b\"}""#,
            ),
            (b"a\n", r#"line 1, column 2: expected "{" or a space after the metric name, found the end of the line"#),
            (b"a.b 1\n", r#"line 1, column 2: expected "{" or a space after the metric name, found ".b""#),
            (b"a+1\n", r#"line 1, column 2: expected "{" or a space after the metric name, found "+1""#),
            ("aé 1\n".as_bytes(), r#"line 1, column 2: expected "{" or a space after the metric name, found "é""#),
            (b"a \n", "line 1, column 3: expected a number, found the end of the line"),
            (b"a{}\n", "line 1, column 4: expected a number, found the end of the line"),
            (b"a{b=\"c\"}\n", "line 1, column 9: expected a number, found the end of the line"),
            (b"a 1\r\n", &carriage_return(3)),
            (b"a 1 2\r\n", &carriage_return(5)),
            (b"a 1 \r\n", &carriage_return(5)),
            (b"\r\n", &carriage_return(1)),
            (b"a x 1\r\n", r#"line 1, column 3: expected a number, found "x""#),
            (b"{\r\n", r#"line 1, column 1: expected a metric name, found "{\r""#),
            (b"a true\n", r#"line 1, column 3: expected a number, found "true""#),
            (b"a 1_000\n", r#"line 1, column 3: expected a number, found "1_000""#),
            (b"a 0x10\n", r#"line 1, column 3: expected a number, found "0x10""#),
            (b"a 0x1p3\n", r#"line 1, column 3: expected a number, found "0x1p3""#),
            (b"a 1e999\n", r#"line 1, column 3: expected a number, found "1e999""#),
            (b"a +NaN\n", r#"line 1, column 3: expected a number, found "+NaN""#),
            (b"a Infinit\n", r#"line 1, column 3: expected a number, found "Infinit""#),
            (b"a 1\0\n", r#"line 1, column 3: expected a number, found "1\x00""#),
            (b"a 1 2.5\n", r#"line 1, column 5: expected a timestamp in integer milliseconds, found "2.5""#),
            (b"a 1 # {} 1\n", r##"line 1, column 5: expected a timestamp in integer milliseconds, found "#""##),
            (b"a 1 -\n", r#"line 1, column 5: expected a timestamp in integer milliseconds, found "-""#),
            (
                b"a 1 9223372036854775808\n",
                r#"line 1, column 5: expected a timestamp in integer milliseconds, found "9223372036854775808""#,
            ),
            (b"a 1 2 3\n", r#"line 1, column 7: expected the end of the line, found "3""#),
        ],
    );
}

#[test]
fn rejects_malformed_labels() {
    assert_rejects(
        Format::Prometheus,
        &[
            (b"a{\n", r#"line 1, column 3: expected a label name or "}", found the end of the line"#),
            (b"a{,} 1\n", r#"line 1, column 3: expected a label name or "}", found ",}""#),
            (b"a{=\"\"} 1\n", r#"line 1, column 3: expected a label name or "}", found "=\"\"}""#),
            (b"a{9=\"\"} 1\n", r#"line 1, column 3: expected a label name or "}", found "9=\"\"}""#),
            (b"a{:=\"\"} 1\n", r#"line 1, column 3: expected a label name or "}", found ":=\"\"}""#),
            (b"a{\"\"=\"b\"} 1\n", r#"line 1, column 3: expected a name between the quotes, found "\"\"=\"b\"}""#),
            (b"a{\"b.c\" 1\n", r#"line 1, column 9: expected "=" after a label name, found "1""#),
            (
                b"a{\"__name__\"=\"b\"} 1\n",
                r#"line 1, column 3: expected a label name other than __name__, found "\"__name__\"=\"b\"}""#,
            ),
            (
                b"a{b=\"\",\"b\"=\"\"} 1\n",
                r#"line 1, column 8: expected each label name only once, found "\"b\"=\"\"}""#,
            ),
            (b"a{\"b\"=\"\",b=\"\"} 1\n", r#"line 1, column 10: expected each label name only once, found "b=\"\"}""#),
            (
                b"a{\"\\x\"=\"\",\"\\\\x\"=\"\"} 1\n",
                r#"line 1, column 11: expected each label name only once, found "\"\\\\x\"=\"\"}""#,
            ),
            (b"a{b} 1\n", r#"line 1, column 4: expected "=" after a label name, found "}""#),
            (b"a{b:c=\"\"} 1\n", r#"line 1, column 4: expected "=" after a label name, found ":c=\"\"}""#),
            (b"a{b='c'} 1\n", r#"line 1, column 5: expected a label value in double quotes, found "'c'}""#),
            (b"a{b=\n", "line 1, column 5: expected a label value in double quotes, found the end of the line"),
            (
                b"a{b=\"c} 1\n",
                "line 1, column 10: expected a closing quote in the same line, found the end of the line",
            ),
            (
                b"a{b=\"c\nd\"} 1\n",
                "line 1, column 7: expected a closing quote in the same line, found the end of the line",
            ),
            (
                b"a{b=\"\\\"} 1\n",
                "line 1, column 11: expected a closing quote in the same line, found the end of the line",
            ),
            (
                b"a{b=\"\\\n\"} 1\n",
                "line 1, column 7: expected a closing quote in the same line, found the end of the line",
            ),
            (b"a{b=\"c\" d=\"e\"} 1\n", r#"line 1, column 9: expected "," or "}" after a label, found "d=\"e\"}""#),
            (b"a{b=\"c\",,} 1\n", r#"line 1, column 9: expected a label name or "}", found ",}""#),
            (b"a{b=\"c\"]\n", r#"line 1, column 8: expected "," or "}" after a label, found "]""#),
            (
                b"a{b=\"c\",d=\"\",b=\"c\"} 1\n",
                r#"line 1, column 14: expected each label name only once, found "b=\"c\"}""#,
            ),
            (
                b"a{__name__=\"b\"} 1\n",
                r#"line 1, column 3: expected a label name other than __name__, found "__name__=\"b\"}""#,
            ),
        ],
    );
}

#[test]
fn rejects_malformed_metadata() {
    const KINDS: &str = "expected counter, gauge, histogram, summary or untyped";
    assert_rejects(
        Format::Prometheus,
        &[
            (b"# TYPE \n", "line 1, column 8: expected a metric name after TYPE, found the end of the line"),
            (b"# TYPE #\n", r##"line 1, column 8: expected a metric name after TYPE, found "#""##),
            (b"# HELP \n", "line 1, column 8: expected a metric name after HELP, found the end of the line"),
            (b"# HELP \"\" c\n", r#"line 1, column 8: expected a name between the quotes, found "\"\"""#),
            (
                b"# TYPE \"a gauge\n",
                "line 1, column 16: expected a closing quote in the same line, found the end of the line",
            ),
            (
                b"# TYPE a\n",
                "line 1, column 9: expected a space and a type after the metric name, found the end of the line",
            ),
            (b"# TYPE a \n", &format!("line 1, column 10: {KINDS}, found the end of the line")),
            (b"# TYPE a Gauge\n", &format!("line 1, column 10: {KINDS}, found \"Gauge\"")),
            (b"# TYPE a info\n", &format!("line 1, column 10: {KINDS}, found \"info\"")),
            (b"# TYPE a gauge\r\n", &carriage_return(10)),
            (b"# TYPE a gauge b\n", &format!("line 1, column 10: {KINDS}, found \"gauge\"")),
        ],
    );
}

#[test]
fn rejects_other_encodings_and_shortens_messages() {
    assert_rejects(
        Format::Prometheus,
        &[
            (b"a 1\nb{c=\"d\xff e\"} 1\n", r#"line 2, column 7: expected UTF-8, found "\xff""#),
            (b"# \xc3\n\xa9\n", r#"line 1, column 3: expected UTF-8, found "\xc3""#),
            (b"=\n\xff\n", r#"line 1, column 1: expected a metric name, found "=""#),
            (b"\xef\xbb\xbfa 1\n", r#"line 1, column 1: expected a metric name, found "\xef\xbb\xbfa""#),
            (
                b"a 12345678901234567890123456789012345678901234567890123456789012345678901234567890x\n",
                r#"line 1, column 3: expected a number, found "1234567890123456789012345678901234567890123456789012345678901234…""#,
            ),
        ],
    );
}

#[test]
fn rejects_pages_without_their_end() {
    assert_eq!(read(Format::Prometheus, b""), Ok(String::new()));
    assert_rejects(
        Format::Prometheus,
        &[
            (b"a", "line 1, column 2: expected a line feed, found the end of the page in the middle of line 1"),
            (
                b"a 1\nb 123",
                "line 2, column 6: expected a line feed, found the end of the page in the middle of line 2",
            ),
            (b"a 1\n ", "line 2, column 2: expected a line feed, found the end of the page in the middle of line 2"),
            (b"# EOF", "line 1, column 6: expected a line feed, found the end of the page in the middle of line 1"),
        ],
    );
}

#[test]
fn parses_a_complete_last_line_without_line_feed() {
    #[derive(Default)]
    struct Values(Vec<f64>);
    impl Sink for Values {
        fn wants(&mut self, _: &str) -> bool {
            true
        }
        fn too_long(&mut self, name: &str, _: Labels<'_>) {
            panic!("{name} is too long");
        }
        fn sample(&mut self, sample: &Sample<'_>) {
            self.0.push(sample.value);
        }
    }
    let limits = ExpositionLimits { line: 200 };
    for (page, expected) in [
        (&b""[..], Ok(vec![])),
        (b"a 1\n", Ok(vec![1.0])),
        (b"a 1", Ok(vec![1.0])),
        (b"a 1\nb{c=\"d\"} 2", Ok(vec![1.0, 2.0])),
        (b"# EOF", Ok(vec![])),
        (
            b"a 1\nb",
            Err("line 2, column 2: expected \"{\" or a space after the metric name, found the end of the line"
                .to_owned()),
        ),
    ] {
        let (mut parser, mut values) = (Parser::new(Format::Prometheus, limits), Values::default());
        let ended = parser.feed(page, &mut values).and_then(|()| parser.end_line(&mut values));
        let summary = ended.and_then(|()| parser.finish());
        let bytes = summary.as_ref().map_or(page.len() as u64, |summary| summary.bytes);
        assert_eq!(
            (summary.map(|_| values.0).map_err(|error| error.to_string()), bytes),
            (expected, page.len() as u64)
        );
    }
    let mut parser = Parser::new(Format::OpenMetrics, limits);
    parser.feed(b"a 1", &mut Values::default()).unwrap();
    parser.end_line(&mut Values::default()).unwrap();
    assert!(parser.finish().is_err(), "OpenMetrics ends with # EOF");
}
