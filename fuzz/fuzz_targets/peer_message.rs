//! Messages of replicas: a parsed message prints as the same bytes, because the encoding is canonical, and its size is
//! limited by the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::peer_message::{PeerMessage, PeerMessageLimits, PeerObject, PeerRule};

const LIMITS: PeerMessageLimits = PeerMessageLimits { bytes: 65_536, entries: 64, labels: 8 };

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = PeerMessage::parse(bytes, &LIMITS) else { return };
    assert_eq!(message.print(), bytes);
    assert!(message.rules.iter().map(size).sum::<usize>() <= bytes.len());
    for rule in &message.rules {
        assert!(rule.objects.len() <= LIMITS.entries && rule.selections.len() <= LIMITS.entries);
        rule.objects.iter().for_each(check);
    }
});

/// The minimum number of bytes of a rule in a message.
fn size(rule: &PeerRule<'_>) -> usize {
    let objects = rule.objects.iter().map(|object| {
        let series = object.series.iter().map(|series| 8 * series.labels.len() + 12 * series.samples.len());
        object.name.len() + 4 * object.times.len() + series.sum::<usize>()
    });
    8 + rule.selections.iter().map(|selection| 12 + selection.label_selector.len()).sum::<usize>()
        + objects.sum::<usize>()
}

fn check(object: &PeerObject<'_>) {
    assert!(object.times.iter().all(|age| *age >= 0) && object.times.windows(2).all(|pair| pair[0] > pair[1]));
    for series in &object.series {
        assert!(series.samples.windows(2).all(|pair| pair[0].0 > pair[1].0));
        assert!(series.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
    }
}
