//! What leads to pods: Services, Endpoints, Ingresses, policies (pkg/apis/core/validation, pkg/apis/networking,
//! pkg/apis/discovery, Kubernetes 1.20).

use serde_json::Value;

use super::at::{At, Causes};
use super::containers::port as port_or_name;
use super::{go, meta, words};
use crate::status::quoted;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

fn is_headless(spec: &At<'_>) -> bool {
    let addresses: Vec<&str> = spec.child("clusterIPs").items().map(|ip| ip.text()).collect();
    addresses == ["None"]
}

/// What is wrong with a Service.
pub fn service(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let kind = spec.child("type");
    let ports = spec.child("ports");
    let headless = is_headless(&spec);
    if ports.is_empty() && !headless && kind.text() != "ExternalName" {
        causes.push(ports.required(""));
    }
    match kind.text() {
        "LoadBalancer" => {
            for port in ports.items().filter(|port| port.child("port").int() == Some(10250)) {
                let detail = "may not expose port 10250 externally since it is used by kubelet";
                causes.push(port.invalid(10250, detail));
            }
        }
        "ExternalName" => external_name(&spec, causes),
        _ => {}
    }
    if headless && matches!(kind.text(), "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {} services", kind.text());
        causes.extend(spec.child("clusterIPs").items().next().map(|ip| ip.wrong(&detail)));
    }
    let mut names: Vec<&str> = Vec::new();
    for port in ports.items() {
        service_port(&port, ports.len() > 1, &mut names, causes);
    }
    meta::labels(&spec.child("selector"), causes);
    affinity(&spec, causes);
    cluster_ips(&spec, causes);
    for ip in spec.child("externalIPs").items() {
        let faults = words::ip(ip.text());
        let faults = if faults.is_empty() { words::reachable_ip(ip.text()) } else { faults };
        causes.extend(faults.iter().map(|fault| ip.wrong(fault)));
    }
    kind.one_of(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], causes);
    port_numbers(&ports, kind.text(), causes);
    source_ranges(at, kind.text(), causes);
    let policy = spec.child("externalTrafficPolicy");
    if !["", "Cluster", "Local"].contains(&policy.text()) {
        causes.push(policy.wrong("ExternalTrafficPolicy must be empty, Cluster or Local"));
    }
    let health = spec.child("healthCheckNodePort");
    if health.int().is_some_and(|port| port < 0) {
        causes.push(health.wrong("HealthCheckNodePort must be not less than 0"));
    }
    let mut protocols: Vec<&str> = ports.items().map(|port| port.child("protocol").text()).collect();
    protocols.sort_unstable();
    protocols.dedup();
    if kind.text() == "LoadBalancer" && protocols.len() > 1 {
        let detail = "may not contain more than 1 protocol when type is 'LoadBalancer'";
        causes.push(ports.invalid(go_ports(&ports), detail));
    }
}

fn go_ports(ports: &At<'_>) -> String {
    let one = |port: At<'_>| {
        format!(
            "core.ServicePort{{Name:{}, Protocol:{}, AppProtocol:(*string)(nil), Port:{}, TargetPort:{}, NodePort:{}}}",
            quoted(port.child("name").text()),
            quoted(port.child("protocol").text()),
            port.child("port").int().unwrap_or(0),
            go::int_or_string(port.child("targetPort").value()),
            port.child("nodePort").int().unwrap_or(0)
        )
    };
    let all: Vec<String> = ports.items().map(one).collect();
    format!("[]core.ServicePort{{{}}}", all.join(", "))
}

fn external_name(spec: &At<'_>, causes: &mut Causes) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let field = spec.child(field);
        if field.is_set() {
            causes.push(field.forbidden("may not be set for ExternalName services"));
        }
    }
    let name = spec.child("externalName");
    let plain = name.text().strip_suffix('.').unwrap_or(name.text());
    if plain.is_empty() {
        causes.push(name.required(""));
    } else {
        causes.extend(words::subdomain(plain).iter().map(|fault| name.invalid(quoted(plain), fault)));
    }
}

fn service_port<'a>(port: &At<'a>, named: bool, names: &mut Vec<&'a str>, causes: &mut Causes) {
    let name = port.child("name");
    if named && name.text().is_empty() {
        causes.push(name.required(""));
    } else if !name.text().is_empty() {
        name.check(words::label, causes);
        if names.contains(&name.text()) {
            causes.push(name.duplicate(quoted(name.text())));
        } else {
            names.push(name.text());
        }
    }
    let number = port.child("port");
    if !(1..=65535).contains(&number.int().unwrap_or(0)) {
        causes.push(number.invalid(number.int().unwrap_or(0), "must be between 1 and 65535, inclusive"));
    }
    port.child("protocol").one_of(PROTOCOLS, causes);
    port_or_name(&port.child("targetPort"), causes);
    if port.child("appProtocol").is_set() {
        port.child("appProtocol").check(words::qualified_name, causes);
    }
}

fn affinity(spec: &At<'_>, causes: &mut Causes) {
    let kind = spec.child("sessionAffinity");
    kind.one_of(&["ClientIP", "None"], causes);
    let config = spec.child("sessionAffinityConfig");
    match kind.text() {
        "ClientIP" => {
            let seconds = config.down("clientIP.timeoutSeconds");
            if let Some(given) = seconds.int().filter(|given| !(1..=86400).contains(given)) {
                causes.push(seconds.invalid(given, "must be greater than 0 and less than 86400"));
            }
        }
        "None" if config.is_set() => {
            causes.push(config.forbidden("must not be set when session affinity is None"));
        }
        _ => {}
    }
}

fn cluster_ips(spec: &At<'_>, causes: &mut Causes) {
    if spec.child("type").text() == "ExternalName" {
        return;
    }
    let (one, all) = (spec.child("clusterIP").text(), spec.child("clusterIPs"));
    let shown = go::strings(all.value());
    let first = all.items().next().map(|ip| ip.text());
    if one.is_empty() {
        if first.is_some() {
            causes.push(all.invalid(&shown, "must be empty when clusterIP is empty"));
        }
    } else if first.is_none() {
        causes.push(all.required(""));
    } else if first != Some(one) {
        causes.push(all.invalid(&shown, "element [0] must match clusterIP"));
    }
    let families = spec.child("ipFamilies");
    let mut seen: Vec<&str> = Vec::new();
    for family in families.items() {
        if !["IPv4", "IPv6"].contains(&family.text()) {
            causes.push(family.unsupported(&["IPv4", "IPv6"]));
        }
        if seen.contains(&family.text()) {
            causes.push(family.duplicate(quoted(family.text())));
        }
        seen.push(family.text());
    }
    let policy = spec.child("ipFamilyPolicy");
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if policy.is_set() && !policies.contains(&policy.text()) {
        causes.push(policy.unsupported(&policies));
    }
    for (index, ip) in all.items().enumerate() {
        if index == 0 && ip.text() == "None" {
            if all.len() > 1 {
                causes.push(all.invalid(&shown, "'None' must be the first and only value"));
            }
            continue;
        }
        ip.check(words::ip, causes);
    }
    if all.len() > 2 {
        causes.push(all.invalid(&shown, "may only hold up to 2 values"));
    }
}

fn port_numbers(ports: &At<'_>, kind: &str, causes: &mut Causes) {
    if kind == "ClusterIP" {
        for port in ports.items().filter(|port| port.child("nodePort").int().unwrap_or(0) != 0) {
            causes.push(port.child("nodePort").forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
    let mut taken: Vec<(&str, i64)> = Vec::new();
    for port in ports.items() {
        let number = port.child("nodePort");
        let Some(node) = number.int().filter(|node| *node != 0) else { continue };
        let key = (port.child("protocol").text(), node);
        if taken.contains(&key) {
            causes.push(number.duplicate(node));
        }
        taken.push(key);
    }
    let mut known: Vec<(&str, i64)> = Vec::new();
    for port in ports.items() {
        let key = (port.child("protocol").text(), port.child("port").int().unwrap_or(0));
        if known.contains(&key) {
            let shown = format!(
                "core.ServicePort{{Name:\"\", Protocol:{}, AppProtocol:(*string)(nil), Port:{}, TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:0}}",
                quoted(key.0),
                key.1
            );
            causes.push(port.duplicate(shown));
        }
        known.push(key);
    }
}

fn source_ranges(at: &At<'_>, kind: &str, causes: &mut Causes) {
    let ranges = at.down("spec.loadBalancerSourceRanges");
    if ranges.is_empty() {
        return;
    }
    let place = At::new(ranges.value(), "spec.LoadBalancerSourceRanges");
    if kind != "LoadBalancer" {
        causes.push(place.forbidden("may only be used when `type` is 'LoadBalancer'"));
    }
    if ranges.items().any(|range| words::cidr(range.text().trim()).is_none()) {
        let all: Vec<&str> = ranges.items().map(|range| range.text()).collect();
        let detail = "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 ";
        causes.push(place.invalid(quoted(&format!("[{}]", all.join(" "))), detail));
    }
}

/// What of a Service may not change has changed.
pub fn service_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (new, old) = (at.child("spec"), before.child("spec"));
    if [&new, &old].iter().any(|spec| spec.child("type").text() == "ExternalName") {
        return;
    }
    let (ips, old_ips) = (new.child("clusterIPs"), old.child("clusterIPs"));
    let first = |at: &At<'_>| at.items().next().map(|ip| ip.text().to_owned());
    let (shown, place) = (go::strings(ips.value()), At::new(&Value::Null, format!("{}[0]", ips.path())));
    if first(&old_ips).is_some() && first(&ips).is_none() {
        causes.push(place.invalid(&shown, "primary clusterIP can not be unset"));
    } else if first(&old_ips).is_some() && first(&ips) != first(&old_ips) {
        causes.push(place.invalid(&shown, "may not change once set"));
    }
}

/// What is wrong with Endpoints.
pub fn endpoints(at: &At<'_>, causes: &mut Causes) {
    for subset in at.child("subsets").items() {
        if subset.child("addresses").is_empty() && subset.child("notReadyAddresses").is_empty() {
            causes.push(subset.required("must specify `addresses` or `notReadyAddresses`"));
        }
        for key in ["addresses", "notReadyAddresses"] {
            for address in subset.child(key).items() {
                address.child("ip").check(words::ip, causes);
                address.child("hostname").check_given(words::label, causes);
                if address.child("nodeName").is_set() {
                    address.child("nodeName").check(words::subdomain, causes);
                }
                address.child("ip").check(words::reachable_ip, causes);
            }
        }
        let ports = subset.child("ports");
        for port in ports.items() {
            let (name, number) = (port.child("name"), port.child("port"));
            if ports.len() > 1 && name.text().is_empty() {
                causes.push(name.required(""));
            } else {
                name.check_given(words::label, causes);
            }
            if !(1..=65535).contains(&number.int().unwrap_or(0)) {
                causes.push(number.invalid(number.int().unwrap_or(0), "must be between 1 and 65535, inclusive"));
            }
            port.child("protocol").one_of(PROTOCOLS, causes);
            if port.child("appProtocol").is_set() {
                port.child("appProtocol").check(words::qualified_name, causes);
            }
        }
    }
}

/// What is wrong with an `EndpointSlice`.
pub fn endpoint_slice(at: &At<'_>, causes: &mut Causes) {
    let kind = at.child("addressType");
    kind.one_of(&["FQDN", "IPv4", "IPv6"], causes);
    for endpoint in at.child("endpoints").items() {
        let addresses = endpoint.child("addresses");
        if addresses.is_empty() {
            causes.push(addresses.required("must contain at least 1 address"));
        }
        for address in addresses.items() {
            let parsed = address.text().parse::<std::net::IpAddr>();
            match (kind.text(), parsed) {
                ("IPv4", Ok(std::net::IpAddr::V4(_))) | ("IPv6", Ok(std::net::IpAddr::V6(_))) => {}
                ("IPv4" | "IPv6", _) => causes.push(address.wrong(&format!("must be a valid {} address", kind.text()))),
                ("FQDN", _) => domain_name(&address, causes),
                _ => {}
            }
        }
        if endpoint.child("nodeName").is_set() {
            endpoint.child("nodeName").check(words::subdomain, causes);
        }
        meta::labels(&endpoint.child("topology"), causes);
        if endpoint.child("hostname").is_set() {
            endpoint.child("hostname").check(words::label, causes);
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for port in at.child("ports").items() {
        let name = port.child("name");
        name.check_given(words::label, causes);
        if names.contains(&name.text()) {
            causes.push(name.duplicate(quoted(name.text())));
        } else {
            names.push(name.text());
        }
        port.child("protocol").one_of(PROTOCOLS, causes);
        if port.child("appProtocol").is_set() {
            port.child("appProtocol").check(words::qualified_name, causes);
        }
    }
}

fn domain_name(at: &At<'_>, causes: &mut Causes) {
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    if name.is_empty() {
        causes.push(at.required(""));
        return;
    }
    let faults = words::subdomain(name);
    if !faults.is_empty() {
        causes.push(at.invalid(quoted(name), &faults.join(",")));
    } else if !name.contains('.') {
        causes.push(at.invalid(quoted(name), "should be a domain with at least two segments separated by dots"));
    }
}

/// What is wrong with a policy for networks.
pub fn network_policy(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    meta::selector(&spec.child("podSelector"), causes);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.child(direction).items() {
            for port in rule.child("ports").items() {
                let protocol = port.child("protocol");
                if protocol.is_set() && !PROTOCOLS.contains(&protocol.text()) {
                    causes.push(protocol.unsupported(&["TCP", "UDP", "SCTP"]));
                }
                if port.child("port").is_set() {
                    port_or_name(&port.child("port"), causes);
                }
            }
            rule.child(peers).items().for_each(|peer| network_peer(&peer, causes));
        }
    }
    let types = spec.child("policyTypes");
    if types.len() > 2 {
        let shown = go::list("networking.PolicyType", types.value());
        causes.push(types.invalid(shown, "may not specify more than two policyTypes"));
        return;
    }
    for kind in types.items().filter(|kind| !["Ingress", "Egress"].contains(&kind.text())) {
        causes.push(kind.unsupported(&["Ingress", "Egress"]));
    }
}

fn network_peer(at: &At<'_>, causes: &mut Causes) {
    let selectors = ["podSelector", "namespaceSelector"].map(|kind| at.child(kind));
    let block = at.child("ipBlock");
    selectors.iter().filter(|selector| selector.is_set()).for_each(|selector| meta::selector(selector, causes));
    let selected = selectors.iter().any(At::is_set);
    if block.is_set() {
        address_block(&block, causes);
    }
    if !selected && !block.is_set() {
        causes.push(at.required("must specify a peer"));
    } else if selected && block.is_set() {
        causes.push(at.forbidden("may not specify both ipBlock and another peer"));
    }
}

fn address_block(at: &At<'_>, causes: &mut Causes) {
    let range = at.child("cidr");
    if range.text().is_empty() {
        causes.push(range.required(""));
        return;
    }
    let Some(outer) = words::cidr(range.text()) else {
        causes.push(range.wrong("not a valid CIDR"));
        return;
    };
    for exception in at.child("except").items() {
        match words::cidr(exception.text()) {
            None => {
                causes.push(exception.wrong("not a valid CIDR"));
                return;
            }
            Some(inner) if !words::is_within(outer, inner) => {
                causes.push(exception.wrong("must be a strict subset of `cidr`"));
            }
            Some(_) => {}
        }
    }
}

/// What is wrong with the status of something that is exposed.
pub fn load_balancer_status(at: &At<'_>, causes: &mut Causes) {
    for ingress in at.down("status.loadBalancer.ingress").items() {
        let (ip, name) = (ingress.child("ip"), ingress.child("hostname"));
        if !ip.text().is_empty() && !words::ip(ip.text()).is_empty() {
            causes.push(ip.wrong("must be a valid IP address"));
        }
        if !name.text().is_empty() {
            name.check(words::subdomain, causes);
            if words::ip(name.text()).is_empty() {
                causes.push(name.wrong("must be a DNS name, not an IP address"));
            }
        }
    }
}
