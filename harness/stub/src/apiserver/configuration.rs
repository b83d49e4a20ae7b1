//! `kubesphere.yaml` as a process follows it.

use bytes::Bytes;
use kubesphere::names::objects;
use nodes::clock::{Clock, Delay};
use nodes::program::{Files, PodContext};

use super::settings::Settings;
use crate::delays::{RELOAD, RELOAD_SLOW};
use crate::{Behaviour, Deviation};

/// The mounted file, and what the process has read of it.
pub struct Configuration {
    files: Files,
    clock: Clock,
    /// How long it takes to work with a changed file.
    reload: Delay,
    /// What was parsed last, so that nothing that came meanwhile counts as known.
    known: Option<Bytes>,
}

impl Configuration {
    /// Reads the file for the first time.
    pub fn open(ctx: &PodContext, behaviour: Behaviour) -> (Self, Result<Settings, String>) {
        let reload = if behaviour.deviates(Deviation::ReloadSlow) { RELOAD_SLOW } else { RELOAD };
        Self::of(ctx.files.clone(), ctx.clock.clone(), reload)
    }

    fn of(files: Files, clock: Clock, reload: Delay) -> (Self, Result<Settings, String>) {
        let known = files.read(objects::CONFIG_PATH);
        let settings = parse(known.as_ref());
        (Self { files, clock, reload, known }, settings)
    }

    /// Waits until the file is another than the one read last; `None` when its source is gone with the pod.
    pub async fn next(&mut self) -> Option<Result<Settings, String>> {
        while self.files.changed().await {
            self.clock.sleep(self.reload).await;
            let text = self.files.read(objects::CONFIG_PATH);
            if text != self.known {
                self.known = text;
                return Some(parse(self.known.as_ref()));
            }
        }
        None
    }
}

fn parse(text: Option<&Bytes>) -> Result<Settings, String> {
    let text = text.ok_or("Config File \"kubesphere\" Not Found in \"[/etc/kubesphere]\"")?;
    Settings::parse(&String::from_utf8_lossy(text)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use nodes::clock::VirtualClock;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Opens `files` on a clock that jumps, and reads what comes next.
    async fn next(files: Files, meanwhile: impl FnOnce()) -> (String, Option<String>) {
        let (clock, stop) = (VirtualClock::new(), CancellationToken::new());
        tokio::spawn(clock.clone().drive(stop.clone()));
        let _progress = clock.wants_progress();
        let _stop = stop.drop_guard();
        let (mut configuration, first) = Configuration::of(files, Clock::virtual_from(clock.clone()), RELOAD);
        meanwhile();
        let secret = |settings: Result<Settings, String>| settings.unwrap().jwt_secret.expose().to_owned();
        (secret(first), configuration.next().await.map(secret))
    }

    fn mounted(secret: &str) -> Arc<BTreeMap<String, Bytes>> {
        let text = format!("authentication: {{jwtSecret: {secret}}}");
        Arc::new(BTreeMap::from([(objects::CONFIG_PATH.to_owned(), text.into())]))
    }

    #[tokio::test]
    async fn notices_a_change_between_the_first_reading_and_the_first_wait() {
        let (mount, files) = watch::channel(mounted("one"));
        let seen = next(Files::new(files), || drop(mount.send_replace(mounted("two")))).await;
        assert_eq!(seen, ("one".to_owned(), Some("two".to_owned())));
    }

    #[tokio::test]
    async fn ignores_an_unchanged_file_and_ends_with_its_source() {
        let (mount, files) = watch::channel(mounted("one"));
        let unchanged = move || {
            mount.send_replace(mounted("one"));
            drop(mount);
        };
        assert_eq!(next(Files::new(files), unchanged).await, ("one".to_owned(), None));
    }

    #[test]
    fn tells_where_a_text_is_no_yaml_and_nothing_of_it() {
        let error = parse(Some(&Bytes::from_static(b"authentication:\n  jwtSecret: \"a\\qverysecret\""))).unwrap_err();
        assert!(error.starts_with("parse kubesphere.yaml: not YAML at line 2 column "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
