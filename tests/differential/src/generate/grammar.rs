//! What the generated objects look like: a few kinds that between them have every way in which patches and applied
//! configurations merge.

use self::Shape::{Atomic, Fixed, Flag, List, Map, Number, Object, Text, Texts};

/// What a value may be.
#[derive(Debug)]
pub enum Shape {
    /// One of these texts.
    Text(&'static [&'static str]),
    /// One of these numbers.
    Number(&'static [i64]),
    /// True or false.
    Flag,
    /// Texts by key.
    Map {
        /// The keys.
        keys: &'static [&'static str],
        /// The values.
        values: &'static [&'static str],
    },
    /// Always this map.
    Fixed(&'static str, &'static str),
    /// A list of different texts.
    Texts {
        /// The texts.
        values: &'static [&'static str],
        /// Strategic merge patches merge it.
        merged: bool,
    },
    /// An object of these fields.
    Object(&'static [Field]),
    /// Objects that their first field tells apart.
    List(&'static [Field]),
    /// Objects that nothing tells apart.
    Atomic(&'static [Field]),
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub shape: Shape,
    /// It has to be there.
    pub needed: bool,
}

/// A kind of objects.
#[derive(Debug)]
pub struct Kind {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub name: &'static str,
    /// What defines it, where it is not built in.
    pub definition: Option<&'static str>,
    /// Where its objects are.
    pub path: &'static str,
    /// Its fields beside `apiVersion` and `kind`; the name is added to `metadata`.
    pub fields: &'static [Field],
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, needed: false }
}

const fn needed(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, needed: true }
}

const METADATA: Field = needed(
    "metadata",
    Object(&[
        field("labels", Map { keys: &["l", "m", "n"], values: &["1", "2", ""] }),
        field("annotations", Map { keys: &["example.com/x", "y"], values: &["u", "v"] }),
        field("finalizers", Texts { values: &["example.com/f", "example.com/g", "example.com/h"], merged: true }),
        field(
            "ownerReferences",
            List(&[
                needed("uid", Text(&["u1", "u2"])),
                needed("apiVersion", Text(&["v1"])),
                needed("kind", Text(&["ConfigMap", "Secret"])),
                needed("name", Text(&["o", "p"])),
                field("blockOwnerDeletion", Flag),
            ]),
        ),
    ]),
);

const CONTAINER: &[Field] = &[
    needed("name", Text(&["c", "d", "e"])),
    needed("image", Text(&["i:1", "i:2", "j"])),
    field("args", Texts { values: &["--a", "--b", "--c"], merged: false }),
    field("env", List(&[needed("name", Text(&["A", "B", "C"])), field("value", Text(&["1", "2", ""]))])),
    field(
        "ports",
        List(&[
            needed("containerPort", Number(&[80, 81, 53])),
            field("protocol", Text(&["TCP", "UDP"])),
            field("hostIP", Text(&["127.0.0.1"])),
        ]),
    ),
    field(
        "resources",
        Object(&[
            field("limits", Map { keys: &["cpu", "memory"], values: &["1", "2000m", "1Gi"] }),
            field("requests", Map { keys: &["cpu"], values: &["100m", "0.1"] }),
        ]),
    ),
    field(
        "volumeMounts",
        List(&[needed("mountPath", Text(&["/a", "/b"])), needed("name", Text(&["v"])), field("readOnly", Flag)]),
    ),
    field(
        "securityContext",
        Object(&[
            field("privileged", Flag),
            field("capabilities", Object(&[field("add", Texts { values: &["NET_ADMIN", "SYS_TIME"], merged: false })])),
        ]),
    ),
];

const POD: &[Field] = &[
    needed("containers", List(CONTAINER)),
    needed(
        "volumes",
        List(&[
            needed("name", Text(&["v", "w"])),
            needed("emptyDir", Object(&[field("sizeLimit", Text(&["1Gi", "1024Mi"]))])),
        ]),
    ),
    field("initContainers", List(CONTAINER)),
    field("imagePullSecrets", List(&[needed("name", Text(&["s", "t", "u"]))])),
    field(
        "hostAliases",
        List(&[
            needed("ip", Text(&["127.0.0.1", "127.0.0.2"])),
            field("hostnames", Texts { values: &["a", "b"], merged: false }),
        ]),
    ),
    field("nodeSelector", Map { keys: &["a", "b"], values: &["x", "y"] }),
    field(
        "tolerations",
        Atomic(&[
            field("key", Text(&["k", "l"])),
            needed("operator", Text(&["Exists"])),
            field("effect", Text(&["NoSchedule"])),
        ]),
    ),
    field("terminationGracePeriodSeconds", Number(&[0, 5, 30])),
    field("hostNetwork", Flag),
    field("serviceAccountName", Text(&["default", "other"])),
    field(
        "topologySpreadConstraints",
        List(&[
            needed("topologyKey", Text(&["zone", "host"])),
            needed("maxSkew", Number(&[1, 2])),
            needed("whenUnsatisfiable", Text(&["DoNotSchedule", "ScheduleAnyway"])),
        ]),
    ),
    field("securityContext", Object(&[field("runAsUser", Number(&[0, 1000])), field("runAsNonRoot", Flag)])),
];

const TEMPLATE: Field = needed(
    "template",
    Object(&[needed("metadata", Object(&[needed("labels", Fixed("app", "a"))])), needed("spec", Object(POD))]),
);
const SELECTOR: Field = needed("selector", Object(&[needed("matchLabels", Fixed("app", "a"))]));

/// The kinds.
pub const KINDS: &[Kind] = &[
    Kind {
        api_version: "apps/v1",
        name: "Deployment",
        definition: None,
        path: "/apis/apps/v1/namespaces/${ns}/deployments",
        fields: &[
            METADATA,
            needed(
                "spec",
                Object(&[
                    SELECTOR,
                    TEMPLATE,
                    field("replicas", Number(&[0, 1, 3])),
                    field("paused", Flag),
                    field("minReadySeconds", Number(&[0, 4])),
                    field(
                        "strategy",
                        Object(&[
                            field("type", Text(&["RollingUpdate", "Recreate"])),
                            field("rollingUpdate", Object(&[field("maxSurge", Number(&[1, 2]))])),
                        ]),
                    ),
                ]),
            ),
        ],
    },
    Kind {
        api_version: "apps/v1",
        name: "DaemonSet",
        definition: None,
        path: "/apis/apps/v1/namespaces/${ns}/daemonsets",
        fields: &[METADATA, needed("spec", Object(&[SELECTOR, TEMPLATE, field("minReadySeconds", Number(&[0, 7]))]))],
    },
    Kind {
        api_version: "v1",
        name: "Service",
        definition: None,
        path: "/api/v1/namespaces/${ns}/services",
        fields: &[
            METADATA,
            needed(
                "spec",
                Object(&[
                    needed("clusterIP", Text(&["None"])),
                    needed(
                        "ports",
                        List(&[
                            needed("port", Number(&[80, 443, 53])),
                            needed("name", Text(&["a", "b", "c"])),
                            field("protocol", Text(&["TCP", "UDP"])),
                            field("targetPort", Text(&["web", "dns"])),
                        ]),
                    ),
                    field("selector", Map { keys: &["app", "tier"], values: &["a", "b"] }),
                    field("sessionAffinity", Text(&["None", "ClientIP"])),
                    field("publishNotReadyAddresses", Flag),
                    field("externalIPs", Texts { values: &["1.2.3.4", "1.2.3.5"], merged: false }),
                ]),
            ),
        ],
    },
    Kind {
        api_version: "v1",
        name: "ServiceAccount",
        definition: None,
        path: "/api/v1/namespaces/${ns}/serviceaccounts",
        fields: &[
            METADATA,
            field("secrets", List(&[needed("name", Text(&["a", "b", "c"])), field("namespace", Text(&["x"]))])),
            field("imagePullSecrets", List(&[needed("name", Text(&["a", "b"]))])),
            field("automountServiceAccountToken", Flag),
        ],
    },
    Kind {
        api_version: "v1",
        name: "ConfigMap",
        definition: None,
        path: "/api/v1/namespaces/${ns}/configmaps",
        fields: &[
            METADATA,
            field("data", Map { keys: &["a", "b", "c"], values: &["1", "2", ""] }),
            field("immutable", Flag),
        ],
    },
    Kind {
        api_version: "rbac.authorization.k8s.io/v1",
        name: "Role",
        definition: None,
        path: "/apis/rbac.authorization.k8s.io/v1/namespaces/${ns}/roles",
        fields: &[
            METADATA,
            field(
                "rules",
                Atomic(&[
                    needed("verbs", Texts { values: &["get", "list"], merged: false }),
                    needed("apiGroups", Texts { values: &["", "apps"], merged: false }),
                    needed("resources", Texts { values: &["pods", "secrets"], merged: false }),
                ]),
            ),
        ],
    },
    Kind {
        api_version: "${ns}.example.com/v1",
        name: "Thing",
        definition: Some(THINGS),
        path: "/apis/${ns}.example.com/v1/namespaces/${ns}/things",
        fields: &[
            METADATA,
            field(
                "spec",
                Object(&[
                    field("replicas", Number(&[0, 1, 2])),
                    field("name", Text(&["a", "b", ""])),
                    field("map", Map { keys: &["a", "b"], values: &["1", "2"] }),
                    field("atomic", Map { keys: &["a", "b"], values: &["1", "2"] }),
                    field("plain", Texts { values: &["p", "q"], merged: false }),
                    field("set", Texts { values: &["s", "t", "u"], merged: true }),
                    field(
                        "ports",
                        List(&[
                            needed("port", Number(&[80, 443])),
                            field("protocol", Text(&["TCP", "UDP"])),
                            field("name", Text(&["a", "b"])),
                        ]),
                    ),
                    field(
                        "free",
                        Object(&[field("x", Number(&[1])), field("y", Texts { values: &["1"], merged: false })]),
                    ),
                ]),
            ),
        ],
    },
];

/// A definition whose objects have every way in which applied configurations merge. Nulls are allowed, because the
/// original tells about several of them in the order of a map of Go.
const THINGS: &str = r#"{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "things.${ns}.example.com"},
  "spec": {
    "group": "${ns}.example.com", "scope": "Namespaced",
    "names": {"plural": "things", "kind": "Thing"},
    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
      "type": "object", "properties": {"spec": {"type": "object", "nullable": true, "properties": {
        "replicas": {"type": "integer", "nullable": true},
        "name": {"type": "string", "nullable": true, "default": "d"},
        "map": {"type": "object", "nullable": true, "additionalProperties": {"type": "string", "nullable": true}},
        "atomic": {"type": "object", "nullable": true, "x-kubernetes-map-type": "atomic",
          "additionalProperties": {"type": "string", "nullable": true}},
        "plain": {"type": "array", "nullable": true, "items": {"type": "string"}},
        "set": {"type": "array", "nullable": true, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ports": {"type": "array", "nullable": true, "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["port", "protocol"], "items": {"type": "object", "required": ["port"],
            "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
              "name": {"type": "string", "nullable": true}}}},
        "free": {"type": "object", "nullable": true, "x-kubernetes-preserve-unknown-fields": true}
      }}}
    }}}]
  }
}"#;
