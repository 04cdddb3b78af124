//! How far and how fast an HPA may scale: `minReplicas`, `maxReplicas`, `behavior`, and the controller's own defaults.

use super::lack::HpaLack;
use crate::parse::decimal::Decimal;
use crate::parse::yaml::Node;

/// `--horizontal-pod-autoscaler-tolerance` by default.
const TOLERANCE: f64 = 0.1;

/// `--horizontal-pod-autoscaler-downscale-stabilization` by default, in seconds.
const DOWNSCALE_WINDOW: u32 = 300;

/// The period of the default policies in seconds; no limit applies without a behavior, so it is one sync.
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

/// Which of several policies applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A percentage of the replicas, or else a number of pods.
    pub is_percent: bool,
    pub value: i32,
    /// `periodSeconds`.
    pub period: u32,
}

/// By how much a ratio may differ from 1 and change nothing.
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

/// What keeps the replicas from what the metrics ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `minReplicas`.
    Min,
    /// `maxReplicas`.
    Max,
    /// How much may change at once.
    Rate(Direction),
}

impl Behavior {
    /// Reads it.
    ///
    /// # Errors
    /// Of what is not understood, the first and its place.
    pub fn read(node: &Node) -> Result<Self, HpaLack> {
        let quarter = |is_percent, value| Policy { is_percent, value, period: PERIOD };
        Ok(Self {
            up: ScalingRules::read(node.at(&["scaleUp"]), vec![quarter(false, 4), quarter(true, 100)])?,
            down: ScalingRules::read(node.at(&["scaleDown"]), vec![quarter(true, 100)])?,
        })
    }
}

impl ScalingRules {
    fn read(node: Option<&Node>, default: Vec<Policy>) -> Result<Self, HpaLack> {
        let Some(node) = node else {
            return Ok(Self { window: None, select: SelectPolicy::Max, policies: default, tolerance: None });
        };
        let wrong = |key: &str, expected: &str| HpaLack {
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

    /// Which of the policies' limits applies, `larger` telling whether the larger number is the larger change.
    fn selected(&self, limits: impl Iterator<Item = i32>, current: i32, larger: bool) -> i32 {
        let limit = match (self.select, larger) {
            (SelectPolicy::Disabled, _) => Some(current),
            (SelectPolicy::Max, true) | (SelectPolicy::Min, false) => limits.max(),
            (SelectPolicy::Max, false) | (SelectPolicy::Min, true) => limits.min(),
        };
        limit.unwrap_or(current)
    }

    /// The longest period of its policies, in seconds.
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

    /// The most replicas that it allows.
    fn highest(&self, current: i32) -> i32 {
        match self.is_percent {
            true => (f64::from(current) * (1.0 + f64::from(self.value) / 100.0)).ceil() as i32,
            false => current.saturating_add(self.value),
        }
    }

    /// The fewest replicas that it allows.
    fn lowest(&self, current: i32) -> i32 {
        match self.is_percent {
            true => (f64::from(current) * (1.0 - f64::from(self.value) / 100.0)) as i32,
            false => current.saturating_sub(self.value),
        }
    }
}

impl Tolerances {
    /// Those of an HPA.
    pub fn of(behavior: Option<&Behavior>) -> Self {
        let of = |rules: Option<&ScalingRules>| rules.and_then(|rules| rules.tolerance).unwrap_or(TOLERANCE);
        Self { up: of(behavior.map(|behavior| &behavior.up)), down: of(behavior.map(|behavior| &behavior.down)) }
    }

    /// Whether a ratio changes nothing.
    pub fn allow(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// For how many seconds a change in a direction waits for the recommendations of the past.
pub fn window(behavior: Option<&Behavior>, direction: Direction) -> u32 {
    match (behavior, direction) {
        (None, Direction::Up) => 0,
        (Some(behavior), Direction::Up) => behavior.up.window.unwrap_or_default(),
        (behavior, Direction::Down) => behavior.and_then(|behavior| behavior.down.window).unwrap_or(DOWNSCALE_WINDOW),
    }
}

/// The most replicas to scale up to at once, if the workload was not scaled within the periods of the policies.
pub fn highest(behavior: Option<&Behavior>, current: i32) -> i32 {
    match behavior {
        None => current.saturating_mul(2).max(4),
        Some(behavior) => {
            let limits = behavior.up.policies.iter().map(|policy| policy.highest(current));
            behavior.up.selected(limits, current, true).max(current)
        }
    }
}

/// The fewest replicas to scale down to at once, likewise.
pub fn lowest(behavior: Option<&Behavior>, current: i32) -> i32 {
    behavior.map_or(0, |behavior| {
        let limits = behavior.down.policies.iter().map(|policy| policy.lowest(current));
        behavior.down.selected(limits, current, false).min(current)
    })
}

/// The replicas after a sync, and what they are limited by.
pub fn limited(behavior: Option<&Behavior>, min: i32, max: i32, current: i32, desired: i32) -> (i32, Option<Limit>) {
    let (highest, lowest) = (highest(behavior, current), lowest(behavior, current));
    // With a behavior, who changes nothing is not limited by anything.
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
