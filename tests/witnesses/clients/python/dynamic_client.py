"""The client that learns what there is from the server."""

from _transcript import API, NS, attempt, show, step
from kubernetes import dynamic

learned = dynamic.DynamicClient(API)
step("what it learned")
for api_version, kind in [("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("v1", "Namespace"),
                          ("rbac.authorization.k8s.io/v1", "Role"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition")]:
    resource = learned.resources.get(api_version=api_version, kind=kind)
    print(resource.group_version, resource.name, resource.singular_name, resource.namespaced, sorted(resource.verbs),
          sorted(resource.short_names or []), sorted(resource.categories or []), sorted(resource.subresources))
step("what it does not find")
try:
    learned.resources.get(api_version="v1", kind="Gadget")
except Exception as error:
    print(type(error).__name__, error)

maps = learned.resources.get(api_version="v1", kind="ConfigMap")


def plain(answer):
    """What it answered."""
    return answer.to_dict()


def tried(title, call, *args, **kwargs):
    """As `attempt`, for the errors of this client."""
    try:
        attempt(title, call, *args, look=plain, **kwargs)
    except dynamic.exceptions.DynamicApiError as error:
        show(str(error))


tried("create", maps.create, body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}}, namespace=NS)
tried("create again", maps.create, body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}, namespace=NS)
tried("patch", maps.patch, body={"metadata": {"name": "a"}, "data": {"k": "w"}}, namespace=NS, content_type="application/merge-patch+json")
tried("apply", maps.server_side_apply, body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "b"}, "data": {"k": "w"}},
      name="b", namespace=NS, field_manager="dynamic")
tried("get", maps.get, name="a", namespace=NS)
tried("get what is not there", maps.get, name="nope", namespace=NS)
step("list")
print([item.metadata.name for item in maps.get(namespace=NS).items])
step("watch")
# A watch from the beginning has no order (kubernetes v1.20, `watch_cache.go`, a map).
print("\n".join(sorted(event["type"] + " " + event["object"].metadata.name for event in maps.watch(namespace=NS, timeout=1))))
tried("delete", maps.delete, name="a", namespace=NS)
