// Pods, what they say, and who may do what.

import { PassThrough } from "node:stream";
import { NS, attempt, config, core, k8s, step } from "./_transcript.mjs";

const namespace = NS;
// As the admission plugin ServiceAccount has it, which envtest's servers run without.
const account = { serviceAccountName: "default", automountServiceAccountToken: false };
const spec = { containers: [{ name: "ticker", image: "ticker" }], ...account };
await attempt("create a pod", () => core.createNamespacedPod({ namespace, body: { metadata: { name: "ticker" }, spec } }), (answer) => answer.spec);
for (let tries = 0; tries < 200; tries += 1) {
  const pod = await core.readNamespacedPod({ namespace, name: "ticker" });
  if (pod.status.phase === "Running") break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
step("follow its log");
await new Promise((resolve) => {
  const stream = new PassThrough();
  const following = new AbortController();
  let text = "";
  // Breaking off is an error of the stream.
  stream.on("error", () => {});
  stream.on("data", (chunk) => {
    text += chunk;
    if (!text.includes("tick 10\n")) return;
    console.log(text.trim());
    resolve(following.abort());
  });
  new k8s.Log(config).log(namespace, "ticker", "ticker", stream, { follow: true }).then((started) => {
    following.signal.addEventListener("abort", () => started.abort());
  });
});
await attempt("its log", () => core.readNamespacedPodLog({ namespace, name: "ticker" }));
await attempt("the end of its log", () => core.readNamespacedPodLog({ namespace, name: "ticker", tailLines: 1 }));
await attempt("the log of nothing", () => core.readNamespacedPodLog({ namespace, name: "nope" }));

const reviews = config.makeApiClient(k8s.AuthorizationV1Api);
const attributes = { namespace, verb: "get", resource: "pods" };
await attempt("what I may", () => reviews.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes: attributes } } }), (answer) => answer.status);
await attempt("what jane may", () => reviews.createSubjectAccessReview({ body: { spec: { user: "jane", resourceAttributes: attributes } } }), (answer) => answer.status);
await attempt("all that I may", () => reviews.createSelfSubjectRulesReview({ body: { spec: { namespace } } }),
  // In the original the rules have the random order of its cache.
  (answer) => [answer.status.nonResourceRules, answer.status.resourceRules].map((rules) => rules.map((rule) => JSON.stringify(rule)).sort()));

const jane = new k8s.KubeConfig();
jane.loadFromDefault();
jane.users[0] = { ...jane.users[0], impersonateUser: "jane" };
await attempt("jane lists", () => jane.makeApiClient(k8s.CoreV1Api).listNamespacedPod({ namespace }), (answer) => answer.items.length);
await attempt("the version", () => config.makeApiClient(k8s.VersionApi).getCode(), (answer) => [answer.major, answer.minor]);
await attempt("delete the pod", () => core.deleteNamespacedPod({ namespace, name: "ticker", gracePeriodSeconds: 0 }), (answer) => answer.metadata.name);
