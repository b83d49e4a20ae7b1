//! Cells of what leads to pods.

use serde_json::Value;

use super::{count, labels, list, or, or_none, text};

/// Addresses of a load balancer, each once.
fn balancers(object: &Value) -> Vec<String> {
    let mut all: Vec<String> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|entry| if text(entry, "/ip").is_empty() { text(entry, "/hostname") } else { text(entry, "/ip") })
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect();
    all.sort();
    all.dedup();
    all
}

pub(super) fn service(object: &Value, age: Value) -> Vec<Value> {
    let kind = text(object, "/spec/type");
    let own: Vec<String> =
        list(object, "/spec/externalIPs").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let external = match kind {
        "LoadBalancer" => or([balancers(object), own].concat().join(","), "<pending>"),
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => or_none(own.join(",")),
    };
    let ports = list(object, "/spec/ports").iter().map(|port| {
        let (number, protocol) = (count(port, "/port"), text(port, "/protocol"));
        match count(port, "/nodePort") {
            0 => format!("{number}/{protocol}"),
            node_port => format!("{number}:{node_port}/{protocol}"),
        }
    });
    vec![
        kind.into(),
        or_none(text(object, "/spec/clusterIP")).into(),
        external.into(),
        or_none(ports.collect::<Vec<_>>().join(",")).into(),
        age,
        labels(object.pointer("/spec/selector")).into(),
    ]
}

/// Up to three of `all`, with the number of others.
fn first_three(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(3);
    all.truncate(3);
    let shown = all.join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

pub(super) fn endpoints(object: &Value) -> String {
    if list(object, "/subsets").is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        let ports = list(subset, "/ports");
        let addresses = || list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            let number = count(port, "/port");
            let with_port =
                |ip: &str| if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") };
            all.extend(addresses().map(with_port));
        }
    }
    first_three(all)
}

pub(super) fn endpoint_slice(object: &Value, age: Value) -> Vec<Value> {
    let port = |port: &Value| match port.get("port").and_then(Value::as_i64) {
        Some(number) => number.to_string(),
        None => port.get("name").and_then(Value::as_str).unwrap_or("*").to_owned(),
    };
    let ports = list(object, "/ports").iter().map(port).collect();
    let addresses = list(object, "/endpoints").iter().flat_map(|endpoint| list(endpoint, "/addresses"));
    let addresses = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
    vec![
        text(object, "/addressType").into(),
        or(first_three(ports), "<unset>").into(),
        or(first_three(addresses), "<unset>").into(),
        age,
    ]
}

pub(super) fn ingress(object: &Value, age: Value) -> Vec<Value> {
    let rules = list(object, "/spec/rules");
    let (mut hosts, mut more) = (Vec::new(), false);
    for rule in rules {
        more |= hosts.len() == 3;
        if !more && !text(rule, "/host").is_empty() {
            hosts.push(text(rule, "/host"));
        }
    }
    let shown = or(hosts.join(","), "*");
    let shown = if more { format!("{shown} + {} more...", rules.len() - 3) } else { shown };
    let ports = if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        or_none(text(object, "/spec/ingressClassName")).into(),
        shown.into(),
        balancers(object).join(",").into(),
        ports.into(),
        age,
    ]
}

pub(super) fn class(object: &Value, age: Value) -> Vec<Value> {
    let parameters = object.pointer("/spec/parameters").map(|parameters| {
        let group = parameters.get("apiGroup").and_then(Value::as_str).map(|group| format!(".{group}"));
        format!("{}{}/{}", text(parameters, "/kind"), group.unwrap_or_default(), text(parameters, "/name"))
    });
    vec![text(object, "/spec/controller").into(), or_none(parameters.unwrap_or_default()).into(), age]
}
