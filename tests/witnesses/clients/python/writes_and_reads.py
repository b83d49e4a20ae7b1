"""Creates, reads, replaces and deletes, and what each answers when it cannot."""

from _transcript import NS, apps, attempt, client, config_map, core

made = attempt("create", core.create_namespaced_config_map, NS, config_map("a", {"k": "v"}, {"app": "web"}))
attempt("create again", core.create_namespaced_config_map, NS, config_map("a"))
attempt("create without a name", core.create_namespaced_config_map, NS, config_map(None))
attempt("create with a wrong name", core.create_namespaced_config_map, NS, config_map("Not Good"))
attempt("create where no namespace is", core.create_namespaced_config_map, NS + "-nowhere", config_map("a"))
attempt("create with a generated name", core.create_namespaced_config_map, NS,
        client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="made-")))
attempt("create for a look", core.create_namespaced_config_map, NS, config_map("look"), dry_run="All")
attempt("create with a wrong dry run", core.create_namespaced_config_map, NS, config_map("look"), dry_run="Some")
attempt("read", core.read_namespaced_config_map, "a", NS)
attempt("read pretty", core.read_namespaced_config_map, "a", NS, pretty="true")
attempt("read what is not there", core.read_namespaced_config_map, "nope", NS)
made.data = {"k": "w", "l": "x"}
attempt("replace", core.replace_namespaced_config_map, "a", NS, made)
attempt("replace a stale one", core.replace_namespaced_config_map, "a", NS, made)
made.metadata.resource_version = None
attempt("replace without a version", core.replace_namespaced_config_map, "a", NS, made)
made.metadata.uid = "00000000-0000-0000-0000-000000000000"
attempt("replace another one", core.replace_namespaced_config_map, "a", NS, made)
attempt("replace under another name", core.replace_namespaced_config_map, "b", NS, config_map("a"))
attempt("replace what is not there", core.replace_namespaced_config_map, "nope", NS, config_map("nope"))
attempt("delete with a wrong precondition", core.delete_namespaced_config_map, "a", NS,
        body=client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="0")))
attempt("delete", core.delete_namespaced_config_map, "a", NS)
attempt("delete again", core.delete_namespaced_config_map, "a", NS)
for name in ("one", "two"):
    core.create_namespaced_config_map(NS, config_map(name, labels={"set": "x"}))
attempt("delete a collection", core.delete_collection_namespaced_config_map, NS, label_selector="set=x")

container = client.V1Container(name="nginx", image="nginx:1.19")
labels = {"app": "web"}
template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels),
                                    spec=client.V1PodSpec(containers=[container]))
spec = client.V1DeploymentSpec(replicas=0, selector=client.V1LabelSelector(match_labels=labels), template=template)
deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
attempt("create a deployment", apps.create_namespaced_deployment, NS, deployment,
        look=lambda made: made.spec)
attempt("read its scale", apps.read_namespaced_deployment_scale, "web", NS)
attempt("set its scale", apps.patch_namespaced_deployment_scale, "web", NS, {"spec": {"replicas": 1}})
attempt("set its status", apps.patch_namespaced_deployment_status, "web", NS, {"status": {"replicas": "many"}})
spec.selector.match_labels = {"app": "other"}
attempt("create a deployment that selects others", apps.create_namespaced_deployment, NS,
        client.V1Deployment(metadata=client.V1ObjectMeta(name="other"), spec=spec))
