//! `ks-e2e up`

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use engine::library;
use engine::up::{Description, Up, UpError, UpOptions};
use providers::leases::state_directory;
use scenario::model::Given;

use crate::arguments::{KubesphereName, UpArguments, UpOutput};
use crate::{exit, output, provider, signals};

pub async fn up(arguments: UpArguments) -> ExitCode {
    if arguments.detach {
        return detach(arguments.output);
    }
    let release = match library::release(arguments.release.as_deref()) {
        Ok(release) => release,
        Err(error) => return exit::usage(&format!("error: {error}")),
    };
    let provider = match provider::make(arguments.provider, &arguments.options, KubesphereName::Stub, None) {
        Ok(provider) => provider,
        Err(message) => return exit::usage(&message),
    };
    if let Err(missing) = provider.probe().await {
        return exit::environment(&missing.to_string());
    }
    if let Err(message) = provider::consent(provider.as_ref(), arguments.options.existing.yes) {
        return exit::usage(&message);
    }
    let stop = match signals::stop_on_signal() {
        Ok(stop) => stop,
        Err(error) => return exit::environment(&format!("cannot listen for signals: {error}")),
    };
    let given = Given { host: arguments.host.0, member: (!arguments.no_member).then_some(arguments.member.0) };
    let behaviour = arguments.defects.behaviour();
    let options = UpOptions { provider, state: state_directory(), release, given, behaviour };
    let up = match Up::begin(options, &stop).await {
        Ok(up) => up,
        Err(UpError::Interrupted) => return ExitCode::from(exit::INTERRUPTED),
        Err(error) => return exit::environment(&error.to_string()),
    };
    // Who started this in the background may be gone already; the clusters stay until they are asked to go.
    let printed = output::print(&shown(up.description(), arguments.output, "press Ctrl-C to remove them"));
    up.stay(&stop).await;
    if let Err(error) = up.end().await {
        return exit::environment(&format!("something is left: {error}; `ks-e2e sweep` removes it"));
    }
    exit::after_printing(printed)
}

/// Starts this command again as a process of its own, and returns when its clusters stand.
fn detach(form: UpOutput) -> ExitCode {
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach" && argument != "-d");
    let started = providers::own_executable().and_then(|executable| {
        Command::new(executable)
            .args(arguments)
            .args(["--output", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in this terminal is not meant for it.
            .process_group(0)
            .spawn()
    });
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return exit::environment(&format!("cannot start a process in the background: {error}")),
    };
    let said = child.stdout.take().map(described).transpose();
    if let Ok(Some(description)) = &said {
        let how = format!("`ks-e2e down {}` removes them", description.run_id);
        return exit::after_printing(output::print(&shown(description, form, &how)));
    }
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        // Whatever can be read of it is said.
        let _read = stderr.read_to_string(&mut complaint);
    }
    output::say(complaint.trim_end());
    let code = child.wait().ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.filter(|code| *code != exit::SUCCESS).unwrap_or(exit::ENVIRONMENT))
}

fn described(stdout: impl io::Read) -> io::Result<Description> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn shown(description: &Description, form: UpOutput, end: &str) -> String {
    match form {
        // One line, as it is read by who started this in the background.
        UpOutput::Json => serde_json::to_string(description).unwrap_or_default() + "\n",
        UpOutput::Text => text(description, end),
    }
}

fn text(description: &Description, end: &str) -> String {
    let mut lines = vec![format!("clusters {} ({}); {end}", description.run_id, description.provider), String::new()];
    for place in &description.clusters {
        let kubesphere = match (&place.kubesphere, &place.cluster_role) {
            (Some(release), Some(role)) => format!("KubeSphere {release}, role {role}"),
            _ => "no KubeSphere".to_owned(),
        };
        lines.push(format!("{}: Kubernetes {}, {kubesphere}", place.on, place.kubernetes));
        if let Some(console) = &place.console {
            lines.push(format!("  console       {console} (what its pages send, without the pages)"));
        }
        if let Some(ks_apiserver) = &place.ks_apiserver {
            lines.push(format!("  ks-apiserver  {ks_apiserver} (user admin, KubeSphere's default password)"));
        }
        lines.push(format!("  to paste      {}", place.kubeconfig_to_paste.display()));
    }
    lines.push(String::new());
    lines.push(format!("export KUBECONFIG={}", description.kubeconfig.display()));
    let host = description.clusters.first().and_then(|host| host.ks_apiserver.as_ref());
    lines.extend(host.map(|address| format!("export KS_APISERVER={address}")));
    for place in &description.clusters {
        lines.push(format!("kubectl --context {} get pods -A", place.on));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use engine::up::Place;
    use providers::process::Process;
    use scenario::model::On;

    use super::*;

    fn description() -> Description {
        let place = |on: On, installed: bool| Place {
            on,
            kubernetes: "v1.20.2".to_owned(),
            kubesphere: installed.then(|| "3.3.2".to_owned()),
            cluster_role: installed.then(|| "host".to_owned()),
            kubeconfig_to_paste: format!("/tmp/x/{on}-to-paste.yaml").into(),
            console: installed.then(|| "http://127.0.0.1:4000".to_owned()),
            ks_apiserver: installed.then(|| "http://127.0.0.1:4001".to_owned()),
        };
        Description {
            run_id: "0000abcd".to_owned(),
            process: Process { pid: 1, started: 1 },
            provider: "embedded".to_owned(),
            kubeconfig: "/tmp/x/kubeconfig".into(),
            clusters: vec![place(On::Host, true), place(On::Member, false)],
        }
    }

    #[test]
    fn tells_where_everything_is() {
        let expected = "\
clusters 0000abcd (embedded); press Ctrl-C to remove them

host: Kubernetes v1.20.2, KubeSphere 3.3.2, role host
  console       http://127.0.0.1:4000 (what its pages send, without the pages)
  ks-apiserver  http://127.0.0.1:4001 (user admin, KubeSphere's default password)
  to paste      /tmp/x/host-to-paste.yaml
member: Kubernetes v1.20.2, no KubeSphere
  to paste      /tmp/x/member-to-paste.yaml

export KUBECONFIG=/tmp/x/kubeconfig
export KS_APISERVER=http://127.0.0.1:4001
kubectl --context host get pods -A
kubectl --context member get pods -A
";
        assert_eq!(text(&description(), "press Ctrl-C to remove them"), expected);
    }

    #[test]
    fn reads_back_what_it_tells() {
        let line = shown(&description(), UpOutput::Json, "");
        assert_eq!(described(line.as_bytes()).unwrap(), description());
    }
}
