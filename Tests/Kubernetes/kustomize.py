"""As much of kustomize as Examples/Kubernetes uses: resources, namespace, and JSON patches of one target. Anything else is an error."""

import copy
from pathlib import Path

import yaml

CLUSTER_WIDE = {"Namespace"}


def pointer(value, path):
    """The object that a JSON pointer's last step is in, and that step."""
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value, int(last) if isinstance(value, list) else last


def apply(patch, objects):
    kind, name = patch["target"]["kind"], patch["target"]["name"]
    found = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"the patch of {kind} {name} fits {len(found)} resources"
    for step in yaml.safe_load(patch["patch"]):
        parent, last = pointer(found[0], step["path"])
        if step["op"] == "add":
            assert isinstance(parent, dict) and last not in parent, step
        else:
            assert step["op"] == "replace", step
            parent[last]  # what is replaced has to be there
        parent[last] = step["value"]


def build(folder):
    """The objects of a folder, as `kubectl kustomize` prints them (but for their order)."""
    folder = Path(folder)
    file = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(file) - {"apiVersion", "kind", "namespace", "resources", "patches"}
    assert not unknown, f"{folder}: {unknown} is more than this knows"
    assert (file["apiVersion"], file["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    objects = []
    for name in file["resources"]:
        path = folder / name
        assert path.exists(), f"{folder}: there is no {name}"
        # kustomize reads no files from outside of the folder, only folders that have a kustomization.yaml.
        assert path.is_dir() or ".." not in name, f"{folder}: {name} is a file outside"
        objects += build(path) if path.is_dir() else [item for item in yaml.safe_load_all(path.read_text()) if item]
    for patch in file.get("patches", []):
        apply(patch, objects)
    if namespace := file.get("namespace"):
        for item in objects:
            if item["kind"] not in CLUSTER_WIDE:
                item["metadata"]["namespace"] = namespace
    keys = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(keys) == len(set(keys)), f"{folder}: something is there twice: {keys}"
    return copy.deepcopy(objects)
