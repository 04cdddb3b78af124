//! Processes that end with this one, whatever ends it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::common::signal;

/// Far longer than anything takes, with other builds beside it on two cores; only a case that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A program that runs until this value goes; what it says is in its log.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts it; a second of the same name goes on in the log of the first.
    pub fn start(command: Command, name: &str, logs: &Path) -> Self {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = guarded(command);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Fails the case if it has ended.
    pub fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            panic!("{} ended, {status}: {last}", self.log.display());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, killed by the kernel if we are: even SIGKILL leaves nothing behind. Where util-linux is missing,
/// what we can catch has to do.
pub fn guarded(command: Command) -> Command {
    if !Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).output().is_ok_and(|ran| ran.status.success()) {
        return command;
    }
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded
}

/// On Ctrl-C and its like: ends what we have started and takes the folder away.
pub fn end_on_signals(folder: PathBuf) {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).unwrap();
    thread::spawn(move || {
        let Some(number) = signals.forever().next() else { return };
        for pid in children() {
            signal(pid, "KILL");
        }
        let _ = fs::remove_dir_all(folder);
        std::process::exit(128 + number);
    });
}

/// Processes whose parent is this one were started by it.
fn children() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Tries until it works. Other programs do not tell us when they are ready.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(why) => assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}: {why}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}
