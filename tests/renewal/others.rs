//! Effects of other tools, wrong clocks and manual changes on a renewal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::common::kubernetes::Reply;
use crate::world::{Made, SECRET, SERVICES, World, api_service, service};

const SINCE: &str = "metriclet.github.io/next-since";
const ASKS: &str = "; does another tool (Argo CD, Flux, Helm) set it?\n";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_reverted_bundle_fails_and_stops_the_renewal() {
    let first = Made::at_day(340);
    let world = World::new(&first);
    world.renew(&[]);
    for _ in 0..2 {
        // By the time of installation, the tool has reverted the caBundle.
        world.annotate(SINCE, &(now() - 1_800).to_string().into());
        let old = first.authority.pem();
        world.objects.put(&service(SERVICES[1]), api_service("custom-metrics", &old));
        let (told, why) = world.warns(&[]);
        let lost = format!("metriclet: the caBundle of APIService {} lost the next authority{ASKS}", SERVICES[1]);
        assert_eq!(why, lost);
        assert!(told.ends_with(&format!("\nAPIService {}: caBundle contains 2 certificates\n", SERVICES[1])), "{told}");
        assert_eq!((world.secret("tls.crt"), world.trusted()), (first.identity.chain.clone(), vec![2; 3]));
        // The Job retries, and the tool may revert it again.
        assert!(world.renew(&[]).contains(" on installs the next certificate\n"));
        assert_eq!(world.secret("tls.crt"), first.identity.chain);
    }
    world.annotate(SINCE, &(now() - 1_800).to_string().into());
    assert!(world.renew(&[]).contains(": installed the next certificate"));
    world.was_never_interrupted();

    for reverted in [first.authority.pem(), String::new()] {
        for name in SERVICES {
            world.objects.put(&service(name), api_service("custom-metrics", &reverted));
        }
        let (told, why) = world.warns(&[]);
        let what = "the authority of the certificate in use";
        let names = SERVICES.join(", ");
        assert_eq!(why, format!("metriclet: the caBundle of APIService {names} lost {what}{ASKS}"));
        assert!(told.lines().count() == 3 && world.trusted() == [2; 3], "{told}");
        world.renew(&[]);
    }
}

#[test]
fn a_new_bundle_is_filled() {
    let made = Made::at_day(0);
    let world = World::new(&made);
    world.objects.put(&service(SERVICES[0]), api_service("custom-metrics", ""));
    world.renew(&[]);
    assert_eq!(world.bundle(SERVICES[0]), made.authority.pem());
}

#[test]
fn a_renewal_without_a_start_time_starts_now() {
    let first = Made::at_day(340);
    for garbled in [json!(null), json!("soon"), json!("99999999999"), json!("-1"), json!("0")] {
        let world = World::new(&first);
        world.renew(&[]);
        world.annotate(SINCE, &garbled);
        let told = world.renew(&[]);
        assert!(told.contains(" on installs the next certificate\n"), "{told}");
        let since = world.objects.get(SECRET)["metadata"]["annotations"][SINCE].as_str().unwrap().parse::<u64>();
        assert!(now() - since.unwrap() < 300, "{garbled}");
        assert_eq!(world.secret("tls.crt"), first.identity.chain, "{garbled}");
        let before = world.stored();
        world.renew(&[]);
        assert_eq!(world.changes(before), [""; 0], "{garbled}");
        world.renew(&["--settle=0s"]);
        assert_ne!(world.secret("tls.crt"), first.identity.chain, "{garbled}");
    }
}

#[test]
fn a_wrong_clock_changes_nothing() {
    for (day, ahead, is_wrong) in
        [(0, 0, false), (340, -400, true), (366, 31_536_000, true), (0, 400, true), (0, 200, false)]
    {
        let world = World::new(&Made::at_day(day));
        let objects = world.objects.clone();
        world.kubernetes.script(move |call| {
            let Reply::Say(code, body) = objects.answer(call) else { panic!("{call:?}") };
            let time = UNIX_EPOCH + Duration::from_secs(now().checked_add_signed(ahead).unwrap());
            let (date, length) = (httpdate::fmt_http_date(time), body.len());
            Reply::Raw(format!("HTTP/1.1 {code} X\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}"))
        });
        let before = world.stored();
        if is_wrong {
            let (_, why) = world.warns(&[]);
            let seconds = why.strip_prefix("metriclet: this clock differs from the API server's by ").unwrap();
            let seconds: u64 = seconds.strip_suffix(" s\n").unwrap().parse().unwrap();
            assert!(seconds.abs_diff(ahead.unsigned_abs()) < 60, "{why}");
        } else {
            world.renew(&[]);
        }
        assert_eq!(world.changes(before), [""; 0]);
    }
}
