//! PEM: blocks of base64 in any text. Parsed blocks can be written as PEM again and parse to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::pem::{certificates, private_key};

fuzz_target!(|text: &[u8]| {
    if let Ok(key) = private_key(text) {
        assert!(key.secret_der().len() < text.len());
    }
    let Ok(read) = certificates(text) else { return };
    assert!(!read.is_empty());
    let blocks: String = read.iter().map(|der| block(der)).collect();
    assert_eq!(certificates(blocks.as_bytes()), Ok(read), "{blocks}");
});

fn block(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for chunk in der.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}
