//! Measures memory: `memory BINARY`. Prints RSS when idle, and after an uncached page was fetched repeatedly.

use metriclet_bench::http::upstream;
use metriclet_bench::{Metriclet, PATH, Result, get, page, show};

const RUNS: usize = 5;
const FETCHES: usize = 40;
const MB: f64 = 1e6;

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).ok_or("usage: memory BINARY")?;
    let mut idle = Vec::new();
    // The maximum size of a page is 16 MiB.
    for (name, size) in [("16 KiB", 16 * 1024), ("16 MiB", 16 * 1024 * 1024)] {
        let page = page(size);
        let bytes = page.len();
        let upstream = upstream(page)?;
        let (mut now, mut peak) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let metriclet = Metriclet::start(&binary, upstream, "0s")?;
            request(&metriclet, "/readyz")?;
            idle.push(metriclet.memory()?.0 as f64 / MB);
            for _ in 0..FETCHES {
                request(&metriclet, PATH)?;
            }
            let (rss, highest) = metriclet.memory()?;
            now.push(rss as f64 / MB);
            peak.push(highest as f64 / MB);
        }
        println!(
            "RSS after {FETCHES} fetches of {name} ({bytes} bytes)   {} MB, peak {} MB",
            show(&now, 2),
            show(&peak, 2)
        );
    }
    println!("RSS idle   {} MB", show(&idle, 2));
    Ok(())
}

fn request(metriclet: &Metriclet, path: &str) -> Result<()> {
    match get(metriclet.address, path)? {
        (200, _) => Ok(()),
        (code, body) => Err(format!("{path}: expected 200, found {code}: {body}").into()),
    }
}
