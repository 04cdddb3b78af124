//! The limits of handwritten YAML, derived from those of the configuration and of expressions.

use super::Limits;
use crate::parse::yaml::YamlLimits;

impl Limits {
    /// The limits of a handwritten YAML document: a configuration, a manifest or a kubeconfig.
    pub(crate) fn document(&self) -> YamlLimits {
        YamlLimits { bytes: self.config.bytes, depth: self.expression.depth, nodes: self.config.nodes }
    }
}
