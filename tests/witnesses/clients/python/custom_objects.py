"""A definition, and objects of it."""

import time

from _transcript import NS, attempt, client, show, step
from kubernetes import watch

GROUP = f"{NS}.example.com"
extensions = client.ApiextensionsV1Api()
custom = client.CustomObjectsApi()
definition = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": f"gadgets.{GROUP}"},
    "spec": {
        "group": GROUP, "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [{
            "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["colour"], "properties": {
                    "colour": {"type": "string", "pattern": "^[a-z]+$"}, "size": {"type": "integer", "default": 1}}},
                "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}},
        }],
    },
}
attempt("define", extensions.create_custom_resource_definition, definition, look=lambda made: made.spec)
for event in watch.Watch().stream(extensions.list_custom_resource_definition, field_selector=f"metadata.name=gadgets.{GROUP}",
                                  timeout_seconds=30):
    conditions = event["object"].status.conditions or []
    if any(condition.type == "Established" and condition.status == "True" for condition in conditions):
        break
for _ in range(100):
    try:
        custom.list_namespaced_custom_object(GROUP, "v1", NS, "gadgets")
        break
    except client.exceptions.ApiException:
        time.sleep(0.1)
attempt("the definition's status", extensions.read_custom_resource_definition, f"gadgets.{GROUP}",
        look=lambda found: [[condition.type, condition.status, condition.reason, condition.message]
                            for condition in found.status.conditions])


def gadget(name, spec):
    """An object of the kind."""
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec}


here = (GROUP, "v1", NS, "gadgets")
attempt("create", custom.create_namespaced_custom_object, *here, gadget("a", {"colour": "blue", "unknown": 1}))
attempt("create again", custom.create_namespaced_custom_object, *here, gadget("a", {"colour": "blue"}))
# One mistake at a time: several are told in the order of a Go map.
attempt("create a wrong one", custom.create_namespaced_custom_object, *here, gadget("b", {"colour": "BLUE"}))
attempt("create another wrong one", custom.create_namespaced_custom_object, *here, gadget("b", {"colour": "blue", "size": "big"}))
attempt("create an empty one", custom.create_namespaced_custom_object, *here, gadget("b", {}))
attempt("read", custom.get_namespaced_custom_object, *here, "a")
attempt("patch", custom.patch_namespaced_custom_object, *here, "a", {"spec": {"size": 5}})
attempt("patch the status", custom.patch_namespaced_custom_object_status, *here, "a", {"status": {"phase": "Good"}, "spec": {"size": 9}})
attempt("replace without a version", custom.replace_namespaced_custom_object, *here, "a", gadget("a", {"colour": "red"}))
attempt("list", custom.list_namespaced_custom_object, *here)
attempt("list everywhere", custom.list_cluster_custom_object, GROUP, "v1", "gadgets")
attempt("delete", custom.delete_namespaced_custom_object, *here, "a")
attempt("delete again", custom.delete_namespaced_custom_object, *here, "a")
attempt("a kind that is not there", custom.list_namespaced_custom_object, GROUP, "v1", NS, "widgets")
attempt("a version that is not there", custom.list_namespaced_custom_object, GROUP, "v2", NS, "gadgets")
attempt("undefine", extensions.delete_custom_resource_definition, f"gadgets.{GROUP}",
        look=lambda answer: type(answer).__name__)
step("afterwards")
show("done")
