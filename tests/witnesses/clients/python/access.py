"""Who may do what, asked in every way."""

import time

from _transcript import NS, API, attempt, client, core, show, step

review = client.AuthorizationV1Api()
rbac = client.RbacAuthorizationV1Api()


def status(answer):
    """The verdict."""
    return answer.status


def rules(answer):
    """The rules, which the original has in the random order of its cache."""
    return {name: sorted(found, key=str) for name, found in API.sanitize_for_serialization(answer.status).items()
            if isinstance(found, list)}


def attributes(verb, resource, **more):
    """A question about a resource."""
    return client.V1ResourceAttributes(namespace=NS, verb=verb, resource=resource, **more)


attempt("what I may", review.create_self_subject_access_review,
        client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes("delete", "pods"))),
        look=status)
attempt("what jane may", review.create_subject_access_review,
        client.V1SubjectAccessReview(spec=client.V1SubjectAccessReviewSpec(user="jane", resource_attributes=attributes("get", "pods"))),
        look=status)
attempt("a question about nobody", review.create_subject_access_review,
        client.V1SubjectAccessReview(spec=client.V1SubjectAccessReviewSpec(resource_attributes=attributes("get", "pods"))))
attempt("a question about nothing", review.create_self_subject_access_review,
        client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec()))
rbac.create_namespaced_role(NS, {"metadata": {"name": "reader"}, "rules": [
    {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"], "verbs": ["get"]}]})
rbac.create_namespaced_role_binding(NS, {
    "metadata": {"name": "readers"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"},
                 {"kind": "ServiceAccount", "name": "default", "namespace": NS}]})


def with_pod(name):
    """May jane have the pod?"""
    return client.V1LocalSubjectAccessReview(metadata=client.V1ObjectMeta(namespace=NS), spec=client.V1SubjectAccessReviewSpec(
        user="jane", resource_attributes=attributes("get", "pods", name=name)))


# A server judges by its cache, which learns of bindings a moment later.
for _ in range(200):
    if review.create_namespaced_local_subject_access_review(NS, with_pod("web")).status.allowed:
        break
    time.sleep(0.1)
for name in ("web", "other"):
    attempt(f"what jane may with {name}", review.create_namespaced_local_subject_access_review, NS, with_pod(name), look=status)
attempt("a local question about elsewhere", review.create_namespaced_local_subject_access_review, NS,
        client.V1LocalSubjectAccessReview(spec=client.V1SubjectAccessReviewSpec(
            user="jane", resource_attributes=client.V1ResourceAttributes(namespace="default", verb="get", resource="pods"))))
attempt("all that I may here", review.create_self_subject_rules_review,
        client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace=NS)), look=rules)
attempt("a role that exists", rbac.create_namespaced_role, NS, {"metadata": {"name": "reader"}, "rules": []})
attempt("a binding to another role", rbac.patch_namespaced_role_binding, "readers", NS, {"roleRef": {"name": "other"}})

jane = client.ApiClient()
jane.default_headers["Impersonate-User"] = "jane"
as_jane = client.CoreV1Api(jane)
attempt("jane reads what she may", as_jane.read_namespaced_pod, "web", NS)
attempt("jane reads what she may not", as_jane.read_namespaced_pod, "other", NS)
attempt("jane lists", as_jane.list_namespaced_pod, NS)
attempt("jane lists nodes", as_jane.list_node)
attempt("jane deletes", as_jane.delete_namespaced_config_map, "a", NS)

step("the token of an account")
account = core.read_namespaced_service_account("default", NS)
secret = core.read_namespaced_secret(account.secrets[0].name, NS)
print(sorted(secret.data), secret.type, secret.metadata.annotations["kubernetes.io/service-account.name"])

import base64  # noqa: E402

token = base64.b64decode(secret.data["token"]).decode()
configuration = client.Configuration.get_default_copy()
configuration.cert_file = configuration.key_file = None
configuration.api_key = {"authorization": "Bearer " + token}
robot = client.CoreV1Api(client.ApiClient(configuration))
attempt("the account reads what it may not", robot.read_namespaced_config_map, "kube-root-ca.crt", NS)
attempt("the account reads what it may", robot.read_namespaced_pod, "web", NS)
attempt("a review of its token", client.AuthenticationV1Api().create_token_review,
        client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token)), look=status)
attempt("a review of nonsense", client.AuthenticationV1Api().create_token_review,
        client.V1TokenReview(spec=client.V1TokenReviewSpec(token="nonsense")), look=status)
configuration.api_key = {"authorization": "Bearer nonsense"}
attempt("nonsense", client.CoreV1Api(client.ApiClient(configuration)).list_namespaced_pod, NS)
configuration.api_key = {}
nobody = client.ApiClient(configuration)
attempt("nobody", client.CoreV1Api(nobody).list_namespaced_pod, NS)
attempt("nobody asks for the version", client.VersionApi(nobody).get_code, look=lambda answer: [answer.major, answer.minor])
attempt("a token by request", core.create_namespaced_service_account_token, "default", NS,
        client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600)),
        look=lambda answer: [bool(answer.status.token), answer.spec.expiration_seconds, answer.spec.audiences])
