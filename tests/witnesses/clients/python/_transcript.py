"""What the scripts share: clients of the sandbox's kubeconfig, and the printing of what they saw."""

import json
import os
import sys

import urllib3
from kubernetes import client, config

NS = os.environ["NS"]

urllib3.disable_warnings()
config.load_kube_config()
API = client.ApiClient()
core = client.CoreV1Api(API)
apps = client.AppsV1Api(API)


def step(title):
    """Begins a step of the transcript."""
    print("==", title, flush=True)


def show(thing):
    """Prints an object as the client understood it, keys sorted."""
    plain = API.sanitize_for_serialization(thing) if not isinstance(thing, str) else thing
    print(plain if isinstance(plain, str) else json.dumps(plain, sort_keys=True, indent=1), flush=True)


def attempt(title, call, *args, look=lambda answer: answer, **kwargs):
    """Makes a call and prints what came of it: the answer, or status, reason and message of the refusal."""
    step(title)
    try:
        answer = call(*args, **kwargs)
    except client.exceptions.ApiException as error:
        print("refused:", error.status, error.reason)
        content = (error.headers or {}).get("Content-Type")
        print("content type:", content)
        try:
            show(json.loads(error.body))
        except (TypeError, ValueError):
            show(str(error.body))
        return None
    except Exception as error:  # what else the client says, it says to its user
        print("failed:", type(error).__name__, str(error).splitlines()[0] if str(error) else "")
        return None
    show(look(answer))
    return answer


def config_map(name, data=None, labels=None):
    """A ConfigMap of the namespace."""
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


def fail(why):
    """Ends the script, since what follows would mean nothing."""
    print("gave up:", why)
    sys.exit(1)
