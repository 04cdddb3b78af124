//! Helpers for the benchmarks of the secure listener: servers as child processes, certificates, clients, load by wrk, and
//! statistics.

use std::error::Error;

#[path = "../../src/http.rs"]
pub mod http;
#[path = "../../src/kubernetes.rs"]
pub mod kubernetes;
#[path = "../../src/pages.rs"]
pub mod pages;
pub mod server;
pub mod tls;
pub mod wrk;

/// Any error.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The median.
pub fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Formats `median (minimum–maximum)` with this number of decimals.
pub fn show(numbers: &[f64], decimals: usize) -> String {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.decimals$} ({low:.decimals$}–{high:.decimals$})", median(numbers))
}
