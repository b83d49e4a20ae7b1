"""Patches of every kind, on a deployment and on a ConfigMap, good ones and bad ones."""

from _transcript import NS, apps, attempt, config_map, core

core.create_namespaced_config_map(NS, config_map("a", {"k": "v"}))
apps.create_namespaced_deployment(NS, {
    "metadata": {"name": "web", "annotations": {"note": "first"}},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [
                {"name": "one", "image": "nginx:1.19", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
                {"name": "two", "image": "nginx:1.19"},
            ]},
        },
    },
})


def patched(title, media, body, name="a", **more):
    """Patches the ConfigMap."""
    attempt(title, core.patch_namespaced_config_map, name, NS, body, _content_type=media, **more)


def rolled(title, body):
    """Patches the deployment strategically."""
    attempt(title, apps.patch_namespaced_deployment, "web", NS, body, _content_type=STRATEGIC, look=spec)


def spec(answer):
    """The part of a deployment that no controller changes meanwhile."""
    return answer.spec


MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def containers(*wanted, **more):
    """A patch of the containers."""
    return {"spec": {"template": {"spec": {"containers": list(wanted), **more}}}}


patched("merge", MERGE, {"data": {"k": None, "l": "x"}})
patched("merge nothing", MERGE, {})
patched("merge a list", MERGE, [])
patched("merge a wrong type", MERGE, {"data": {"k": 1}})
patched("merge another name", MERGE, {"metadata": {"name": "b"}})
patched("merge a stale version", MERGE, {"metadata": {"resourceVersion": "1"}})
patched("json", JSON, [{"op": "add", "path": "/data/m", "value": "y"}])
patched("json that tests", JSON, [{"op": "test", "path": "/data/m", "value": "z"}])
patched("json that moves and copies", JSON, [
    {"op": "move", "from": "/data/m", "path": "/data/n"}, {"op": "copy", "from": "/data/n", "path": "/data/o"}])
patched("json at no place", JSON, [{"op": "replace", "path": "/spec/a", "value": 1}])
patched("json with a wrong operation", JSON, [{"op": "jump", "path": "/data"}])
patched("json that is no list", JSON, {"op": "add"})
rolled("strategic by key", containers({"name": "two", "image": "httpd:2.4"}))
rolled("strategic that adds", containers({"name": "three", "image": "httpd:2.4"}))
rolled("strategic that deletes", containers({"name": "three", "$patch": "delete"}))
rolled("strategic below", containers({"name": "one", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 443}]}))
rolled("strategic with an order", containers(**{"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]}))
rolled("strategic that replaces", containers({"name": "only", "image": "nginx:1.20"}, {"$patch": "replace"}))
rolled("strategic that retains keys", {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
rolled("strategic with a wrong directive", {"$patch": "jump"})
rolled("strategic without a key", containers({"image": "nginx"}))
rolled("strategic of a wrong type", {"spec": {"replicas": "many"}})
rolled("strategic that is not valid", {"spec": {"replicas": -1}})
patched("a media type that nobody knows", "application/json", {})
applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"k": "v"}}
patched("apply", APPLY, applied, name="b", field_manager="one")
patched("apply without a manager", APPLY, applied, name="b")
patched("apply into a conflict", APPLY, {**applied, "data": {"k": "w"}}, name="b", field_manager="two")
patched("apply with force", APPLY, {**applied, "data": {"k": "w"}}, name="b", field_manager="two", force=True)
patched("for a look", MERGE, {"data": {"dry": "run"}}, dry_run="All")
patched("what is not there", MERGE, {}, name="nope")
attempt("the ConfigMap in the end", core.read_namespaced_config_map, "a", NS)
