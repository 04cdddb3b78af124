//! Metriclet under a real Kubernetes control plane. `scripts/test-cluster` runs this; without a control plane, it is
//! skipped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its case")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside uses it")]

mod adapter;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod direct;
mod installed;
mod kubectl;
mod node;
mod plane;
mod process;
mod relay;
mod watch;
mod workload;

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fmt, fs, thread};

use cases::Case;
use plane::ControlPlane;

/// The result of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Held,
    Failed,
    /// Skipped, because the case needs controllers.
    Skipped,
}

// A separate main function, because the cases share a control plane, which must be stopped in any case.
fn main() -> ExitCode {
    let Some(programs) = env::var_os("METRICLET_KUBE_BIN").map(PathBuf::from) else {
        println!("skipped: there is no control plane; scripts/test-cluster starts one");
        return ExitCode::SUCCESS;
    };
    let wanted: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |case: &&Case| wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part.as_str()));
    let cases: Vec<_> = cases::ALL.iter().filter(chosen).collect();
    if cases.is_empty() {
        println!("no case has a name with any of {wanted:?}");
        return ExitCode::FAILURE;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    process::end_on_signals(folder.clone());
    let passed = panic::catch_unwind(|| run_all(&programs, &folder, &cases)).unwrap_or_default();
    if passed {
        fs::remove_dir_all(&folder).unwrap();
        return ExitCode::SUCCESS;
    }
    println!("the logs are in {}", folder.display());
    ExitCode::FAILURE
}

/// Runs and reports the cases; those that do not need a separate control plane share one. Returns whether all passed.
fn run_all(programs: &Path, folder: &Path, cases: &[&Case]) -> bool {
    let began = Instant::now();
    let mut plane = ControlPlane::start(programs, folder);
    println!("Kubernetes {} is up after {:.1} s", plane.version, began.elapsed().as_secs_f32());
    let outcomes: Vec<_> = thread::scope(|scope| {
        let apart = |(number, case)| {
            let folder = folder.join(format!("apart-{number}"));
            scope.spawn(move || {
                fs::create_dir(&folder).unwrap();
                try_case(case, &mut ControlPlane::start(programs, &folder))
            })
        };
        let started: Vec<_> =
            cases.iter().enumerate().map(|(number, case)| case.apart.then(|| apart((number, case)))).collect();
        let ran: Vec<_> = cases.iter().map(|case| (!case.apart).then(|| try_case(case, &mut plane))).collect();
        let ended = started.into_iter().map(|case| case.map(|thread| thread.join().unwrap_or(Outcome::Failed)));
        ended.zip(ran).filter_map(|(apart, here)| apart.or(here)).collect()
    });
    println!("\n| under Kubernetes {} | |\n|---|---|", plane.version);
    for (case, outcome) in cases.iter().zip(&outcomes) {
        println!("| {} | {outcome} |", case.name);
    }
    let skipped = outcomes.contains(&Outcome::Skipped);
    if skipped {
        println!("skipped: cases that need kube-controller-manager, which {} lacks", programs.display());
    }
    let all_must_run = env::var_os("CI").is_some();
    !outcomes.contains(&Outcome::Failed) && (!skipped || !all_must_run)
}

/// Runs and reports a case.
fn try_case(case: &Case, plane: &mut ControlPlane) -> Outcome {
    let since = Instant::now();
    let outcome = if case.needs_controllers && !plane.has_controllers() {
        Outcome::Skipped
    } else {
        let ran = panic::catch_unwind(AssertUnwindSafe(|| (case.run)(plane)));
        ran.map_or(Outcome::Failed, |()| Outcome::Held)
    };
    println!("{outcome} after {:.1} s: {}", since.elapsed().as_secs_f32(), case.name);
    outcome
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Held => "holds",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}
