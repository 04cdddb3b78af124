//! The cases. Each one checks what Kubernetes reports.

mod access;
mod availability;
mod bystanders;
mod chart;
mod conformance;
mod discovery;
mod fixture;
mod migration;
mod pod_watch;
mod production;
mod renewal;
mod replicas;
mod rights;
mod rotation;
mod scaling;
mod smuggling;
mod status;
mod zero;

use crate::plane::ControlPlane;

/// A case.
pub struct Case {
    /// The requirement, as README.md lists it.
    pub name: &'static str,
    pub run: fn(&mut ControlPlane),
    /// Whether it needs controllers, which envtest does not have.
    pub needs_controllers: bool,
    /// Whether it runs on a separate control plane, at the same time as the other cases.
    pub apart: bool,
}

pub const ALL: &[Case] = &[
    Case {
        name: "Both API versions become Available; for five minutes kube-apiserver logs no error about them, and fetches discovery and OpenAPI only if they have changed",
        run: availability::becomes_available,
        needs_controllers: false,
        apart: true,
    },
    Case {
        name: "kube-apiserver forwards aggregated discovery and both versions of OpenAPI",
        run: discovery::is_passed_on,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "Both stay Available while a source, the Kubernetes API or reviews hang, the configuration breaks, the certificate is renewed, or Metriclet is rolled out",
        run: availability::stays_available,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "The CronJob's account, with only the rights that it needs, renews the certificate around its expiry: both APIs stay Available, HPAs keep their replicas, and caBundle holds both CA certificates while they overlap",
        run: renewal::of_the_serving_certificate,
        needs_controllers: true,
        apart: true,
    },
    Case {
        name: "While kube-apiserver restarts, requests that need no review are served",
        run: availability::outlives_an_api_server,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "The watch of pods follows every change without a list; it serves pods for a limited time while kube-apiserver is stopped, and resumes after restarts and a compaction; without the permission to watch, Metriclet lists pods",
        run: pod_watch::follows_pods,
        needs_controllers: false,
        apart: true,
    },
    Case {
        name: "Two replicas share their samples: through a rollout, and while either is killed, neither answers again that it lacks samples",
        run: replicas::share_samples,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "Every route serves administrators and users with a suitable Role",
        run: access::through_the_api_server,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "An RBAC rule allows what the documentation says, and nothing else",
        run: access::as_documented,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "Direct requests are allowed and denied exactly as through kube-apiserver",
        run: access::directly_at_the_listener,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "Metriclet passes the conformance suite, through kube-apiserver and directly",
        run: conformance::of_metriclet,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "The Go library's test adapter passes it, except for the checks that docs/conformance.md lists",
        run: conformance::of_the_go_library,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "Direct requests with forged X-Remote headers are rejected",
        run: access::forged_headers,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "A request smuggled in the body of another request is not served",
        run: smuggling::in_the_body_of_a_get,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "The front proxy's certificate and authority are rotated under load",
        run: rotation::of_the_front_proxy,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "A user in 500 groups can use discovery",
        run: bystanders::in_many_groups,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "kubectl commands for other APIs succeed while Metriclet runs, is stopped, or is removed; namespaces are deleted except while it is stopped",
        run: bystanders::nothing_else_suffers,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "The Roles that metriclet rbac prints are enough for each kind of rule, and none of their rules can be left out",
        run: rights::are_the_least,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "The production overlay is accepted, serves metrics, has the documented permissions, and leaves nothing behind when removed",
        run: production::comes_serves_and_goes,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "Helm installs the chart; upgrades keep its certificate authority; and uninstalling it, even without a running pod, leaves nothing behind",
        run: chart::comes_stays_and_goes,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "HPAs of type Pods and Object, and on a namespace, reach the expected replica counts",
        run: scaling::to_the_right_count,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on metrics scraped from each pod reaches the expected replica count",
        run: scaling::on_scraped_pods,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on a rate over Metriclet's own samples reaches the expected replica count",
        run: scaling::on_a_rate,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on a p95 over all pods of a Deployment reaches the expected replica count, and keeps it while one pod does not respond",
        run: scaling::on_a_quantile_of_all_pods,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA follows a queue of another namespace's broker, whose name contains the workload's; other namespaces get 404",
        run: scaling::on_a_queue_of_another_namespace,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on an Object metric scales to zero and back",
        run: zero::of_an_object,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on an External metric, the sum of several values, scales to zero and back",
        run: zero::of_an_external_metric,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "An HPA on a Pods metric beside an Object metric scales to zero and back",
        run: zero::beside_a_metric_of_pods,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "The status page shows HPAs as the HPA controller reports them, each metric with its rule; without the component hpa-reader it names that component",
        run: status::shows_hpas,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "While Metriclet replaces another adapter by forwarding, shadowing and switching its metrics, all APIServices stay Available and no HPA is without a value",
        run: migration::from_another_adapter,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "HPAs keep their replicas when the source fails, and show the reason",
        run: scaling::holds_without_a_source,
        needs_controllers: true,
        apart: false,
    },
];
