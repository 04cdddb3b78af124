//! The items that tests, fuzz targets and benchmarks call directly. All others are private to the crate.

pub mod api {
    pub use crate::api::{Answer, Api};
    pub mod access {
        pub use crate::api::access::{Access, AuthorizationError};
    }
    pub mod auth {
        pub use crate::api::auth::AuthFilter;
    }
    pub mod identity {
        pub use crate::api::identity::{AuthenticationError, AuthenticationMethod, Identity, User};
        pub mod trust {
            pub use crate::api::identity::trust::{FrontProxy, Pool, RemoteHeaders, Trust};
        }
    }
    pub mod message {
        pub use crate::api::message::{JSON, Origin, PROTOBUF, Reply, Request, YAML};
    }
    pub mod negotiate {
        pub use crate::api::negotiate::{Transforms, negotiate};
    }
    pub mod peer {
        pub use crate::api::peer::Peer;
    }
}
pub mod autoscaling {
    pub mod behavior {
        pub use crate::autoscaling::behavior::{
            Behavior, Direction, Limit, Policy, ScalingRules, SelectPolicy, Tolerances, highest, limited, lowest,
            window,
        };
    }
    pub mod calculator {
        pub use crate::autoscaling::calculator::{
            Basis, Filled, Kept, NoProposal, Phase, PodState, Proposal, Values, Workload, propose,
        };
    }
    pub mod decision {
        pub use crate::autoscaling::decision::{Decision, DecisionReason, ZeroSupport, predict};
    }
    pub mod lack {
        pub use crate::autoscaling::problem::HpaProblem;
    }
    pub mod manifest {
        pub use crate::autoscaling::manifest::{Hpa, MetricKind, MetricSpec, MetricTarget, ObjectRef, documents, hpas};
    }
}
pub mod cache {
    pub use crate::cache::Wait;
}
pub mod command {
    pub use crate::command::exit;
}
pub mod config {
    pub mod file {
        pub use crate::config::file::load;
    }
    pub mod hpa {
        pub use crate::config::hpa::check;
    }
    pub mod limits {
        pub use crate::config::limits::{
            AnswerLimits, ConfigLimits, ConnectionLimits, ExpressionLimits, FetchLimits, FetcherLimits, Limits,
            ObjectLimits, ReviewLimits, SamplingLimits,
        };
    }
    pub mod model {
        pub use crate::config::model::Format;
    }
    pub mod problem {
        pub use crate::config::problem::{Excerpts, Problem};
    }
}
pub mod conformance {
    pub mod protobuf {
        pub use crate::conformance::protobuf::{ProtobufError, decode};
    }
}
pub mod convert {
    pub use crate::convert::{Converted, Diagnostic, Input, Known};
    pub mod go_template {
        pub use crate::convert::go_template::{TemplateError, TemplatePiece, parse};
    }
    pub mod keda {
        pub use crate::convert::keda::convert;
    }
    pub mod kube_metrics_adapter {
        pub use crate::convert::kube_metrics_adapter::convert;
    }
    pub mod prometheus_adapter {
        pub use crate::convert::prometheus_adapter::convert;
    }
}
pub mod kube {
    pub mod custom_metrics {
        pub use crate::kube::custom_metrics::MetricValueList;
    }
    pub mod external_metrics {
        pub use crate::kube::external_metrics::ExternalMetricValueList;
    }
    pub mod meta {
        pub use crate::kube::meta::Time;
    }
    pub mod pod_pool {
        pub use crate::kube::pod_pool::PodPool;
    }
    pub mod pod_store {
        pub use crate::kube::pod_store::PodStore;
    }
    pub mod protobuf {
        pub use crate::kube::protobuf::{Fields, Message};
    }
    pub mod received {
        pub use crate::kube::received::{Received, ReceivedResource, ReceivedStatus, read};
    }
    pub mod resource_version {
        pub use crate::kube::resource_version::ResourceVersion;
    }
    pub mod review {
        pub use crate::kube::review::{TokenReviewStatus, UserInfo};
    }
    pub mod watch_event {
        pub use crate::kube::watch_event::WatchEvent;
    }
    pub mod yaml {
        pub use crate::kube::yaml::print;
    }
}
pub mod kube_api {
    pub mod client {
        pub use crate::kube_api::client::Client;
    }
    pub mod kubeconfig {
        pub use crate::kube_api::kubeconfig::parse;
    }
}
pub mod metrics {
    pub use crate::metrics::Metrics;
    pub use crate::metrics::request::MetricRequest;
    pub mod objects {
        pub use crate::metrics::objects::Objects;
    }
    pub mod trace {
        pub use crate::metrics::trace::Trace;
    }
}
pub mod parse {
    pub mod certificate {
        pub use crate::parse::certificate::Certificate;
    }
    pub mod certificate_name {
        pub use crate::parse::certificate_name::CertificateName;
    }
    pub mod csv {
        pub use crate::parse::csv::{CsvLimits, CsvPageError, parse_page};
    }
    pub mod duration {
        pub use crate::parse::duration::{format, parse};
    }
    pub mod etag {
        pub use crate::parse::etag::has;
    }
    pub mod exposition {
        pub use metriclet_exposition::error::PageError;
        pub use metriclet_exposition::format::{ExpositionLimits, Format};
        pub use metriclet_exposition::labels::Labels;
        pub use metriclet_exposition::parser::{Parser, Summary};
        pub use metriclet_exposition::sink::{Sample, Sink};
    }
    pub mod extensions {
        pub use crate::parse::extensions::Extensions;
    }
    pub mod head {
        pub use crate::parse::head::{Head, HeadError, HeadLimits, parse};
    }
    pub mod json {
        pub use crate::parse::json::page::{PageLimits, parse_page};
        pub use crate::parse::json::{JsonExpr, JsonLimits};
    }
    pub mod path {
        pub use crate::parse::path::{ApiPath, MetricPath, Version, parse};
    }
    pub mod peer_message {
        pub use crate::parse::peer_message::{
            PeerMessage, PeerMessageError, PeerMessageLimits, PeerObject, PeerRule, PeerSelection, PeerSeries,
        };
    }
    pub mod pem {
        pub use crate::parse::pem::{certificates, private_key};
    }
    pub mod decimal {
        pub use crate::parse::decimal::Decimal;
    }
    pub mod quantity {
        pub use crate::parse::quantity::{Milli, NotServable, QuantityError, parse};
    }
    pub mod query {
        pub use crate::parse::query::{Query, parse};
    }
    pub mod regex {
        pub use crate::parse::regex::{Pattern, RegexLimits, TextExpr, TextMatch};
    }
    pub mod selector {
        pub use crate::parse::selector::{Selector, SelectorLimits};
    }
    pub mod url_template {
        pub use crate::parse::url_template::piece::Placeholder;
        pub use crate::parse::url_template::{Template, Values};
    }
    pub mod yaml {
        pub use crate::parse::yaml::page::{YamlPageError, parse_page};
        pub use crate::parse::yaml::{Key, Node, Span, YamlError, YamlErrorKind, YamlLimits, YamlValue, parse};
    }
}
pub mod promql {
    pub use crate::promql::ast::{Expr, Grouping, Matching, Side, VectorSelector};
    pub use crate::promql::limits::Limits;
    pub use crate::promql::matcher::{MatchOp, Matcher, NAME_LABEL};
    pub use crate::promql::operation::{Aggregation, BinaryOp, Function};
    pub use crate::promql::scope::Scope;
    pub use crate::promql::template::QueryTemplate;
    pub mod evaluate {
        pub use crate::promql::evaluate::{
            Data, EachSeries, Element, EvalError, Labels, Sample, Series, Times, evaluate,
        };
    }
}
#[cfg(fuzzing)]
pub mod server {
    pub mod secure {
        pub mod harness {
            pub use crate::server::secure::harness::{Conversation, Setup, beginning};
        }
    }
}
pub mod source {
    pub mod page {
        pub use crate::source::page::{Found, KnownPage, Page, PageBody, Query, WantedValues};
    }
    pub mod shared {
        pub use crate::source::shared::Shared;
    }
    pub mod waiting {
        pub use crate::source::waiting::AllowedWaits;
    }
}
pub mod telemetry {
    pub mod clock {
        pub use crate::telemetry::clock::{Clock, Now};
    }
}
