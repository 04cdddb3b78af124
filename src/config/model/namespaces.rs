//! Sets of namespaces.

/// The namespaces whose objects a source may describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All namespaces: `"*"`.
    All,
    /// The listed namespaces; empty without the key (cluster-scoped objects only).
    Only(Vec<String>),
}

impl Namespaces {
    /// Whether objects of `namespace` may be described.
    pub fn allow(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == namespace),
        }
    }

    /// The one namespace, if exactly one is listed.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::Only(names) => match names.as_slice() {
                [name] => Some(name),
                _ => None,
            },
            Self::All => None,
        }
    }
}
