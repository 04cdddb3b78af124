//! Runs kubectl.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, iter};

use serde_json::Value;

use crate::process::guarded;

/// kubectl with the kubeconfig of a user.
#[derive(Clone)]
pub struct Kubectl {
    program: PathBuf,
    /// The first arguments of every call.
    arguments: Vec<String>,
    pub kubeconfig: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    pub fn new(program: PathBuf, kubeconfig: &Path) -> Self {
        let arguments = vec![format!("--kubeconfig={}", kubeconfig.display())];
        Self { program, arguments, kubeconfig: kubeconfig.to_owned(), home: kubeconfig.with_file_name("home") }
    }

    /// Impersonates a user with these groups.
    pub fn impersonating(&self, user: &str, groups: &[String]) -> Self {
        let mut other = self.clone();
        other.arguments.push(format!("--as={user}"));
        other.arguments.extend(groups.iter().map(|group| format!("--as-group={group}")));
        other
    }

    /// Returns its output, or its error message.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        self.run_with_input(arguments, "")
    }

    /// Gets a path.
    pub fn raw(&self, path: &str) -> Result<String, String> {
        self.run(&["get", "--raw", path])
    }

    /// Gets an object.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let object = self.run(&[&["get", "-o", "json"], arguments].concat()).unwrap();
        serde_json::from_str(&object).unwrap()
    }

    /// Applies manifests (YAML or JSON).
    pub fn apply(&self, manifests: &str) {
        self.run_with_input(&["apply", "-f", "-"], manifests).unwrap();
    }

    /// Like [`Self::run`], with input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        self.output(command, input)
    }

    /// Runs one of the project's scripts with this kubectl; returns its output, or its error message.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
        let path = env::var_os("PATH").unwrap();
        let folders = iter::once(self.program.with_file_name("")).chain(env::split_paths(&path));
        command.args(arguments).env("PATH", env::join_paths(folders).unwrap()).env("KUBECONFIG", &self.kubeconfig);
        command.env("METRICLET", env!("CARGO_BIN_EXE_metriclet"));
        self.output(command, "")
    }

    /// Runs another program with the same cluster; returns its output, or its error message.
    pub fn tool(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        self.output(command, "")
    }

    fn output(&self, mut command: Command, input: &str) -> Result<String, String> {
        command.env("HOME", &self.home);
        let mut command = guarded(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        if status.success() { Ok(out) } else { Err(err.trim_end().to_owned()) }
    }
}
