//! Limits of answers, and of their history.

use std::time::Duration;

use super::units::{KIB, MIB, secs};

limits! {
    AnswerLimits {
        /// The time from a request to its answer, including waits. 5 s; then the answer is 503.
        deadline: Duration = secs(5),
        /// Length of a Status message, which `kubectl describe hpa` prints unchanged. 512.
        message: usize = 512,
        /// Cached printed answers. 1,024: one for each rule, object or selector, and encoding that autoscalers request.
        kept: usize = 1_024,
        /// Bytes of cached printed answers. 1 MiB: 1,000 answers about one object each.
        kept_bytes: usize = MIB,
        /// One cached printed answer. 64 KiB: an external metric of 300 values.
        kept_reply: usize = 64 * 1024,
    }

    /// Limits of the status page.
    StatusLimits {
        /// Requests whose answers are remembered. 512: with all their points they take 1.5 MB.
        requests: usize = 512,
        /// Points of each. 240: an hour, because the HPA controller requests every 15 s.
        points: usize = 240,
        /// The time that one point covers. 15 s.
        step: Duration = secs(15),
        /// Target of a remembered request. 1 KiB: selectors of autoscalers have a few labels.
        target: usize = KIB,
        /// How long the last answer to a request determines whether its rule fails. 2 min: the HPA controller uses one replica
        /// for some time, and then another.
        recent: Duration = secs(120),
        /// How long a report is cached. 1 s: making one takes a few milliseconds.
        cache: Duration = secs(1),
        /// Characters of one text on the page. 512, as long as a message of an answer.
        text: usize = 512,
        /// Rules on the page. 200; all of them are in the JSON, and the filters find them.
        rules: usize = 200,
        /// Rows of one rule or one source on the page; all of them are in the JSON. 20.
        rows: usize = 20,
        /// The shortest interval between two lists of HPAs while the page is open. 15 s, the HPA controller's sync period.
        hpa_interval: Duration = secs(15),
        /// One list of HPAs. 30 s: no request waits for it, and 10,000 HPAs are 31 MB.
        hpa_timeout: Duration = secs(30),
        /// How long the last list is shown while newer ones fail. 5 min: longer than a kube-apiserver takes to restart, and
        /// replicas change within it.
        hpa_age: Duration = secs(300),
        /// How long the page waits for a list of HPAs. 1 s; a later one is on the next page.
        hpa_wait: Duration = secs(1),
        /// HPAs in one list, including those on CPU and memory. 50,000: of the latter, nothing but their number is kept.
        hpas_listed: usize = 50_000,
        /// HPAs on custom and external metrics that are kept until the next list. 5,000: they take 5 MB.
        hpas_kept: usize = 5_000,
        /// HPAs in the JSON. 1,000; those with problems come first.
        hpas: usize = 1_000,
        /// HPAs on the page. 50; the filters find the others.
        hpas_on_page: usize = 50,
        /// A serving certificate that expires in fewer days than these is a problem. 14: as in the alert
        /// `MetricletCertificateExpiring`, and enough time to renew it by hand.
        certificate_days: i64 = 14,
    }
}
