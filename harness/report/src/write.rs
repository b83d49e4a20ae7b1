//! Writes the files of `--report DIR`.

use std::path::{Path, PathBuf};

use scenario::Report;

use crate::{JunitError, to_json, to_junit, to_markdown};

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder cannot be made.
    #[error("report: cannot create the folder {}: {source}; give --report a folder that can be written", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("report: cannot write {}: {source}; give --report a folder that can be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The report has no JSON form.
    #[error("report: cannot render report.json: {0}")]
    Json(#[from] serde_json::Error),
    /// The report has no JUnit form.
    #[error("report: cannot render junit.xml: {0}")]
    Junit(#[from] JunitError),
}

/// Writes `report.json`, `junit.xml` and `summary.md` into `dir`, which is made where it is missing, and returns their
/// paths. A file appears whole or not at all.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write(dir: &Path, report: &Report) -> Result<Vec<PathBuf>, WriteError> {
    std::fs::create_dir_all(dir).map_err(|source| WriteError::Folder { path: dir.to_owned(), source })?;
    let files =
        [("report.json", to_json(report)?), ("junit.xml", to_junit(report)?), ("summary.md", to_markdown(report))];
    files.into_iter().map(|(name, text)| write_whole(dir, name, &text)).collect()
}

fn write_whole(dir: &Path, name: &str, text: &str) -> Result<PathBuf, WriteError> {
    let path = dir.join(name);
    let partial = dir.join(format!(".{name}.partial"));
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|source| WriteError::File { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_file_into_a_folder_that_it_makes() {
        let dir = tempfile::tempdir().unwrap();
        let reports = dir.path().join("a/b");
        let written = write(&reports, &crate::fixture::report()).unwrap();
        let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["report.json", "junit.xml", "summary.md"]);
        assert_eq!(std::fs::read_dir(&reports).unwrap().count(), 3);
        let json = std::fs::read_to_string(reports.join("report.json")).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), crate::fixture::report());
    }

    #[test]
    fn names_the_folder_that_cannot_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write(&file.join("reports"), &crate::fixture::report()).unwrap_err().to_string();
        assert!(error.starts_with("report: cannot create the folder ") && error.contains("file/reports"), "{error}");
    }
}
