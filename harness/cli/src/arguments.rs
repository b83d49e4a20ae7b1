//! The command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use scenario::plan::Shard;

use crate::defect::Defects;
use crate::keep::KeepName;
use crate::misplaced;
use crate::provider_options::ProviderOptions;
use crate::release::ReleaseParser;
use crate::rounds::Often;
use crate::shape::Shape;

/// End-to-end conformance suite for KubeSphere multi-cluster direct connection.
#[derive(Parser)]
#[command(name = "ks-e2e", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// Names the provider where `--provider` does not.
const PROVIDER_VARIABLE: &str = "KS_E2E_PROVIDER";

impl Arguments {
    /// The arguments of this process.
    pub fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        // Set to nothing is how many a CI says "not set", which clap takes for a value.
        if std::env::var_os(PROVIDER_VARIABLE).is_some_and(|value| value.is_empty()) {
            for name in ["run", "up"] {
                command = command.mut_subcommand(name, |run| run.mut_arg("provider", |provider| provider.env(None)));
            }
        }
        let matches = command.clone().try_get_matches()?;
        misplaced::refuse(&mut command, &matches)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Run scenarios; exit 0 if all pass, 1 if one fails, 2 on bad input, 3 if something is missing, 130 if interrupted
    Run(RunArguments),
    /// List the cells that `run` would run
    List(ListArguments),
    /// Tell what a scenario does, in words, as a bash script for real clusters, or as JSON
    Explain(ExplainArguments),
    /// Write a commented scenario file to begin with
    New(NewArguments),
    /// Check scenario files without running them
    Lint(LintArguments),
    /// Print what a scenario file can say: as JSON Schema, for editors, or for reading
    Schema(SchemaArguments),
    /// Bring two clusters up and hold them, to explore with kubectl, a browser and curl
    Up(UpArguments),
    /// Remove clusters that `up` or `run --keep` holds
    Down(DownArguments),
    /// Run scenarios on several providers and lay the verdicts side by side; exit 1 if some differ for no known reason
    Parity(ParityArguments),
    /// Work with reports that runs have written
    Report(ReportArguments),
    /// Write the container image of this program, for clusters that are there
    Image(ImageArguments),
    /// Remove what dead runs left behind
    Sweep,
    /// Print a shell's completions, as `source <(ks-e2e completion bash)`
    Completion(CompletionArguments),
    /// Print the manual page, as `ks-e2e man | man -l -`
    Man(ManArguments),
}

#[derive(Args, Clone, Default)]
pub struct Chosen {
    /// Scenario names (globs allowed), cells (`name@release`), scenario files or directories; all built-in ones if
    /// none is given
    #[arg(value_name = "NAME|PATH")]
    pub what: Vec<String>,
    /// `KubeSphere` releases to run on, with commas between; may be given more than once
    #[arg(long, value_name = "RELEASE", value_delimiter = ',', value_parser = ReleaseParser)]
    pub release: Vec<String>,
    /// The whole matrix of that name in place of the built-in scenarios; without it, a part of `pairing` is run in which
    /// any two values meet
    #[arg(long, value_enum)]
    pub matrix: Option<Matrix>,
    /// Only cells that fulfil this expression, as `part == import && release >= 3.3.0 && !(variant in (negative, edge))`
    ///
    /// Keys are `name`, `release`, labels (`part`, or `label.part`) and parameters (`params.KEY`). Comparisons are `==`,
    /// `!=`, `=~ GLOB`, `in (a, b)`, a key alone (there is one), and `>=`, `<=`, `>`, `<` for the release; `!`, `&&`, `||`
    /// and parentheses join them.
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// Only part K of N equal parts
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Matrix {
    /// Every way to make a host, with every way to make a member and every way to import it
    Pairing,
}

#[derive(Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub chosen: Chosen,
    /// What makes the clusters
    #[arg(long, value_enum, default_value_t, env = PROVIDER_VARIABLE)]
    pub provider: ProviderName,
    /// Like --provider, and exit 3 unless a cell has run there: a run that skips all says nothing
    #[arg(long, value_enum, value_name = "PROVIDER")]
    pub require: Option<ProviderName>,
    /// Run on Kubernetes versions, too, that the `KubeSphere` release does not name as supported
    #[arg(long)]
    pub allow_unsupported_kubernetes: bool,
    /// Give every cell clusters of its own, installed anew, also where that takes long and cells would share them or begin
    /// with copies
    #[arg(long)]
    pub isolate: bool,
    /// Cells at a time; if not given, what the provider says: three for two cores where clusters are embedded, else 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Begin no more cells after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Write report.json, junit.xml and summary.md into this directory, and the clusters' logs of cells that failed
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub often: Often,
    /// Keep the clusters of cells after the run, until Ctrl-C or `ks-e2e down`
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub keep: KeepName,
    /// Seed of what the stand-in's programs draw; secrets, names and identities are the system's, as in real life
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub defects: Defects,
    // Last, since their headings stay for whatever follows.
    #[command(flatten)]
    pub options: ProviderOptions,
    #[command(flatten)]
    pub kubesphere: KubesphereArguments,
}

/// What is installed as `KubeSphere`.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Options for KubeSphere itself")]
pub struct KubesphereArguments {
    /// What scenarios install: the stand-in, or `KubeSphere` itself with your manifests, on real nodes
    #[arg(long, value_enum, default_value_t, requires_if("real", "installer_manifest"))]
    pub kubesphere: KubesphereName,
    /// `kubesphere-installer.yaml` of the release, for `--kubesphere real`
    #[arg(long, value_name = "FILE", requires = "cluster_configuration")]
    pub installer_manifest: Option<PathBuf>,
    /// `cluster-configuration.yaml` of the release, for `--kubesphere real`
    #[arg(long, value_name = "FILE", requires = "installer_manifest")]
    pub cluster_configuration: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KubesphereName {
    /// The stand-in
    #[default]
    Stub,
    /// `KubeSphere` itself
    Real,
}

#[derive(Args)]
pub struct ParityArguments {
    #[command(flatten)]
    pub chosen: Chosen,
    /// The providers, with commas between: at least two
    #[arg(long, value_enum, value_name = "PROVIDER", value_delimiter = ',', required_unless_present = "reports")]
    pub providers: Vec<ProviderName>,
    /// Compare what these runs reported, and run nothing: report.json of each, or the directory that holds it, with commas
    /// between
    #[arg(long, value_name = "DIR|FILE", value_delimiter = ',', conflicts_with_all = ["providers", "what", "report"])]
    pub reports: Vec<PathBuf>,
    /// Run on Kubernetes versions, too, that the `KubeSphere` release does not name as supported
    #[arg(long)]
    pub allow_unsupported_kubernetes: bool,
    /// Write the report of each provider's run into a directory of this one
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Seed of the runs' randomness
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t)]
    pub output: ParityOutput,
    // Last, since their headings stay for whatever follows.
    #[command(flatten)]
    pub options: ProviderOptions,
}

#[derive(Args)]
pub struct SchemaArguments {
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t)]
    pub output: SchemaOutput,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOutput {
    /// JSON Schema
    #[default]
    Json,
    /// Keys, acts in the console and checks, as Markdown
    Markdown,
}

#[derive(Args)]
pub struct ReportArguments {
    #[command(subcommand)]
    pub command: ReportCommand,
}

#[derive(Subcommand)]
pub enum ReportCommand {
    /// Join the reports of a run's shards into one; exit 1 if a cell failed in any of them, 2 if a shard is missing
    Merge(MergeArguments),
}

#[derive(Args)]
pub struct MergeArguments {
    /// report.json of each shard, or the directory that holds it
    #[arg(value_name = "DIR|FILE", required = true)]
    pub reports: Vec<PathBuf>,
    /// Write report.json, junit.xml and summary.md into this directory
    #[arg(long, value_name = "DIR")]
    pub report: PathBuf,
}

#[derive(Args)]
pub struct ImageArguments {
    /// Name of the image, as `registry.example.com/ks-e2e:v1`
    #[arg(long, short, value_name = "NAME", default_value = concat!("ks-e2e:v", env!("CARGO_PKG_VERSION")))]
    pub tag: String,
    /// The file, for `docker load -i`, `kind load image-archive` or `ctr images import`
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct UpArguments {
    /// What makes the clusters
    #[arg(long, value_enum, default_value_t, env = PROVIDER_VARIABLE)]
    pub provider: ProviderName,
    /// `KubeSphere` release of both clusters [default: the newest]
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseParser)]
    pub release: Option<String>,
    /// What is on the host cluster: absent or installed, with role=ROLE, name=HOST-CLUSTER-NAME, nodes=N
    #[arg(long, value_name = "SHAPE", default_value = "installed,role=host")]
    pub host: Shape,
    /// What is on the member cluster: absent or installed, with role=ROLE, secret=generated|host, nodes=N
    #[arg(long, value_name = "SHAPE", default_value = "installed")]
    pub member: Shape,
    /// Bring up the host cluster alone
    #[arg(long)]
    pub no_member: bool,
    #[command(flatten)]
    pub defects: Defects,
    /// Return once they stand; `ks-e2e down` removes them
    #[arg(long, short)]
    pub detach: bool,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t, overrides_with = "output")]
    pub output: UpOutput,
    // Last, since their headings stay for whatever follows.
    #[command(flatten)]
    pub options: ProviderOptions,
}

#[derive(Args)]
pub struct DownArguments {
    /// Runs, as `up` and `run --keep` named them; all clusters that are held if none is given
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
}

#[derive(Args)]
pub struct ListArguments {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t)]
    pub output: ListOutput,
}

#[derive(Args)]
pub struct ExplainArguments {
    /// Scenario: its name, or its file
    #[arg(value_name = "NAME|PATH")]
    pub what: String,
    /// `KubeSphere` release [default: the newest that the scenario is for]
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseParser)]
    pub release: Option<String>,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t)]
    pub output: ExplainOutput,
}

impl ExplainArguments {
    /// The same as what `run` would be given.
    pub fn chosen(&self) -> Chosen {
        Chosen { what: vec![self.what.clone()], release: self.release.iter().cloned().collect(), ..Chosen::default() }
    }
}

#[derive(Args)]
pub struct NewArguments {
    /// Name of the scenario, which is written to NAME.yaml
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How the page has it done
    #[arg(long, value_enum, default_value_t)]
    pub via: Via,
    /// Write to this file; `-` prints
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct CompletionArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellName,
}

#[derive(Args)]
pub struct ManArguments {
    /// Write this page and one for each command into a directory, as `/usr/local/share/man/man1`
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct LintArguments {
    /// Scenario files or directories; the built-in scenarios if none is given
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ListOutput {
    /// A table
    #[default]
    Table,
    /// Cell names, one a line
    Name,
    /// JSON
    Json,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ExplainOutput {
    /// For reading
    #[default]
    Text,
    /// A bash script for real clusters
    Sh,
    /// JSON
    Json,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Via {
    /// kubectl: a member is prepared
    #[default]
    Kubectl,
    /// The web console: a member is imported
    Console,
    /// `KubeKey`: a host is installed
    Kk,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ShellName {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum UpOutput {
    /// For reading
    #[default]
    Text,
    /// A line of JSON
    Json,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ParityOutput {
    /// A table
    #[default]
    Table,
    /// JSON
    Json,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ProviderName {
    /// In this process, in milliseconds
    #[default]
    Embedded,
    /// A real kube-apiserver and etcd for each cluster, with simulated nodes
    Envtest,
    /// The same, in containers
    Containers,
    /// Two kind clusters
    Kind,
    /// Clusters that are there
    Existing,
}
