// A definition and objects of it, and the client that takes any object.

import { NS, attempt, config, k8s } from "./_transcript.mjs";

const group = `${NS}.example.com`;
const namespace = NS;
const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const name = `gadgets.${group}`;
const schema = { type: "object", properties: { spec: { type: "object", required: ["colour"], properties: { colour: { type: "string" }, size: { type: "integer", default: 1 } } } } };
await attempt("define", () =>
  extensions.createCustomResourceDefinition({
    body: {
      metadata: { name },
      spec: {
        group, scope: "Namespaced", names: { plural: "gadgets", singular: "gadget", kind: "Gadget" },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    },
  }), (answer) => answer.spec);
const here = { group, version: "v1", namespace, plural: "gadgets" };
for (let tries = 0; tries < 100; tries += 1) {
  try {
    await custom.listNamespacedCustomObject(here);
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const gadget = (gadgetName, spec) => ({ apiVersion: `${group}/v1`, kind: "Gadget", metadata: { name: gadgetName }, spec });
await attempt("create", () => custom.createNamespacedCustomObject({ ...here, body: gadget("a", { colour: "blue", unknown: 1 }) }));
// One mistake at a time: several are told in the order of a Go map.
await attempt("create a wrong one", () => custom.createNamespacedCustomObject({ ...here, body: gadget("b", { colour: "blue", size: "big" }) }));
await attempt("create an empty one", () => custom.createNamespacedCustomObject({ ...here, body: gadget("b", {}) }));
await attempt("read", () => custom.getNamespacedCustomObject({ ...here, name: "a" }));
await attempt("list", () => custom.listNamespacedCustomObject(here));
await attempt("read what is not there", () => custom.getNamespacedCustomObject({ ...here, name: "nope" }));

const any = k8s.KubernetesObjectApi.makeApiClient(config);
await attempt("any object: create", () => any.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "any", namespace }, data: { k: "v" } }));
await attempt("any object: read", () => any.read({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "any", namespace } }));
await attempt("any object: patch", () => any.patch({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "any", namespace }, data: { l: "x" } }));
await attempt("any object: of a kind that is none", () => any.create({ apiVersion: "v1", kind: "Widget", metadata: { name: "any", namespace } }));
await attempt("any object: delete", () => any.delete({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "any", namespace } }));
await attempt("undefine", () => extensions.deleteCustomResourceDefinition({ name }), (answer) => answer.kind);
