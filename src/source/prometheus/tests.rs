//! Responses of servers: vectors, scalars, and rejected ones.

use super::*;
use crate::config::limits::{PageLimits, PrometheusLimits};

fn answer(body: &str) -> Result<Vec<Sample>, String> {
    let query = InstantQuery {
        url: String::new(),
        promql: "up".to_owned(),
        lookback: Duration::from_secs(120),
        namespace: Some("namespace".to_owned()),
        name: Some("pod".to_owned()),
        labels: false,
    };
    let limits = Limits {
        page: PageLimits { kept_series: 2, ..PageLimits::default() },
        prometheus: PrometheusLimits { bytes: 300, ..PrometheusLimits::default() },
        ..Limits::default()
    };
    let read = read(&mut body.as_bytes(), &query, 0, &limits);
    read.map(|answer| answer.samples).map_err(|error| error.detail())
}

fn vector(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"result":[{result}],"resultType":"vector"}}}}"#)
}

#[test]
fn reads_vectors() {
    assert_eq!(answer(&vector("")), Ok(Vec::new()));
    let sample = |namespace: Option<&str>, name: Option<&str>, value, at| Sample {
        namespace: namespace.map(Box::from),
        name: name.map(Box::from),
        labels: Labels::default(),
        value,
        at,
    };
    let elements = r#"{"metric":{"pod":"a","namespace":"shop","x":"y"},"value":[1700000000.123,"1.5"]},
        {"value":[1700000000,"+Inf"],"metric":{}}"#;
    assert_eq!(
        answer(&vector(elements)),
        Ok(vec![
            sample(Some("shop"), Some("a"), 1.5, 1_700_000_000_123),
            sample(None, None, f64::INFINITY, 1_700_000_000_000)
        ])
    );
    let with = r#"{"status":"success","warnings":["PromQL info: metric might not be a counter, name does not end in _total"],"infos":["x"],"isPartial":false,"stats":{},"data":{"resultType":"vector","result":[]}}"#;
    assert_eq!(answer(with), Ok(Vec::new()));
}

#[test]
fn reads_a_scalar_for_one_object() {
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.5,"2.5"]}}"#;
    let one = InstantQuery {
        url: String::new(),
        promql: String::new(),
        lookback: Duration::ZERO,
        namespace: None,
        name: None,
        labels: false,
    };
    let samples = read(&mut body.as_bytes(), &one, 0, &Limits::default()).unwrap().samples;
    assert_eq!(
        samples,
        [Sample { namespace: None, name: None, labels: Labels::default(), value: 2.5, at: 1_700_000_000_500 }]
    );
    let wrong = body.replace("2.5", "x");
    let error = read(&mut wrong.as_bytes(), &one, 0, &Limits::default()).unwrap_err();
    assert_eq!(error.detail(), "answered something that is not a number (x)");
}

#[test]
fn rejects_other_responses() {
    let not = "answered something that is not a response of Prometheus' API";
    let success = |rest: &str| format!(r#"{{"status":"success",{rest}}}"#);
    for (body, expected) in [
        (String::new(), format!("{not} (EOF while parsing a value at line 1 column 0)")),
        ("<html>".to_owned(), format!("{not} (expected value at line 1 column 1)")),
        (vector("") + "x", format!("{not} (trailing characters at line 1 column 64)")),
        ("{}".to_owned(), format!("{not} (missing field `status` at line 1 column 2)")),
        (success(r#""data":null"#), "returned no vector (nothing)".to_owned()),
        (
            success(r#""data":{"resultType":"scalar","result":[1,"2"]}"#),
            "returned a scalar, expected a vector; aggregate by the object's label (scalar)".to_owned(),
        ),
        (
            success(r#""data":{"resultType":"matrix","result":[]}"#),
            "returned a range vector, expected an instant vector; wrap the range in a function such as rate() (matrix)"
                .to_owned(),
        ),
        (success(r#""data":{"resultType":"str\ning","result":[]}"#), "returned no vector (str\\ning)".to_owned()),
        (
            success(r#""warnings":["a store is \u00fc down"],"data":{"resultType":"vector","result":[]}"#),
            "returned a partial result with warnings (a store is ü down)".to_owned(),
        ),
        (
            success(
                r#""warnings":["PromQL info: a","PromQL warning: bucket label \"le\" is missing"],"data":{"resultType":"vector","result":[]}"#,
            ),
            r#"warned that the query does not fit its data (PromQL warning: bucket label \"le\" is missing)"#
                .to_owned(),
        ),
        (
            success(r#""isPartial":true,"data":{"resultType":"vector","result":[]}"#),
            "returned a partial result (isPartial)".to_owned(),
        ),
        (
            r#"{"status":"error","errorType":"timeout","error":"too slow"}"#.to_owned(),
            "gave up the query: it took too long (timeout: too slow)".to_owned(),
        ),
        (r#"{"status":"odd"}"#.to_owned(), "answered an error (: )".to_owned()),
        (
            vector(r#"{"metric":{},"histogram":[1,{"count":"1"}]}"#),
            "answered a native histogram instead of a number (a native histogram)".to_owned(),
        ),
        (
            vector(r#"{"metric":{}}"#),
            "answered an element without a value instead of a number (an element without a value)".to_owned(),
        ),
        (vector(r#"{"metric":{},"value":[1,"x"]}"#), "answered something that is not a number (x)".to_owned()),
        (
            vector(r#"{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"1"]}"#),
            "answered more than 2 values (3)".to_owned(),
        ),
        (" ".repeat(301), "answered a body of more than 300 bytes".to_owned()),
    ] {
        assert_eq!(answer(&body), Err(expected), "{body}");
    }
}

#[test]
fn describes_failures() {
    for (body, expected) in [
        (
            r#"{"status":"error","errorType":"bad_data","error":"1:2: parse error"}"#,
            "refused the query as malformed (bad_data: 1:2: parse error)",
        ),
        (
            r#"{"status":"error","errorType":"execution","error":"many"}"#,
            "could not evaluate the query (execution: many)",
        ),
        (r#"{"status":"error","errorType":"new","error":""}"#, "answered an error (new: )"),
        ("no such page", "answered 422"),
        (r#"{"status":"success"}"#, "answered 422"),
    ] {
        assert_eq!(refused(422, &mut body.as_bytes()).detail(), expected, "{body}");
    }
}
