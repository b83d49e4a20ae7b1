//! One kubeconfig with a context for each cluster.

use scenario::model::On;
use serde_yaml::{Mapping, Value};

/// The first entries of `kubeconfigs`, named after their clusters; the first cluster's context is the current one.
pub fn merged<'a>(kubeconfigs: impl Iterator<Item = (On, &'a str)>) -> String {
    let mut lists = [("clusters", Vec::new()), ("users", Vec::new()), ("contexts", Vec::new())];
    let mut current = None;
    for (on, text) in kubeconfigs {
        let name = on.to_string();
        let config: Value = serde_yaml::from_str(text).unwrap_or_default();
        let context =
            [("cluster", name.as_str()), ("user", name.as_str())].map(|(key, name)| (key.into(), name.into()));
        for (list, entries) in &mut lists {
            let (key, entry) = match *list {
                "clusters" => ("cluster", config["clusters"][0]["cluster"].clone()),
                "users" => ("user", config["users"][0]["user"].clone()),
                _ => ("context", Value::Mapping(Mapping::from_iter(context.clone()))),
            };
            let entry = [("name".into(), name.as_str().into()), (key.into(), entry)];
            entries.push(Value::Mapping(Mapping::from_iter(entry)));
        }
        current.get_or_insert(name);
    }
    let mut merged = Mapping::from_iter([("apiVersion", "v1"), ("kind", "Config")].map(|(k, v)| (k.into(), v.into())));
    merged.extend(lists.map(|(list, entries)| (list.into(), Value::Sequence(entries))));
    merged.insert("current-context".into(), current.unwrap_or_default().into());
    // Values that were read from YAML can be written as YAML.
    serde_yaml::to_string(&merged).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use providers::access::Access;

    use super::*;

    fn kubeconfig(server: &str) -> String {
        format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{token: t-{server}}}}}]\n"
        )
    }

    #[test]
    fn names_contexts_after_clusters_and_begins_with_the_host() {
        let (host, member) = (kubeconfig("https://a:1"), kubeconfig("https://b:2"));
        let text = merged([(On::Host, host.as_str()), (On::Member, member.as_str())].into_iter());
        let access = Access::of(&text).unwrap();
        assert_eq!((access.server.as_str(), access.token.as_deref()), ("https://a:1", Some("t-https://a:1")));
        let access = Access::of(&text.replace("current-context: host", "current-context: member")).unwrap();
        assert_eq!((access.server.as_str(), access.token.as_deref()), ("https://b:2", Some("t-https://b:2")));
    }
}
