//! What the server gives to Services: addresses and node ports.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::objects::Place;
use crate::shape::{put_or_remove, refuse};
use crate::status::{Cause, Failure};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

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

/// An update that leaves out what was allocated does not mean to give it up.
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
    let empty = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(str::is_empty);
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return;
    }
    if empty(spec.get("clusterIP")) {
        put_or_remove(spec, "clusterIP", old.pointer("/spec/clusterIP"));
        put_or_remove(spec, "clusterIPs", old.pointer("/spec/clusterIPs"));
    } else {
        let address = spec.get("clusterIP").cloned().unwrap_or_default();
        spec.insert("clusterIPs".to_owned(), Value::from(vec![address]));
    }
    let old_ports: Vec<Value> = old.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if exposed
            && port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0
            && let Some(known) = old_ports.iter().find(|old| old.get("port") == port.get("port"))
            && let Some(number) = known.get("nodePort").cloned()
        {
            port["nodePort"] = number;
        }
    }
}
