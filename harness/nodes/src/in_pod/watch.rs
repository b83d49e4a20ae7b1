//! Sees a kubelet change the files of mounted volumes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::InPodError;
use super::mounts::DATA;
use crate::files::Files;

/// The files below `root`, whose `volumes` a kubelet updates. From now on no change of them is lost. Needs the runtime.
pub(super) fn files(root: &Path, volumes: &[PathBuf]) -> Result<Files, InPodError> {
    let (changes, seen) = watch::channel(0);
    let files = Files::on_disk(root, seen);
    if volumes.is_empty() {
        // Nothing changes, yet the files are there as long as somebody asks. inotify instances are scarce.
        tokio::spawn(async move { changes.closed().await });
        return Ok(files);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InPodError::Watch { path, source }
    };
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC);
    let inotify = inotify.map_err(io::Error::from).map_err(failed(root))?;
    for volume in volumes {
        // A kubelet makes a new link beside the old one and renames it over that.
        let watched = inotify.add_watch(volume, AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR);
        watched.map_err(io::Error::from).map_err(failed(volume))?;
    }
    #[expect(deprecated, reason = "its successor is unsafe, and asks for what Watches does: it owns its descriptor")]
    let events = AsyncFd::new(Watches(inotify)).map_err(failed(root))?;
    tokio::spawn(follow(events, changes));
    Ok(files)
}

/// What the runtime needs to wait for a descriptor.
struct Watches(Inotify);

impl AsRawFd for Watches {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Counts changes until nobody asks for them any more.
async fn follow(events: AsyncFd<Watches>, changes: watch::Sender<u64>) {
    loop {
        let read = tokio::select! {
            read = next(&events) => read,
            () = changes.closed() => return,
        };
        match read {
            Ok(events) if events.iter().any(is_update) => changes.send_modify(|count| *count += 1),
            Ok(_) => {}
            // Nothing of the kind is documented for a descriptor that is open; the files count as gone.
            Err(_) => return,
        }
    }
}

async fn next(events: &AsyncFd<Watches>) -> io::Result<Vec<InotifyEvent>> {
    loop {
        let mut ready = events.readable().await?;
        let read = ready.try_io(|watches| watches.get_ref().0.read_events().map_err(io::Error::from));
        match read {
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
            Ok(read) => return read,
            Err(_not_ready_after_all) => {}
        }
    }
}

/// Whether `event` is a kubelet's update, or may be one of those that the kernel had no room for.
fn is_update(event: &InotifyEvent) -> bool {
    event.name.as_deref() == Some(OsStr::new(DATA)) || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{CONFIG, Container};

    fn is_text(files: &Files, text: &str) -> bool {
        files.read(CONFIG).is_some_and(|bytes| bytes == text.as_bytes())
    }

    /// A change is seen long before a test would be given up.
    async fn changes(files: &mut Files) -> bool {
        tokio::time::timeout(Duration::from_secs(10), files.changed()).await == Ok(true)
    }

    /// Nothing changes within a moment.
    async fn rests(files: &mut Files) -> bool {
        tokio::time::timeout(Duration::from_millis(50), files.changed()).await.is_err()
    }

    #[tokio::test]
    async fn sees_a_kubelets_update() {
        let container = Container::new();
        let mut files = files(container.root(), &[container.volume()]).unwrap();
        assert!(is_text(&files, "first"));
        assert!(rests(&mut files).await);
        let mut other = files.clone();
        let waiting = tokio::spawn(async move { changes(&mut other).await });
        container.update("second");
        assert!(changes(&mut files).await);
        assert!(waiting.await.unwrap());
        assert!(is_text(&files, "second"));
        assert!(rests(&mut files).await);
    }

    #[tokio::test]
    async fn sees_an_update_that_came_before_the_call() {
        let container = Container::new();
        let mut files = files(container.root(), &[container.volume()]).unwrap();
        container.update("second");
        assert!(changes(&mut files).await);
        assert!(is_text(&files, "second"));
    }

    #[tokio::test]
    async fn waits_for_the_link_and_for_nothing_else() {
        let container = Container::new();
        let mut files = files(container.root(), &[container.volume()]).unwrap();
        std::fs::write(container.volume().join("..new"), "new").unwrap();
        std::fs::rename(container.volume().join("..new"), container.volume().join("..moved")).unwrap();
        assert!(rests(&mut files).await);
    }

    #[tokio::test]
    async fn waits_without_volumes_too() {
        let container = Container::new();
        let mut files = files(container.root(), &[]).unwrap();
        assert_eq!(files.read("/absent"), None);
        assert!(rests(&mut files).await);
    }

    #[tokio::test]
    async fn names_what_it_cannot_watch() {
        let container = Container::new();
        let error = files(container.root(), &[container.root().join("absent")]).err().unwrap().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}
