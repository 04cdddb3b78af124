//! The authorities that the secure listener trusts before the Kubernetes API publishes them, and during its outages.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::kubernetes::{CONFIG_MAP, Kubernetes, Reply, ask, published, secure};
use common::secure::{CLIENTS, FRONT_PROXIES, MASTER, METRIC, Secure, Stream, client_config, eventually, page};
use common::tls::{Authority, Identity};
use common::{Answer, file};

fn connect(secure: &Secure, identity: &Identity) -> Stream {
    secure.client_of(client_config(Some(identity))).connect()
}

fn ask_as_master(stream: &mut Stream) -> Answer {
    ask(stream, "GET", METRIC, MASTER)
}

/// Responds that the ConfigMap does not exist, until the test changes that.
fn without_config_map(kubernetes: &Kubernetes) -> Arc<AtomicBool> {
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = gone.clone();
    kubernetes.script(move |call| match call.path == CONFIG_MAP && is_gone.load(Ordering::Relaxed) {
        true => Reply::Say(404, "{}".to_owned()),
        false => Reply::Good,
    });
    gone
}

#[test]
fn deleting_the_config_map_revokes_no_trust() {
    let kubernetes = Kubernetes::start();
    let mut secure = kubernetes.secure(&page(), &[]);
    let mut stream = connect(&secure, &FRONT_PROXIES.issue("front-proxy-client"));
    assert_eq!(ask_as_master(&mut stream).values(), "web 1");
    let gone = without_config_map(&kubernetes);
    // An untrusted certificate triggers another read.
    assert_eq!(ask_as_master(&mut connect(&secure, &Authority::new("doubt").issue("doubt"))).code, 401);
    secure.server.wait_for("cannot read extension-apiserver-authentication: the ConfigMap does not exist any more");
    assert_eq!(ask_as_master(&mut stream).values(), "web 1");
    let next = Authority::new("next");
    kubernetes.publish(published(&next.pem(), &[], &CLIENTS.pem()));
    gone.store(false, Ordering::Relaxed);
    secure.server.wait_for("trusted authorities have changed");
    assert_eq!(ask_as_master(&mut stream).code, 401);
}

/// With one authority for both and no allowed names, every client's certificate would be accepted.
#[test]
fn user_headers_are_ignored_until_the_client_authority_is_known() {
    let kubernetes = Kubernetes::start();
    let told = Arc::new(AtomicBool::new(false));
    let tells = told.clone();
    kubernetes.script(move |call| match call.path == CONFIG_MAP && !tells.load(Ordering::Relaxed) {
        true => Reply::Say(500, "{}".to_owned()),
        false => Reply::Good,
    });
    let (authority, kubeconfig) = (file("proxies.crt", &FRONT_PROXIES.pem()), kubernetes.kubeconfig("{token: t}"));
    let [authority, kubeconfig] = [&authority, &kubeconfig].map(|path| path.to_str().unwrap());
    let mut secure = secure(&page(), &["--requestheader-client-ca-file", authority, "--kubeconfig", kubeconfig]);
    secure.server.said("cannot read extension-apiserver-authentication");
    let mut stream = connect(&secure, &FRONT_PROXIES.issue("any-client"));
    assert_eq!(ask_as_master(&mut stream).code, 401);
    assert!(!secure.server.seen.iter().any(|line| line.contains("one authority signs")), "it is not known yet");
    told.store(true, Ordering::Relaxed);
    eventually(|| match ask_as_master(&mut stream) {
        answer if answer.code == 200 => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
}

/// Ready means that kube-apiserver is trusted.
#[test]
fn untrusted_authorities_leave_it_unready() {
    let kubernetes = Kubernetes::start();
    kubernetes.publish(published("garbage", &[], &CLIENTS.pem()));
    let kubeconfig = kubernetes.kubeconfig("{token: t}");
    let mut secure = secure(&page(), &["--kubeconfig", kubeconfig.to_str().unwrap()]);
    secure.server.said("requestheader-client-ca-file");
    assert_eq!(secure.client().get("/readyz").code, 500);
}
