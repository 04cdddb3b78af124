//! Helpers of the measurements: a Metriclet to measure, an upstream for it, and statistics.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Any error.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The metric that every measurement requests.
pub const PATH: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/queue_depth";

/// The entry point of a measurement of pods, `NAME BINARY [PODSxSERIES...]`: each case has a temporary directory.
pub fn of_pods(name: &str, cases: &[&str], measure: impl Fn(&str, &Path, usize, usize) -> Result<()>) -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().ok_or_else(|| format!("usage: {name} BINARY [PODSxSERIES...]"))?;
    let named: Vec<String> = arguments.collect();
    let cases = if named.is_empty() { cases.iter().map(|case| (*case).to_owned()).collect() } else { named };
    for case in cases {
        let (count, series) = case.split_once('x').ok_or_else(|| format!("expected PODSxSERIES, found {case}"))?;
        let directory = std::env::temp_dir().join(format!("metriclet-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let measured = measure(&binary, &directory, count.parse()?, series.parse()?);
        fs::remove_dir_all(&directory)?;
        measured?;
    }
    Ok(())
}

/// A running Metriclet; killed when this is dropped.
pub struct Metriclet {
    child: Child,
    /// Its address.
    pub address: SocketAddr,
    config: PathBuf,
}

impl Metriclet {
    /// Starts `binary` on a free port with one rule for a page of `upstream`, cached for `cache`.
    pub fn start(binary: &str, upstream: SocketAddr, cache: &str) -> Result<Self> {
        let text = format!(
            "sources:\n  page: {{url: 'http://{upstream}/metrics', namespaces: [shop], cache: {cache}}}\n\
             metrics:\n  - {{name: queue_depth, object: services, source: page, value: 'queue_depth'}}\n"
        );
        Self::with(binary, &text, &[])
    }

    /// Starts `binary` on a free port with this configuration and additional arguments.
    pub fn with(binary: &str, text: &str, args: &[&OsStr]) -> Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let config = std::env::temp_dir().join(format!("metriclet-bench-{}-{number}.yaml", std::process::id()));
        fs::write(&config, text)?;
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting {binary}: {error}"))?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let (mut line, mut said) = (String::new(), String::new());
        let address = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err(format!("{binary} ended before it listened; it said: {said}").into());
            }
            said.push_str(&line);
            if let Some((_, address)) = line.trim_end().split_once("listening on http://") {
                break address.parse()?;
            }
        };
        // Reads the rest of the log, so that the pipe does not fill up.
        thread::spawn(move || io::copy(&mut log, &mut io::stderr()));
        Ok(Self { child, address, config })
    }

    /// Its PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The current and peak RSS, in bytes.
    pub fn memory(&self) -> Result<(u64, u64)> {
        memory(self.pid())
    }
}

/// The current and peak RSS of a process, in bytes.
pub fn memory(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("a field is missing in status")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

impl Drop for Metriclet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.config);
    }
}

/// The CPU time of a process so far, in seconds.
pub fn cpu_time(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may contain any characters, and ends at the last parenthesis: fields 14 and 15 are user and system ticks.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let ticks =
        fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Serves `page` as Prometheus text to every client, one connection after the other, until this process ends.
pub fn upstream(page: Vec<u8>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = |mut stream: TcpStream| -> io::Result<()> {
                let mut request = BufReader::new(stream.try_clone()?);
                let mut line = String::new();
                while request.read_line(&mut line)? > 2 {
                    line.clear();
                }
                stream.write_all(head.as_bytes())?;
                stream.write_all(&page)
            };
            if let Err(error) = serve(stream) {
                eprintln!("the upstream could not answer: {error}");
            }
        }
    });
    Ok(address)
}

/// A page of almost `size` bytes, with the rule's series first.
pub fn page(size: usize) -> Vec<u8> {
    let mut page = String::from("# TYPE queue_depth gauge\nqueue_depth{namespace=\"shop\",service=\"web\"} 12.5\n");
    for number in 0u64.. {
        let line =
            format!("http_requests_total{{code=\"200\",method=\"GET\",path=\"/items/{number}\"}} {}\n", number * 37);
        if page.len() + line.len() > size {
            break;
        }
        page.push_str(&line);
    }
    page.into_bytes()
}

/// Requests a path; returns the status code and body.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    // Responses to HTTP/1.0 are not chunked.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without the end of its head")?;
    let code = head.split(' ').nth(1).ok_or("an answer without a code")?.parse()?;
    Ok((code, body.to_owned()))
}

/// The minimum, the median and the maximum.
pub fn spread(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    [0, numbers.len() / 2, numbers.len() - 1].map(|at| numbers[at])
}

/// `median (minimum–maximum)` with this number of decimals.
pub fn show(numbers: &[f64], decimals: usize) -> String {
    let [low, middle, high] = spread(numbers.to_vec());
    format!("{middle:.decimals$} ({low:.decimals$}–{high:.decimals$})")
}
