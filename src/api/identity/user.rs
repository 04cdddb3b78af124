//! Authenticated users, in a form that all their requests share.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use once_cell::sync::Lazy;

use crate::cache::Key;
use crate::kube::review::UserInfo;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The users as which kube-controller-manager requests metrics: with and without `--use-service-account-credentials`.
const HPA_CONTROLLERS: [&str; 2] =
    ["system:serviceaccount:kube-system:horizontal-pod-autoscaler", "system:kube-controller-manager"];

/// A user, and how it was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's Kubernetes attributes, including the group that Kubernetes adds; all requests of the user share them.
    pub info: Arc<KnownUser>,
    /// How it was authenticated.
    pub method: AuthenticationMethod,
}

/// The Kubernetes attributes of a user, and their digest, which replaces them in cache keys: hashing and copying all groups
/// for each request would cost more than the rest of the authorization.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownUser {
    info: UserInfo,
    /// SHA-256, so that no two users collide.
    digest: [u8; 32],
    is_hpa_controller: bool,
}

/// How a user was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthenticationMethod {
    /// By the headers of a front proxy, which has authorized the request already.
    FrontProxy,
    /// By its own certificate or token.
    Direct,
    /// It was not authenticated.
    Anonymous,
}

static ANONYMOUS: Lazy<Arc<KnownUser>> = Lazy::new(|| {
    let groups = vec![UNAUTHENTICATED.to_owned()];
    UserInfo { username: "system:anonymous".to_owned(), groups, ..UserInfo::default() }.into()
});

impl KnownUser {
    /// An authenticated user; adds the group `system:authenticated`.
    pub(super) fn authenticated(mut info: UserInfo) -> Arc<Self> {
        if !info.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
            info.groups.push(AUTHENTICATED.to_owned());
        }
        info.into()
    }

    /// Whether it is the HPA controller, by its name.
    pub(crate) fn is_hpa_controller(&self) -> bool {
        self.is_hpa_controller
    }
}

impl From<UserInfo> for Arc<KnownUser> {
    fn from(info: UserInfo) -> Self {
        let digest = Key::of(&info).digest();
        let is_hpa_controller = HPA_CONTROLLERS.contains(&&*info.username);
        Self::new(KnownUser { info, digest, is_hpa_controller })
    }
}

impl Deref for KnownUser {
    type Target = UserInfo;

    fn deref(&self) -> &UserInfo {
        &self.info
    }
}

impl Hash for KnownUser {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl User {
    pub(super) fn anonymous() -> Self {
        Self { info: ANONYMOUS.clone(), method: AuthenticationMethod::Anonymous }
    }

    /// Whether the user is in this group.
    pub fn is_of(&self, group: &str) -> bool {
        self.info.groups.iter().any(|known| known == group)
    }

    /// Whether the user is authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.is_of(AUTHENTICATED)
    }
}
