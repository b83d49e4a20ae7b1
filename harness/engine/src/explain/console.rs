//! What a person does in the console, what the console sends for it (`stub/src/console`), and the same with curl.

use kubesphere::names::{CLUSTER, namespaces, objects};
use scenario::model::{ConsoleAction, EditMode, ImportCluster, KubeconfigSource, On, PastedKubeconfig, Scenario, Step};
use stub::console::form::{self, AddCluster};

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
pub fn tell(scenario: &Scenario, step: &Step, action: &ConsoleAction, names: &Names, told: &mut ExplainedStep) {
    let on = step.on;
    let refused = step.expect.refused.as_ref();
    let refused = refused.map(|text| format!("refused {} ", quoted(text, names))).unwrap_or_default();
    let again = step.retry.map(|retry| format!("again {} ", retry.as_secs().max(1))).unwrap_or_default();
    let wrapped = again + &refused;
    match action {
        ConsoleAction::ImportCluster(filled) => {
            let name = &filled.name;
            told.words.push("In the console: Cluster Management, Add Cluster, Direct connection:".to_owned());
            told.words.extend(form_in_words(filled));
            let looks = filled.edit_mode.as_ref().is_none_or(|(mode, _)| *mode == EditMode::Kubeconfig);
            if looks && !name.contains("${") && form::check_name(name).is_err() {
                told.words.push("The form refuses this name itself, and sends nothing.".to_owned());
                told.shell.clear();
                return;
            }
            told.requests = vec![
                format!("GET {CLUSTERS}/{name} (is the name taken?)"),
                format!("POST {ACTIONS}/validation (is the kubeconfig good?)"),
                format!("POST {CLUSTERS}"),
            ];
            told.shell.push(pasted(&filled.kubeconfig, scenario, names));
            let more = template(filled).map(|template| format!(" {}", quoted(&template, names))).unwrap_or_default();
            told.shell.push(format!("{wrapped}{on}_add_cluster {} \"$kubeconfig\"{more}", word(name, names)));
        }
        ConsoleAction::EditClusterConfiguration(edit) => {
            let what = format!("CRDs, {}, {}, Edit YAML:", "ClusterConfiguration", objects::INSTALLER);
            told.words.push(format!("In the console: Cluster Management, {what}"));
            told.words.extend(fields(edit));
            told.requests = vec![format!("GET {CONFIGURATION}"), format!("PUT {CONFIGURATION}")];
            let patch = quoted(&merge(edit), names);
            let namespace = namespaces::SYSTEM;
            told.shell.push(format!(
                "{wrapped}kubectl patch cc {} -n {namespace} --type merge -p {patch}",
                objects::INSTALLER
            ));
        }
        ConsoleAction::UpdateKubeconfig { name, kubeconfig } => {
            told.words.push(format!("In the console: Cluster Management, {name}, Update KubeConfig:"));
            told.words.push(format!("  kubeconfig: {}", pasted_in_words(kubeconfig)));
            told.requests = vec![format!("PUT {ACTIONS}/{name}/kubeconfig")];
            told.shell.push(pasted(kubeconfig, scenario, names));
            let path = word(&format!("{ACTIONS}/{name}/kubeconfig"), names);
            told.shell.push(format!("{wrapped}{on}_ks {path} -X PUT -d '{{\"kubeconfig\":\"'\"$kubeconfig\"'\"}}'"));
        }
        ConsoleAction::RemoveCluster { name } => {
            told.words.push(format!("In the console: Cluster Management, {name}, Remove Cluster."));
            told.requests = vec![format!("DELETE {CLUSTERS}/{name}")];
            let path = word(&format!("{CLUSTERS}/{name}"), names);
            told.shell.push(format!("{wrapped}{on}_ks {path} -X DELETE"));
        }
    }
}

/// Every text of `action` that may hold variables.
pub fn texts(action: &ConsoleAction) -> String {
    let of = |kubeconfig: &PastedKubeconfig| {
        let text = match &kubeconfig.source {
            KubeconfigSource::Text(text) => text.as_str(),
            KubeconfigSource::Of(_) | KubeconfigSource::Output(_) => "",
        };
        format!("{text} {}", kubeconfig.server.as_deref().unwrap_or_default())
    };
    match action {
        ConsoleAction::ImportCluster(filled) => {
            let edited = filled.edit_mode.iter().flat_map(|(_, edit)| edit).map(|(_, value)| value.as_str());
            let typed = [&filled.name, &filled.alias, &filled.tag, &filled.provider, &filled.description];
            let all: Vec<&str> = typed.into_iter().map(String::as_str).chain(edited).collect();
            format!("{} {}", all.join(" "), of(&filled.kubeconfig))
        }
        ConsoleAction::UpdateKubeconfig { name, kubeconfig } => format!("{name} {}", of(kubeconfig)),
        ConsoleAction::EditClusterConfiguration(edit) => {
            edit.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
        }
        ConsoleAction::RemoveCluster { name } => name.clone(),
    }
}

fn pasted_in_words(kubeconfig: &PastedKubeconfig) -> String {
    let server = kubeconfig.server.as_ref().map(|server| format!(", with the server {server}")).unwrap_or_default();
    match &kubeconfig.source {
        KubeconfigSource::Of(on) => format!("that of the {on} cluster{server}"),
        KubeconfigSource::Output(step) => format!("what the step \"{step}\" printed{server}"),
        KubeconfigSource::Text(text) if text.is_empty() => "nothing".to_owned(),
        KubeconfigSource::Text(text) => format!("{text:?}{server}"),
    }
}

/// What is typed into the form, and changed in its YAML.
fn form_in_words(filled: &ImportCluster) -> Vec<String> {
    let typed = [
        ("Cluster Name", &filled.name),
        ("Alias", &filled.alias),
        ("Tag", &filled.tag),
        ("Provider", &filled.provider),
        ("Description", &filled.description),
    ];
    let filled_in = typed.into_iter().filter(|(label, text)| *label == "Cluster Name" || !text.is_empty());
    let mut words: Vec<String> = filled_in.map(|(label, text)| format!("  {label}: {text}")).collect();
    words.push(format!("  kubeconfig: {}", pasted_in_words(&filled.kubeconfig)));
    if let Some((mode, edit)) = &filled.edit_mode {
        let step = match mode {
            EditMode::Basic => "first",
            EditMode::Kubeconfig => "second",
        };
        words.push(format!("In its {step} step switch Edit YAML on, and set there:"));
        words.extend(fields(edit));
    }
    words
}

/// Where the kubeconfig goes in the object that is sent.
const KUBECONFIG_GOES_HERE: &str = "@KUBECONFIG@";

/// The object that is sent; none where it is the usual one.
fn template(filled: &ImportCluster) -> Option<String> {
    let form = AddCluster {
        name: filled.name.clone(),
        alias: filled.alias.clone(),
        tag: filled.tag.clone(),
        provider: filled.provider.clone(),
        description: filled.description.clone(),
        kubeconfig: KUBECONFIG_GOES_HERE.to_owned(),
    };
    let usual = AddCluster::new(form.name.as_str(), KUBECONFIG_GOES_HERE).object();
    let mut object = form.object();
    for (path, value) in filled.edit_mode.iter().flat_map(|(_, edit)| edit) {
        let pointer = format!("/{}", path.replace('.', "/"));
        if let Some(field) = object.pointer_mut(&pointer) {
            *field = value.as_str().into();
        }
    }
    (object != usual).then(|| object.to_string())
}

/// The kubeconfig as the console sends it.
fn pasted(pasted: &PastedKubeconfig, scenario: &Scenario, names: &Names) -> String {
    let file = match &pasted.source {
        KubeconfigSource::Of(on) => to_paste(*on),
        // What a step shows is the file that kubectl works with there.
        KubeconfigSource::Output(name) => {
            let step = scenario.steps.iter().find(|step| step.name == *name);
            to_paste(step.map_or(On::Member, |step| step.on))
        }
        KubeconfigSource::Text(text) => {
            return format!("kubeconfig=$(printf %s {} | base64 | tr -d '\\n')", quoted(text, names));
        }
    };
    match &pasted.server {
        Some(server) => {
            let edit = quoted(&format!("s#server: .*#server: {server}#"), names);
            format!("kubeconfig=$(sed {edit} \"{file}\" | base64 | tr -d '\\n')")
        }
        None => format!("kubeconfig=$(base64 <\"{file}\" | tr -d '\\n')"),
    }
}

/// What is pasted, in the shell: another file where the other cluster reaches this one otherwise than a person does.
fn to_paste(on: On) -> String {
    let kubeconfig = kubeconfig(on);
    format!("${{{kubeconfig}{TO_PASTE}:-${kubeconfig}}}")
}

/// End of the name of the variable with the path of the kubeconfig to paste.
pub const TO_PASTE: &str = "_TO_PASTE";

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
{on}_add_cluster() {{ # NAME KUBECONFIG-IN-BASE64 [CLUSTER]
    local cluster
    if {on}_ks "{CLUSTERS}/$1" >/dev/null 2>&1; then
        echo 'The name already exists. Please enter another name.' && return 1
    fi
    cluster='{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"'"$1"'"}},"spec":{{"provider":"",'
    cluster+='"connection":{{"type":"direct","kubeconfig":"'"$2"'"}},"joinFederation":true}}}}'
    [ -z "${{3:-}}" ] || cluster=${{3/{KUBECONFIG_GOES_HERE}/$2}}
    {on}_ks {ACTIONS}/validation -d "$cluster" && {on}_ks {CLUSTERS} -d "$cluster"
}}
"#
    )
}
