//! The text of `kubesphere.yaml`, rendered from scratch on every run. It is text on purpose: nothing is escaped, so
//! a secret with a quote in it makes a file that is not YAML, as in the original.

use std::fmt::Write as _;

use kubesphere::{Feature, JwtSecret, Release};
use serde_json::Value;

use super::spec::{Spec, Undefined, at, is_true, python};
use super::variations;
use crate::{Behaviour, Deviation};

/// What is rendered.
pub struct Settings<'a> {
    /// The release being installed.
    pub release: &'a Release,
    /// Minor version of Kubernetes 1.x.
    pub kubernetes_minor: u32,
    /// `spec` of the `ClusterConfiguration`.
    pub spec: &'a Spec,
    /// The secret in `kubesphere-secret`.
    pub jwt_secret: &'a JwtSecret,
    /// What is rendered otherwise.
    pub behaviour: Behaviour,
}

/// The text of `kubesphere.yaml`.
///
/// # Errors
/// [`Undefined`] when the spec lacks `multicluster` or its `clusterRole`.
pub fn kubesphere_yaml(settings: &Settings<'_>) -> Result<String, Undefined> {
    let role = cluster_role(settings)?;
    let mut text = authentication(settings, &role);
    text.push_str(&network(settings.spec));
    text.push_str(&multicluster(settings, &role));
    text.push_str(
        "monitoring:\n  \
           endpoint: http://prometheus-operated.kubesphere-monitoring-system.svc:9090\n  \
           enableGPUMonitoring: false\n\
         gpu:\n  \
           kinds:\n  \
           - resourceName: nvidia.com/gpu\n    \
             resourceType: GPU\n    \
             default: True\n\
         notification:\n  \
           endpoint: http://notification-manager-svc.kubesphere-monitoring-system.svc:19093\n\
         \n\
         \n",
    );
    text.push_str(&terminal(settings.spec));
    text.push_str(&gateway(settings.release));
    Ok(variations::of_text(text, settings.behaviour))
}

fn cluster_role(settings: &Settings<'_>) -> Result<String, Undefined> {
    Ok(variations::of_role(written_role(settings)?, settings.behaviour))
}

fn written_role(settings: &Settings<'_>) -> Result<String, Undefined> {
    let multicluster = settings.spec.get("multicluster");
    match (multicluster, multicluster.and_then(|section| section.get("clusterRole"))) {
        (_, Some(role)) => Ok(python(role)),
        // Where no role is written down, the template only asks whether it is a host's or a member's.
        _ if !settings.release.has(Feature::MulticlusterBlockAlways) => Ok(String::new()),
        (Some(multicluster), None) => Err(Undefined::attribute(multicluster, "clusterRole")),
        (None, None) => Err(Undefined("'multicluster' is undefined".to_owned())),
    }
}

fn authentication(settings: &Settings<'_>, role: &str) -> String {
    let multiple_login = at(settings.spec, "common.core.console.enableMultiLogin")
        .or_else(|| at(settings.spec, "console.enableMultiLogin"))
        .map_or_else(|| "True".to_owned(), python);
    let own = |key: &str, default: &str| {
        at(settings.spec, &format!("authentication.{key}")).map_or_else(|| default.to_owned(), python)
    };
    let mut text = format!(
        "authentication:\n  \
           authenticateRateLimiterMaxTries: {}\n  \
           authenticateRateLimiterDuration: {}\n  \
           loginHistoryRetentionPeriod: {}\n  \
           maximumClockSkew: {}\n  \
           multipleLogin: {multiple_login}\n  \
           kubectlImage: kubesphere/kubectl:{}\n  \
           jwtSecret: {}\n  \
           oauthOptions:\n",
        own("authenticateRateLimiterMaxTries", "10"),
        own("authenticateRateLimiterDuration", "10m0s"),
        own("loginHistoryRetentionPeriod", "168h"),
        own("maximumClockSkew", "10s"),
        kubectl_tag(settings.kubernetes_minor),
        variations::of_secret(settings.jwt_secret.expose(), settings.behaviour),
    );
    let member = role == "member";
    if !member || settings.release.has(Feature::MemberOauthOptions) {
        text.push_str(&oauth_options(settings.spec));
    }
    if member && !settings.behaviour.deviates(Deviation::MemberTokensExpire) {
        text.push_str("    accessTokenMaxAge: 0\n");
    }
    text.push_str("    clients:\n    - name: kubesphere\n      secret: kubesphere\n      redirectURIs:\n      - '*'\n");
    text
}

/// `oauthOptions` of the spec, sorted by key and indented into its place.
fn oauth_options(spec: &Spec) -> String {
    let Some(Value::Object(options)) = at(spec, "authentication.oauthOptions") else { return String::new() };
    let mut keys: Vec<_> = options.keys().collect();
    keys.sort();
    let sorted: Spec = keys.into_iter().filter_map(|key| Some((key.clone(), options.get(key)?.clone()))).collect();
    let text = serde_yaml::to_string(&sorted).unwrap_or_default();
    text.lines().fold(String::new(), |all, line| all + "    " + line + "\n")
}

fn network(spec: &Spec) -> String {
    let mut text = "network:\n".to_owned();
    if is_true(spec, "network.networkpolicy.enabled") {
        text.push_str("  enableNetworkPolicy: true\n");
    }
    let pool = at(spec, "network.ippool.type").map_or_else(|| "none".to_owned(), python);
    text + "  ippoolType: " + &pool + "\n"
}

fn multicluster(settings: &Settings<'_>, role: &str) -> String {
    let host = role == "host";
    if !host && !settings.release.has(Feature::MulticlusterBlockAlways) {
        return String::new();
    }
    let mut text = "multicluster:\n".to_owned();
    if settings.release.has(Feature::MulticlusterBlockAlways) {
        line(&mut text, "clusterRole", role);
    }
    match role {
        "host" => line(&mut text, "enable", "true"),
        "member" => line(&mut text, "enable", "false"),
        _ => {}
    }
    if host {
        line(&mut text, "agentImage", &format!("kubesphere/tower:{}", settings.release.tower_tag));
        line(&mut text, "proxyPublishService", "tower.kubesphere-system.svc");
        for key in ["proxyPublishAddress", "clusterControllerResyncPeriod", "hostClusterName"] {
            if key == "hostClusterName" && settings.behaviour.deviates(Deviation::HostNameIgnored) {
                continue;
            }
            let value = at(settings.spec, &format!("multicluster.{key}")).filter(|value| !value.is_null());
            if let Some(value) = value.map(python).filter(|value| !value.is_empty()) {
                line(&mut text, key, &value);
            }
        }
    }
    text
}

fn terminal(spec: &Spec) -> String {
    let timeout = at(spec, "terminal.timeout").map_or_else(|| "600".to_owned(), python);
    format!("terminal:\n  image: alpine:3.14\n  timeout: {timeout}\n")
}

fn gateway(release: &Release) -> String {
    format!(
        "gateway:\n  \
           watchesPath: /var/helm-charts/watches.yaml\n  \
           repository: kubesphere/nginx-ingress-controller\n  \
           tag: {}\n  \
           namespace: kubesphere-controls-system\n",
        release.gateway_tag
    )
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "  {key}: {value}");
}

/// The tag of the kubectl image for a Kubernetes version: the nearest of those that the release ships.
fn kubectl_tag(minor: u32) -> String {
    format!("v1.{}.0", minor.clamp(19, 22))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn render(version: &str, secret: &str, spec: &Value) -> Result<String, Undefined> {
        kubesphere_yaml(&Settings {
            release: Release::find(version).unwrap(),
            kubernetes_minor: 20,
            spec: spec.as_object().unwrap(),
            jwt_secret: &JwtSecret::new(secret),
            behaviour: Behaviour::default(),
        })
    }

    fn role(role: &str) -> Value {
        json!({"multicluster": {"clusterRole": role}})
    }

    fn expected(case: &str, version: &str) -> String {
        let cases = include_str!("testdata/rendered.yaml");
        let cases: Value = serde_yaml::from_str(cases).unwrap();
        let parts = &cases["cases"][case];
        let text = cases["template"].as_str().unwrap();
        let part = |key: &str, default: &str| parts[key].as_str().unwrap_or(default).to_owned();
        text.replace("SECRET\n", &(part("secret", &format!("\"{SECRET}\"")) + "\n"))
            .replace("OAUTH\n", &part("oauth", ""))
            .replace("NETWORK\n", &part("network", "  ippoolType: none\n"))
            .replace("MULTICLUSTER\n", &part("multicluster", ""))
            .replace("TOWER", Release::find(version).unwrap().tower_tag)
            .replace("GATEWAY", if version == "3.3.2" { "v1.1.0" } else { "v1.3.1" })
    }

    #[rstest]
    #[case("none-default", role("none"))]
    #[case("host-default", role("host"))]
    #[case("host-name", json!({"multicluster": {"clusterRole": "host", "hostClusterName": "my-host.cluster1"}}))]
    #[case("host-default", json!({"multicluster": {"clusterRole": "host", "hostClusterName": ""}}))]
    #[case("host-proxy-resync", json!({"multicluster": {
        "clusterRole": "host", "proxyPublishAddress": "http://192.0.2.10:8080", "clusterControllerResyncPeriod": "30s",
    }}))]
    #[case("host-ippool-calico", json!({
        "multicluster": {"clusterRole": "host"},
        "network": {"networkpolicy": {"enabled": true}, "ippool": {"type": "calico"}},
    }))]
    #[case("member-default", role("member"))]
    #[case("member-default", json!({"multicluster": {"clusterRole": "member", "hostClusterName": "my-host"}}))]
    #[case("member-oauth-options", json!({
        "multicluster": {"clusterRole": "member"},
        "authentication": {"oauthOptions": {"accessTokenMaxAge": "1h", "accessTokenInactivityTimeout": "30m"}},
    }))]
    #[case("role-unknown", role("hsot"))]
    #[case("role-uppercase", role("Host"))]
    fn renders_what_was_observed(#[case] case: &str, #[case] spec: Value, #[values("3.3.2", "3.4.1")] version: &str) {
        assert_eq!(render(version, SECRET, &spec).unwrap(), expected(case, version));
    }

    #[rstest]
    #[case("secret-empty", "", role("none"))]
    #[case("secret-with-quote", "a\"b", role("member"))]
    #[case("secret-numeric", "12345678901234567890123456789012", role("member"))]
    fn copies_the_secret_between_quotes(#[case] case: &str, #[case] secret: &str, #[case] spec: Value) {
        assert_eq!(render("3.3.2", secret, &spec).unwrap(), expected(case, "3.3.2"));
    }

    #[rstest]
    #[case(json!({}), "'multicluster' is undefined")]
    #[case(json!({"multicluster": {}}), "'dict object' has no attribute 'clusterRole'")]
    #[case(json!({"multicluster": null}), "'None' has no attribute 'clusterRole'")]
    fn fails_without_a_role(#[case] spec: Value, #[case] text: &str) {
        assert_eq!(render("3.3.2", SECRET, &spec).unwrap_err(), Undefined(text.to_owned()));
    }

    #[rstest]
    #[case("host", true, false)]
    #[case("member", false, true)]
    #[case("none", false, false)]
    fn leaves_the_block_to_hosts_before_3_3(#[case] name: &str, #[case] block: bool, #[case] max_age: bool) {
        let text = render("3.2.1", SECRET, &role(name)).unwrap();
        assert_eq!(text.contains("multicluster:\n  enable: true\n"), block, "{text}");
        assert_eq!(text.contains("accessTokenMaxAge: 0"), max_age, "{text}");
        assert!(!text.contains("clusterRole"), "{text}");
    }

    #[test]
    fn ignores_the_role_when_told_to() {
        let text = kubesphere_yaml(&Settings {
            release: Release::find("3.3.2").unwrap(),
            kubernetes_minor: 20,
            spec: role("host").as_object().unwrap(),
            jwt_secret: &JwtSecret::new(SECRET),
            behaviour: Deviation::RoleIgnored.into(),
        });
        assert_eq!(text.unwrap(), expected("none-default", "3.3.2"));
    }
}
