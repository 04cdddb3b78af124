//! Lists of metrics in either API and version.

use std::collections::BTreeMap;

use serde_json::Value;

use super::body;
use super::exchange::{Request, Response};
use super::quantity::{self, Quantity};

/// A list, and the path of its request.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) object: Value,
    pub(crate) names: &'static Names,
}

/// The names of members in a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `custom.metrics.k8s.io/v1beta1`
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    /// Pointers within an item.
    pub(crate) metric: &'static str,
    /// The pointer to the echoed selector, if the version has one.
    pub(crate) selector: Option<&'static str>,
    pub(crate) window: &'static str,
    /// Members of the other version, which clients ignore in this one.
    pub(crate) foreign: &'static [&'static str],
}

const NAMES: [Names; 3] = [
    Names {
        api_version: "custom.metrics.k8s.io/v1beta1",
        kind: "MetricValueList",
        metric: "/metricName",
        selector: Some("/selector"),
        window: "/window",
        foreign: &["metric", "windowSeconds"],
    },
    Names {
        api_version: "custom.metrics.k8s.io/v1beta2",
        kind: "MetricValueList",
        metric: "/metric/name",
        selector: Some("/metric/selector"),
        window: "/windowSeconds",
        foreign: &["metricName", "window", "selector"],
    },
    Names {
        api_version: "external.metrics.k8s.io/v1beta1",
        kind: "ExternalMetricValueList",
        metric: "/metricName",
        selector: None,
        window: "/window",
        foreign: &["describedObject", "metric", "windowSeconds"],
    },
];

impl List {
    /// Parses a list.
    ///
    /// # Errors
    /// If the response is not a list.
    pub(crate) fn read(request: &Request, response: &Response) -> Result<Self, String> {
        if response.status != 200 {
            return Err(format!("expected 200, found {response}"));
        }
        let below = request.path().strip_prefix("/apis/").unwrap_or_default();
        let names =
            NAMES.iter().find(|names| below.strip_prefix(names.api_version).is_some_and(|rest| rest.starts_with('/')));
        let names = names.ok_or("the path is not that of a metric")?;
        Ok(Self { object: body::any(response)?, names })
    }

    /// The items.
    ///
    /// # Errors
    /// If `items` is missing or null.
    pub(crate) fn items(&self) -> Result<&[Value], String> {
        body::list(&self.object, "/items")
    }

    /// The items, at least one.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn some_items(&self) -> Result<&[Value], String> {
        match self.items()? {
            [] => Err("expected items, found an empty list".to_owned()),
            items => Ok(items),
        }
    }

    /// The value of each item, by its object or by the labels of an external metric.
    ///
    /// # Errors
    /// If an item has no value.
    pub(crate) fn values(&self) -> Result<BTreeMap<String, Quantity>, String> {
        let mut values = BTreeMap::new();
        for item in self.some_items()? {
            let of = match item.get("describedObject") {
                Some(object) => object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                None => item.get("metricLabels").unwrap_or(&Value::Null).to_string(),
            };
            values.insert(of, value(item)?);
        }
        Ok(values)
    }
}

/// The value of an item.
///
/// # Errors
/// If it is not a quantity.
pub(crate) fn value(item: &Value) -> Result<Quantity, String> {
    let found = item.get("value");
    let text = match found {
        Some(Value::String(text)) => text.trim().to_owned(),
        // Clients accept a number, too.
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    quantity::read(&text).ok_or_else(|| format!("expected value to be a quantity, found {}", body::shown_value(found)))
}
