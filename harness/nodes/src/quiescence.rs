//! Whether a process has anything to do, as the scheduler sees it.

use std::fs;

/// Whether every thread of process `pid`, except the calling one when it is this process, waits for something.
/// `None` where that cannot be told (systems without `/proc`, a process that is gone).
///
/// A thread that computes, or would if it got a core, is in state `R`; on disk, `D` (proc(5), `/proc/PID/task/TID/stat`).
#[must_use]
pub fn waits(pid: u32) -> Option<bool> {
    let own = (pid == std::process::id()).then(current_thread).flatten();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?;
        if own.as_deref() == task.file_name().to_str() {
            continue;
        }
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
        if !matches!(state(&stat), Some('S' | 'Z' | 'X' | 'T' | 't' | 'I')) {
            return Some(false);
        }
    }
    Some(true)
}

/// The same for `pid` and all its descendants.
#[must_use]
pub fn tree_waits(pid: u32) -> Option<bool> {
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        if !waits(pid)? {
            return Some(false);
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let children = fs::read_to_string(task.path().join("children")).ok()?;
            waiting.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Some(true)
}

fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn current_thread() -> Option<String> {
    let link = fs::read_link("/proc/thread-self").ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_state_behind_a_strange_name() {
        assert_eq!(state("12 (a ) b) R 1 2 3"), Some('R'));
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "cannot tell without /proc")]
    fn tells_a_sleeper_from_a_spinner() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut spinner = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let waits_within = |pid, wanted| {
            (0..200).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                tree_waits(pid) == Some(wanted)
            })
        };
        assert!(waits_within(sleeper.id(), true));
        assert!(waits_within(spinner.id(), false));
        sleeper.kill().unwrap();
        spinner.kill().unwrap();
        sleeper.wait().unwrap();
        spinner.wait().unwrap();
    }
}
