"""The files in deploy/: what Kubernetes takes, and what refers to what."""

import pathlib
import shlex

import pytest
import yaml

from vqzoo import frame
from vqzoo.encode import __main__ as command

DEPLOY = pathlib.Path(__file__).parents[1] / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
pytestmark = pytest.mark.once


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_kubernetes_takes_the_file(path):
    validation = pytest.importorskip("kubernetes_validate")
    for document in documents(path):
        if document["apiVersion"].split("/")[0] in CUSTOM:
            continue
        validation.validate(document, validation.latest_version(), strict=True)


# Kinds that others define; their own tests look at them.
CUSTOM = {"jobset.x-k8s.io", "kubeflow.org"}


def test_a_field_that_there_is_not_is_refused():
    validation = pytest.importorskip("kubernetes_validate")
    (deployment,) = (
        document
        for document in documents(DEPLOY / "kubernetes" / "serving.yaml")
        if document["kind"] == "Deployment"
    )
    deployment["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(validation.ValidationError, match="redinessProbe"):
        validation.validate(deployment, validation.latest_version(), strict=True)


def test_services_and_scaling_refer_to_what_is_there():
    for path in (
        DEPLOY / "kubernetes" / name for name in ("flink.yaml", "serving.yaml")
    ):
        found = documents(path)
        pods = [
            document["spec"]["template"]
            for document in found
            if document["kind"] in ("Deployment", "Job")
        ]
        labels = [pod["metadata"]["labels"] for pod in pods]
        names = {(document["kind"], document["metadata"]["name"]) for document in found}
        for document in found:
            spec = document.get("spec", {})
            if document["kind"] == "Service":
                assert any(spec["selector"].items() <= each.items() for each in labels)
            if "scaleTargetRef" in spec:
                target = spec["scaleTargetRef"]
                assert (target["kind"], target["name"]) in names
        for pod in pods:
            for volume in pod["spec"].get("volumes", ()):
                claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                assert not claim or ("PersistentVolumeClaim", claim) in names
                config = volume.get("configMap", {}).get("name")
                assert not config or ("ConfigMap", config) in names


def commands():
    """Arguments of `vqzoo encode` in the files, less those of Beam."""
    compose = yaml.safe_load((DEPLOY / "flink" / "compose.yaml").read_text())
    yield compose["services"]["encode"]["entrypoint"][2:]
    text = (DEPLOY / "flink" / "compose.yaml").read_text().replace("\\\n#", "")
    (line,) = (line for line in text.splitlines() if "--rm encode" in line)
    yield shlex.split(line.partition("--rm encode")[2])
    for document in documents(DEPLOY / "kubernetes" / "flink.yaml"):
        if document["kind"] == "Job":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            yield container["args"]


OF_BEAM = {
    "runner",
    "job_endpoint",
    "artifact_endpoint",
    "environment_type",
    "environment_config",
    "parallelism",
}


def test_the_flags_are_ours_or_beams():
    for arguments in commands():
        flags = [argument.partition("=")[0].lstrip("-") for argument in arguments]
        own = [
            argument for argument, flag in zip(arguments, flags) if flag not in OF_BEAM
        ]
        frame.parse(["vqzoo encode", *own], command.FLAGS)


def test_beam_has_the_flags_that_are_its():
    pytest.importorskip("apache_beam")
    assert {f"--{name}" for name in OF_BEAM} <= command._names_of_beam()


def test_compose_has_two_task_managers_with_a_worker_each():
    services = yaml.safe_load((DEPLOY / "flink" / "compose.yaml").read_text())[
        "services"
    ]
    managers = [name for name in services if name.startswith("taskmanager")]
    networks = [
        service["network_mode"].partition(":")[2]
        for name, service in services.items()
        if name.startswith("worker")
    ]
    assert len(managers) == 2 and sorted(networks) == sorted(managers)
    for service in services.values():
        needed = service.get("depends_on", [])
        assert set(needed) <= set(services)
