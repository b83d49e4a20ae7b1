//! Checks by hand: a command that shows what a check looks at.

use std::collections::BTreeMap;

use scenario::model::{Action, CheckCall, ConsoleAction, On, Scenario};

use super::ExplainedCheck;
use super::quote::{Names, word};
use super::step::kubeconfig;

/// Tells `call`.
pub fn told(scenario: &Scenario, call: &CheckCall) -> ExplainedCheck {
    let about = checks::catalogue().iter().find(|entry| entry.name == call.name).map_or("", |entry| entry.about);
    ExplainedCheck {
        name: call.name.clone(),
        args: call.args.clone(),
        about: about.to_owned(),
        command: command(&call.name, &call.args, imported(scenario)),
    }
}

/// The name under which a step imports a member, for checks that are about that one.
fn imported(scenario: &Scenario) -> &str {
    let mut names = scenario.steps.iter().filter_map(|step| match &step.action {
        Action::Console(ConsoleAction::ImportCluster(form)) if step.expect.refused.is_none() => Some(&form.name),
        _ => None,
    });
    names.next_back().map_or("member", String::as_str)
}

const LOG: &str = "logs -n kubesphere-system -l 'app in (ks-install, ks-installer)' --tail=-1";
const CONFIG: &str = "get cm kubesphere-config -n kubesphere-system -o jsonpath='{.data.kubesphere\\.yaml}'";
const CONFIGZ: &str = "get --raw /api/v1/namespaces/kubesphere-system/services/ks-apiserver:80/proxy/kapis/config.kubesphere.io/v1alpha2/configs/configz";

/// The command for the check `name`; none where it takes more than one, as a token of KubeSphere or a node's network.
fn command(name: &str, args: &BTreeMap<String, String>, imported: &str) -> Option<String> {
    let on = match args.get("on").map(String::as_str) {
        Some("member") => On::Member,
        _ => On::Host,
    };
    let cluster = word(args.get("name").map_or(imported, String::as_str), &Names::none());
    let kubectl = |on: On| format!("kubectl --kubeconfig \"${}\"", kubeconfig(on));
    let (host, member, here) = (kubectl(On::Host), kubectl(On::Member), kubectl(on));
    Some(match name {
        "banner-content" => format!("{here} {LOG} | grep -A 12 'Welcome to KubeSphere'"),
        "cluster-role" => {
            format!(
                "{here} get cc ks-installer -n kubesphere-system -o jsonpath='{{.spec.multicluster.clusterRole}}{{\"\\n\"}}'"
            )
        }
        "cluster-role-in-effect" => format!("{here} {CONFIG} | grep -A 6 '^multicluster:'"),
        "configz-multicluster" => format!("{here} {CONFIGZ} | grep -oE '\"multicluster\": ?[a-z]+'"),
        "host-cluster-object" => {
            format!("{host} get clusters.cluster.kubesphere.io -l cluster-role.kubesphere.io/host -o yaml")
        }
        "host-side-of-join" => format!(
            "{host} get -n kube-federation-system secrets/{cluster}-secret kubefedclusters.core.kubefed.io/{cluster}"
        ),
        "import-succeeded" => {
            format!("{host} get clusters.cluster.kubesphere.io {cluster} -o jsonpath='{{.status}}{{\"\\n\"}}'")
        }
        "installer-run-completed" => format!("{here} {LOG} | tail -n 25"),
        "jwt-secret-equal" => format!("diff <({host} {CONFIG} | grep jwtSecret) <({member} {CONFIG} | grep jwtSecret)"),
        "jwt-secret-sources-agree" => format!(
            "{here} get secret kubesphere-secret -n kubesphere-system -o jsonpath='{{.data.secret}}' | base64 -d && {here} {CONFIG} | grep jwtSecret"
        ),
        "member-side-of-join" => {
            format!("{member} get -n kube-federation-system serviceaccount {cluster}-kubesphere")
        }
        "member-token-setting" => format!("{member} {CONFIG} | grep accessTokenMaxAge"),
        "multicluster-components" => {
            format!("{host} get deployments -A | grep -E 'tower|kubefed'")
        }
        "no-cluster-object" => format!("{host} get clusters.cluster.kubesphere.io {cluster} # not found"),
        "no-failed-task" => format!("{here} {LOG} | grep -E 'failed=[1-9]|^fatal' # nothing"),
        "no-multicluster-components" => format!("{here} get deployments -A | grep -E 'tower|kubefed' # nothing"),
        _ => return None,
    })
}
