//! The installer's log: the form of Ansible's standard output and of the installer's own lines.

use nodes::logs::LogWriter;
use serde_json::json;

use super::kubectl::KubectlError;
use super::spec::Undefined;

/// A task that failed, with what Ansible prints of it.
#[derive(Debug)]
pub struct Failed(pub serde_json::Value);

impl From<KubectlError> for Failed {
    fn from(error: KubectlError) -> Self {
        Self(json!({"changed": false, "msg": error.to_string(), "rc": 1, "stderr": error.text()}))
    }
}

impl From<Undefined> for Failed {
    fn from(error: Undefined) -> Self {
        Self(json!({"msg": error.to_string()}))
    }
}

impl Failed {
    /// A failed assertion.
    pub fn assertion(condition: &str, message: &str) -> Self {
        Self(json!({"assertion": condition, "changed": false, "evaluated_to": false, "msg": message}))
    }

    /// A failed command that printed `stderr`.
    pub fn command(command: &str, stderr: &str) -> Self {
        Self(json!({
            "changed": true, "cmd": command, "failed_when_result": true, "msg": "non-zero return code", "rc": 1,
            "stderr": stderr,
        }))
    }
}

/// Width that Ansible fills headings to.
const HEADING: usize = 79;

/// One playbook run that prints.
pub struct Playbook<'a> {
    log: &'a LogWriter,
    ok: usize,
    changed: usize,
    skipped: usize,
}

impl<'a> Playbook<'a> {
    /// Begins a playbook.
    pub fn begin(log: &'a LogWriter) -> Self {
        let playbook = Self { log, ok: 0, changed: 0, skipped: 0 };
        playbook.heading("PLAY [localhost]");
        playbook
    }

    /// Names the task that comes now.
    pub fn task(&self, role: &str, name: &str) {
        self.heading(&format!("TASK [{role} : {name}]"));
    }

    /// The task found everything in place.
    pub fn ok(&mut self) {
        self.ok += 1;
        self.line("ok: [localhost]");
    }

    /// The task changed something.
    pub fn changed(&mut self) {
        self.ok += 1;
        self.changed += 1;
        self.line("changed: [localhost]");
    }

    /// The task was not needed.
    pub fn skipped(&mut self) {
        self.skipped += 1;
        self.line("skipping: [localhost]");
    }

    /// Ends the playbook and prints how; hands on whether it went well.
    pub fn end(self, result: Result<(), Failed>) -> Result<(), Failed> {
        if let Err(Failed(result)) = &result {
            self.line(&format!("fatal: [localhost]: FAILED! => {}", python_json(result)));
        }
        self.recap(usize::from(result.is_err()));
        result
    }

    fn recap(&self, failed: usize) {
        self.heading("PLAY RECAP");
        let Self { ok, changed, skipped, .. } = self;
        self.line(&format!(
            "{:<26} : ok={ok:<4} changed={changed:<4} unreachable=0    failed={failed:<4} skipped={skipped:<4} \
             rescued=0    ignored=0",
            "localhost"
        ));
    }

    fn heading(&self, text: &str) {
        let stars = HEADING.saturating_sub(text.chars().count() + 1).max(3);
        self.line("");
        self.line(&format!("{text} {}", "*".repeat(stars)));
    }

    fn line(&self, text: &str) {
        self.log.line(text);
    }
}

/// `value` as Python's `json.dumps(…, sort_keys=True)` writes it.
fn python_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}: {}", serde_json::Value::from(key.as_str()), python_json(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use nodes::clock::Clock;
    use nodes::logs::Log;

    use super::*;

    #[test]
    fn prints_a_failed_playbook_as_ansible_does() {
        let log = Log::new();
        let writer = LogWriter::new(log.clone(), Clock::real());
        let mut playbook = Playbook::begin(&writer);
        playbook.task("preinstall", "KubeSphere | Check the version");
        playbook.ok();
        playbook.end(Err(Failed::assertion("a", "b"))).unwrap_err();
        let lines: Vec<_> = log.lines_from(0).into_iter().map(|line| line.text.to_string()).collect();
        assert_eq!(lines[1], format!("PLAY [localhost] {}", "*".repeat(62)));
        assert_eq!(lines[3], format!("TASK [preinstall : KubeSphere | Check the version] {}", "*".repeat(28)));
        assert_eq!(lines[4], "ok: [localhost]");
        assert!(lines[5].starts_with("fatal: [localhost]: FAILED! => {\"assertion\": \"a\", "), "{}", lines[5]);
        assert!(lines[7].starts_with("PLAY RECAP ***"), "{}", lines[7]);
        assert!(
            lines[8].starts_with("localhost                  : ok=1    changed=0    unreachable=0    failed=1    ")
        );
    }
}
