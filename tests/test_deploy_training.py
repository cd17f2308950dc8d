"""The files in deploy/ that train: their pods, their names, and their command lines."""

import pathlib
import shlex

import pytest
import yaml

from vqzoo import cli, frame
from vqzoo.runs import folder

FOLDER = pathlib.Path(__file__).parents[1] / "deploy" / "kubernetes"
pytestmark = pytest.mark.once
# What the definitions of JobSet 0.10 and of Kubeflow's training operator 1.9 have.
FIELDS = {
    "JobSet": {
        "coordinator",
        "failurePolicy",
        "managedBy",
        "network",
        "replicatedJobs",
        "startupPolicy",
        "successPolicy",
        "suspend",
        "ttlSecondsAfterFinished",
    },
    "TFJob": {
        "enableDynamicWorker",
        "runPolicy",
        "successPolicy",
        "tfReplicaSpecs",
    },
}


def training():
    """Each job, and what Kubernetes itself knows of it: a Job or a Pod."""
    for path in sorted(FOLDER.glob("training_*.yaml")):
        *others, job = yaml.safe_load_all(path.read_text())
        spec, metadata = job["spec"], {"name": "inner"}
        if job["kind"] == "JobSet":
            (inner,) = spec["replicatedJobs"]
            inner = {"apiVersion": "batch/v1", "kind": "Job", **inner["template"]}
        else:
            inner = spec["tfReplicaSpecs"]["Worker"]["template"]
            inner = {"apiVersion": "v1", "kind": "Pod", "spec": inner["spec"]}
        yield job, others, {"metadata": metadata, **inner}


def pod_of(inner):
    return inner["spec"].get("template", inner)["spec"]


def test_kubernetes_takes_what_is_within_the_jobs():
    validation = pytest.importorskip("kubernetes_validate")
    for job, others, inner in training():
        assert set(job["spec"]) <= FIELDS[job["kind"]]
        for document in (*others, inner):
            validation.validate(document, validation.latest_version(), strict=True)


def test_volumes_are_claimed_and_processes_counted_alike():
    for job, others, inner in training():
        claims = {other["metadata"]["name"] for other in others}
        (volume,) = pod_of(inner)["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] in claims
        if job["kind"] == "JobSet":
            (container,) = pod_of(inner)["containers"]
            told = {each["name"]: each.get("value") for each in container["env"]}
            count, jobs = inner["spec"]["completions"], job["spec"]["replicatedJobs"]
            assert told["KERAS_DISTRIBUTION_NUM_PROCESSES"] == str(count)
            assert inner["spec"]["parallelism"] == count
            # How JobSet names the first pod of a job.
            name = job["metadata"]["name"]
            host = f"{name}-{jobs[0]['name']}-0-0.{name}"
            address = told["KERAS_DISTRIBUTION_JOB_ADDRESSES"]
            assert address == f"{host}:{container['ports'][0]['containerPort']}"


def test_the_commands_are_taken_and_look_for_the_state_of_a_run(monkeypatch):
    monkeypatch.setattr(frame, "_do", lambda *_: (0, None))
    monkeypatch.setattr(frame.gc, "collect", lambda: None)  # a second each
    for _, _, inner in training():
        (container,) = pod_of(inner)["containers"]
        assert container["command"] == ["bash", "-c"]
        line, _, resume = container["args"][0].partition("$(")
        exec_, *arguments = shlex.split(line)
        assert exec_ == "exec"
        recipe, flags = arguments[2], dict(a.split("=", 1) for a in arguments[3:])
        assert f"{flags['--runs_dir']}/{recipe}/*/{folder.STATE}" in resume
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments, "--resume"])
        assert not ended.value.code
