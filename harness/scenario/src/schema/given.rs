//! What a cluster holds before the first step.

use serde_json::{Value, json};

use super::words;
use crate::known::Known;
use crate::parse::tables;

/// One cluster.
pub fn cluster(known: &Known<'_>) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "kubesphere": {"description": "Whether KubeSphere is there.", "enum": words(&tables::PRESENCE), "default": "absent"},
            "release": {"description": "Its release, where that is not the cell's.", "enum": known.releases},
            "kubekey": {"description": "The version of ./kk, where that is not its release's.", "enum": known.kubekeys},
            "clusterRole": {"description": "Its multicluster.clusterRole.", "enum": tables::ROLES, "default": "none"},
            "hostClusterName": {"description": "Its multicluster.hostClusterName; not set when absent.", "$ref": "#/$defs/scalar"},
            "jwtSecret": {
                "description": "Its own jwtSecret, or the host's.",
                "enum": words(&tables::SECRETS),
                "default": "generated",
            },
            "nodes": {"description": "Number of nodes.", "type": "integer", "minimum": 1, "maximum": tables::MOST_NODES, "default": 1},
            "syncFrequency": {
                "description": "How soon kubelets bring a changed ConfigMap to their pods; default is a minute.",
                "enum": words(&tables::FREQUENCIES),
                "default": "short",
            },
        },
        // The others are about KubeSphere.
        "if": {"required": ["kubesphere"], "properties": {"kubesphere": {"const": "installed"}}},
        "else": {"properties": {"clusterRole": false, "hostClusterName": false, "jwtSecret": false}},
    })
}
