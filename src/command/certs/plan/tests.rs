use super::*;
use crate::command::certs::authority::authorities;
use crate::command::certs::issue::{Issued, issue};

const DAY: i64 = 86_400;
const BEGIN: i64 = 1_800_000_000;
const TIMING: Timing = Timing { now: BEGIN, renew_before: 30 * DAY, settle: 600 };

fn made(day: i64) -> Issued {
    issue(&["web.shop.svc".to_owned()], 365, BEGIN + day * DAY).unwrap()
}

fn pair(issued: &Issued) -> Pair {
    Pair { certificate: issued.certificate.clone().into_bytes(), key: issued.key.clone().into_bytes() }
}

fn trusted(issued: &[&Issued]) -> Vec<Authority> {
    issued.iter().flat_map(|issued| authorities(issued.ca.as_bytes()).unwrap()).collect()
}

/// A certificate in use since day 0, with two APIServices.
fn found(first: &Issued) -> Found {
    let trusted = trusted(&[first]);
    Found { pair: pair(first), next: None, bundles: vec![trusted.clone(); 2], trusted }
}

/// That state with a next certificate, announced at this time.
fn announced(first: &Issued, next: &Issued, at: i64) -> Found {
    let trusted = trusted(&[first, next]);
    Found { next: Some((pair(next), Some(at))), bundles: vec![trusted.clone(); 2], trusted, ..found(first) }
}

fn at(seconds: i64) -> Timing {
    Timing { now: BEGIN + seconds, ..TIMING }
}

#[test]
fn renews_by_the_day() {
    let (first, next) = (made(0), made(335));
    let ends = BEGIN + 365 * DAY;
    let announced_at = BEGIN + 335 * DAY;
    let calm = found(&first);
    let announced = announced(&first, &next, announced_at);
    let installed = Found {
        pair: pair(&next),
        next: None,
        trusted: trusted(&[&next, &first]),
        bundles: vec![trusted(&[&next, &first]); 2],
    };
    let next_ends = announced_at + 365 * DAY;
    let by_hand = self::announced(&first, &made(100), BEGIN + 100 * DAY);
    let superseded = self::announced(&made(336), &next, announced_at);
    for (name, found, seconds, expected) in [
        ("the first day", &calm, 0, Step::Keep(ends)),
        ("day 300", &calm, 300 * DAY, Step::Keep(ends)),
        ("a second too early", &calm, 335 * DAY - 1, Step::Keep(ends)),
        ("day 335", &calm, 335 * DAY, Step::Announce(ends)),
        ("day 340, after missed runs", &calm, 340 * DAY, Step::Announce(ends)),
        ("the last second", &calm, 365 * DAY, Step::Announce(ends)),
        ("after its expiry", &calm, 365 * DAY + 1, Step::Replace),
        ("the same moment", &announced, 335 * DAY, Step::Wait(ends, announced_at)),
        ("a second too early to install", &announced, 335 * DAY + 599, Step::Wait(ends, announced_at)),
        ("ten minutes later", &announced, 335 * DAY + 600, Step::Install),
        ("the next day", &announced, 336 * DAY, Step::Install),
        ("the clock was set back", &announced, 335 * DAY - 1, Step::Wait(ends, announced_at - 1)),
        ("after its expiry, announced before", &announced, 365 * DAY + 1, Step::Install),
        ("a year after the expiry of both", &announced, 800 * DAY, Step::Replace),
        ("announced by hand, long before", &by_hand, 200 * DAY, Step::Install),
        ("renewed by other means since", &superseded, 336 * DAY, Step::Drop(BEGIN + 701 * DAY)),
        ("installed", &installed, 336 * DAY, Step::Keep(next_ends)),
        ("installed, and the first has expired", &installed, 366 * DAY, Step::Keep(next_ends)),
        ("installed, and due again", &installed, 670 * DAY, Step::Announce(next_ends)),
    ] {
        assert_eq!(found.step(at(seconds)), expected, "{name}");
    }
}

#[test]
fn reads_names() {
    for (host, expected) in [
        (Host::Name(b"*.web.svc"), Some("*.web.svc")),
        (Host::Name("wéb".as_bytes()), None),
        (Host::Name(b"\xff"), None),
        (Host::Address(&[10, 0, 0, 1]), Some("10.0.0.1")),
        (Host::Address(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Some("::1")),
        (Host::Address(&[10, 0, 0]), None),
    ] {
        assert_eq!(text(host).as_deref(), expected, "{host:?}");
    }
    assert_eq!(pair(&made(0)).names(), ["web.shop.svc"]);
    assert_eq!(Pair { certificate: b"?".to_vec(), key: Vec::new() }.names(), [""; 0]);
}

#[test]
fn recognizes_the_signer() {
    let (first, other) = (made(0), made(100));
    let garbage = Pair { certificate: b"?".to_vec(), key: Vec::new() };
    for (pair, by, expected) in [
        (pair(&first), vec![&first], true),
        (pair(&first), vec![&other, &first], true),
        (pair(&first), vec![&other], false),
        (garbage, vec![&other], true),
    ] {
        assert_eq!(pair.is_signed_by(&trusted(&by)), expected);
    }
}

#[test]
fn installs_only_what_is_trusted_everywhere() {
    let (first, next, other) = (made(0), made(335), made(334));
    let now = at(336 * DAY);
    let since = BEGIN + 335 * DAY;
    let good = announced(&first, &next, since);
    let ends = BEGIN + 365 * DAY;
    let of_other = pair(&other);
    for (name, found, expected) in [
        ("nothing is wrong", good.clone(), Step::Install),
        (
            "the authority is missing from one caBundle",
            Found { bundles: vec![good.trusted.clone(), trusted(&[&first])], ..good.clone() },
            Step::Wait(ends, now.now),
        ),
        ("a caBundle is empty", Found { bundles: vec![Vec::new()], ..good.clone() }, Step::Wait(ends, now.now)),
        (
            "the authority is missing from ca.crt",
            Found { trusted: trusted(&[&first]), ..good.clone() },
            Step::Announce(ends),
        ),
        (
            "the key of another pair",
            Found { next: Some((Pair { key: of_other.key.clone(), ..pair(&next) }, Some(since))), ..good.clone() },
            Step::Announce(ends),
        ),
        (
            "an incomplete pair",
            Found { next: Some((Pair { key: Vec::new(), ..pair(&next) }, Some(since))), ..good.clone() },
            Step::Announce(ends),
        ),
        (
            "trusted since an unknown time",
            Found { next: Some((pair(&next), None)), ..good.clone() },
            Step::Wait(ends, now.now),
        ),
        (
            "trusted since a time in the future",
            Found { next: Some((pair(&next), Some(now.now + 1))), ..good.clone() },
            Step::Wait(ends, now.now),
        ),
        (
            "trusted since before it was made",
            Found { next: Some((pair(&next), Some(0))), ..good.clone() },
            Step::Wait(ends, now.now),
        ),
        (
            "the pair in use is mixed",
            Found { pair: Pair { key: of_other.key, ..pair(&first) }, next: None, ..good.clone() },
            Step::Replace,
        ),
        (
            "the pair in use is garbage, and the next is valid",
            Found { pair: Pair { certificate: b"?".to_vec(), key: b"?".to_vec() }, ..good.clone() },
            Step::Install,
        ),
    ] {
        assert_eq!(found.step(now), expected, "{name}");
    }
}

/// Before and after each step, replicas and kube-apiserver trust both the previous and the next certificate in use.
#[test]
fn certificates_are_trusted_before_and_after_each_step() {
    let first = made(0);
    let mut found = found(&first);
    let mut steps = Vec::new();
    // A run every ten days, and every six hours around the days with a step.
    let busy = [334..=336, 364..=366, 669..=671, 699..=701];
    let is_run = |hours: &i64| hours % 240 == 0 || busy.iter().any(|days| days.contains(&(hours / 24)));
    for hours in (0..24 * 800).step_by(6).filter(is_run) {
        let timing = at(hours * 3_600 + 1);
        let now = timing.now;
        let step = found.step(timing);
        let made = matches!(step, Step::Announce(_)).then(|| issue(&found.pair.names(), 365, now).unwrap());
        let new = made.as_ref().map(|made| authorities(made.ca.as_bytes()).unwrap().remove(0));
        let after_trusted = found.trusted_after(step, new, now);
        let after_bundles: Vec<_> = found
            .bundles
            .iter()
            .map(|bundle| bundle_with(&after_trusted, bundle, step, now).unwrap_or_else(|| bundle.clone()))
            .collect();
        let mut after = Found { trusted: after_trusted, bundles: after_bundles, ..found.clone() };
        match (step, &made) {
            (Step::Announce(_), Some(made)) => after.next = Some((pair(made), Some(now))),
            (Step::Install, _) => after.pair = after.next.take().unwrap().0,
            (Step::Keep(_), None) => {}
            (other, _) => panic!("{other:?} at hour {hours}"),
        }
        for served in [&found.pair, &after.pair] {
            for trusted in [&found, &after].into_iter().flat_map(|it| it.bundles.iter().chain([&it.trusted])) {
                assert!(served.usable(trusted, now).is_some(), "{step:?} at hour {hours}");
            }
        }
        assert!(after.trusted.len() <= 2, "at most two overlap");
        assert!(after.pair.usable(&after.trusted[..1], now).is_some(), "the authority in use is the first");
        assert_eq!(after.pair.names(), ["web.shop.svc"]);
        if !matches!(step, Step::Keep(_)) || after.trusted != found.trusted {
            let done = match step {
                Step::Announce(_) => "announced",
                Step::Install => "installed",
                _ => "dropped",
            };
            steps.push(format!("day {}: {done}, {} trusted", hours / 24, after.trusted.len()));
        }
        found = after;
    }
    let expected = [
        "day 335: announced, 2 trusted",
        "day 335: installed, 2 trusted",
        "day 365: dropped, 1 trusted",
        "day 670: announced, 2 trusted",
        "day 670: installed, 2 trusted",
        "day 700: dropped, 1 trusted",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn keeps_foreign_authorities_in_a_bundle_until_they_expire() {
    let (first, next, foreign) = (made(0), made(335), made(100));
    let now = BEGIN + 336 * DAY;
    for (trusted_now, bundle, now, expected) in [
        (vec![&first], vec![&first], now, None),
        (vec![&first, &next], vec![&next, &first], now, None),
        (vec![&first, &next], vec![&first], now, Some(vec![&first, &next])),
        (vec![&first], vec![], now, Some(vec![&first])),
        (vec![&next], vec![&next, &foreign], now, None),
        (vec![&next, &first], vec![&foreign], now, Some(vec![&next, &first, &foreign])),
        (vec![&next], vec![&first, &next, &foreign], BEGIN + 366 * DAY, Some(vec![&next, &foreign])),
        (vec![&next], vec![&next, &foreign], BEGIN + 466 * DAY, Some(vec![&next])),
    ] {
        let found = bundle_with(&trusted(&trusted_now), &trusted(&bundle), Step::Keep(0), now);
        assert_eq!(found, expected.map(|expected| trusted(&expected)));
    }
}

/// A step that changes the certificate in use removes no authority, even if the clock is wrong.
#[test]
fn trims_only_if_the_certificate_stays() {
    let (first, next) = (made(0), made(335));
    let both = trusted(&[&first, &next]);
    let found = announced(&first, &next, BEGIN + 335 * DAY);
    let late = BEGIN + 800 * DAY;
    for (step, now, left) in [
        (Step::Replace, late, 2),
        (Step::Install, BEGIN + 366 * DAY, 2),
        (Step::Keep(0), BEGIN + 366 * DAY, 1),
        (Step::Wait(0, 0), BEGIN + 366 * DAY, 1),
    ] {
        assert_eq!(found.trusted_after(step, None, now).len(), left, "{step:?}");
        let bundle = bundle_with(&[], &both, step, now).unwrap_or_else(|| both.clone());
        assert_eq!(bundle.len(), left, "{step:?}");
    }
}

#[test]
fn detects_authorities_missing_from_a_bundle() {
    let (first, next, foreign) = (made(0), made(335), made(100));
    let at_335 = BEGIN + 335 * DAY;
    let found = announced(&first, &next, at_335);
    let calm = self::found(&first);
    let (wait, keep) = (Step::Wait(0, at_335), Step::Keep(0));
    for (name, found, step, bundle, seconds, was_renewed, expected) in [
        ("both", &found, wait, vec![&first, &next], 600, true, None),
        ("the next, settled", &found, wait, vec![&first], 600, true, Some(MissingAuthority::Next)),
        ("the next, too early", &found, wait, vec![&first], 599, true, None),
        ("the served, too early", &found, wait, vec![&next], 599, true, Some(MissingAuthority::Served)),
        ("another's only", &calm, keep, vec![&foreign], 0, false, Some(MissingAuthority::Served)),
        ("empty, and new", &calm, keep, vec![], 0, false, None),
        ("empty after a renewal", &calm, keep, vec![], 0, true, Some(MissingAuthority::Served)),
        ("about to be changed", &calm, Step::Replace, vec![], 0, true, None),
    ] {
        let timing = at(335 * DAY + seconds);
        assert_eq!(found.lost(&trusted(&bundle), step, timing, was_renewed), expected, "{name}");
    }
}
