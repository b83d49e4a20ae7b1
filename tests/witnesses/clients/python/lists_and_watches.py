"""Lists in pages and by selectors, and watches that see what happens."""

import threading

from _transcript import NS, attempt, client, config_map, core, show, step
from kubernetes import watch

for number in range(7):
    core.create_namespaced_config_map(NS, config_map(f"cm-{number}", {"n": str(number)}, {"parity": str(number % 2), "app": "x"}))


def names(found, order=list):
    """Names of a list, and how it goes on."""
    meta = found.metadata
    return {"names": order(item.metadata.name for item in found.items), "remaining": meta.remaining_item_count,
            "continues": bool(meta._continue), "versioned": bool(meta.resource_version)}


everything = attempt("list", core.list_namespaced_config_map, NS, label_selector="app", look=names)
page = attempt("first page", core.list_namespaced_config_map, NS, limit=3, look=names)
while page.metadata._continue:
    page = attempt("next page", core.list_namespaced_config_map, NS, limit=3, _continue=page.metadata._continue, look=names)
attempt("page of a selection", core.list_namespaced_config_map, NS, limit=2, label_selector="parity=0", look=names)
attempt("a wrong token", core.list_namespaced_config_map, NS, limit=2, _continue="nonsense")
attempt("by labels", core.list_namespaced_config_map, NS, label_selector="parity in (1),app!=y", look=names)
attempt("by a wrong selector", core.list_namespaced_config_map, NS, label_selector="a in b in c")
attempt("by a field", core.list_namespaced_config_map, NS, field_selector="metadata.name=cm-3", look=names)
attempt("by a field that is none", core.list_namespaced_config_map, NS, field_selector="data.n=1")
# What comes from a server's cache has no order (kubernetes v1.20, `watch_cache.go`, a map).
attempt("at any version", core.list_namespaced_config_map, NS, resource_version="0", label_selector="app",
        look=lambda found: names(found, sorted))
attempt("at a version of the future", core.list_namespaced_config_map, NS, resource_version="99999999", timeout_seconds=1)
attempt("at no version", core.list_namespaced_config_map, NS, resource_version="old")
attempt("in all namespaces", core.list_config_map_for_all_namespaces, field_selector=f"metadata.namespace={NS}",
        label_selector="app", look=names)
attempt("where no namespace is", core.list_namespaced_config_map, NS + "-nowhere", look=names)

step("watch")


def change():
    """What the watch sees."""
    core.create_namespaced_config_map(NS, config_map("new", {"n": "7"}, {"app": "x"}))
    core.patch_namespaced_config_map("new", NS, {"data": {"n": "8"}})
    core.patch_namespaced_config_map("new", NS, {"metadata": {"labels": {"app": None}}})
    core.patch_namespaced_config_map("new", NS, {"metadata": {"labels": {"app": "x"}}})
    core.delete_namespaced_config_map("new", NS)


changing = threading.Timer(0.5, change)
changing.start()
seen = watch.Watch().stream(core.list_namespaced_config_map, NS, label_selector="app",
                            resource_version=everything.metadata.resource_version, timeout_seconds=30)
for number, event in enumerate(seen):
    print(event["type"], event["object"].metadata.name, event["object"].data)
    if number == 4:
        break
changing.join()

step("watch from the beginning")
stream = watch.Watch().stream(core.list_namespaced_config_map, NS, label_selector="app", timeout_seconds=1)
print("\n".join(sorted(event["type"] + " " + event["object"].metadata.name for event in stream)))

step("watch that ends by itself")
print(list(watch.Watch().stream(core.list_namespaced_config_map, NS, label_selector="none", timeout_seconds=1)))

step("watch of a version that is too new")
try:
    for event in watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version="99999999", timeout_seconds=1):
        show(event["raw_object"])
except client.exceptions.ApiException as error:
    print(error.status, error.reason)

step("watch of a version that is none")
try:
    for event in watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version="old", timeout_seconds=1):
        show(event["raw_object"])
except client.exceptions.ApiException as error:
    print(error.status, error.reason)
