//! Sources whose addresses other users can influence: pods, and placeholders in a host.

use super::*;

#[test]
fn reads_sources_of_pods() {
    let pods = |port, https, host_network| {
        Target::Pods(Pods { set: None, port, path: "/metrics".to_owned(), https, host_network })
    };
    for (source, target) in [
        ("pods: {port: metrics}", pods(PodPort::Name("metrics".to_owned()), false, false)),
        ("pods: {port: 9090, scheme: https}", pods(PodPort::Number(9_090), true, false)),
        ("pods: {port: annotations, hostNetwork: true}", pods(PodPort::Annotations, false, true)),
    ] {
        let file = format!(
            "sources:\n  app: {{{source}}}\nmetrics:\n  - {{name: q, object: pods, source: app, value: sum(q)}}\n"
        );
        let Loaded { config, problems } = load(file.as_bytes(), &Limits::default());
        assert_eq!(problems, [], "{source}");
        assert_eq!((&config.sources[0].target, &config.sources[0].namespaces), (&target, &Namespaces::All));
        assert_eq!((&config.rules[0].mapping, config.sources[0].timeout.as_secs()), (&ObjectMapping::Requested, 1));
    }
    let file = "sources:\n  app: {pods: {port: 1}}\nmetrics:\n  - {name: q, object: services, source: app, value: q, nameLabel: x}\n";
    assert_eq!(problems(file), ["4:67: error: nameLabel: the pod of source \"app\" already identifies the object",]);
}

#[test]
fn ranges_must_contain_enough_samples_within_limits() {
    let of = |value: &str| {
        format!(
            "sources:\n  app: {{pods: {{port: 1}}}}\nmetrics:\n  - {{name: m, object: pods, source: app, value: ^'{value}'}}\n"
        )
    };
    check(
        of,
        &[
            (
                "sum(rate(jobs_total[1s])) / sum(rate(jobs_total[1d]))",
                "error: value: [1d] takes up to 691205 samples of a series, as [1s] is sampled every 250ms; expected at most 12288",
            ),
            (
                "sum(jobs) - sum(jobs offset 2d)",
                "error: value: offset 2d takes up to 23045 samples of a series, as offset 2d is sampled every 15s; expected at most 12288",
            ),
            (
                "sum(rate(jobs_total[1m])) - sum(rate(jobs_total[1m] offset 2d))",
                "error: value: [1m] offset 2d takes up to 23053 samples of a series, as [1m] is sampled every 15s; expected at most 12288",
            ),
            (
                "sum(rate(jobs_total[499ms]))",
                "error: value: [499ms] never contains two samples, which are taken at most every 250ms",
            ),
        ],
    );
    for value in
        ["sum(rate(jobs_total[1d]))", "sum(rate(jobs_total[500ms]))", "sum(jobs offset 1d)", "sum(jobs offset 1s)"]
    {
        assert_eq!(problems(&of(value).replace('^', "")), [""; 0]);
    }
}

#[test]
fn problems_of_credentials_on_open_sources() {
    let secret = "bearerTokenFile: /token, url: 'https://app/{name}'";
    let open = "error: namespaces: pods and URLs with placeholders get credentials only if namespaces: lists each namespace; otherwise anyone who can name an object or run a pod could collect them";
    check(
        with_source,
        &[(
            "bearerTokenFile: /t, url: ^'http://app/'",
            "warning: url: credentials cross the network unencrypted over http://",
        )],
    );
    assert_eq!(problems(&with_source(secret)), [format!("2:3: {open}")]);
    assert_eq!(problems(&with_source(&format!("{secret}, namespaces: ['*']")))[..1], [format!("2:73: {open}")]);
    good(&with_source(&format!("{secret}, namespaces: [shop]")));
    check(
        |more| with_source(&format!("{secret}, namespaces: [shop], {more}")),
        &[
            (
                "basic: ^{username: me, passwordFile: /x}",
                "error: basic: excludes bearerTokenFile:; both are Authorization",
            ),
            (
                "headers: ^{authorization: {file: /x}}",
                "error: headers: basic: or bearerTokenFile: already sets Authorization",
            ),
        ],
    );
}
