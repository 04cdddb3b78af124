//! The steps of one evaluation, for `metriclet get -v`.

/// Collects steps, or nothing at no cost.
#[derive(Debug, Default)]
pub struct Trace(Option<Vec<Step>>);

/// One step: what it is about, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `rule`, `url`, `page`, …
    pub what: &'static str,
    /// One line; may hold foreign text, so it is escaped before it is printed.
    pub detail: String,
}

impl Trace {
    /// Notes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Notes every step.
    pub fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Notes a step, if anybody listens.
    pub fn note(&mut self, what: &'static str, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(Step { what, detail: detail() });
        }
    }

    /// Whether anybody listens.
    pub fn listens(&self) -> bool {
        self.0.is_some()
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        self.0.as_deref().unwrap_or_default()
    }
}
