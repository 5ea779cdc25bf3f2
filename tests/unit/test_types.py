"""The generated models: that they are what the tables say, are not built early, and read pleasantly."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from minikube_py.api import scheme
from minikube_py.api.quantity import parse
from minikube_py.api.types.core_v1 import Container, EphemeralContainer, Pod, Probe, ProbeHandler, Secret
from minikube_py.api.types.meta_v1 import ObjectMeta

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_types", ROOT / "tools" / "gen_types.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_checked_in_modules_are_what_the_generator_writes(generator: ModuleType) -> None:
    wanted = generator.generate()
    folder = ROOT / "minikube_py" / "api" / "types"
    there = {p.name for p in folder.glob("*.py")} - {"__init__.py", "base.py"}
    assert there == set(wanted)
    for name, text in wanted.items():
        assert (folder / name).read_text() == text, f"{name}: run `make types`"


def test_every_sentence_in_the_docs_belongs_to_something(generator: ModuleType) -> None:
    tables = generator.Tables()
    for package, structs in tables.docs.items():
        for struct, members in structs.items():
            if not struct:
                continue
            fields = scheme.struct(f"{package}.{struct}").fields
            unknown = set(members) - {""} - set(fields)
            assert not unknown, f"{package}.{struct} has no {unknown}"


def test_every_struct_has_a_docstring_and_the_known_fields_have_sentences(generator: ModuleType) -> None:
    tables = generator.Tables()
    documented = 0
    for name in tables.types:
        try:
            struct = scheme.struct(name)
        except KeyError:
            continue
        assert struct.doc, name
        documented += sum(bool(f.doc) for f in struct.fields.values())
    assert documented > 600
    for name in (
        "core/v1.Pod",
        "core/v1.PodSpec",
        "core/v1.Container",
        "core/v1.Probe",
        "core/v1.Service",
        "core/v1.ConfigMap",
        "core/v1.Secret",
        "core/v1.Namespace",
        "core/v1.Node",
        "core/v1.Event",
        "core/v1.ServiceAccount",
        "coordination/v1.Lease",
        "coordination/v1.LeaseSpec",
        "apps/v1.Deployment",
        "apps/v1.DeploymentSpec",
        "batch/v1.JobSpec",
        "batch/v1.CronJobSpec",
        "networking/v1.IngressSpec",
        "core/v1.ServiceSpec",
        "core/v1.ContainerPort",
        "meta/v1.ObjectMeta",
        "meta/v1.DeleteOptions",
        "core/v1.PodStatus",
    ):
        bare = [f.name for f in scheme.struct(name).fields.values() if not f.doc]
        assert not bare, f"{name}: no sentence for {bare}"


def test_importing_builds_no_model() -> None:
    code = (
        "import sys; from minikube_py.api import scheme; assert 'pydantic' not in sys.modules\n"
        "s = scheme.struct('core/v1.Pod'); s.fields['spec'].node.fields['containers'].node.of.fields\n"
        "from minikube_py.api.types import core_v1\n"
        "built = [c.__name__ for c in vars(core_v1).values() if getattr(c, '__pydantic_complete__', False)]\n"
        "assert not [b for b in built if b != 'Model'], built\n"
        "assert 'minikube_py.api.types.apps_v1' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_absent_members_have_gos_zero_values() -> None:
    pod = Pod()
    assert (pod.kind, pod.apiVersion) == ("Pod", "v1")
    assert pod.spec.containers == [] and pod.spec.nodeSelector == {} and pod.spec.nodeName == ""
    assert pod.spec.hostNetwork is False and pod.spec.terminationGracePeriodSeconds is None
    assert pod.metadata.labels == {} and pod.metadata.creationTimestamp is None and pod.metadata.generation == 0
    assert pod.spec.restartPolicy == "" and pod.status.phase == ""
    other = Pod()
    other.spec.containers.append(Container(name="x"))
    assert pod.spec.containers == []


def test_values_are_typed() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "creationTimestamp": "2030-01-02T03:04:05Z"},
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "1500m"}},
                    "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 3},
                }
            ]
        },
    }
    pod = Pod.model_validate(obj)
    container = pod.spec.containers[0]
    assert container.ports[0].containerPort == 80
    assert container.resources.limits["cpu"] == parse("1.5")
    assert pod.metadata.creationTimestamp == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert isinstance(container.livenessProbe, Probe) and isinstance(container.livenessProbe, ProbeHandler)
    assert container.livenessProbe.httpGet is not None and container.livenessProbe.httpGet.port == "http"
    assert pod.to_dict() == obj
    assert Secret.model_validate({"data": {"a": "aGk="}}).data["a"] == b"hi"
    assert Secret(data={"a": b"hi"}).to_dict() == {"data": {"a": "aGk="}}


@pytest.mark.parametrize(
    "metadata", [{"name": 1}, {"labels": {"a": 1}}, {"generation": "1"}, {"generation": 1.5}, {"finalizers": "x"}]
)
def test_types_are_strict(metadata: object) -> None:
    with pytest.raises(ValidationError):
        ObjectMeta.model_validate(metadata)


def test_names_that_python_cannot_have() -> None:
    listmeta = scheme.model("meta/v1.ListMeta")
    assert listmeta.model_validate({"continue": "x"}).to_dict() == {"continue": "x"}
    props = scheme.model("apiextensions/v1.JSONSchemaProps")
    obj = {"$ref": "#/x", "x-kubernetes-list-type": "map", "not": {"type": "string"}}
    assert props.model_validate(obj).to_dict() == obj
    assert (
        list(scheme.struct("resource/v1.DeviceAttribute").fields)
        == ["int", "bool", "string", "version", "ints", "bools", "strings", "versions"][
            : len(scheme.struct("resource/v1.DeviceAttribute").fields)
        ]
    )


def test_embedded_members_stand_where_go_embeds_them() -> None:
    volume = scheme.struct("core/v1.Volume")
    assert next(iter(volume.fields)) == "name"
    assert volume.fields["hostPath"].pb is not None and volume.fields["hostPath"].pb.via == (2,)
    ephemeral = list(scheme.struct("core/v1.EphemeralContainer").fields)
    assert ephemeral[0] == "name" and ephemeral[-1] == "targetContainerName"
    assert EphemeralContainer(name="x", targetContainerName="y").name == "x"
    rule = scheme.struct("admissionregistration/v1.NamedRuleWithOperations")
    assert rule.fields["apiGroups"].pb is not None and rule.fields["apiGroups"].pb.via == (2, 2)
