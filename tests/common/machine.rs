//! A machine without a cluster: a stand-in for kubectl records its calls and prints what a test sets.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::file;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An isolated machine: PATH contains only common tools and the stand-ins.
pub struct Machine {
    pub home: PathBuf,
    answers: usize,
}

/// The result of a script.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// All calls, in order.
    pub calls: Vec<String>,
}

impl Machine {
    pub fn new(tools: &[&str]) -> Self {
        let home = file("x", "").parent().unwrap().to_owned();
        for folder in ["bin", "answers", "tmp"] {
            fs::create_dir(home.join(folder)).unwrap();
        }
        let common = "sh base64 cat cp cut date dirname env grep gzip head ls mktemp rm sed sha256sum sleep tail tar touch tr uname wc find";
        for tool in common.split(' ') {
            symlink(which(tool), home.join("bin").join(tool)).unwrap();
        }
        for tool in tools {
            symlink(Path::new(ROOT).join("tests/fixtures/bin/kubectl"), home.join("bin").join(tool)).unwrap();
        }
        Self { home, answers: 0 }
    }

    /// A cluster that answers every call with nothing, unless [`Self::answer`] sets a response.
    pub fn cluster() -> Self {
        Self::new(&["kubectl"])
    }

    /// Sets the output for calls that match this pattern; the first match counts.
    pub fn answer(mut self, pattern: &str, code: &str, text: &str) -> Self {
        let path = self.home.join("answers").join(format!("{:02}", self.answers));
        fs::write(path, format!("{pattern}\n{code}\n{text}")).unwrap();
        self.answers += 1;
        self
    }

    /// Sets the outputs of an installed, available Metriclet with this authority.
    pub fn installed(self, authority: &str) -> Self {
        self.answer("get apiservice *service.namespace*", "0", "custom-metrics/custom-metrics-apiserver metriclet")
            .answer("get apiservice *conditions*", "0", "True: Passed: all checks passed")
            .answer("*get secret *name*ca?.crt*", "0", &format!("custom-metrics-apiserver-tls {authority}"))
            .answer("*get secret *ca?.crt*", "0", authority)
            .answer("*get * *part-of*", "0", "custom-metrics metriclet")
    }

    /// Ends the call with this number, counted from 1: `how` is its exit code, or a signal that also ends the script.
    pub fn stopped_at(self, number: usize, how: &str) -> Self {
        fs::write(self.home.join("stop"), format!("{number} {how}\n")).unwrap();
        self
    }

    /// Runs one of the project's scripts to its end.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Outcome {
        // A shell cannot trap signals that its parent ignored, as under nohup.
        let mut command = Command::new(which("env"));
        command.arg("--default-signal=INT,TERM,HUP").arg(Path::new(ROOT).join("scripts").join(script));
        self.outcome(command.args(arguments))
    }

    /// Runs a line of shell in a folder.
    pub fn shell(&self, folder: &Path, line: &str) -> Outcome {
        self.outcome(Command::new(self.home.join("bin/sh")).args(["-c", line]).current_dir(folder))
    }

    fn outcome(&self, command: &mut Command) -> Outcome {
        let _ = fs::remove_file(self.home.join("calls"));
        let Output { status, stdout, stderr } = command
            .env_clear()
            .env("PATH", self.home.join("bin"))
            .env("TMPDIR", self.home.join("tmp"))
            .env("STUB", &self.home)
            .env("METRICLET", env!("CARGO_BIN_EXE_metriclet"))
            .env("REAL_KUBECTL", which("kubectl"))
            // A signal to the whole group, as from a terminal, must not reach the test.
            .process_group(0)
            .output()
            .unwrap();
        let left = fs::read_dir(self.home.join("tmp")).unwrap().count();
        assert_eq!(left, 0, "{command:?} leaves files behind");
        let calls = fs::read_to_string(self.home.join("calls")).unwrap_or_default();
        Outcome {
            code: status.code().or(status.signal().map(|number| 128 + number)).unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
            calls: calls.lines().map(|line| line.trim_end().to_owned()).collect(),
        }
    }

    pub fn applied(&self, name: &str) -> String {
        fs::read_to_string(self.home.join(name)).unwrap()
    }
}

impl Outcome {
    /// The calls that changed something.
    pub fn changes(&self) -> Vec<String> {
        changes(&self.calls)
    }

    pub fn refused(&self, code: i32, why: &str) {
        assert_eq!((self.code, self.changes()), (code, Vec::new()), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(why), "expected {why:?}, found {}", self.stderr);
    }
}

/// The calls that change something or wait for a change, without the folders of files and the content of patches.
pub fn changes(calls: &[String]) -> Vec<String> {
    let verbs = [" apply ", " patch ", " delete ", " rollout ", " wait ", " create ", " replace "];
    let idle = [" auth can-i ", " --dry-run="];
    let changing =
        |call: &&String| verbs.iter().any(|verb| call.contains(verb)) && !idle.iter().any(|other| call.contains(other));
    let short = |call: &String| {
        let words = call.split(' ').skip(1).map(|word| match word.contains("/tmp") {
            true => word.rsplit('/').next().unwrap_or_default(),
            false => word,
        });
        words.take_while(|word| *word != "--type").collect::<Vec<_>>().join(" ")
    };
    calls.iter().filter(changing).map(short).collect()
}

pub fn which(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{tool} is missing"))
}
