//! Which of a container's mounts are volumes that a kubelet updates.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::InPodError;

/// The symbolic link that a kubelet moves to the directory with the newest files (kubernetes v1.20,
/// `pkg/volume/util/atomic_writer.go`). A `subPath` mount has none, and its files never change.
pub(super) const DATA: &str = "..data";

/// The end of the ServiceAccount's mount point, whose beginning may be a symbolic link.
const SERVICE_ACCOUNT: &str = "secrets/kubernetes.io/serviceaccount";

const MOUNTS: &str = "proc/self/mountinfo";

/// The mount points below `root` that a kubelet updates, but the ServiceAccount's: its credentials are not among a
/// program's [`Files`](crate::program::Files).
pub(super) fn kubelet_volumes(root: &Path) -> Result<Vec<PathBuf>, InPodError> {
    let path = root.join(MOUNTS);
    let hint = "it comes with the proc file system, which container runtimes mount";
    let text = std::fs::read(&path).map_err(|source| InPodError::File { path, source, hint })?;
    let below = |point: PathBuf| root.join(point.strip_prefix("/").unwrap_or(&point));
    let is_updated = |point: &PathBuf| std::fs::symlink_metadata(point.join(DATA)).is_ok();
    let is_account = |point: &PathBuf| point.ends_with(SERVICE_ACCOUNT);
    Ok(mount_points(&text).map(below).filter(|point| is_updated(point) && !is_account(point)).collect())
}

/// The mount points in `mountinfo`: the fifth field of each line (proc(5)).
fn mount_points(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    let fifth = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    fifth.map(|field| PathBuf::from(OsString::from_vec(unescaped(field))))
}

/// Blanks and the like stand as a backslash with three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mount_points() {
        let text = b"22 1 0:21 / / rw,relatime - overlay overlay rw\n\
            615 607 253:0 /var/lib/kubelet/pods/1/volumes/a /etc/kube\\040sphere ro master:1 - ext4 /dev/vda ro\n\
            616 607 253:0 /b /back\\134slash\\9 ro - ext4 /dev/vda ro\n";
        let points: Vec<_> = mount_points(text).map(|point| point.display().to_string()).collect();
        assert_eq!(points, ["/", "/etc/kube sphere", "/back\\slash\\9"]);
    }
}
