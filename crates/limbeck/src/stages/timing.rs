//! Measures time and memory of a run; these values differ between repeated runs.

use std::time::Instant;

/// The peak memory of this process, in bytes; `None` if the operating system does not report it.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Microseconds per call: the smallest of several measurements, since noise only makes a call slower.
pub(crate) fn best_microseconds(calls: usize, mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / calls as f64);
    }
    best
}
