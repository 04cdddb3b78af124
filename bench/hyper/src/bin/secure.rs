//! Compares the secure listener with hyper, which serves a constant copy of the response, in alternating rounds: `secure
//! METRICLET CONSTANT [MEASUREMENT...]`. The measurements are keepalive, handshakes, memory and hanging.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use metriclet_bench_hyper::http::upstream;
use metriclet_bench_hyper::server::Server;
use metriclet_bench_hyper::tls::{Certificates, Client};
use metriclet_bench_hyper::wrk::{self, Run};
use metriclet_bench_hyper::{Result, median, show};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const ROUNDS: usize = 7;
const SECONDS: u32 = 3;

const DISCOVERY: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const PAGE: &str = "# TYPE depth gauge\ndepth{namespace=\"shop\",service=\"web\"} 12.5\n";
const OBJECTS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web";

/// The numbers of hanging sources, of requests that wait for them, of clients that request discovery meanwhile, and of their
/// requests in total.
const HANGING: usize = 4;
const WAITING: usize = 200;
const CLIENTS: usize = 4;
const CALLS: usize = 1_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metriclet, constant, wanted @ ..] = arguments.as_slice() else {
        return Err("usage: secure METRICLET CONSTANT [MEASUREMENT...]".into());
    };
    let bench = Bench { metriclet, constant, certificates: Certificates::new()? };
    let all = ["keepalive", "handshakes", "memory", "hanging"];
    for name in all.into_iter().filter(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)) {
        match name {
            "keepalive" => bench.keepalive()?,
            "handshakes" => bench.handshakes()?,
            "memory" => bench.memory()?,
            _ => bench.hanging()?,
        }
    }
    Ok(())
}

struct Bench<'a> {
    metriclet: &'a str,
    constant: &'a str,
    certificates: Certificates,
}

impl Bench<'_> {
    /// Starts Metriclet with a rule for each of these sources.
    fn metriclet(&self, sources: &[SocketAddr]) -> Result<Server> {
        let (mut text, mut rules) = (String::from("sources:\n"), String::from("metrics:\n"));
        for (number, source) in sources.iter().enumerate() {
            text += &format!("  s{number}: {{url: 'http://{source}/', namespaces: [shop]}}\n");
            rules += &format!("  - {{name: depth_{number}, object: services, source: s{number}, value: depth}}\n");
        }
        let config = self.certificates.path("metriclet.yaml");
        fs::write(&config, text + &rules)?;
        let mut command = Command::new(self.metriclet);
        command.args(["--listen", "off", "--bind-address", "127.0.0.1", "--secure-port", "0"]);
        // wrk presents neither certificates nor tokens.
        command.args(["--max-connections", "16384", "--authorization-always-allow-paths=/*"]);
        for (flag, file) in [
            ("--tls-cert-file", "server.crt"),
            ("--tls-private-key-file", "server.key"),
            ("--client-ca-file", "ca.crt"),
            ("--config", "metriclet.yaml"),
        ] {
            command.arg(flag).arg(self.certificates.path(file));
        }
        Server::start(&mut command)
    }

    /// Starts hyper with Metriclet's response for this path.
    fn constant(&self, metriclet: &Server, path: &str) -> Result<Server> {
        let body = Client::connect(metriclet.address, &self.certificates.client(false)?)?.get(path)?;
        let file = self.certificates.path("body");
        fs::write(&file, body)?;
        let mut command = Command::new(self.constant);
        command.args([self.certificates.path("server.crt"), self.certificates.path("server.key"), file]);
        Server::start(&mut command)
    }

    fn keepalive(&self) -> Result<()> {
        let metriclet = self.metriclet(&[upstream(PAGE.to_owned())?])?;
        let metric = format!("{OBJECTS}/depth_0");
        for (name, path) in [("discovery", DISCOVERY), ("cached metric", metric.as_str())] {
            let constant = self.constant(&metriclet, path)?;
            for connections in [1, 32, 256] {
                let measured = in_turns(&metriclet, &constant, path, connections, false)?;
                print(&format!("{name}, {connections} connections"), &measured);
            }
        }
        Ok(())
    }

    fn handshakes(&self) -> Result<()> {
        let metriclet = self.metriclet(&[upstream(PAGE.to_owned())?])?;
        let constant = self.constant(&metriclet, DISCOVERY)?;
        let measured = in_turns(&metriclet, &constant, DISCOVERY, 32, true)?;
        print("a new connection for each request, 32 at once", &measured);
        Ok(())
    }

    fn memory(&self) -> Result<()> {
        // The servers inherit the limit.
        let most = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
        for (certificate, clients) in [(false, "without a certificate"), (true, "with a certificate")] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                let metriclet = self.metriclet(&[upstream(PAGE.to_owned())?])?;
                let constant = self.constant(&metriclet, DISCOVERY)?;
                ours.push(self.idle(&metriclet, certificate)?);
                theirs.push(self.idle(&constant, certificate)?);
            }
            println!("RSS with idle connections {clients}");
            let column = |measured: &[[f64; 3]], at: usize| measured.iter().map(|one| one[at]).collect::<Vec<_>>();
            let each = |measured: &[[f64; 3]]| measured.iter().map(|one| (one[2] - one[0]) / 4.0).collect::<Vec<_>>();
            for (name, measured) in [("Metriclet", &ours), ("hyper", &theirs)] {
                let [none, some, many] = [0, 1, 2].map(|at| show(&column(measured, at), 1));
                println!("  {name:10} none {none} MB, 1,000 {some} MB, 4,000 {many} MB");
                println!("  {:10} {} kB each", "", show(&each(measured), 2));
            }
            println!("  {:10} {:.2} of hyper's for each", "", median(&each(&ours)) / median(&each(&theirs)));
        }
        Ok(())
    }

    /// Memory with 0, 1,000 and 4,000 open connections, after one response on each.
    fn idle(&self, server: &Server, certificate: bool) -> Result<[f64; 3]> {
        let config = self.certificates.client(certificate)?;
        let none = server.memory()?;
        let mut clients: Vec<Client> = Vec::new();
        let mut measured = [none; 3];
        for (count, at) in [(1_000, 1), (4_000, 2)] {
            let more = count - clients.len();
            let open = || -> Result<Vec<Client>> {
                let one = |_| {
                    let mut client = Client::connect(server.address, &config)?;
                    client.get(DISCOVERY)?;
                    Ok(client)
                };
                (0..more / CLIENTS).map(one).collect()
            };
            thread::scope(|scope| -> Result<()> {
                for opening in [(); CLIENTS].map(|()| scope.spawn(open)) {
                    clients.extend(opening.join().map_err(|_| "a client panicked")??);
                }
                Ok(())
            })?;
            measured[at] = server.memory()?;
        }
        for client in &clients {
            if !client.is_waiting()? {
                return Err("a connection was closed before memory was measured".into());
            }
        }
        Ok(measured)
    }

    fn hanging(&self) -> Result<()> {
        let (mut tails, mut worst) = (Vec::new(), Vec::new());
        let config = self.certificates.client(false)?;
        for _ in 0..3 {
            // Nothing accepts these connections, so they stay in the backlog.
            let sources: Vec<TcpListener> =
                (0..HANGING).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
            let addresses: Vec<SocketAddr> =
                sources.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?;
            let metriclet = self.metriclet(&addresses)?;
            let connect = |_| Client::connect(metriclet.address, &config);
            let mut waiting: Vec<Client> = (0..WAITING).map(connect).collect::<Result<_>>()?;
            let callers: Vec<Client> = (0..CLIENTS).map(connect).collect::<Result<_>>()?;
            for (number, client) in waiting.iter_mut().enumerate() {
                client.send(&format!("{OBJECTS}/depth_{}", number % HANGING))?;
            }
            let mut took = thread::scope(|scope| -> Result<Vec<Duration>> {
                let call = |mut client: Client| -> Result<Vec<Duration>> {
                    let one = |_| {
                        let begun = Instant::now();
                        client.get(DISCOVERY).map(|_| begun.elapsed())
                    };
                    (0..CALLS / CLIENTS).map(one).collect()
                };
                let calling: Vec<_> = callers.into_iter().map(|client| scope.spawn(move || call(client))).collect();
                let mut took = Vec::new();
                for calling in calling {
                    took.extend(calling.join().map_err(|_| "a client panicked")??);
                }
                Ok(took)
            })?;
            for client in &waiting {
                if !client.is_waiting()? {
                    return Err("a metric request did not wait while discovery was measured".into());
                }
            }
            // Every waiting request must get a 503 at its deadline.
            for client in &mut waiting {
                let (code, _) = client.receive()?;
                if code != 503 {
                    return Err(format!("expected 503 of a source that hangs, found {code}").into());
                }
            }
            took.sort_unstable();
            tails.push(took[took.len() * 99 / 100].as_secs_f64() * 1e3);
            worst.push(took[took.len() - 1].as_secs_f64() * 1e3);
        }
        println!("{CALLS} discovery requests while {HANGING} sources hang and {WAITING} metric requests wait");
        println!("  Metriclet  p99 {} ms, worst {} ms", show(&tails, 2), show(&worst, 2));
        Ok(())
    }
}

/// The results of Metriclet and hyper, round by round.
type Measured = Vec<(Run, Run)>;

fn in_turns(metriclet: &Server, constant: &Server, path: &str, connections: usize, close: bool) -> Result<Measured> {
    let run = |server: &Server| wrk::run(server, path, connections, SECONDS, close);
    // The server that runs first has colder caches, so the order alternates.
    let round = |number: usize| {
        if number.is_multiple_of(2) {
            Ok((run(metriclet)?, run(constant)?))
        } else {
            let theirs = run(constant)?;
            Ok((run(metriclet)?, theirs))
        }
    };
    (0..ROUNDS).map(round).collect()
}

fn print(what: &str, measured: &Measured) {
    println!("{what}");
    let all = |of: &dyn Fn(&(Run, Run)) -> f64| measured.iter().map(of).collect::<Vec<_>>();
    let line = |name: &str, of: fn(&(Run, Run)) -> &Run| {
        let rates = show(&all(&|one| of(one).rate), 0);
        let tails = show(&all(&|one| of(one).p99), 2);
        let costs = show(&all(&|one| of(one).cost), 1);
        println!("  {name:10} {rates} requests/s, p99 {tails} ms, {costs} µs of CPU each");
    };
    line("Metriclet", |one| &one.0);
    line("hyper", |one| &one.1);
    let ratio = |of: fn(&Run) -> f64| show(&all(&|(ours, theirs)| of(ours) / of(theirs)), 2);
    let (rates, tails, costs) = (ratio(|run| run.rate), ratio(|run| run.p99), ratio(|run| run.cost));
    println!("  {:10} {rates} requests/s, {tails} p99, {costs} CPU", "ratio");
}
