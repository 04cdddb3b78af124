//! Certificates change while requests run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::fixture::{ROUTES, config, path, source};
use crate::common::tls::{Authority, Identity};
use crate::installed::{Installed, values};
use crate::plane::{ControlPlane, client};
use crate::process::eventually;

const TRUST: [&str; 3] = ["configmaps", "extension-apiserver-authentication", "--namespace=kube-system"];

/// The order for administrators: trust both authorities, change the certificate, remove the old authority.
pub fn of_the_front_proxy(plane: &mut ControlPlane) {
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let admin = plane.admin();
    let target = path("v1beta2", ROUTES[0].0);
    let next = Authority::new("front-proxy");
    let [old_proxy, new_proxy] =
        [&plane.front_proxies, &next].map(|authority| client(authority, "front-proxy-client", None));
    let speaks = |identity: &Identity| {
        let headers = "X-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n";
        installed.ask_directly(Some(identity), &target, headers).code
    };
    let answers = |identity: &Identity, code: u16| {
        eventually("Metriclet trusts the authorities", || match speaks(identity) {
            found if found == code => Ok(()),
            found => Err(format!("{found} instead of {code}")),
        });
    };
    let trusted = || {
        let config = admin.get(&TRUST);
        config["data"]["requestheader-client-ca-file"].as_str().unwrap().matches("BEGIN CERTIFICATE").count()
    };
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let answer = plane.ask(Some(&plane.admin_identity), &target, "");
                assert_eq!(answer.code, 200, "a request was lost: {answer:?}");
                assert_eq!(values(&answer.body), ROUTES[0].1);
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Enough further requests that at least one started afterwards.
        let more = || {
            let enough = served.load(Ordering::SeqCst) + 20;
            eventually("requests are served", || {
                if load.is_finished() || served.load(Ordering::SeqCst) >= enough { Ok(()) } else { Err(String::new()) }
            });
        };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assert_eq!((speaks(&old_proxy), speaks(&new_proxy)), (200, 401));
            more();
            plane.trust_front_proxies(&[&plane.front_proxies, &next]);
            eventually("both are in the ConfigMap", || if trusted() == 2 { Ok(()) } else { Err(String::new()) });
            answers(&new_proxy, 200);
            assert_eq!(speaks(&old_proxy), 200);
            more();
            let log = plane.log().len();
            plane.change_front_proxy(&new_proxy);
            eventually("kube-apiserver has the new certificate", || {
                let found = plane.log()[log..].contains("Loaded a new cert/key pair");
                if found { Ok(()) } else { Err(String::new()) }
            });
            more();
            plane.trust_front_proxies(&[&next]);
            // kube-apiserver only adds authorities; people remove those that are no longer trusted.
            let patch = json!({"data": {"requestheader-client-ca-file": next.pem()}}).to_string();
            eventually("the old authority is not in the ConfigMap", || {
                admin.run(&[&["patch"], &TRUST[..], &["--patch", &patch]].concat())?;
                more();
                if trusted() == 1 { Ok(()) } else { Err("it is back".to_owned()) }
            });
            answers(&old_proxy, 401);
            assert_eq!(speaks(&new_proxy), 200);
            more();
        }));
        done.store(true, Ordering::SeqCst);
        load.join().unwrap();
        ran.unwrap();
    });
    assert!(served.load(Ordering::SeqCst) >= 100);
    plane.front_proxies = next;
}
