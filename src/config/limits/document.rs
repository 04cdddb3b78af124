//! The limits of YAML that is written by hand, of those of the configuration and of expressions.

use super::Limits;
use crate::parse::yaml::YamlLimits;

impl Limits {
    /// Of a YAML document that is written by hand: a configuration, a manifest or a kubeconfig.
    pub(crate) fn document(&self) -> YamlLimits {
        YamlLimits { bytes: self.config.bytes, depth: self.expression.depth, nodes: self.config.nodes }
    }
}
