// Lists in pages, a watch, and an informer that keeps up.

import { NS, attempt, config, configMap, core, k8s, step } from "./_transcript.mjs";

const namespace = NS;
for (let number = 0; number < 5; number += 1) {
  await core.createNamespacedConfigMap({ namespace, body: configMap(`cm-${number}`, { n: `${number}` }, { app: "x" }) });
}
const names = (list) => ({
  names: list.items.map((item) => item.metadata.name),
  remaining: list.metadata.remainingItemCount,
  continues: Boolean(list.metadata._continue),
});
let page = await attempt("first page", () => core.listNamespacedConfigMap({ namespace, limit: 2, labelSelector: "app" }), names);
while (page?.metadata._continue) {
  const token = page.metadata._continue;
  page = await attempt("next page", () => core.listNamespacedConfigMap({ namespace, limit: 2, labelSelector: "app", _continue: token }), names);
}
await attempt("a wrong token", () => core.listNamespacedConfigMap({ namespace, limit: 2, _continue: "nonsense" }));
await attempt("by a wrong selector", () => core.listNamespacedConfigMap({ namespace, labelSelector: "a=b=c" }));
await attempt("by a field", () => core.listNamespacedConfigMap({ namespace, fieldSelector: "metadata.name=cm-3" }), names);

const list = await core.listNamespacedConfigMap({ namespace, labelSelector: "app" });
const path = `/api/v1/namespaces/${NS}/configmaps`;

step("watch");
await new Promise((resolve) => {
  let seen = 0;
  let request;
  const watch = new k8s.Watch(config);
  const query = { labelSelector: "app", resourceVersion: list.metadata.resourceVersion };
  watch
    .watch(path, query, (type, object) => {
      console.log(type, object.metadata.name, JSON.stringify(object.data));
      seen += 1;
      if (seen === 3) request.abort();
    }, () => resolve())
    .then(async (started) => {
      request = started;
      await core.createNamespacedConfigMap({ namespace, body: configMap("new", { n: "7" }, { app: "x" }) });
      await core.replaceNamespacedConfigMap({ namespace, name: "new", body: configMap("new", { n: "8" }, { app: "x" }) });
      await core.deleteNamespacedConfigMap({ namespace, name: "new" });
    });
});

step("an informer");
const events = [];
let stopped = false;
const informer = k8s.makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace, labelSelector: "app" }), "app");
const done = new Promise((resolve) => {
  informer.on("add", (object) => events.push(`added ${object.metadata.name}`));
  informer.on("update", (object) => events.push(`updated ${object.metadata.name} ${object.data.n}`));
  informer.on("delete", (object) => {
    events.push(`deleted ${object.metadata.name}`);
    resolve();
  });
  informer.on("error", (error) => {
    // Stopping it breaks its own request off.
    if (stopped) return;
    events.push(`error ${error}`);
    resolve();
  });
});
await informer.start();
await core.createNamespacedConfigMap({ namespace, body: configMap("fresh", { n: "1" }, { app: "x" }) });
await core.replaceNamespacedConfigMap({ namespace, name: "fresh", body: configMap("fresh", { n: "2" }, { app: "x" }) });
await core.deleteNamespacedConfigMap({ namespace, name: "fresh" });
await done;
stopped = true;
await informer.stop();
console.log(events.join("\n"));
console.log(informer.list(namespace).map((object) => object.metadata.name).sort().join(" "));
