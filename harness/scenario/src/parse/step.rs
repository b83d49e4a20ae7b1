//! One step of a scenario file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fields::{self, Fields, Notes};
use super::node::{Entry, Node, Value};
use super::variables::{self, Variables};
use super::{console, objects};
use crate::model::{Action, Capture, Edit, Expect, On, Step, Until, Wanted};

/// A step's longest duration where the file gives none: the slowest documented stage, an installation, ends well within.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// The clusters, as a step and a kubeconfig name them.
pub const CLUSTERS: [(&str, On); 2] = [("host", On::Host), ("member", On::Member)];

/// What a step may refer to.
pub struct Around<'v> {
    pub variables: &'v mut Variables,
    pub has_member: bool,
    /// Delays that may be held.
    pub delays: &'v [&'static str],
    /// Those that are held at this point of the file.
    pub held: BTreeSet<String>,
    /// Earlier steps that printed something.
    pub printed: BTreeSet<String>,
}

/// The step at `what`, as `steps[2]`.
pub fn step(what: &str, node: &Node, around: &mut Around<'_>, notes: &mut Notes<'_>) -> Option<Step> {
    let mut fields = Fields::of(what, node, notes)?;
    let name = fields.required_text("name", "what the person does", notes);
    let run = fields.take("run");
    let edit = fields.take("edit");
    let file = fields.take("file");
    let console = fields.take("console");
    let hold = fields.take("hold");
    let release = fields.take("release");
    let objects = objects::KEYS.map(|(key, wanted)| (key, wanted, fields.take(key)));
    let on = match fields.take("on") {
        Some(entry) => cluster(&fields.path("on"), &entry.node, around.has_member, notes),
        // The console is the host's: a person logs in there to import. Both clusters are on one clock.
        None if run.is_none() && [console, hold, release].iter().any(Option::is_some) => Some(On::Host),
        None => {
            let what = name.as_deref().unwrap_or("the step");
            notes.note(
                node.at,
                format!("the step \"{what}\" lacks the key \"on\""),
                Some("add `on: host` or `on: member`".to_owned()),
            );
            None
        }
    };
    let action = action(&fields, Parts { run, edit, file, console, hold, release, objects }, around, notes);
    let capture = fields.take("capture");
    let until_entry = fields.take("until");
    let retry = fields.take("retry");
    if run.is_none() {
        for entry in [capture, until_entry].into_iter().flatten() {
            let help = format!("move `{}` to a step that runs a command", entry.key);
            notes.note(entry.at, format!("\"{}\" needs \"run\"", entry.key), help);
        }
    }
    if let Some(entry) = retry.filter(|_| run.is_none() && console.is_none()) {
        let help = "move `retry` to a step that runs a command or acts in the console".to_owned();
        notes.note(entry.at, "\"retry\" needs \"run\" or \"console\"", Some(help));
    }
    let until = until_entry.and_then(|entry| until(&fields.path("until"), &entry.node, around, notes));
    let good_end = match fields.take("expect") {
        Some(entry) if run.is_none() && console.is_none() => {
            let help = "move `expect` to a step that runs a command or acts in the console".to_owned();
            notes.note(entry.at, "\"expect\" needs \"run\" or \"console\"", Some(help));
            None
        }
        Some(entry) => expected(&fields.path("expect"), &entry.node, console.is_some(), around, notes),
        None => None,
    };
    // Last, since a step cannot use what it captures itself.
    let captures =
        capture.map(|entry| captures(&fields.path("capture"), &entry.node, around, notes)).unwrap_or_default();
    if run.is_some()
        && let Some(name) = &name
    {
        around.printed.insert(name.clone());
    }
    let retry = retry.and_then(|entry| fields::duration(&fields.path("retry"), &entry.node, notes));
    let timeout = match fields.take("timeout") {
        Some(entry) => fields::duration(&fields.path("timeout"), &entry.node, notes),
        None => Some(until.as_ref().map_or(DEFAULT_TIMEOUT, |until| until.within.max(DEFAULT_TIMEOUT))),
    };
    fields.finish(notes);
    Some(Step {
        name: name?,
        on: on?,
        action: action?,
        capture: captures,
        until,
        expect: good_end.unwrap_or_default(),
        retry,
        timeout: timeout?,
        location: node.at.in_file(notes.file),
    })
}

/// The member, only where the scenario has one.
pub fn cluster(what: &str, node: &Node, has_member: bool, notes: &mut Notes<'_>) -> Option<On> {
    let on = fields::word(what, node, &CLUSTERS, notes)?;
    if on == On::Member && !has_member {
        notes.note(
            node.at,
            "the scenario has no member cluster",
            Some("add `member: {kubesphere: absent}` to `spec.given`".to_owned()),
        );
        return None;
    }
    Some(on)
}

/// The keys that make an action.
#[derive(Clone, Copy)]
struct Parts<'n> {
    run: Option<&'n Entry>,
    edit: Option<&'n Entry>,
    file: Option<&'n Entry>,
    console: Option<&'n Entry>,
    hold: Option<&'n Entry>,
    release: Option<&'n Entry>,
    objects: [(&'static str, Wanted, Option<&'n Entry>); 3],
}

fn action(fields: &Fields<'_>, parts: Parts<'_>, around: &mut Around<'_>, notes: &mut Notes<'_>) -> Option<Action> {
    let Parts { run, edit, file, console, hold, release, objects } = parts;
    let given: Vec<(&str, &Entry)> =
        [("run", run), ("file", file), ("console", console), ("hold", hold), ("release", release)]
            .into_iter()
            .chain(objects.map(|(key, _, entry)| (key, entry)))
            .filter_map(|(key, entry)| Some((key, entry?)))
            .collect();
    if let [(first, _), (second, entry), ..] = given.as_slice() {
        let message = format!("a step does one thing, and this one has both \"{first}\" and \"{second}\"");
        notes.note(entry.at, message, Some("make two steps of it".to_owned()));
        return None;
    }
    match (given.first(), edit) {
        (None, Some(edit)) => {
            let help = "add `run: kubectl edit …`, whose editor it fills in, or `file: NAME`".to_owned();
            notes.note(edit.at, "\"edit\" needs \"run\" or \"file\"", Some(help));
            None
        }
        (None, None) => {
            let help =
                "add `run: COMMAND`, `file: NAME` with `edit: {…}`, `console: {importCluster: {…}}` or `assert: {kind: …}`".to_owned();
            notes.note(fields.at(), "the step does nothing", Some(help));
            None
        }
        (Some(("run", entry)), edit) => {
            let command = text_with_variables(&fields.path("run"), &entry.node, around, notes);
            let edit = match edit {
                Some(edit) => Some(edits(&fields.path("edit"), &edit.node, around, notes)?),
                None => None,
            };
            Some(Action::Run { command: command?, edit })
        }
        (Some(("file", entry)), Some(edit)) => {
            let file = fields::text(&fields.path("file"), &entry.node, notes);
            let edit = edits(&fields.path("edit"), &edit.node, around, notes)?;
            Some(Action::EditFile { file: file?, edit })
        }
        (Some(("file", entry)), None) => {
            notes.note(entry.at, "\"file\" needs \"edit\"", Some("add `edit: {path.of.the.field: value}`".to_owned()));
            None
        }
        (Some((key, entry)), Some(_)) => {
            let message = format!("\"edit\" does not go with \"{key}\"");
            notes.note(entry.at, message, Some("remove one of them".to_owned()));
            None
        }
        (Some(("hold", entry)), None) => {
            let delay = delay(&fields.path("hold"), &entry.node, around, notes)?;
            around.held.insert(delay.clone());
            Some(Action::Hold(delay))
        }
        (Some(("release", entry)), None) => {
            let delay = delay(&fields.path("release"), &entry.node, around, notes)?;
            if !around.held.remove(&delay) {
                let message = format!("no earlier step holds \"{delay}\"");
                notes.note(entry.node.at, message, Some(format!("add a step with `hold: {delay}` before it")));
            }
            Some(Action::Release(delay))
        }
        (Some(("console", entry)), None) => {
            console::action(&fields.path("console"), &entry.node, around, notes).map(Action::Console)
        }
        (Some((key, entry)), None) => {
            let wanted = objects.into_iter().find(|(name, ..)| name == key).map(|(_, wanted, _)| wanted)?;
            objects::partial(&fields.path(key), &entry.node, wanted, around, notes).map(Action::Objects)
        }
    }
}

/// One of the delays that may be held.
fn delay(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let words: Vec<(&'static str, &'static str)> = around.delays.iter().map(|name| (*name, *name)).collect();
    fields::word(what, node, &words, notes).map(str::to_owned)
}

pub fn text_with_variables(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let text = fields::text(what, node, notes)?;
    around.variables.check(&text, node.at, notes);
    Some(text)
}

pub fn edits(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<Edit> {
    let entries = match &node.value {
        Value::Map(entries) if !entries.is_empty() => entries,
        Value::Map(_) => {
            notes.note(node.at, format!("\"{what}\" is empty"), Some("write `path.of.the.field: value`".to_owned()));
            return None;
        }
        _ => {
            Fields::of(what, node, notes);
            return None;
        }
    };
    let mut edit = Edit::new();
    for entry in entries {
        if entry.key.split('.').any(str::is_empty) {
            let help = "write it as spec.multicluster.clusterRole".to_owned();
            notes.note(entry.at, format!("\"{}\" is not the path of a field", entry.key), Some(help));
            continue;
        }
        if let Some(value) = fields::scalar(&entry.key, &entry.node, notes) {
            around.variables.check(&value, entry.node.at, notes);
            edit.push((entry.key.clone(), value));
        }
    }
    Some(edit)
}

fn until(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<Until> {
    let mut fields = Fields::of(what, node, notes)?;
    let output = fields.require("output", "Welcome to KubeSphere", notes);
    let output = output.and_then(|entry| text_with_variables(&fields.path("output"), &entry.node, around, notes));
    let within = fields.require("within", "60s", notes);
    let within = within.and_then(|entry| fields::duration(&fields.path("within"), &entry.node, notes));
    fields.finish(notes);
    Some(Until { output: output?, within: within? })
}

fn expected(what: &str, node: &Node, is_console: bool, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<Expect> {
    let mut fields = Fields::of(what, node, notes)?;
    let mut expect = Expect::default();
    let misplaced = |entry: &Entry, action: &str, notes: &mut Notes<'_>| {
        let message = format!("\"{}\" is expected of a step with \"{action}\"", entry.key);
        notes.note(entry.at, message, Some(format!("remove `{}`", entry.key)));
    };
    if let Some(entry) = fields.take("exitCode") {
        // POSIX: an exit status is 0 to 255.
        expect.exit_code = fields::integer(&fields.path("exitCode"), &entry.node, 0..=255, notes).map(i32::from);
        if is_console {
            misplaced(entry, "run", notes);
        }
    }
    for (key, target) in [("stdout", &mut expect.stdout), ("stderr", &mut expect.stderr)] {
        if let Some(entry) = fields.take(key) {
            *target = text_with_variables(&fields.path(key), &entry.node, around, notes);
            if is_console {
                misplaced(entry, "run", notes);
            }
        }
    }
    if let Some(entry) = fields.take("refused") {
        expect.refused = text_with_variables(&fields.path("refused"), &entry.node, around, notes);
        if !is_console {
            misplaced(entry, "console", notes);
        }
    }
    fields.finish(notes);
    Some(expect)
}

fn captures(what: &str, node: &Node, around: &mut Around<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, Capture> {
    let Value::Map(entries) = &node.value else {
        Fields::of(what, node, notes);
        return BTreeMap::new();
    };
    let mut captures = BTreeMap::new();
    for entry in entries {
        if !variables::is_name(&entry.key) {
            let help = "begin with a lower-case letter, and use letters and digits only, as jwtSecret".to_owned();
            notes.note(entry.at, format!("\"{}\" is not a valid variable name", entry.key), Some(help));
        } else if variables::BUILT_IN.contains(&entry.key.as_str()) {
            notes.note(
                entry.at,
                format!("\"{}\" is built in", entry.key),
                Some("give the variable another name".to_owned()),
            );
        }
        // Defined even when its pattern is bad, so that later uses are not mistakes of their own.
        around.variables.define(&entry.key);
        if let Some(pattern) = fields::pattern(&format!("{what}.{}", entry.key), &entry.node, notes) {
            captures.insert(entry.key.clone(), Capture { pattern });
        }
    }
    captures
}
