//! Figures about this process and from samples.

use std::time::Duration;

/// The `percent`th percentile (nearest rank).
pub fn percentile(samples: &mut [Duration], percent: usize) -> Duration {
    samples.sort_unstable();
    let rank = (samples.len() * percent).div_ceil(100).max(1);
    samples.get(rank - 1).copied().unwrap_or_default()
}

/// Resident memory of this process, MiB (proc(5), `/proc/self/statm`).
pub fn resident_mib() -> std::io::Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u32 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    Ok(f64::from(pages) * 4096.0 / 1024.0 / 1024.0)
}

/// CPU time, user and system.
pub mod cpu {
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};

    /// Of this process.
    pub fn own() -> Duration {
        of(UsageWho::RUSAGE_SELF)
    }

    /// Of all children that have ended.
    pub fn children() -> Duration {
        of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> Duration {
        let Ok(usage) = getrusage(who) else { return Duration::ZERO };
        let micros = |seconds: i64, micros: i64| u64::try_from(seconds * 1_000_000 + micros).unwrap_or_default();
        let (user, system) = (usage.user_time(), usage.system_time());
        Duration::from_micros(micros(user.tv_sec(), user.tv_usec()) + micros(system.tv_sec(), system.tv_usec()))
    }
}
