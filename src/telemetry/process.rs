//! CPU, memory, threads and files of the process, from `/proc/self`; unreadable values are omitted.

use std::fs;

/// Values with the names that every Prometheus client library uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// User and system time, seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident set, bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, bytes.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the current values.
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        Self { open_fds, ..Self::from_stat(&stat, rustix::param::clock_ticks_per_second(), rustix::param::page_size()) }
    }

    /// Parses the text of `/proc/self/stat` (proc(5)). Fields are counted after the command's closing parenthesis,
    /// because the command may contain spaces.
    fn from_stat(stat: &str, ticks_per_second: u64, page_size: usize) -> Self {
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        // The first of these is field 3 (state).
        let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
        let ticks = field(14).zip(field(15)).map(|(user, system)| user.saturating_add(system));
        Self {
            cpu_seconds: ticks.filter(|_| ticks_per_second > 0).map(|ticks| ticks as f64 / ticks_per_second as f64),
            resident_bytes: field(24).map(|pages| pages.saturating_mul(page_size as u64)),
            virtual_bytes: field(23),
            open_fds: None,
            threads: field(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_of_proc() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 0 0 0 0 150 50 0 0 20 0 5 0 100 8192 3 18446744073709551615";
        let process = Process::from_stat(stat, 100, 4096);
        let expected = Process {
            cpu_seconds: Some(2.0),
            resident_bytes: Some(3 * 4096),
            virtual_bytes: Some(8192),
            open_fds: None,
            threads: Some(5),
        };
        assert_eq!(process, expected);
        assert_eq!(Process::from_stat("", 100, 4096), Process::default());
        assert_eq!(Process::from_stat("7 (x) S 1", 0, 4096), Process::default());
    }
}
