//! The command lines of `kk` that a page has (kubekey v3.0.13, `cmd/kk/cmd/create`).

use std::path::PathBuf;

use super::versions;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `create config`.
    Config(Config),
    /// `create cluster`.
    Cluster(Cluster),
}

/// Of `create config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `-f`: what to write.
    pub file: Option<PathBuf>,
    /// `--name`: of the cluster, and of the file that has no name of its own.
    pub name: String,
    /// `--with-kubernetes`.
    pub kubernetes: Option<String>,
    /// `--with-kubesphere`: the version to write a `ClusterConfiguration` for.
    pub kubesphere: Option<String>,
}

/// Of `create cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `-f`: what to read; without it everything runs on this machine.
    pub file: Option<PathBuf>,
    /// `--with-kubesphere`: the version to install with its defaults, whatever the file says.
    pub kubesphere: Option<String>,
}

#[derive(Default)]
struct Flags {
    file: Option<PathBuf>,
    name: Option<String>,
    kubernetes: Option<String>,
    with_kubesphere: bool,
    positional: Vec<String>,
}

impl Command {
    /// Reads the arguments after the executable's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let (verb, rest) = arguments.split_first().ok_or("a command is missing: create config, create cluster")?;
        let (what, rest) = match rest.split_first() {
            Some((what, rest)) if verb == "create" => (what.as_str(), rest),
            _ => return Err(format!("unknown command \"{verb}\" for \"kk\"")),
        };
        let flags = Flags::read(rest)?;
        let kubesphere = flags
            .with_kubesphere
            .then(|| flags.positional.first().cloned().unwrap_or_else(|| versions::latest().to_owned()));
        match what {
            "config" => Ok(Self::Config(Config {
                file: flags.file,
                // Of a name with dots the first part counts.
                name: flags.name.as_deref().unwrap_or("sample").split('.').next().unwrap_or_default().to_owned(),
                kubernetes: flags.kubernetes,
                kubesphere,
            })),
            "cluster" => Ok(Self::Cluster(Cluster { file: flags.file, kubesphere })),
            other => Err(format!("unknown command \"{other}\" for \"kk create\"")),
        }
    }
}

impl Flags {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                attached.clone().or_else(|| arguments.next().cloned()).ok_or(format!("flag needs an argument: {name}"))
            };
            match name {
                "-f" | "--filename" => flags.file = Some(value()?.into()),
                "--name" => flags.name = Some(value()?),
                "--with-kubernetes" => flags.kubernetes = Some(value()?),
                "--container-manager" | "--download-cmd" | "-a" | "--artifact" => {
                    // About making the cluster.
                    let _unused = value()?;
                }
                "--with-kubesphere" => flags.with_kubesphere = true,
                "-y"
                | "--yes"
                | "--debug"
                | "--ignore-err"
                | "--with-local-storage"
                | "--skip-pull-images"
                | "--skip-push-images"
                | "--with-packages"
                | "--with-security-enhancement" => {}
                flag if flag.starts_with("--") => return Err(format!("unknown flag: {flag}")),
                flag if flag.starts_with('-') => return Err(format!("unknown shorthand flag: {flag}")),
                other => flags.positional.push(other.to_owned()),
            }
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn config(file: Option<&str>, name: &str, kubesphere: Option<&str>) -> Command {
        Command::Config(Config {
            file: file.map(Into::into),
            name: name.to_owned(),
            kubernetes: None,
            kubesphere: kubesphere.map(str::to_owned),
        })
    }

    #[rstest]
    #[case("create config", config(None, "sample", None))]
    #[case("create config --with-kubesphere", config(None, "sample", Some("v3.4.1")))]
    #[case("create config --with-kubesphere v3.3.2", config(None, "sample", Some("v3.3.2")))]
    #[case("create config --with-kubesphere v3.3.2 -f mine.yaml", config(Some("mine.yaml"), "sample", Some("v3.3.2")))]
    #[case("create config v3.3.2 --filename=mine.yaml", config(Some("mine.yaml"), "sample", None))]
    #[case("create config --name host.example", config(None, "host", None))]
    fn reads_command_lines(#[case] line: &str, #[case] expected: Command) {
        assert_eq!(parse(line), Ok(expected));
    }

    #[test]
    fn reads_the_command_that_makes_a_cluster() {
        let expected = Cluster { file: Some("config-sample.yaml".into()), kubesphere: None };
        assert_eq!(parse("create cluster -f config-sample.yaml -y"), Ok(Command::Cluster(expected)));
    }

    #[rstest]
    #[case("delete cluster", "unknown command")]
    #[case("create node", "unknown command")]
    #[case("create cluster --nothing", "unknown flag: --nothing")]
    #[case("create cluster -f", "flag needs an argument: -f")]
    fn refuses_other_command_lines(#[case] line: &str, #[case] beginning: &str) {
        let error = parse(line).unwrap_err();
        assert!(error.starts_with(beginning), "{error}");
    }
}
