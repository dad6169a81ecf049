//! What processes have used of the machine so far, from `/proc`.

/// Zeros where there is no `/proc`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub cpu_seconds: f64,
    /// The most memory at any time, in MiB.
    pub peak_rss_mb: f64,
}

impl Usage {
    /// Ticks of `/proc` in a second, on every Linux of today.
    const TICKS: f64 = 100.0;

    /// All of these processes together.
    pub fn of(processes: &[u32]) -> Self {
        let each = processes.iter().map(|process| Self::of_one(*process));
        each.fold(Self::default(), |sum, one| Self {
            cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
            peak_rss_mb: sum.peak_rss_mb + one.peak_rss_mb,
        })
    }

    fn of_one(process: u32) -> Self {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default()
        };
        let (stat, status) = (read("stat"), read("status"));
        // utime and stime are the 12th and 13th field after the name, which ends with the last parenthesis.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next());
        let peak_kb: u64 = peak.and_then(|kb| kb.parse().ok()).unwrap_or_default();
        Self { cpu_seconds: float(ticks) / Self::TICKS, peak_rss_mb: float(peak_kb) / 1024.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks and kilobytes are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_memory_and_nobody_nothing() {
        let (own, none) = (Usage::of(&[std::process::id()]), Usage::of(&[]));
        assert!(own.peak_rss_mb > 1.0 && own.cpu_seconds >= 0.0);
        assert!(none.peak_rss_mb < 1.0 && none.cpu_seconds <= 0.0);
    }
}
