//! Values that a hook has set and that the server must serve.

use super::items::each;
use super::routes::first;
use crate::conformance::body;
use crate::conformance::check::{Check, Finding, Plan, Timing};
use crate::conformance::exchange::{Exchange, Request};
use crate::conformance::facts::Facts;
use crate::conformance::list;
use crate::conformance::quantity;

pub(super) const CHECKS: &[Check] = &[
    Check::must("values.whole", "A whole number is served as it is.", plan, served).at(Timing::Hooked("7")),
    Check::must("values.fraction", "A fraction is served to the thousandth.", plan, served).at(Timing::Hooked("1.5")),
    Check::must("values.large", "A large number keeps its digits.", plan, served).at(Timing::Hooked("1234567")),
    Check::must(
        "values.small",
        "The smallest number above zero is not served as zero: it starts a workload at zero replicas.",
        plan,
        served,
    )
    .at(Timing::Hooked("0.001")),
    Check::must("values.zero", "Zero is an item with the value 0, not an empty list.", plan, served)
        .at(Timing::Hooked("0")),
];

fn plan(facts: &Facts) -> Plan {
    if !facts.has_hook {
        return Err("--hook is not given".to_owned());
    }
    if facts.named.is_empty() && !facts.external.is_empty() {
        let external = facts.external.iter().take(1).map(|target| Request::get(target.target()).accepting(body::JSON));
        return Ok(external.collect());
    }
    Ok(first(facts, facts.named()?)?.collect())
}

fn served(facts: &Facts, exchanges: &[Exchange]) -> Finding {
    let expected = facts.hooked.and_then(quantity::read).and_then(|quantity| quantity.milli);
    each(exchanges, |_, _, item| match list::value(item)?.milli == expected {
        true => Ok(()),
        false => Err(format!(
            "expected {}, found {}",
            facts.hooked.unwrap_or("a value"),
            body::shown_value(item.get("value"))
        )),
    })
}
