//! What a person does in the console, what the console sends for it (`stub/src/console`), and the same with curl.

use kubesphere::names::{CLUSTER, namespaces, objects};
use scenario::model::{ConsoleAction, On, PastedKubeconfig, Step};
use stub::console::form;

use super::ExplainedStep;
use super::quote::{Names, quoted, word};
use super::step::{fields, kubeconfig, merge};

/// Path of member clusters as ks-apiserver serves them.
const CLUSTERS: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters";
/// Path of what can be done with them.
const ACTIONS: &str = "/kapis/cluster.kubesphere.io/v1alpha1/clusters";
/// Path of the installer's configuration.
const CONFIGURATION: &str =
    "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";

/// Tells `action` of `step`.
pub fn tell(step: &Step, action: &ConsoleAction, names: &Names, told: &mut ExplainedStep) {
    let on = step.on;
    let refused = step.expect.refused.as_ref();
    let refused = refused.map(|text| format!("refused {} ", quoted(text, names))).unwrap_or_default();
    match action {
        ConsoleAction::ImportCluster { name, kubeconfig, .. } => {
            told.words.push("In the console: Cluster Management, Add Cluster, Direct connection:".to_owned());
            told.words.push(format!("  Cluster Name: {name}"));
            told.words.push(format!("  kubeconfig: {}", pasted_in_words(kubeconfig)));
            if !name.contains("${") && form::check_name(name).is_err() {
                told.words.push("The form refuses this name itself, and sends nothing.".to_owned());
                told.shell.clear();
                return;
            }
            told.requests = vec![
                format!("GET {CLUSTERS}/{name} (is the name taken?)"),
                format!("POST {ACTIONS}/validation (is the kubeconfig good?)"),
                format!("POST {CLUSTERS}"),
            ];
            told.shell.push(pasted(kubeconfig, names));
            told.shell.push(format!("{refused}{on}_add_cluster {} \"$kubeconfig\"", word(name, names)));
        }
        ConsoleAction::EditClusterConfiguration(edit) => {
            let what = format!("CRDs, {}, {}, Edit YAML:", "ClusterConfiguration", objects::INSTALLER);
            told.words.push(format!("In the console: Cluster Management, {what}"));
            told.words.extend(fields(edit));
            told.requests = vec![format!("GET {CONFIGURATION}"), format!("PUT {CONFIGURATION}")];
            let patch = quoted(&merge(edit), names);
            let namespace = namespaces::SYSTEM;
            told.shell.push(format!(
                "{refused}kubectl patch cc {} -n {namespace} --type merge -p {patch}",
                objects::INSTALLER
            ));
        }
        ConsoleAction::UpdateKubeconfig { name, kubeconfig } => {
            told.words.push(format!("In the console: Cluster Management, {name}, Update KubeConfig:"));
            told.words.push(format!("  kubeconfig: {}", pasted_in_words(kubeconfig)));
            told.requests = vec![format!("PUT {ACTIONS}/{name}/kubeconfig")];
            told.shell.push(pasted(kubeconfig, names));
            let path = word(&format!("{ACTIONS}/{name}/kubeconfig"), names);
            told.shell.push(format!("{refused}{on}_ks {path} -X PUT -d '{{\"kubeconfig\":\"'\"$kubeconfig\"'\"}}'"));
        }
        ConsoleAction::RemoveCluster { name } => {
            told.words.push(format!("In the console: Cluster Management, {name}, Remove Cluster."));
            told.requests = vec![format!("DELETE {CLUSTERS}/{name}")];
            let path = word(&format!("{CLUSTERS}/{name}"), names);
            told.shell.push(format!("{refused}{on}_ks {path} -X DELETE"));
        }
    }
}

/// Every text of `action` that may hold variables.
pub fn texts(action: &ConsoleAction) -> String {
    let of = |kubeconfig: &PastedKubeconfig| kubeconfig.server.clone().unwrap_or_default();
    match action {
        ConsoleAction::ImportCluster { name, kubeconfig, .. }
        | ConsoleAction::UpdateKubeconfig { name, kubeconfig } => {
            format!("{name} {}", of(kubeconfig))
        }
        ConsoleAction::EditClusterConfiguration(edit) => {
            edit.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
        }
        ConsoleAction::RemoveCluster { name } => name.clone(),
    }
}

fn pasted_in_words(kubeconfig: &PastedKubeconfig) -> String {
    let server = kubeconfig.server.as_ref().map(|server| format!(", with the server {server}")).unwrap_or_default();
    format!("that of the {} cluster{server}", kubeconfig.of)
}

/// The kubeconfig as the console sends it.
fn pasted(pasted: &PastedKubeconfig, names: &Names) -> String {
    let file = kubeconfig(pasted.of);
    match &pasted.server {
        Some(server) => {
            let edit = quoted(&format!("s#server: .*#server: {server}#"), names);
            format!("kubeconfig=$(sed {edit} \"${file}\" | base64 | tr -d '\\n')")
        }
        None => format!("kubeconfig=$(base64 <\"${file}\" | tr -d '\\n')"),
    }
}

/// Functions that steps in the console of `on` use.
pub fn functions(on: On) -> String {
    let upper = on.to_string().to_uppercase();
    let (api_version, kind) = (CLUSTER.api_version(), CLUSTER.kind);
    format!(
        r#"# The console passes these requests on to ks-apiserver, which this makes reachable:
#   kubectl --kubeconfig "${upper}_KUBECONFIG" -n kubesphere-system port-forward service/ks-apiserver 9090:80
: "${{{upper}_KS_APISERVER:?set it to where ks-apiserver of the {on} is reached, as http://127.0.0.1:9090}}"
: "${{{upper}_PASSWORD:?set it to the password of the user admin on the {on}}}"
{on}_token=$(curl -sS --fail-with-body "${upper}_KS_APISERVER/oauth/token" -d grant_type=password -d username=admin \
    --data-urlencode "password=${upper}_PASSWORD" -d client_id=kubesphere -d client_secret=kubesphere |
    grep -oP '"access_token": ?"\K[^"]+')
{on}_ks() {{ # PATH [CURL-OPTION]...
    curl -sS --fail-with-body -H "Authorization: Bearer ${on}_token" -H 'Content-Type: application/json' \
        "${upper}_KS_APISERVER$1" "${{@:2}}"
}}
{on}_add_cluster() {{ # NAME KUBECONFIG-IN-BASE64
    local cluster
    if {on}_ks "{CLUSTERS}/$1" >/dev/null 2>&1; then
        echo 'The name already exists. Please enter another name.' && return 1
    fi
    cluster='{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"'"$1"'"}},"spec":{{"provider":"",'
    cluster+='"connection":{{"type":"direct","kubeconfig":"'"$2"'"}},"joinFederation":true}}}}'
    {on}_ks {ACTIONS}/validation -d "$cluster" && {on}_ks {CLUSTERS} -d "$cluster"
}}
"#
    )
}
