// Creates, reads, replaces, patches and deletes, and what each answers when it cannot.

import { NS, apps, attempt, configMap, core, k8s } from "./_transcript.mjs";

const namespace = NS;
const made = await attempt("create", () => core.createNamespacedConfigMap({ namespace, body: configMap("a", { k: "v" }, { app: "web" }) }));
await attempt("create again", () => core.createNamespacedConfigMap({ namespace, body: configMap("a") }));
await attempt("create with a wrong name", () => core.createNamespacedConfigMap({ namespace, body: configMap("Not Good") }));
await attempt("create where no namespace is", () => core.createNamespacedConfigMap({ namespace: `${NS}-nowhere`, body: configMap("a") }));
await attempt("create for a look", () => core.createNamespacedConfigMap({ namespace, body: configMap("look"), dryRun: "All" }));
await attempt("read", () => core.readNamespacedConfigMap({ namespace, name: "a" }));
await attempt("read what is not there", () => core.readNamespacedConfigMap({ namespace, name: "nope" }));
made.data = { k: "w" };
await attempt("replace", () => core.replaceNamespacedConfigMap({ namespace, name: "a", body: made }));
await attempt("replace a stale one", () => core.replaceNamespacedConfigMap({ namespace, name: "a", body: made }));

const patched = (title, body, strategy, name = "a") =>
  attempt(title, () =>
    core.patchNamespacedConfigMap({ namespace, name, body, fieldManager: "node" }, k8s.setHeaderOptions("Content-Type", strategy)));
await patched("patch by merging", { data: { l: "x" } }, k8s.PatchStrategy.MergePatch);
await patched("patch strategically", { metadata: { labels: { tier: "front" } } }, k8s.PatchStrategy.StrategicMergePatch);
await patched("patch by operations", [{ op: "remove", path: "/data/l" }], k8s.PatchStrategy.JsonPatch);
await patched("patch by wrong operations", [{ op: "remove", path: "/data/none" }], k8s.PatchStrategy.JsonPatch);
await patched("apply", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "b" }, data: { k: "v" } }, k8s.PatchStrategy.ServerSideApply, "b");
await patched("apply another one's", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { k: "mine" } }, k8s.PatchStrategy.ServerSideApply);

const labels = { app: "web" };
const template = { metadata: { labels }, spec: { containers: [{ name: "nginx", image: "nginx:1.19" }] } };
await attempt("create a deployment", () =>
  apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "web" }, spec: { replicas: 0, selector: { matchLabels: labels }, template } } }), (answer) => answer.spec);
await attempt("read its scale", () => apps.readNamespacedDeploymentScale({ namespace, name: "web" }));
await attempt("create a wrong deployment", () =>
  apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "wrong" }, spec: { selector: {}, template } } }));
await attempt("delete", () => core.deleteNamespacedConfigMap({ namespace, name: "a" }));
await attempt("delete again", () => core.deleteNamespacedConfigMap({ namespace, name: "a" }));
await attempt("delete a collection", () => core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: "none=here" }), (answer) => answer.kind ?? answer.items?.length ?? "done");
