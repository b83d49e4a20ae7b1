//! What a person does in an editor: set some fields and leave every comment where it is.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use serde::{Deserialize, Serialize};

use crate::sandbox::{Sandbox, quoted};

/// First argument by which this executable, called as `KUBE_EDITOR`, knows that it is the editor.
const EDITOR_ARGUMENT: &str = "__edit";

/// Fields to set, by path, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields(pub Vec<(String, String)>);

/// An edit that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file could not be read or written.
    #[error("cannot {operation} {}: {source}", .path.display())]
    File {
        /// `read` or `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not YAML.
    #[error("the text to edit is not YAML: {0}")]
    NotYaml(String),
    /// The edited text does not hold what was to be set.
    #[error("the edit did not take: {path} is {found} afterwards, not the value that was to be set")]
    NotTaken {
        /// Path of the field.
        path: String,
        /// What is there, by kind.
        found: &'static str,
    },
    /// This executable cannot be found again.
    #[error("cannot find this executable to serve as the editor: {0}")]
    Executable(io::Error),
}

/// Sets `fields` in `text`. Of several documents, a field belongs to the first one that has the section it stands in.
///
/// # Errors
/// When the text is not YAML, or the result does not hold the values.
pub fn apply(text: &str, fields: &Fields) -> Result<String, EditError> {
    let not_yaml = |error: &dyn std::fmt::Display| EditError::NotYaml(error.to_string());
    let mut documents = documents(text);
    for (path, value) in &fields.0 {
        let place = documents.iter().position(|document| has_section(document, path)).unwrap_or_default();
        let Some(text) = documents.get_mut(place) else {
            return Err(EditError::NotYaml("it holds no document".to_owned()));
        };
        let file = yaml_edit::YamlFile::from_str(text).map_err(|error| not_yaml(&error))?;
        let document = file.document().ok_or_else(|| EditError::NotYaml("it holds no document".to_owned()))?;
        set(&document, path, value)?;
        *text = file.to_string();
        verify(text, path, value)?;
    }
    Ok(documents.concat())
}

/// The documents of `text`, each with the separator before it.
fn documents(text: &str) -> Vec<String> {
    let mut documents: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let separates = line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty());
        match documents.last_mut() {
            Some(document) if !separates => document.push_str(line),
            _ => documents.push(line.to_owned()),
        }
    }
    documents
}

/// Whether `document` has the mapping that the field at `path` stands in.
fn has_section(document: &str, path: &str) -> bool {
    let Ok(root) = serde_yaml::from_str::<serde_yaml::Value>(document) else { return false };
    let section = path.rsplit_once('.').map(|(section, _)| section);
    section.into_iter().flat_map(|section| section.split('.')).try_fold(&root, |value, key| value.get(key)).is_some()
}

fn set(document: &yaml_edit::Document, path: &str, value: &str) -> Result<(), EditError> {
    use yaml_edit::path::YamlPath as _;
    let value = if plain_means_itself(value) {
        yaml_edit::ScalarValue::string(value)
    } else {
        yaml_edit::ScalarValue::double_quoted(value)
    };
    document.try_set_path(path, value).map_err(|error| EditError::NotYaml(format!("{path}: {error}")))
}

/// Whether the unquoted text is read back as this very string.
fn plain_means_itself(value: &str) -> bool {
    serde_yaml::from_str::<serde_yaml::Value>(value).is_ok_and(|read| read.as_str() == Some(value))
}

/// Editing keeps a person's text, so the result is read again and compared.
fn verify(text: &str, path: &str, wanted: &str) -> Result<(), EditError> {
    let root: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| EditError::NotYaml(error.to_string()))?;
    let found = path.split('.').try_fold(&root, |value, key| value.get(key));
    let kind = match found {
        None => "absent",
        Some(serde_yaml::Value::String(text)) if text == wanted => return Ok(()),
        Some(serde_yaml::Value::String(_)) => "another text",
        Some(_) => "no text",
    };
    Err(EditError::NotTaken { path: path.to_owned(), found: kind })
}

/// Sets `fields` in the file `path`.
///
/// # Errors
/// As [`apply`], and when the file cannot be read or written.
pub fn apply_to_file(path: &Path, fields: &Fields) -> Result<(), EditError> {
    let failed = |operation| move |source| EditError::File { operation, path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed("read"))?;
    fs::write(path, apply(&text, fields)?).map_err(failed("write"))
}

/// The `KUBE_EDITOR` that will do `fields`: this executable, with the edit in a file of the sandbox, since values may
/// be secret and arguments are visible to everybody.
///
/// # Errors
/// When the file cannot be written.
pub fn editor(sandbox: &Sandbox, fields: &Fields) -> Result<OsString, EditError> {
    let path = sandbox.private("edit.json");
    let text = serde_json::to_string(fields).unwrap_or_default();
    fs::write(&path, text).map_err(|source| EditError::File { operation: "write", path: path.clone(), source })?;
    let executable = providers::own_executable().map_err(EditError::Executable)?;
    Ok(format!("{} {EDITOR_ARGUMENT} {}", quoted(&executable), quoted(&path)).into())
}

/// Acts as the editor if this process was called as one.
pub fn serve_as_editor() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != EDITOR_ARGUMENT {
        return None;
    }
    let (Some(plan), Some(file)) = (arguments.next(), arguments.next()) else {
        return Some(std::process::ExitCode::from(2));
    };
    let done = fs::read_to_string(&plan)
        .map_err(|source| EditError::File { operation: "read", path: plan.into(), source })
        .and_then(|plan| serde_json::from_str(&plan).map_err(|error| EditError::NotYaml(error.to_string())))
        .and_then(|fields| apply_to_file(Path::new(&file), &fields));
    Some(match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // kubectl shows it to the person; when nobody reads it, the exit code still tells.
            let _shown = writeln!(io::stderr(), "{error}");
            std::process::ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "\
# Please edit the object below.
spec:
  authentication:
    # adminPassword: \"\"
    jwtSecret: \"\"  # Keep the jwtSecret consistent
  multicluster:
    clusterRole: none  # host | member | none
";

    fn fields(fields: &[(&str, &str)]) -> Fields {
        Fields(fields.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn changes_the_named_fields_and_nothing_else() {
        let edited = apply(
            TEXT,
            &fields(&[("spec.authentication.jwtSecret", "abcDEF12"), ("spec.multicluster.clusterRole", "member")]),
        );
        assert_eq!(
            edited.unwrap(),
            TEXT.replace("jwtSecret: \"\"", "jwtSecret: abcDEF12").replace("clusterRole: none", "clusterRole: member")
        );
    }

    #[test]
    fn adds_a_field_that_is_not_there() {
        let edited = apply(TEXT, &fields(&[("spec.multicluster.hostClusterName", "prod.east-1")])).unwrap();
        assert!(edited.contains("\n    hostClusterName: prod.east-1"), "{edited}");
        assert!(edited.contains("# host | member | none"), "{edited}");
    }

    #[rstest]
    #[case("12345678901234567890123456789012")]
    #[case("true")]
    #[case("has: colon")]
    #[case("quote\"inside")]
    fn keeps_a_text_a_text(#[case] secret: &str) {
        let edited = apply(TEXT, &fields(&[("spec.authentication.jwtSecret", secret)])).unwrap();
        let read: serde_yaml::Value = serde_yaml::from_str(&edited).unwrap();
        assert_eq!(read["spec"]["authentication"]["jwtSecret"], secret);
    }

    #[test]
    fn edits_the_document_that_has_the_section() {
        let first = "kind: Cluster\nspec:\n  hosts: [] # none\n\n";
        let edited = apply(&format!("{first}---\n{TEXT}"), &fields(&[("spec.multicluster.clusterRole", "host")]));
        assert_eq!(edited.unwrap(), format!("{first}---\n{}", TEXT.replace("clusterRole: none", "clusterRole: host")));
    }

    #[test]
    fn refuses_what_is_not_yaml() {
        assert!(apply("a: [", &fields(&[("a", "b")])).is_err());
    }
}
