use std::time::Duration;

use super::*;

fn read(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn serve() -> Serve {
    let (listen, origin) = (Listen::At(LISTEN), Origin::ByDefault);
    Serve { listen, secure: None, tuning: Tuning::default(), kubeconfig: None, origin, verbosity: 0 }
}

#[test]
fn parses_flags_of_the_secure_listener() {
    let any = |port| ["[::]", "0.0.0.0"].map(|ip| format!("{ip}:{port}").parse().unwrap()).to_vec();
    let secure = || Secure {
        addresses: any(10_250),
        cert_file: "c".into(),
        key_file: "k".into(),
        min_version: TlsVersion::Tls12,
        access: Access::default(),
        peers: None,
    };
    let tuning = Tuning { connections: Some(9), shutdown_delay: Some(Duration::from_secs(90)), workers: Some(3) };
    for (flags, secure, tuning) in [
        ("", secure(), Tuning::default()),
        ("--secure-port 443", Secure { addresses: any(443), ..secure() }, Tuning::default()),
        (
            "--bind-address 127.0.0.1 --secure-port=0",
            Secure { addresses: vec!["127.0.0.1:0".parse().unwrap()], ..secure() },
            Tuning::default(),
        ),
        ("--tls-min-version VersionTLS13", Secure { min_version: TlsVersion::Tls13, ..secure() }, Tuning::default()),
        (
            "--client-ca-file a --requestheader-client-ca-file b --requestheader-allowed-names=c,d \
             --requestheader-allowed-names e --authorization-always-allow-paths=/livez,/x/*",
            Secure {
                access: Access {
                    client_ca_file: Some("a".into()),
                    front_proxy_ca_file: Some("b".into()),
                    allowed_names: vec!["c".into(), "d".into(), "e".into()],
                    always_allow: Some(vec!["/livez".into(), "/x/*".into()]),
                    ..Access::default()
                },
                ..secure()
            },
            Tuning::default(),
        ),
        ("--max-connections 9 --shutdown-delay-duration 1m30s --workers 3", secure(), tuning),
    ] {
        let line = format!("serve --tls-cert-file c --tls-private-key-file k {flags}");
        let expected = Serve { secure: Some(secure), tuning, ..serve() };
        assert_eq!(read(&line), Ok(Command::Serve(Box::new(expected))), "{line}");
    }
    let both = "the secure listener needs both --tls-cert-file and --tls-private-key-file";
    for (line, message) in [
        ("--tls-cert-file c", both),
        ("--tls-private-key-file k", both),
        ("--secure-port 1", both),
        ("--bind-address ::", both),
        ("--bind-address here", r#"--bind-address: expected an IP address, found "here""#),
        ("--secure-port 65536", r#"--secure-port: expected a port from 0 to 65535, found "65536""#),
        ("--tls-min-version 1.2", r#"--tls-min-version: expected VersionTLS12 or VersionTLS13, found "1.2""#),
        ("--workers 0", r#"--workers: expected 1 to 64, found "0""#),
        ("--max-connections x", r#"--max-connections: expected 1 to 1000000, found "x""#),
        ("--workers 1 --workers 2", "--workers is given twice"),
        (
            "--shutdown-delay-duration 5",
            r#"--shutdown-delay-duration: duration "5": expected a unit after each number: ms, s, m, h, d, w or y"#,
        ),
    ] {
        assert_eq!(read(line), Err(format!("{message} (see metriclet --help)")), "{line}");
    }
    assert!(read("get x --workers 1").is_err());
}

fn upstream(describes: Option<(&str, Option<&str>, &str)>) -> Origin {
    let describes = describes.map(|(resource, namespace, name)| Bound {
        resource: resource.into(),
        namespace: namespace.map(str::to_owned),
        name: name.into(),
    });
    Origin::Upstream { url: "http://x/metrics".into(), describes }
}

#[test]
fn parses_serve() {
    let at = |address: &str| Listen::At(address.parse().unwrap());
    let file = || Origin::File("m.yaml".into());
    let web = Some(("services", Some("shop"), "web"));
    for (line, expected) in [
        ("", serve()),
        ("serve", serve()),
        ("--listen off", Serve { listen: Listen::Off, ..serve() }),
        ("serve --listen=127.1.2.3:0", Serve { listen: at("127.1.2.3:0"), ..serve() }),
        ("--listen [::1]:80", Serve { listen: at("[::1]:80"), ..serve() }),
        ("--listen localhost:8081", Serve { listen: at("127.0.0.1:8081"), ..serve() }),
        ("-c m.yaml", Serve { origin: file(), ..serve() }),
        ("-cm.yaml", Serve { origin: file(), ..serve() }),
        ("--config=m.yaml -v", Serve { origin: file(), verbosity: 1, ..serve() }),
        ("--upstream http://x/metrics", Serve { origin: upstream(None), ..serve() }),
        ("--upstream http://x/metrics --describes services/shop/web", Serve { origin: upstream(web), ..serve() }),
        (
            "--describes nodes/n1 --upstream http://x/metrics",
            Serve { origin: upstream(Some(("nodes", None, "n1"))), ..serve() },
        ),
        ("--kubeconfig k", Serve { kubeconfig: Some("k".into()), ..serve() }),
        ("-v", Serve { verbosity: 1, ..serve() }),
        ("-vv", Serve { verbosity: 2, ..serve() }),
        ("-v -v -v", Serve { verbosity: 3, ..serve() }),
        ("-v 4", Serve { verbosity: 4, ..serve() }),
        ("-v=4", Serve { verbosity: 4, ..serve() }),
        ("-v4", Serve { verbosity: 4, ..serve() }),
        ("--v 4", Serve { verbosity: 4, ..serve() }),
        ("--v=4 --listen off", Serve { verbosity: 4, listen: Listen::Off, ..serve() }),
    ] {
        assert_eq!(read(line), Ok(Command::Serve(Box::new(expected))), "{line}");
    }
}

#[test]
fn parses_other_commands() {
    let path = "namespaces/shop/services/web/queue_depth";
    let get = |origin, output, verbosity| {
        Command::Get(Get { path: path.into(), kubeconfig: None, origin, output, wait: Duration::ZERO, verbosity })
    };
    let mut waiting = get(Origin::ByDefault, Output::Table, 0);
    if let Command::Get(get) = &mut waiting {
        get.wait = Duration::from_secs(60);
    }
    for (line, expected) in [
        ("check m.yaml", Command::Check(Check { file: "m.yaml".into(), hpa: None })),
        ("check --hpa h m", Command::Check(Check { file: "m".into(), hpa: Some("h".into()) })),
        ("check -- -m.yaml", Command::Check(Check { file: "-m.yaml".into(), hpa: None })),
        (&format!("get {path}"), get(Origin::ByDefault, Output::Table, 0)),
        (&format!("get -v {path} -o json"), get(Origin::ByDefault, Output::Json, 1)),
        (&format!("get -o=table {path} --upstream http://x/metrics"), get(upstream(None), Output::Table, 0)),
        (&format!("get --output json -c m.yaml {path}"), get(Origin::File("m.yaml".into()), Output::Json, 0)),
        (&format!("get --wait 1m {path}"), waiting),
        ("-h", Command::Help(Topic::All)),
        ("--help", Command::Help(Topic::All)),
        ("serve --help", Command::Help(Topic::Serve)),
        ("check -h", Command::Help(Topic::Check)),
        ("get --help", Command::Help(Topic::Get)),
        ("-V", Command::Version),
        ("--version", Command::Version),
        ("get --version", Command::Version),
    ] {
        assert_eq!(read(line), Ok(expected), "{line}");
    }
}

#[test]
fn rejects_invalid_arguments() {
    for (line, expected) in [
        (
            "sevre",
            r#"expected a command (serve, check, get, explain, certs, convert, rbac or probe), found "sevre" (see metriclet --help)"#,
        ),
        ("--nope", r#"unknown option "--nope" (see metriclet --help)"#),
        ("-x", r#"unknown option "-x" (see metriclet --help)"#),
        ("serve now", r#"expected no further argument, found "now" (see metriclet serve --help)"#),
        ("-v get x", r#"expected no further argument, found "get" (see metriclet --help)"#),
        ("--help=x", "--help takes no value (see metriclet --help)"),
        ("--config", "--config needs a value (see metriclet --help)"),
        ("-c a -c b", "--config is given twice (see metriclet --help)"),
        ("-v=x", r#"-v: expected a level from 0 to 255, found "x" (see metriclet --help)"#),
        (
            "-c a --upstream b",
            "--upstream and --config exclude each other: put the URL under sources: in the file (see metriclet --help)",
        ),
        (
            "--describes nodes/n1",
            "--describes needs --upstream; in a file it is the key describes: of a rule (see metriclet --help)",
        ),
        (
            "--listen :8080",
            "--listen: expected off or a loopback address and port such as 127.0.0.1:8080, found \":8080\" \
             (see metriclet --help)",
        ),
        (
            "serve --listen 0.0.0.0:8080",
            "--listen: \"0.0.0.0:8080\" is not a loopback address; the plain listener has no authentication and binds to loopback only; for network access use --tls-cert-file and --tls-private-key-file (see metriclet serve --help)",
        ),
        ("check", "expected a file to check (see metriclet check --help)"),
        ("check a b", r#"expected one operand, found also "b" (see metriclet check --help)"#),
        ("check -v a", "--v is not an option of this command (see metriclet check --help)"),
        ("get", "expected a path, such as namespaces/shop/services/web/queue_depth (see metriclet get --help)"),
        ("get x -o yaml", r#"--output: expected table or json, found "yaml" (see metriclet get --help)"#),
        ("get x --listen off", "--listen is not an option of this command (see metriclet get --help)"),
        ("--wait 1m", "--wait is not an option of this command (see metriclet --help)"),
        (
            "get x --wait 5",
            r#"--wait: duration "5": expected a unit after each number: ms, s, m, h, d, w or y (see metriclet get --help)"#,
        ),
        ("-o json", "--output is not an option of this command (see metriclet --help)"),
    ] {
        assert_eq!(read(line), Err(expected.to_owned()), "{line}");
    }
}

#[test]
fn rejects_invalid_objects() {
    for (object, expected) in [
        ("web", "expected RESOURCE/NAMESPACE/NAME, or RESOURCE/NAME outside namespaces"),
        ("services/a/b/c", "expected RESOURCE/NAMESPACE/NAME, or RESOURCE/NAME outside namespaces"),
        ("services/web", "expected services/NAMESPACE/NAME"),
        ("nodes/shop/n1", "expected nodes/NAME; nodes are cluster-scoped"),
        ("services/shop/", "expected names between the slashes, found nothing"),
        ("services//web", "expected names between the slashes, found nothing"),
        ("deployment/shop/web", r#""deployment" is not a built-in resource; did you mean deployments.apps?"#),
        (
            "foos/shop/web",
            r#""foos" is not a built-in resource; other kinds need a rule in a file, with kind: and namespaced:"#,
        ),
    ] {
        assert_eq!(describes(object), Err(format!("--describes \"{object}\": {expected}")));
    }
}

/// Every help text fits a terminal and names every exit code it may end with.
#[test]
fn parses_help() {
    for topic in [Topic::All, Topic::Serve, Topic::Check, Topic::Get] {
        let text = topic.text();
        assert!(text.ends_with('\n') && text.lines().all(|line| line.len() <= 104), "{text}");
        assert!(text.contains("Usage:") && text.contains("Examples:") && text.contains("Exit codes:"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn escapes_foreign_bytes() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![0xff, b'\n']);
    let get = parse([OsString::from("get"), odd()].into_iter()).map_err(|error| error.to_string());
    assert_eq!(get, Err(r#"expected UTF-8, found "\xff\n" (see metriclet get --help)"#.into()));
    let check = parse([OsString::from("check"), odd()].into_iter());
    assert_eq!(check, Ok(Command::Check(Check { file: odd().into(), hpa: None })));
}

#[test]
fn parses_certs() {
    let certs = |output| Certs {
        service: "custom-metrics-apiserver".into(),
        namespace: "custom-metrics".into(),
        names: Vec::new(),
        days: 365,
        output,
        ca_file: None,
    };
    let directory = |renew| CertsOutput::Directory { path: "d".into(), renew };
    let secret = || CertsOutput::Secret("tls".into());
    for (line, expected) in [
        ("--out d", certs(directory(false))),
        ("--out d --renew", certs(directory(true))),
        ("--secret tls --ca-file ca.crt", Certs { ca_file: Some("ca.crt".into()), ..certs(secret()) }),
        (
            "--secret tls --service s --namespace n --days 7 --name a.example --name *.b --name ::1",
            Certs {
                service: "s".into(),
                namespace: "n".into(),
                days: 7,
                names: vec!["a.example".into(), "*.b".into(), "::1".into()],
                ..certs(secret())
            },
        ),
    ] {
        assert_eq!(read(&format!("certs {line}")), Ok(Command::Certs(expected)), "{line}");
    }
    let either = "expected either --out DIRECTORY or --secret NAME";
    let label = "expected a name of lower-case letters, digits and dashes, found";
    for (line, message) in [
        ("", either.to_owned()),
        ("--out d --secret s", either.to_owned()),
        (
            "--secret s --renew",
            "--renew goes with --out; for a Secret, --ca-file names the authorities that stay trusted".to_owned(),
        ),
        ("--out d --days 0", r#"--days: expected 1 to 3650, found "0""#.to_owned()),
        ("--out d --name a_b", r#"--name: expected a DNS name or an IP address, found "a_b""#.to_owned()),
        ("--out d --service a.b", format!(r#"--service: {label} "a.b""#)),
        ("--out d --namespace A", format!(r#"--namespace: {label} "A""#)),
        ("--secret -", format!(r#"--secret: {label} "-""#)),
        ("--out d x", r#"expected no further argument, found "x""#.to_owned()),
    ] {
        assert_eq!(read(&format!("certs {line}")), Err(format!("{message} (see metriclet certs --help)")), "{line}");
    }
}

#[test]
fn parses_certs_renew() {
    let usual = Renewal {
        secret: "custom-metrics-apiserver-tls".into(),
        service: "custom-metrics-apiserver".into(),
        namespace: "custom-metrics".into(),
        names: Vec::new(),
        days: 365,
        renew_before: Duration::from_secs(30 * 86_400),
        settle: None,
        kubeconfig: None,
        context: None,
    };
    let of_all = Renewal {
        secret: "t".into(),
        service: "s".into(),
        namespace: "n".into(),
        names: vec!["a.example".into()],
        days: 90,
        renew_before: Duration::from_secs(720 * 3_600),
        settle: Some(Duration::ZERO),
        kubeconfig: Some("k".into()),
        context: Some("c".into()),
    };
    let flags = "--secret t --service s --namespace n --name a.example --days 90 --renew-before 720h --settle 0s \
                 --kubeconfig k --context c";
    let of_days =
        |days: u32, hours: u64| Renewal { days, renew_before: Duration::from_secs(hours * 3_600), ..usual.clone() };
    for (line, expected) in [
        ("--days 90", of_days(90, 720)),
        ("--days 20", of_days(20, 160)),
        ("--days 1", of_days(1, 8)),
        ("", usual.clone()),
        (flags, of_all),
    ] {
        assert_eq!(read(&format!("certs renew {line}")), Ok(Command::Renew(Box::new(expected))), "{line}");
    }
    assert_eq!(read("certs renew --help"), Ok(Command::Help(Topic::Renew)));
    for (line, message) in [
        ("--out d", r#"unknown option "--out""#),
        ("renew", r#"expected no further argument, found "renew""#),
        ("--days 30 --renew-before 30d", "--renew-before: expected less than the 30 days of --days, found 2592000 s"),
        ("--renew-before 365d", "--renew-before: expected less than the 365 days of --days, found 31536000 s"),
        ("--settle soon", r#"--settle: duration "soon": expected a whole number before each unit"#),
    ] {
        let found = read(&format!("certs renew {line}"));
        assert_eq!(found, Err(format!("{message} (see metriclet certs renew --help)")), "{line}");
    }
    let after = "expected no further argument, found \"renew\" (see metriclet certs --help)";
    assert_eq!(read("certs --out d renew"), Err(after.to_owned()));
}

#[test]
fn parses_probe() {
    assert_eq!(read("probe"), Ok(Command::Probe("https://127.0.0.1:10250/readyz".into())));
    assert_eq!(read("probe http://localhost:8080/livez"), Ok(Command::Probe("http://localhost:8080/livez".into())));
    assert_eq!(read("probe --help"), Ok(Command::Help(Topic::Probe)));
    assert!(read("probe a b").is_err());
}
