//! `kubesphere.yaml` as a process follows it.

use bytes::Bytes;
use kubesphere::names::objects;
use nodes::clock::{Clock, Delay};
use nodes::memory::Memory;
use nodes::program::{Files, PodContext};
use serde_json::Value;

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
    /// The file is another one already.
    behind: bool,
    memory: Memory,
}

impl Configuration {
    /// Reads the file for the first time, or has what it had read before if it goes on.
    pub fn open(ctx: &PodContext, behaviour: Behaviour) -> (Self, Result<Settings, String>) {
        let reload = if behaviour.deviates(Deviation::ReloadSlow) { RELOAD_SLOW } else { RELOAD };
        Self::of(ctx.files.clone(), ctx.clock.clone(), reload, ctx.memory.clone())
    }

    fn of(files: Files, clock: Clock, reload: Delay, memory: Memory) -> (Self, Result<Settings, String>) {
        let now = files.read(objects::CONFIG_PATH);
        let before = memory.of_before();
        let before = before.as_ref().and_then(Value::as_str).map(|text| Bytes::from(text.to_owned()));
        let known = before.or_else(|| now.clone());
        let behind = known != now;
        let settings = parse(known.as_ref());
        (Self { files, clock, reload, known, behind, memory }, settings)
    }

    /// What it has read is all that the program knows.
    pub fn keep(&self) {
        let text = self.known.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
        self.memory.keep(Value::from(text));
    }

    /// Waits until the file is another than the one read last; `None` when its source is gone with the pod.
    pub async fn next(&mut self) -> Option<Result<Settings, String>> {
        while std::mem::take(&mut self.behind) || self.files.changed().await {
            self.clock.sleep(self.reload).await;
            let text = self.files.read(objects::CONFIG_PATH);
            if text != self.known {
                self.known = text;
                self.keep();
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
        going_on(files, Memory::default(), meanwhile).await
    }

    async fn going_on(files: Files, memory: Memory, meanwhile: impl FnOnce()) -> (String, Option<String>) {
        let (clock, stop) = (VirtualClock::new(), CancellationToken::new());
        tokio::spawn(clock.clone().drive(stop.clone()));
        let _progress = clock.wants_progress();
        let _stop = stop.drop_guard();
        let (mut configuration, first) = Configuration::of(files, Clock::virtual_from(clock.clone()), RELOAD, memory);
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
    async fn goes_on_with_what_it_had_read_until_it_looks_again() {
        let (_mount, files) = watch::channel(mounted("two"));
        let read = String::from_utf8(mounted("one")[objects::CONFIG_PATH].to_vec()).unwrap();
        let seen = going_on(Files::new(files), Memory::going_on_from(read.into()), || {}).await;
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
