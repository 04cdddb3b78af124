//! A metric that several rules serve for one resource: what each has for `*` is joined.

use super::failure::{DescribedMetric, Failure};
use super::request::{MetricRequest, MetricValues};

/// Joins the answers of rules. What one has not is left out, as of objects of one page; where one fails, all do, as a list
/// of the others would pass for a whole one.
pub(super) fn join(
    request: MetricRequest<'_>,
    answers: impl Iterator<Item = Result<MetricValues, Failure>>,
) -> Result<MetricValues, Failure> {
    let (mut joined, mut missing) = (MetricValues::default(), None);
    for answer in answers {
        match answer {
            Ok(values) => {
                joined.items.extend(values.items);
                joined.selector = values.selector;
            }
            Err(failure @ Failure::NotFound(_)) => missing = missing.or(Some(failure)),
            Err(failure) => return Err(failure),
        }
    }
    if joined.items.is_empty() {
        return Err(missing.unwrap_or_else(|| {
            let metric = DescribedMetric::Objects(request.path);
            Failure::NotFound(format!("{metric}: several rules serve it, and none of them describes such an object"))
        }));
    }
    joined.items.sort_by(|a, b| a.described_object.name.cmp(&b.described_object.name));
    Ok(joined)
}
