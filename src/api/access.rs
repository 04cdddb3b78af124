//! Authorization. Any authenticated user may use discovery; for metrics and everything else the Kubernetes API reviews
//! access, with the attributes that also route the request.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;

use super::identity::{AuthenticationMethod, KnownUser, User, size};
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::Limits;
use crate::kube::review::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReviewSpec, SubjectAccessReviewStatus as Answer, UserInfo,
};
use crate::kube_api::client::Client;
use crate::kube_api::error::CallError;
use crate::parse::path::{ApiPath, Attributes};
use crate::telemetry::clock::Now;

/// Members have full access without a review, so that an outage of the Kubernetes API does not lock them out.
const MASTERS: &str = "system:masters";

/// Authorizes requests.
pub struct Access {
    reviewer: Option<Arc<Client>>,
    /// Paths that need no authorization; one that ends in `*` stands for all that start with it.
    always_allowed: Vec<String>,
    answers: Cache<Result<Answer, CallError>>,
    limits: Limits,
}

/// The key of a review, borrowed from the request, because most reviews are in the cache.
#[derive(Clone, Copy, Hash)]
struct Review<'a> {
    user: &'a KnownUser,
    /// Reviews of users of a front proxy are cached for longer.
    method: AuthenticationMethod,
    access: RequestAttributes<'a>,
}

/// The attributes of a request.
#[derive(Clone, Copy)]
enum RequestAttributes<'a> {
    /// A resource; `path` is the request's path, from which the attributes were parsed.
    Resource {
        path: &'a str,
        verb: &'static str,
        attributes: Attributes<'a>,
    },
    Path {
        path: &'a str,
        method: &'a str,
    },
}

impl Hash for RequestAttributes<'_> {
    /// Hashes the path instead of the attributes, which it determines.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Resource { path, verb, attributes: _ } => (true, path, verb).hash(state),
            Self::Path { path, method } => (false, path, method).hash(state),
        }
    }
}

/// Why a request is not authorized.
#[derive(Debug)]
pub enum AuthorizationError {
    /// The Kubernetes API denied access.
    Forbidden(Box<Forbidden>),
    /// The Kubernetes API did not answer, or none is configured.
    Unavailable(String),
    /// The Kubernetes API has to be called, and the caller does not wait.
    WouldWait,
}

/// A denial, worded as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// What was reviewed.
    pub spec: SubjectAccessReviewSpec,
    /// The authorizer's reason; may be empty.
    pub reason: String,
}

impl Access {
    /// `reviewer` reviews access.
    pub fn new(reviewer: Option<Arc<Client>>, always_allowed: Vec<String>, limits: &Limits) -> Self {
        let answers = Cache::new(limits.review.cached_access, limits.review.cached_bytes);
        Self { reviewer, always_allowed, answers, limits: limits.clone() }
    }

    /// Whether this path needs no authorization: health, for probes.
    pub fn is_always_allowed(&self, path: &str) -> bool {
        self.always_allowed.iter().any(|open| match open.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == open,
        })
    }

    /// Authorizes `user`; `path` is `None` if the target is not a path of the API.
    ///
    /// # Errors
    /// If access is denied or cannot be reviewed; see [`AuthorizationError`].
    pub fn authorize(
        &self,
        user: &User,
        method: &str,
        target: &str,
        path: Option<&ApiPath>,
        wait: Wait,
        now: Now,
    ) -> Result<(), AuthorizationError> {
        if user.is_of(MASTERS) {
            return Ok(());
        }
        let access = match (path.and_then(ApiPath::attributes), path) {
            (Some(attributes), _) => {
                let verb = verb(method, attributes.name.is_some());
                RequestAttributes::Resource { path: target, verb, attributes }
            }
            // One permission for both formats.
            (None, Some(ApiPath::Status(_))) => RequestAttributes::Path { path: "/status", method },
            (None, _) => RequestAttributes::Path { path: target, method },
        };
        let review = Review { user: &user.info, method: user.method, access };
        let no = || Err(Forbidden { spec: review.spec(), reason: String::new() }.into());
        match path {
            // Open paths have been served before this, and an anonymous client must not cause calls to the Kubernetes
            // API.
            _ if user.method == AuthenticationMethod::Anonymous => no(),
            Some(
                ApiPath::Metric(_)
                | ApiPath::External(_)
                | ApiPath::Root
                | ApiPath::OwnMetrics
                | ApiPath::PeerSamples
                | ApiPath::Status(_)
                | ApiPath::Health(..),
            ) => self.review(review, target, wait, now),
            // Discovery, OpenAPI, and unknown paths: they contain no secrets.
            _ if user.is_authenticated() => Ok(()),
            _ => no(),
        }
    }

    fn review(&self, review: Review<'_>, target: &str, wait: Wait, now: Now) -> Result<(), AuthorizationError> {
        let Some(reviewer) = &self.reviewer else {
            return Err(AuthorizationError::Unavailable("SubjectAccessReview needs the Kubernetes API".to_owned()));
        };
        let deadline = match wait {
            Wait::No => now.monotonic,
            Wait::Until(deadline) => deadline,
        };
        let load = || {
            let value = reviewer.access_review(&review.spec(), deadline);
            let lasts = match &value {
                // The front proxy itself has just authorized the request.
                Ok(answer) if answer.is_allowed() && review.method == AuthenticationMethod::FrontProxy => {
                    self.limits.review.front_proxy_ttl
                }
                Ok(_) => self.limits.review.ttl,
                Err(_) => Duration::ZERO,
            };
            // The caller controls these texts, which dominate the size of a cached review.
            let cost = 256 + size(review.user) + target.len();
            let lasts = if cost > self.limits.review.cacheable { Duration::ZERO } else { lasts };
            let cut_by_caller = deadline.saturating_duration_since(now.monotonic) < self.limits.review.timeout
                && value.as_ref().is_err_and(CallError::is_timeout);
            Loaded { value, until: Instant::now() + lasts, cost, shared: !cut_by_caller }
        };
        match self.answers.get(&Key::of(&review), now.monotonic, wait, |_| true, load) {
            Outcome::Value(answer) => match &*answer {
                Ok(answer) if answer.is_allowed() => Ok(()),
                Ok(answer) => Err(Forbidden { spec: review.spec(), reason: answer.reason.clone() }.into()),
                Err(error) => {
                    debug!("access: {}", error.detail());
                    Err(AuthorizationError::Unavailable(error.to_string()))
                }
            },
            Outcome::WouldWait => Err(AuthorizationError::WouldWait),
            Outcome::TimedOut | Outcome::Panicked => {
                Err(AuthorizationError::Unavailable(reviewer.too_slow("SubjectAccessReview").to_string()))
            }
        }
    }
}

impl Review<'_> {
    /// The spec of the SubjectAccessReview.
    fn spec(&self) -> SubjectAccessReviewSpec {
        let UserInfo { username, uid, groups, extra } = UserInfo::clone(self.user);
        let (resource_attributes, non_resource_attributes) = match self.access {
            RequestAttributes::Resource { verb, attributes, .. } => (Some(resource(&attributes, verb)), None),
            RequestAttributes::Path { path, method } => {
                let (path, verb) = (path.to_owned(), method.to_ascii_lowercase());
                (None, Some(NonResourceAttributes { path, verb }))
            }
        };
        SubjectAccessReviewSpec { resource_attributes, non_resource_attributes, user: username, groups, extra, uid }
    }
}

/// The attributes of a metric, from the parse that routes the request.
fn resource(attributes: &Attributes<'_>, verb: &str) -> ResourceAttributes {
    let Attributes { group, version, namespace, resource, subresource, name } = *attributes;
    ResourceAttributes {
        namespace: namespace.unwrap_or_default().to_owned(),
        verb: verb.to_owned(),
        group: group.as_str().to_owned(),
        version: version.as_str().to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.unwrap_or_default().to_owned(),
        name: name.unwrap_or_default().to_owned(),
    }
}

/// Kubernetes' verb for a method on an object, or on all objects of a resource.
fn verb(method: &str, is_named: bool) -> &'static str {
    match method {
        "GET" | "HEAD" if !is_named => "list",
        "DELETE" if !is_named => "deletecollection",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

impl From<Forbidden> for AuthorizationError {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(Box::new(forbidden))
    }
}

/// As Kubernetes words it, `&`, `<` and `>` escaped.
impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = Html(&self.spec.user);
        match (&self.spec.resource_attributes, &self.spec.non_resource_attributes) {
            (Some(of), _) => {
                let ResourceAttributes { namespace, verb, group, resource, subresource, name, .. } = of;
                let (resource, name) = (Html(resource), Html(name));
                write!(f, "{resource}.{group} ")?;
                if !name.0.is_empty() {
                    write!(f, "\"{name}\" ")?;
                }
                write!(f, "is forbidden: User \"{user}\" cannot {verb} resource \"{resource}")?;
                if !subresource.is_empty() {
                    write!(f, "/{}", Html(subresource))?;
                }
                write!(f, "\" in API group \"{group}\"")?;
                match namespace.as_str() {
                    "" => f.write_str(" at the cluster scope")?,
                    namespace => write!(f, " in the namespace \"{}\"", Html(namespace))?,
                }
            }
            (None, of) => {
                let (verb, path) = of.as_ref().map_or(("", ""), |of| (&of.verb, &of.path));
                write!(f, "forbidden: User \"{user}\" cannot {verb} path \"{}\"", Html(path))?;
            }
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", Html(&self.reason)) }
    }
}

/// Text that neither a browser interprets as HTML nor a terminal as commands.
struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => fmt::Write::write_char(f, c),
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("reviewer", &self.reviewer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
