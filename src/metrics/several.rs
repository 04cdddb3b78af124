//! A metric that several rules serve for one resource: their responses for `*` are joined.

use super::failure::{Failure, MetricReference};
use super::request::{MetricRequest, MetricValues};

/// Joins the responses of rules. Objects without a value are left out, as for one page. If one rule fails, so does the
/// response, because the list of the others would look complete.
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
            let metric = MetricReference::Objects(request.path);
            Failure::NotFound(format!("{metric}: several rules serve it, and none of them describes such an object"))
        }));
    }
    joined.items.sort_by(|a, b| a.described_object.name.cmp(&b.described_object.name));
    Ok(joined)
}
