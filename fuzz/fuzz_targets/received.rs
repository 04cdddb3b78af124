//! Answers of other adapters: a parsed answer can be printed and parsed again with the same result.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::kube::custom_metrics::MetricValueList;
use metriclet::internals::kube::external_metrics::ExternalMetricValueList;
use metriclet::internals::kube::received::{Received, read};
use metriclet::internals::parse::path::Version;

fuzz_target!(|bytes: &[u8]| {
    match read(bytes) {
        Ok(Received::Custom(_, items)) => {
            let name = (!items.is_empty()).then(|| "m".to_owned());
            for version in [Version::V1Beta1, Version::V1Beta2] {
                let list = MetricValueList { version, metric: "m", selector: None, items: &items };
                let mut printed = Vec::new();
                list.json(&mut printed);
                assert_eq!(read(&printed), Ok(Received::Custom(name.clone(), items.clone())));
            }
        }
        Ok(Received::External(_, items)) => {
            let printed = serde_json::to_vec(&ExternalMetricValueList { metric: "m", items: &items }).unwrap();
            let name = (!items.is_empty()).then(|| "m".to_owned());
            assert_eq!(read(&printed), Ok(Received::External(name, items)));
        }
        Ok(Received::Resources(_) | Received::Failure(_)) | Err(_) => {}
    }
});
