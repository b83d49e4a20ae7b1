"""Patches of every kind, on a deployment and on a ConfigMap, good ones and bad ones."""

from _transcript import API, NS, apps, attempt, client, config_map, core

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

CONFIG_MAP = f"/api/v1/namespaces/{NS}/configmaps/a"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NS}/deployments/web"


def patch(path, media, body, **query):
    """Sends a patch of any media type."""
    answer = API.call_api(path, "PATCH", body=body, header_params={"Content-Type": media, "Accept": "application/json"},
                          query_params=list(query.items()), response_type="object", auth_settings=["BearerToken"])
    return answer[0]


def spec(answer):
    """The part of a deployment that matters."""
    return {"spec": answer["spec"], "annotations": answer["metadata"].get("annotations"),
            "generation": answer["metadata"]["generation"]}


MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def containers(*wanted, **more):
    """A patch of the containers."""
    return {"spec": {"template": {"spec": {"containers": list(wanted), **more}}}}


attempt("merge", patch, CONFIG_MAP, MERGE, {"data": {"k": None, "l": "x"}})
attempt("merge nothing", patch, CONFIG_MAP, MERGE, {})
attempt("merge a list", patch, CONFIG_MAP, MERGE, [])
attempt("merge a wrong type", patch, CONFIG_MAP, MERGE, {"data": {"k": 1}})
attempt("merge another name", patch, CONFIG_MAP, MERGE, {"metadata": {"name": "b"}})
attempt("merge a stale version", patch, CONFIG_MAP, MERGE, {"metadata": {"resourceVersion": "1"}})
attempt("json", patch, CONFIG_MAP, JSON, [{"op": "add", "path": "/data/m", "value": "y"}])
attempt("json that tests", patch, CONFIG_MAP, JSON, [{"op": "test", "path": "/data/m", "value": "z"}])
attempt("json that moves and copies", patch, CONFIG_MAP, JSON, [
    {"op": "move", "from": "/data/m", "path": "/data/n"}, {"op": "copy", "from": "/data/n", "path": "/data/o"}])
attempt("json at no place", patch, CONFIG_MAP, JSON, [{"op": "replace", "path": "/spec/a", "value": 1}])
attempt("json with a wrong operation", patch, CONFIG_MAP, JSON, [{"op": "jump", "path": "/data"}])
attempt("json that is no list", patch, CONFIG_MAP, JSON, {"op": "add"})
attempt("strategic by key", patch, DEPLOYMENT, STRATEGIC, containers({"name": "two", "image": "httpd:2.4"}), look=spec)
attempt("strategic that adds", patch, DEPLOYMENT, STRATEGIC, containers({"name": "three", "image": "httpd:2.4"}), look=spec)
attempt("strategic that deletes", patch, DEPLOYMENT, STRATEGIC, containers({"name": "three", "$patch": "delete"}), look=spec)
attempt("strategic below", patch, DEPLOYMENT, STRATEGIC,
        containers({"name": "one", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 443}]}), look=spec)
attempt("strategic with an order", patch, DEPLOYMENT, STRATEGIC,
        containers(**{"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]}), look=spec)
attempt("strategic that replaces", patch, DEPLOYMENT, STRATEGIC,
        containers({"name": "only", "image": "nginx:1.20"}, {"$patch": "replace"}), look=spec)
attempt("strategic that retains keys", patch, DEPLOYMENT, STRATEGIC,
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, look=spec)
attempt("strategic with a wrong directive", patch, DEPLOYMENT, STRATEGIC, {"$patch": "jump"})
attempt("strategic without a key", patch, DEPLOYMENT, STRATEGIC, containers({"image": "nginx"}))
attempt("strategic of a wrong type", patch, DEPLOYMENT, STRATEGIC, {"spec": {"replicas": "many"}})
attempt("strategic that is not valid", patch, DEPLOYMENT, STRATEGIC, {"spec": {"replicas": -1}})
attempt("a media type that nobody knows", patch, CONFIG_MAP, "application/json", {})
applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"k": "v"}}
attempt("apply", patch, f"/api/v1/namespaces/{NS}/configmaps/b", APPLY, applied, fieldManager="one")
attempt("apply without a manager", patch, f"/api/v1/namespaces/{NS}/configmaps/b", APPLY, applied)
attempt("apply into a conflict", patch, f"/api/v1/namespaces/{NS}/configmaps/b", APPLY,
        {**applied, "data": {"k": "w"}}, fieldManager="two")
attempt("apply with force", patch, f"/api/v1/namespaces/{NS}/configmaps/b", APPLY,
        {**applied, "data": {"k": "w"}}, fieldManager="two", force="true")
attempt("for a look", patch, CONFIG_MAP, MERGE, {"data": {"dry": "run"}}, dryRun="All")
attempt("what is not there", patch, f"/api/v1/namespaces/{NS}/configmaps/nope", MERGE, {})
attempt("the ConfigMap in the end", core.read_namespaced_config_map, "a", NS)
