//! The last valid values of a rule with `onMissing: last`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::outcome::ServedValue;
use crate::kube::external_metrics::ExternalMetricValue;

/// An object by namespace and name, and the `metricLabelSelector` of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueKey {
    /// `resource/namespace/name`.
    pub object: String,
    /// The canonical text.
    pub selector: String,
}

/// Stores up to a fixed number of values. When it is full, no further object is stored, so that no value is dropped
/// while it is still served.
#[derive(Debug)]
pub struct LastValues {
    max: usize,
    values: Mutex<HashMap<ValueKey, ServedValue>>,
    /// Complete responses of external metrics, because a part of the values would have a smaller sum.
    answers: Mutex<HashMap<ValueKey, Vec<ExternalMetricValue>>>,
}

impl LastValues {
    /// Remembers up to `max` objects.
    pub fn new(max: usize) -> Self {
        Self { max, values: Mutex::default(), answers: Mutex::default() }
    }

    /// The last valid value.
    pub fn get(&self, key: &ValueKey) -> Option<ServedValue> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Stores a value; when it is full, values older than `oldest` (Unix milliseconds) are dropped first.
    pub fn set(&self, key: ValueKey, value: ServedValue, oldest: i64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= self.max && !values.contains_key(&key) {
            values.retain(|_, value| value.at >= oldest);
        }
        if values.len() < self.max || values.contains_key(&key) {
            values.insert(key, value);
        }
    }

    /// The last complete response.
    pub fn answer(&self, key: &ValueKey) -> Option<Vec<ExternalMetricValue>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Stores a complete response, within the same limit for the values of all responses; responses with a value older
    /// than `oldest` are dropped first.
    pub fn set_answer(&self, key: ValueKey, answer: Vec<ExternalMetricValue>, oldest: i64) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.remove(&key);
        let count = |answers: &HashMap<_, Vec<_>>| answers.values().map(Vec::len).sum::<usize>() + answer.len();
        if count(&answers) > self.max {
            answers.retain(|_, values| values.iter().all(|value| value.timestamp.millis() >= oldest));
        }
        if count(&answers) <= self.max {
            answers.insert(key, answer);
        }
    }

    /// All objects remembered for a selector whose key begins with `prefix`.
    pub fn objects(&self, prefix: &str, selector: &str) -> Vec<String> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = values.keys().filter(|key| key.selector == selector);
        keys.filter_map(|key| key.object.strip_prefix(prefix)).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::quantity::Milli;

    fn key(name: &str) -> ValueKey {
        ValueKey { object: format!("pods/shop/{name}"), selector: String::new() }
    }

    #[test]
    fn keeps_values_that_may_still_be_served() {
        let last = LastValues::new(2);
        let value = |at| ServedValue { value: Milli(1), at, span: None };
        last.set(key("a"), value(10), 0);
        last.set(key("b"), value(20), 0);
        last.set(key("c"), value(30), 10);
        assert_eq!(last.get(&key("c")), None);
        last.set(key("a"), value(40), 10);
        last.set(key("c"), value(30), 21);
        assert_eq!(last.get(&key("a")), Some(value(40)));
        assert_eq!(last.get(&key("b")), None);
        assert_eq!(last.get(&key("c")), Some(value(30)));
        let mut objects = last.objects("pods/shop/", "");
        objects.sort();
        assert_eq!(objects, ["a", "c"]);
    }
}
