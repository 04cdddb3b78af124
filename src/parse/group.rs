//! The API groups and their versions.

/// The group of object metrics.
pub(crate) const CUSTOM_METRICS: &str = "custom.metrics.k8s.io";

/// The group of external metrics.
pub(crate) const EXTERNAL_METRICS: &str = "external.metrics.k8s.io";

/// An API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// `custom.metrics.k8s.io`
    Custom,
    /// `external.metrics.k8s.io`
    External,
}

/// A version of a group; external metrics have only `v1beta1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `v1beta1`
    V1Beta1,
    /// `v1beta2`
    V1Beta2,
}

impl Group {
    /// All groups, in the order of discovery.
    pub(crate) const ALL: [Self; 2] = [Self::Custom, Self::External];

    /// The name in paths and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Custom => CUSTOM_METRICS,
            Self::External => EXTERNAL_METRICS,
        }
    }

    /// The group's versions, the preferred one first.
    pub(crate) fn versions(self) -> &'static [Version] {
        match self {
            Self::Custom => &[Version::V1Beta2, Version::V1Beta1],
            Self::External => &[Version::V1Beta1],
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == text)
    }
}

impl Version {
    /// The name in paths and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1Beta2 => "v1beta2",
        }
    }
}
