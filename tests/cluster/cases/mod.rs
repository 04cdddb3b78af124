//! What must hold. Each case asserts on what Kubernetes says.

mod access;
mod availability;
mod bystanders;
mod fixture;
mod production;
mod rotation;
mod scaling;
mod smuggling;

use crate::plane::Plane;

/// One of them.
pub struct Case {
    /// What holds.
    pub name: &'static str,
    pub run: fn(&mut Plane),
    /// Whether it needs controllers, which envtest does not have.
    pub needs_controllers: bool,
    /// Whether it has a control plane to itself, beside all others: it is in nobody's way, and nobody in its.
    pub apart: bool,
}

pub const ALL: &[Case] = &[
    Case {
        name: "both versions become available, and for five minutes kube-apiserver logs no complaint",
        run: availability::becomes_available,
        needs_controllers: false,
        apart: true,
    },
    Case {
        name: "both stay available: source, Kubernetes API or access reviews hang, configuration breaks, certificate changes, it is rolled",
        run: availability::stays_available,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "kube-apiserver stops and comes back, and those whom no one need ask about are served meanwhile",
        run: availability::outlives_an_api_server,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "every route answers an admin, and through RBAC whom a Role allows",
        run: access::through_the_api_server,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "a rule of RBAC allows what the documents say, and nothing else",
        run: access::as_documented,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "straight at the listener the same is allowed, and refused in the same words",
        run: access::straight_at_the_listener,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "forged headers straight at the listener get nothing",
        run: access::forged_headers,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "a request smuggled in the body of another gets nothing",
        run: smuggling::in_the_body_of_a_get,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "front proxy and its authority change while requests run",
        run: rotation::of_the_front_proxy,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "a user in 500 groups can use discovery",
        run: bystanders::in_many_groups,
        needs_controllers: false,
        apart: false,
    },
    Case {
        name: "kubectl goes on while it runs, is stopped, and is gone by scripts/remove; so do namespaces, but for while it is stopped",
        run: bystanders::nothing_else_suffers,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "the production overlay is accepted, serves, may what the documents say, and goes without a trace",
        run: production::comes_serves_and_goes,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "HPAs of type Pods, Object and of a namespace reach the replicas that arithmetic gives",
        run: scaling::to_the_right_count,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "an HPA on pods that are each asked for their own page reaches the right count",
        run: scaling::on_pods_of_their_own,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "an HPA on a rate of samples of our own reaches the right count",
        run: scaling::on_a_rate,
        needs_controllers: true,
        apart: false,
    },
    Case {
        name: "when the source dies HPAs hold, and say why",
        run: scaling::holds_without_a_source,
        needs_controllers: true,
        apart: false,
    },
];
