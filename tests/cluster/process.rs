//! Processes that end with this one, however it ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::common::signal;

/// Much longer than any operation takes on two busy cores; only a failing case waits this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A program that runs until this value is dropped; its output is in its log.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts the program; a second one with the same name appends to the log of the first.
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

/// The same command, which the kernel kills if the test is killed, even by SIGKILL. Without util-linux, only signals that
/// can be caught end it.
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

/// On SIGINT and similar signals, ends all started processes and removes the folder.
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

/// The child processes of this process.
fn children() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Repeats an attempt until it succeeds, for programs that do not report when they are ready.
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
