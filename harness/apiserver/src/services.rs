//! What the server gives to Services: addresses and node ports.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::fields::text;
use crate::objects::Place;
use crate::shape::{put_or_remove, refuse};
use crate::status::{Cause, Failure};

impl Place<'_> {
    /// Gives a Service its addresses and ports.
    ///
    /// # Errors
    /// 422 when the address that it wants is taken.
    pub fn allocate(&self, object: &mut Value) -> Result<(), Failure> {
        let services = self.state.store.list(self.table(), None).objects;
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "ExternalName" {
            return Ok(());
        }
        let taken = |ip: &str| services.iter().any(|(_, service)| text(&service.value, "/spec/clusterIP") == ip);
        let given = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
        let address = match given.as_str() {
            "None" => given,
            "" => {
                let [a, b] = self.state.service_cidr_prefix;
                let fresh =
                    || Ipv4Addr::new(a, b, rand::random_range(0..=255), rand::random_range(1..=254)).to_string();
                // The Service `kubernetes` has the first address even before it is stored.
                let first = Ipv4Addr::new(a, b, 0, 1).to_string();
                std::iter::repeat_with(fresh).find(|ip| *ip != first && !taken(ip)).unwrap_or_default()
            }
            _ if taken(&given) => {
                let cause =
                    Cause::invalid("spec.clusterIP", crate::status::quoted(&given), "provided IP is already allocated");
                return refuse(self.resource, object, &[cause]);
            }
            _ => given,
        };
        spec.insert("clusterIPs".to_owned(), Value::from(vec![address.clone()]));
        spec.insert("clusterIP".to_owned(), Value::from(address));
        self.allocate_ports(object);
        Ok(())
    }

    /// Gives the ports of an exposed Service a port of every node.
    pub fn allocate_ports(&self, object: &mut Value) {
        if !is_exposed(object) {
            return;
        }
        let services = self.state.store.list(self.table(), None).objects;
        let ports = |service: &Value| -> Vec<i64> {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
            ports.filter_map(|port| port.get("nodePort").and_then(Value::as_i64)).collect()
        };
        let mut used: Vec<i64> = services.iter().flat_map(|(_, service)| ports(&service.value)).collect();
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0 {
                let fresh = || rand::random_range(30000_i64..=32767);
                let number = std::iter::repeat_with(fresh).find(|number| !used.contains(number));
                used.extend(number);
                port["nodePort"] = Value::from(number);
            }
        }
    }
}

fn is_exposed(service: &Value) -> bool {
    matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer")
}

/// Fits what was allocated to an update: what its type does not need goes, and one address is the same as a list of it.
pub fn keep_allocation(object: &mut Value, old: &Value) {
    let exposed = is_exposed(object);
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !exposed && is_exposed(old) {
        // What belongs to the type that it was goes with it.
        spec.remove("externalTrafficPolicy");
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
    }
    normalize_addresses(spec, old);
    let given = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default();
    let same = given == text(old, "/spec/clusterIP") && spec.get("clusterIPs") == old.pointer("/spec/clusterIPs");
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") && same {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

/// What a client means that knows of one address only (`NormalizeClusterIPs` of pkg/registry/core/service/strategy.go,
/// Kubernetes 1.20).
fn normalize_addresses(spec: &mut Map<String, Value>, old: &Value) {
    let (one, several) = (text(old, "/spec/clusterIP"), old.pointer("/spec/clusterIPs"));
    let given = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_empty = |list: Option<&Value>| list.and_then(Value::as_array).is_none_or(Vec::is_empty);
    if is_empty(spec.get("clusterIPs")) && given == one {
        put_or_remove(spec, "clusterIPs", several);
    }
    if given != one && spec.get("clusterIPs") == several {
        let list = (!given.is_empty() || one.is_empty()).then(|| Value::from(vec![given]));
        put_or_remove(spec, "clusterIPs", list.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::one_address_that_stays(json!({"clusterIP": "10.0.0.1"}), json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}))]
    #[case::no_address(json!({}), json!({}))]
    #[case::an_address_that_is_cleared(json!({"clusterIPs": ["10.0.0.1"]}), json!({}))]
    #[case::another_address(
        json!({"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.1"]}),
        json!({"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]})
    )]
    #[case::a_type_without_addresses(
        json!({"type": "ExternalName", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}),
        json!({"type": "ExternalName"})
    )]
    fn knows_what_a_client_of_one_address_means(#[case] spec: Value, #[case] expected: Value) {
        let old = json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}});
        let mut object = json!({"spec": spec});
        keep_allocation(&mut object, &old);
        assert_eq!(object["spec"], expected);
    }
}
