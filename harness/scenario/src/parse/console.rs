//! What a step does in the web console.

use super::fields::{self, Fields, Notes};
use super::node::{Entry, Node};
use super::step::{Around, cluster, edits, text_with_variables};
use crate::model::{ConsoleAction, EditMode, ImportCluster, KubeconfigSource, PastedKubeconfig};
use crate::problem::did_you_mean;

/// The steps of the form on which its toggle is used.
pub const EDIT_MODES: [(&str, EditMode); 2] = [("basic", EditMode::Basic), ("kubeconfig", EditMode::Kubeconfig)];

/// The acts in the console, with what is written below each.
pub const CONSOLE_ACTS: [(&str, &str); 4] = [
    ("importCluster", "{name: NAME, kubeconfig: {of: member}}"),
    ("editClusterConfiguration", "{path.of.the.field: value}"),
    ("updateKubeconfig", "{name: NAME, kubeconfig: {of: member}}"),
    ("removeCluster", "{name: NAME}"),
];

pub fn action(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<ConsoleAction> {
    let mut fields = Fields::of(what, node, notes)?;
    let given: Vec<(&str, &Entry)> =
        CONSOLE_ACTS.iter().filter_map(|(act, _)| Some((*act, fields.take(act)?))).collect();
    let action = match given.as_slice() {
        [] if fields.is_empty() => {
            let acts: Vec<String> = CONSOLE_ACTS.iter().map(|(act, content)| format!("`{act}: {content}`")).collect();
            notes.note(node.at, format!("\"{what}\" does nothing"), Some(format!("add {}", acts.join(" or "))));
            None
        }
        // What is there instead is unknown, and said to be.
        [] => None,
        [("editClusterConfiguration", entry)] => {
            let edit = edits(&fields.path("editClusterConfiguration"), &entry.node, around, notes);
            edit.map(ConsoleAction::EditClusterConfiguration)
        }
        [("removeCluster", entry)] => {
            let what = fields.path("removeCluster");
            let mut fields = Fields::of(&what, &entry.node, notes)?;
            let name = cluster_name(&mut fields, around, notes);
            fields.finish(notes);
            name.map(|name| ConsoleAction::RemoveCluster { name })
        }
        [("importCluster", entry)] => import(&fields.path("importCluster"), &entry.node, around, notes),
        [(act, entry)] => update(&fields.path(act), &entry.node, around, notes),
        [(first, _), (second, entry), ..] => {
            let message = format!("a step does one thing, and this one has both \"{first}\" and \"{second}\"");
            notes.note(entry.at, message, Some("make two steps of it".to_owned()));
            None
        }
    };
    fields.finish(notes);
    action
}

/// The act in which the form *Add Cluster* is filled in.
fn import(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<ConsoleAction> {
    let mut fields = Fields::of(what, node, notes)?;
    let name = cluster_name(&mut fields, around, notes);
    let [alias, tag, provider, description] = ["alias", "tag", "provider", "description"].map(|key| {
        let text = fields.take(key).map(|entry| text_with_variables(&fields.path(key), &entry.node, around, notes));
        text.flatten().unwrap_or_default()
    });
    let kubeconfig = kubeconfig(&mut fields, around, notes);
    let mode = fields
        .take("editMode")
        .and_then(|entry| fields::word(&fields.path("editMode"), &entry.node, &EDIT_MODES, notes));
    let edit = fields.take("edit").map(|entry| (entry, edits(&fields.path("edit"), &entry.node, around, notes)));
    if let (None, Some((entry, _))) = (mode, &edit) {
        let help = "add `editMode: basic` or `editMode: kubeconfig`".to_owned();
        notes.note(entry.at, "\"edit\" needs \"editMode\"", Some(help));
    }
    fields.finish(notes);
    let edit = edit.and_then(|(_, edit)| edit).unwrap_or_default();
    let import = ImportCluster {
        name: name?,
        alias,
        tag,
        provider,
        description,
        kubeconfig: kubeconfig?,
        edit_mode: mode.map(|mode| (mode, edit)),
    };
    Some(ConsoleAction::ImportCluster(Box::new(import)))
}

fn update(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<ConsoleAction> {
    let mut fields = Fields::of(what, node, notes)?;
    let name = cluster_name(&mut fields, around, notes);
    let kubeconfig = kubeconfig(&mut fields, around, notes);
    fields.finish(notes);
    Some(ConsoleAction::UpdateKubeconfig { name: name?, kubeconfig: kubeconfig? })
}

fn kubeconfig(fields: &mut Fields<'_>, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<PastedKubeconfig> {
    let entry = fields.require("kubeconfig", "{of: member}", notes)?;
    pasted(&fields.path("kubeconfig"), &entry.node, around, notes)
}

/// The form itself refuses an empty name, so a scenario may type one.
fn cluster_name(fields: &mut Fields<'_>, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let entry = fields.require("name", "NAME", notes)?;
    let name = fields::scalar(&fields.path("name"), &entry.node, notes)?;
    around.variables.check(&name, entry.at, notes);
    Some(name)
}

fn pasted(what: &str, node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<PastedKubeconfig> {
    let mut fields = Fields::of(what, node, notes)?;
    let given: Vec<(&str, &Entry)> =
        ["of", "output", "text"].into_iter().filter_map(|key| Some((key, fields.take(key)?))).collect();
    let source = match given.as_slice() {
        [] => {
            fields.require("of", "member", notes);
            None
        }
        [("of", entry)] => cluster(&fields.path("of"), &entry.node, around.has_member, notes).map(KubeconfigSource::Of),
        [("output", entry)] => {
            let step = fields::text(&fields.path("output"), &entry.node, notes)?;
            if !around.printed.contains(&step) {
                let printed: Vec<&str> = around.printed.iter().map(String::as_str).collect();
                let message = format!("no earlier step \"{step}\" runs a command");
                let help = did_you_mean(&step, "steps with \"run\"", &printed);
                let help = help.unwrap_or_else(|| "add a step with `run` before it, and give its name here".to_owned());
                notes.note(entry.node.at, message, Some(help));
            }
            Some(KubeconfigSource::Output(step))
        }
        [(_, entry)] => {
            // An empty text is what somebody pastes who forgot to copy.
            let text = fields::scalar(&fields.path("text"), &entry.node, notes)?;
            around.variables.check(&text, entry.node.at, notes);
            Some(KubeconfigSource::Text(text))
        }
        [(first, _), (second, entry), ..] => {
            let message =
                format!("a kubeconfig comes from one place, and this one has both \"{first}\" and \"{second}\"");
            notes.note(entry.at, message, Some("remove one of them".to_owned()));
            None
        }
    };
    let server =
        fields.take("server").map(|entry| text_with_variables(&fields.path("server"), &entry.node, around, notes));
    fields.finish(notes);
    let server = match server {
        Some(server) => Some(server?),
        None => None,
    };
    Some(PastedKubeconfig { source: source?, server })
}
