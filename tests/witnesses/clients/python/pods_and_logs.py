"""Pods as they live, and what they say."""

from _transcript import NS, attempt, client, core, step
from kubernetes import watch


# As the admission plugin ServiceAccount has it, which envtest's servers run without.
ACCOUNT = {"serviceAccountName": "default", "automountServiceAccountToken": False}


def pod(name, image, **spec):
    """A pod of one container."""
    return {"metadata": {"name": name, "labels": {"run": name}},
            "spec": {"containers": [{"name": name, "image": image}], **ACCOUNT, **spec}}


attempt("create", core.create_namespaced_pod, NS, pod("ticker", "ticker"), look=lambda made: made.spec)
step("watch until it runs")
for event in watch.Watch().stream(core.list_namespaced_pod, NS, field_selector="metadata.name=ticker", timeout_seconds=45):
    if event["object"].status.phase == "Running":
        print("runs")
        break
step("follow its log")
for line in watch.Watch().stream(core.read_namespaced_pod_log, "ticker", NS):
    print(line)
    if line == "tick 10":
        break
attempt("its log", core.read_namespaced_pod_log, "ticker", NS)
attempt("the end of its log", core.read_namespaced_pod_log, "ticker", NS, tail_lines=2)
attempt("a wrong number of lines", core.read_namespaced_pod_log, "ticker", NS, tail_lines=-1)
attempt("the log of a container that is none", core.read_namespaced_pod_log, "ticker", NS, container="nope")
attempt("the log of a pod that is none", core.read_namespaced_pod_log, "nope", NS)
attempt("a previous log", core.read_namespaced_pod_log, "ticker", NS, previous=True)
attempt("its status", core.read_namespaced_pod_status, "ticker", NS, look=lambda found: found.status)
attempt("create a wrong one", core.create_namespaced_pod, NS, pod("wrong", "", restartPolicy="Sometimes"))
attempt("change its image", core.patch_namespaced_pod, "ticker", NS, {"spec": {"containers": [{"name": "ticker", "image": "nginx:1.20"}]}},
        look=lambda found: found.spec.containers[0].image)
attempt("change its node", core.patch_namespaced_pod, "ticker", NS, {"spec": {"nodeName": "node2"}})
before = core.list_namespaced_pod(NS, field_selector="metadata.name=ticker").metadata.resource_version
attempt("evict it", core.create_namespaced_pod_eviction, "ticker", NS,
        client.V1Eviction(metadata=client.V1ObjectMeta(name="ticker", namespace=NS)))
step("watch until it is gone")
for event in watch.Watch().stream(core.list_namespaced_pod, NS, field_selector="metadata.name=ticker", resource_version=before,
                                  timeout_seconds=45):
    if event["type"] == "DELETED":
        print("gone")
        break
