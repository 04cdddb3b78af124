//! How far and how fast an HPA may scale: `minReplicas`, `maxReplicas`, `behavior`, and the controller's defaults.

use super::problem::HpaProblem;
use crate::parse::decimal::Decimal;
use crate::parse::yaml::Node;

/// The default of `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;

/// The default of `--horizontal-pod-autoscaler-downscale-stabilization` in seconds.
const DOWNSCALE_WINDOW: u32 = 300;

/// The period of the default policies in seconds: one sync, because there is no limit without a behavior.
const PERIOD: u32 = 15;

/// `spec.behavior`.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    pub up: ScalingRules,
    pub down: ScalingRules,
}

/// `scaleUp` or `scaleDown`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`.
    pub window: Option<u32>,
    pub select: SelectPolicy,
    pub policies: Vec<Policy>,
    /// `tolerance`, a fraction.
    pub tolerance: Option<f64>,
}

/// The selection among several policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The policy with the largest change.
    Max,
    /// The policy with the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// A limit on the change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the value is a percentage of the replicas, not a number of pods.
    pub is_percent: bool,
    pub value: i32,
    /// `periodSeconds`.
    pub period: u32,
}

/// The deviation of a ratio from 1 within which replicas remain unchanged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    pub up: f64,
    pub down: f64,
}

/// A direction of scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
}

/// A limit that overrides the recommendation of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `minReplicas`.
    Min,
    /// `maxReplicas`.
    Max,
    /// The limit on the change in one sync.
    Rate(Direction),
}

impl Behavior {
    /// Parses `spec.behavior`.
    ///
    /// # Errors
    /// The first invalid field and its position.
    pub fn read(node: &Node) -> Result<Self, HpaProblem> {
        let quarter = |is_percent, value| Policy { is_percent, value, period: PERIOD };
        Ok(Self {
            up: ScalingRules::read(node.at(&["scaleUp"]), vec![quarter(false, 4), quarter(true, 100)])?,
            down: ScalingRules::read(node.at(&["scaleDown"]), vec![quarter(true, 100)])?,
        })
    }
}

impl ScalingRules {
    fn read(node: Option<&Node>, default: Vec<Policy>) -> Result<Self, HpaProblem> {
        let Some(node) = node else {
            return Ok(Self { window: None, select: SelectPolicy::Max, policies: default, tolerance: None });
        };
        let wrong = |key: &str, expected: &str| HpaProblem {
            span: node.at(&[key]).map_or(node.span, |node| node.span),
            expected: expected.to_owned(),
        };
        let window = match node.text_at(&["stabilizationWindowSeconds"]).map(str::parse) {
            None => None,
            Some(Ok(window)) => Some(window),
            Some(Err(_)) => return Err(wrong("stabilizationWindowSeconds", "seconds")),
        };
        let select = match node.text_at(&["selectPolicy"]) {
            None | Some("Max") => SelectPolicy::Max,
            Some("Min") => SelectPolicy::Min,
            Some("Disabled") => SelectPolicy::Disabled,
            Some(_) => return Err(wrong("selectPolicy", "selectPolicy: Max, Min or Disabled")),
        };
        let tolerance = match node.text_at(&["tolerance"]).map(Decimal::parse) {
            None => None,
            Some(Ok(tolerance)) => Some(tolerance.canonical_float()),
            Some(Err(_)) => return Err(wrong("tolerance", "a tolerance such as 0.05")),
        };
        let policies = match node.at(&["policies"]) {
            None => default,
            Some(_) => {
                let read = |node| {
                    Policy::read(node).ok_or_else(|| wrong("policies", "policies with type, value and periodSeconds"))
                };
                node.items_at(&["policies"]).iter().map(read).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { window, select, policies, tolerance })
    }

    /// The limit that applies; `larger` says whether the larger number is the larger change.
    fn selected(&self, limits: impl Iterator<Item = i32>, current: i32, larger: bool) -> i32 {
        let limit = match (self.select, larger) {
            (SelectPolicy::Disabled, _) => Some(current),
            (SelectPolicy::Max, true) | (SelectPolicy::Min, false) => limits.max(),
            (SelectPolicy::Max, false) | (SelectPolicy::Min, true) => limits.min(),
        };
        limit.unwrap_or(current)
    }

    /// The longest period of the policies, in seconds.
    pub fn longest_period(&self) -> u32 {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
    }
}

impl Policy {
    fn read(node: &Node) -> Option<Self> {
        let is_percent = match node.text_at(&["type"])? {
            "Percent" => true,
            "Pods" => false,
            _ => return None,
        };
        let value = node.text_at(&["value"])?.parse().ok()?;
        Some(Self { is_percent, value, period: node.text_at(&["periodSeconds"])?.parse().ok()? })
    }

    /// The maximum number of replicas after a sync.
    fn highest(&self, current: i32) -> i32 {
        match self.is_percent {
            true => (f64::from(current) * (1.0 + f64::from(self.value) / 100.0)).ceil() as i32,
            false => current.saturating_add(self.value),
        }
    }

    /// The minimum number of replicas after a sync.
    fn lowest(&self, current: i32) -> i32 {
        match self.is_percent {
            true => (f64::from(current) * (1.0 - f64::from(self.value) / 100.0)) as i32,
            false => current.saturating_sub(self.value),
        }
    }
}

impl Tolerances {
    /// The tolerances of an HPA.
    pub fn of(behavior: Option<&Behavior>) -> Self {
        let of = |rules: Option<&ScalingRules>| rules.and_then(|rules| rules.tolerance).unwrap_or(TOLERANCE);
        Self { up: of(behavior.map(|behavior| &behavior.up)), down: of(behavior.map(|behavior| &behavior.down)) }
    }

    /// Whether a ratio is within the tolerance.
    pub fn allow(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// The stabilization window of a direction, in seconds.
pub fn window(behavior: Option<&Behavior>, direction: Direction) -> u32 {
    match (behavior, direction) {
        (None, Direction::Up) => 0,
        (Some(behavior), Direction::Up) => behavior.up.window.unwrap_or_default(),
        (behavior, Direction::Down) => behavior.and_then(|behavior| behavior.down.window).unwrap_or(DOWNSCALE_WINDOW),
    }
}

/// The maximum number of replicas after one sync, if the workload was not scaled within the periods of the policies.
pub fn highest(behavior: Option<&Behavior>, current: i32) -> i32 {
    match behavior {
        None => current.saturating_mul(2).max(4),
        Some(behavior) => {
            let limits = behavior.up.policies.iter().map(|policy| policy.highest(current));
            behavior.up.selected(limits, current, true).max(current)
        }
    }
}

/// The minimum number of replicas after one sync, under the same condition.
pub fn lowest(behavior: Option<&Behavior>, current: i32) -> i32 {
    behavior.map_or(0, |behavior| {
        let limits = behavior.down.policies.iter().map(|policy| policy.lowest(current));
        behavior.down.selected(limits, current, false).min(current)
    })
}

/// The replicas after a sync, and the limit that applied.
pub fn limited(behavior: Option<&Behavior>, min: i32, max: i32, current: i32, desired: i32) -> (i32, Option<Limit>) {
    let (highest, lowest) = (highest(behavior, current), lowest(behavior, current));
    // With a behavior, no limit applies to unchanged replicas.
    let (is_up, is_down) = match behavior {
        None => (true, true),
        Some(_) => (desired > current, desired < current),
    };
    if is_down && desired < min.max(lowest) {
        return (min.max(lowest), Some(if min < lowest { Limit::Rate(Direction::Down) } else { Limit::Min }));
    }
    if is_up && desired > max.min(highest) {
        return (max.min(highest), Some(if max > highest { Limit::Rate(Direction::Up) } else { Limit::Max }));
    }
    (desired, None)
}
