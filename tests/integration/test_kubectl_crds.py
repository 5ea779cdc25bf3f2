"""kubectl on custom resources, against an API server alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.crd_samples import Object, crontab, full
from tests.etcd import free_port
from tests.integration.clusters import Result, ended, kubectl_binary, run, start, until

pytestmark = pytest.mark.kubectl

Kubectl = Callable[..., Result]


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl as the administrator; its commands must succeed unless `code` says otherwise."""
    binary, data = kubectl_binary(), tmp_path / "data"
    flags = ("--data-dir", str(data), "--secure-port", str(free_port()), "--storage-backend", "memory")
    env = {"KUBECONFIG": str(data / "admin.conf"), "HOME": str(tmp_path), "KUBECACHEDIR": str(tmp_path / "cache")}

    def ask(*arguments: str, code: int = 0) -> Result:
        result = run([binary, *arguments], env=env)
        assert result.code == code, str(result)
        return result

    with ended(start("apiserver", *flags)) as process:
        ready = [binary, "get", "--raw", "/readyz"]
        until(lambda: process.poll() is not None or run(ready, env=env).code == 0, 30, "the API server is ready")
        assert process.poll() is None
        yield ask


def test_a_definition_and_its_objects(kubectl: Kubectl, tmp_path: Path) -> None:
    def file(name: str, *objects: Object) -> str:
        path = tmp_path / name
        path.write_text("".join(f"---\n{json.dumps(o)}\n" for o in objects))
        return str(path)

    def head(obj: Object) -> Object:
        return {"apiVersion": "stable.example.com/v1", "kind": "CronTab", **obj}

    definition = file("crd.yaml", full())
    assert "crontabs.stable.example.com created" in kubectl("apply", "-f", definition).out
    kubectl("wait", "--for=condition=Established", "--timeout=5s", "crd/crontabs.stable.example.com")
    assert "unchanged" in kubectl("apply", "-f", definition).out
    shown = kubectl("api-resources", "--api-group=stable.example.com").out.splitlines()[1].split()
    assert shown == ["crontabs", "ct", "stable.example.com/v1", "true", "CronTab"]

    objects = file("objects.yaml", head(crontab("a", image="i", replicas=2)), head(crontab("b")))
    kubectl("apply", "-f", objects)
    assert kubectl("get", "ct").out.splitlines()[0].split() == ["NAME", "SPEC", "REPLICAS", "READY", "AGE"]
    wide = kubectl("get", "crontab", "a", "-o", "wide").out.splitlines()
    assert wide[0].split() == ["NAME", "SPEC", "REPLICAS", "READY", "IMAGE", "AGE"]
    assert " ".join(wide[1].split()).startswith("a * * * * */5 2 i")
    assert "crontab.stable.example.com/a" in kubectl("get", "all").out
    assert kubectl("get", "ct", "--field-selector=spec.image=i", "-o", "name").out == "crontab.stable.example.com/a\n"

    explained = kubectl("explain", "ct.spec.steps").out
    assert "FIELD: steps <[]Object>" in explained and "seconds" in explained
    assert "DESCRIPTION:" in kubectl("explain", "crontabs", "--recursive").out

    wrong = file("wrong.yaml", head(crontab("w", bogus=1)))
    refused = kubectl("apply", "-f", wrong, code=1)
    assert 'unknown field "spec.bogus"' in refused.err
    assert 'unknown field "spec.bogus"' in kubectl("apply", "--validate=warn", "-f", wrong).err
    listed = {"apiVersion": "v1", "kind": "List", "items": [head(crontab("l", replicas="x"))]}
    assert (
        "must be of type integer" in kubectl("create", "--validate=false", "-f", file("list.yaml", listed), code=1).err
    )

    assert kubectl("scale", "ct/a", "--replicas=5").out == "crontab.stable.example.com/a scaled\n"
    kubectl("patch", "ct", "a", "--type=merge", "-p", '{"spec":{"image":"j"}}')
    kubectl("patch", "ct", "a", "--type=json", "-p", '[{"op":"add","path":"/spec/tags","value":["x"]}]')
    strategic = kubectl("patch", "ct", "a", "--type=strategic", "-p", '{"spec":{"image":"k"}}', code=1)
    assert "application/merge-patch+json" in strategic.err
    kubectl("patch", "ct", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Fine"}}')
    kubectl("apply", "--server-side", "--force-conflicts", "-f", objects)
    found: Any = json.loads(kubectl("get", "ct", "a", "-o", "json").out)
    assert (found["spec"]["replicas"], found["spec"]["image"], found["spec"]["tags"]) == (2, "i", ["x"])
    assert found["status"] == {"phase": "Fine"}
    assert "Phase:" in kubectl("describe", "ct", "a").out
    kubectl("label", "ct", "a", "x=y")
    assert kubectl("diff", "-f", objects).out == ""

    kubectl("delete", "crd", "crontabs.stable.example.com", "--timeout=10s")
    assert "could not find the requested resource" in kubectl("get", "ct", code=1).err
    kubectl("apply", "-f", definition)
    kubectl("wait", "--for=condition=Established", "--timeout=5s", "crd/crontabs.stable.example.com")
    assert "No resources found" in kubectl("get", "ct").err
