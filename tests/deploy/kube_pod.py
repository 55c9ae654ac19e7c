#!/usr/bin/python3
"""Prints the pod of deploy/kubernetes/base and its configuration, for `podman play kube`.

    tests/deploy/kube_pod.py IMAGE

What a StatefulSet and kustomize would do is done here; podman makes the volume that is claimed. It
has no grpc probes, so the liveness probe becomes the same call by objpoolctl, and the others go.
"""

import sys

import yaml

from processes import DEPLOY

BASE = DEPLOY / "kubernetes" / "base"


def load(name):
    return list(yaml.safe_load_all((BASE / name).read_text()))


def main(image):
    [generated] = load("kustomization.yaml")[0]["configMapGenerator"]
    [stateful_set] = load("statefulset.yaml")
    spec = stateful_set["spec"]["template"]["spec"]
    [container] = spec["containers"]
    container.update(image=image, imagePullPolicy="Never")
    del container["startupProbe"], container["readinessProbe"]
    del container["ports"]  # without a bridge podman refuses them
    probe = container["livenessProbe"]
    address = f"127.0.0.1:{probe.pop('grpc')['port']}"
    probe["exec"] = {"command": ["/usr/bin/objpoolctl", "probe", "--server", address]}
    [claim] = stateful_set["spec"]["volumeClaimTemplates"]
    name = f"{claim['metadata']['name']}-objpool-0"
    spec["volumes"].append({"name": claim["metadata"]["name"],
                            "persistentVolumeClaim": {"claimName": name}})
    yaml.safe_dump_all([
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generated["name"]},
         "data": {file: (BASE / file).read_text() for file in generated["files"]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "objpool-0"}, "spec": spec},
    ], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
