//! Limits of answers, and of what is remembered of them.

use std::time::Duration;

use super::units::{KIB, MIB, secs};

limits! {
    AnswerLimits {
        /// From a request to its answer, waiting included. 5 s; then the answer is 503.
        deadline: Duration = secs(5),
        /// Length of a Status message, which `kubectl describe hpa` prints unchanged. 512.
        message: usize = 512,
        /// Printed answers that are kept. 1,024: one for each rule, object or selector, and encoding that autoscalers ask for.
        kept: usize = 1_024,
        /// Bytes of them. 1 MiB: 1,000 answers about one object each.
        kept_bytes: usize = MIB,
        /// One of them. 64 KiB: an external metric of 300 values.
        kept_reply: usize = 64 * 1024,
    }

    /// Limits of the status page.
    StatusLimits {
        /// Requests whose answers are remembered. 512: with all their points they take 1.5 MB.
        requests: usize = 512,
        /// Points of each. 240: an hour, as the HPA controller asks every 15 s.
        points: usize = 240,
        /// What one point stands for. 15 s.
        step: Duration = secs(15),
        /// Target of a remembered request. 1 KiB: autoscalers ask with a selector of some labels.
        target: usize = KIB,
        /// How long the last answer to a request tells whether its rule fails. 2 min: the HPA controller asks one replica
        /// for a while, and then another.
        recent: Duration = secs(120),
        /// How long a report serves further requests. 1 s: to make one takes some milliseconds.
        cache: Duration = secs(1),
        /// Characters of one text on the page. 512, as long as a message of an answer.
        text: usize = 512,
        /// Rules on the page. 200; all of them are in the JSON, and the filters find them.
        rules: usize = 200,
        /// Rows of one rule or one source on the page; all of them are in the JSON. 20.
        rows: usize = 20,
        /// How often HPAs are listed at most, while somebody looks at the page. 15 s, as the HPA controller changes them.
        hpa_interval: Duration = secs(15),
        /// One list of HPAs. 30 s: no request waits for it, and 10,000 HPAs are 31 MB.
        hpa_timeout: Duration = secs(30),
        /// How long the last list is shown while newer ones fail. 5 min: longer than a kube-apiserver takes to restart, and
        /// replicas change within it.
        hpa_age: Duration = secs(300),
        /// How long the page waits for a list of HPAs. 1 s; a later one is on the next page.
        hpa_wait: Duration = secs(1),
        /// HPAs in one list, those on CPU and memory included. 50,000: of these next to nothing is kept.
        hpas_listed: usize = 50_000,
        /// HPAs on custom and external metrics that are kept of it, until the next list. 5,000: they take 5 MB.
        hpas_kept: usize = 5_000,
        /// HPAs in the JSON. 1,000; those with something wrong come first.
        hpas: usize = 1_000,
        /// HPAs on the page. 50; the filters find the others.
        hpas_on_page: usize = 50,
        /// Days until the serving certificate expires, below which that is a problem. 14: as the alert
        /// `MetricletCertificateExpiring`, and time enough to renew it by hand.
        certificate_days: i64 = 14,
    }
}
