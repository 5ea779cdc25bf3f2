"""The kubelet's volumes: every kind, atomic updates, subPath, removal; and the list of kinds against the folder."""

from __future__ import annotations

import base64
import os
import socket
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import CONFIGMAPS, PODS, SECRETS
from minikube_py.kubelet import volumes
from minikube_py.kubelet.volumes.base import MountFailed
from minikube_py.kubelet.volumes.mounts import PlainMounter, remove_tree
from minikube_py.kubelet.volumes.subpath import expose, open_inside
from minikube_py.kubelet.volumes.writer import File, check_path, write
from tests.fakes.engine_views import T0
from tests.fakes.kubelet_world import World, shell, world

NOT_KINDS = {"__init__", "base", "content", "manager", "mounts", "ownership", "subpath", "writer"}


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "kubelet") as made:
        await made.start()
        yield made


def test_the_list_of_kinds_is_complete() -> None:
    folder = Path(volumes.__file__).parent
    assert {p.stem for p in folder.glob("*.py")} - NOT_KINDS == {
        "configmap", "downward", "emptydir", "hostpath", "projected", "secret",
    }  # fmt: skip
    assert len(volumes.KINDS) == 6
    assert len({k.directory for k in volumes.KINDS}) == 6


# -- the writer


def files(**contents: str) -> dict[str, File]:
    return {name.replace("__", "/"): File(text.encode(), 0o644) for name, text in contents.items()}


def test_write_switches_everything_at_once(tmp_path: Path) -> None:
    assert write(str(tmp_path), files(a="1", b="2", d__e="3"), T0)
    first = os.readlink(tmp_path / "..data")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "d" / "e").read_text() == "3"
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert not write(str(tmp_path), files(a="1", b="2", d__e="3"), T0)
    assert os.readlink(tmp_path / "..data") == first
    assert write(str(tmp_path), files(a="9", c="4"), T0)
    assert sorted(os.listdir(tmp_path)) == sorted(["..data", os.readlink(tmp_path / "..data"), "a", "c"])
    assert (tmp_path / "a").read_text() == "9"


def test_write_recovers_from_any_crash(tmp_path: Path) -> None:
    write(str(tmp_path), files(a="1"), T0)
    (tmp_path / "..2029_half").mkdir()
    (tmp_path / "..2029_half" / "a").write_text("half")
    (tmp_path / "..data_tmp").symlink_to("..2029_half")
    assert not write(str(tmp_path), files(a="1"), T0 + timedelta(seconds=1))
    assert write(str(tmp_path), files(a="2"), T0 + timedelta(seconds=1))
    assert (tmp_path / "a").read_text() == "2"
    assert len([n for n in os.listdir(tmp_path) if n.startswith("..2")]) == 1


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "..a"])
def test_paths_that_leave_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="must be relative"):
        check_path(path)


# -- subPath


def test_sub_paths(tmp_path: Path) -> None:
    root = tmp_path / "v"
    (root / "d").mkdir(parents=True)
    (root / "f").write_text("x")
    (root / "in").symlink_to("d")
    (root / "out").symlink_to("/etc")
    (root / "up").symlink_to("../..")
    for good in ("d", "f", "in", "new/deep", "./d"):
        os.close(open_inside(str(root), good))
    assert (root / "new" / "deep").is_dir()
    for bad in ("out", "out/passwd", "up", "/etc", "../x", "d/../..", "out/new"):
        with pytest.raises(MountFailed):
            open_inside(str(root), bad)
    assert not Path("/etc/new").exists()


def test_a_sub_path_is_exposed_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for _ in range(2):
        path = expose(str(tmp_path / "v"), "sub", str(tmp_path / "t" / "0"), PlainMounter())
        assert path == str(tmp_path / "v" / "sub")


class StuckMounter(PlainMounter):
    def mounted_below(self, directory: str) -> list[str]:
        return [directory + "/m"]


def test_nothing_is_removed_through_a_mount(tmp_path: Path) -> None:
    (tmp_path / "pod" / "m").mkdir(parents=True)
    (tmp_path / "pod" / "m" / "precious").write_text("x")
    with pytest.raises(OSError, match="still mounted"):
        remove_tree(str(tmp_path / "pod"), StuckMounter())
    assert (tmp_path / "pod" / "m" / "precious").exists()


# -- hostPath


@pytest.mark.parametrize(
    ("kind", "there", "works", "made"),
    [
        ("", "", True, "dir"),
        ("DirectoryOrCreate", "", True, "dir"),
        ("DirectoryOrCreate", "file", False, "file"),
        ("Directory", "", False, ""),
        ("Directory", "dir", True, "dir"),
        ("FileOrCreate", "", True, "file"),
        ("FileOrCreate", "dir", False, "dir"),
        ("File", "file", True, "file"),
        ("File", "", False, ""),
        ("Socket", "socket", True, "socket"),
        ("Socket", "file", False, "file"),
        ("CharDevice", "file", False, "file"),
        ("BlockDevice", "file", False, "file"),
    ],
)
async def test_host_path_types(w: World, tmp_path: Path, kind: str, there: str, works: bool, made: str) -> None:
    path = tmp_path / "host"
    if there == "dir":
        path.mkdir()
    elif there == "file":
        path.write_text("")
    elif there == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    source = {"path": str(path), **({"type": kind} if kind else {})}
    await w.pod("p", volumes=[{"name": "v", "hostPath": source}])
    assert (await w.words()) == ("running 0" if works else "ContainerCreating 0")
    kinds = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFSOCK: "socket"}
    assert (kinds[stat.S_IFMT(path.stat().st_mode)] if path.exists() else "") == made
    if not works:
        assert any(e.startswith("FailedMount") and "type check failed" in e for e in await w.events())


# -- Pods with volumes


def volume_dir(w: World, kind: str, name: str = "v") -> Path:
    return next(w.root.glob(f"pods/*/volumes/kubernetes.io~{kind}/{name}"))


async def test_empty_dir_is_shared_and_goes_with_the_pod(w: World) -> None:
    mount = [{"name": "v", "mountPath": "/data"}]
    await w.pod(
        "p", shell("a", "echo hi > /data/f; sleep infinity", volumeMounts=mount),
        shell("b", "sleep 1; cat /data/f; sleep infinity", volumeMounts=mount),
        volumes=[{"name": "v", "emptyDir": {}}], securityContext={"fsGroup": os.getgid() or 0},
    )  # fmt: skip
    await w.advance(2)
    directory = volume_dir(w, "empty-dir")
    assert (directory / "f").read_text() == "hi\n"
    assert stat.S_IMODE(directory.stat().st_mode) & 0o777 == 0o777
    await w.delete()
    await w.advance(40)
    assert not directory.exists()


async def test_the_size_limit_evicts(w: World) -> None:
    await w.pod("p", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "64Ki"}}])
    await w.advance(61)
    assert await w.phase() == "Running"
    (volume_dir(w, "empty-dir") / "big").write_bytes(b"x" * 100_000)
    await w.advance(61)
    status = await w.status()
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert w.running() == []
    assert await w.words() == "Completed 0"


async def make(w: World, resource: Any, name: str, data: dict[str, str]) -> None:
    kind = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"namespace": "default", "name": name}}
    await w.api.client.create(resource, {**kind, "data": data})


async def test_config_map_waits_mounts_and_follows(w: World) -> None:
    source = {"name": "cm", "items": [{"key": "k", "path": "dir/file", "mode": 0o600}]}
    await w.pod("p", volumes=[{"name": "v", "configMap": source}])
    assert await w.words() == "ContainerCreating 0"
    assert any('configmap "cm" not found' in e for e in await w.events())
    await make(w, CONFIGMAPS, "cm", {"k": "one", "other": "x"})
    await w.advance(3)
    assert await w.words() == "running 0"
    directory = volume_dir(w, "configmap")
    assert (directory / "dir" / "file").read_text() == "one"
    assert stat.S_IMODE((directory / "dir" / "file").stat().st_mode) == 0o600
    await w.api.client.patch(CONFIGMAPS, "cm", "default", {"data": {"k": "two"}})
    await w.advance(61)
    assert (directory / "dir" / "file").read_text() == "two"


async def test_secret_downward_and_projected(w: World) -> None:
    await make(w, SECRETS, "s", {"p": base64.b64encode(b"word").decode()})
    await make(w, CONFIGMAPS, "cm", {"k": "v"})
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    projected = {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "cm"}}, {"downwardAPI": {"items": [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}  # fmt: skip
    await w.pod(
        "p", metadata={"labels": {"app": "x"}},
        volumes=[{"name": "v", "secret": {"secretName": "s"}}, {"name": "d", "downwardAPI": {"items": [labels]}},
                 {"name": "j", "projected": projected},
                 {"name": "o", "secret": {"secretName": "no", "optional": True}}],
    )  # fmt: skip
    assert await w.words() == "running 0"
    assert (volume_dir(w, "secret") / "p").read_text() == "word"
    assert (volume_dir(w, "downward-api", "d") / "labels").read_text() == 'app="x"'
    merged = volume_dir(w, "projected", "j")
    assert {n: (merged / n).read_text() for n in ("p", "k", "name")} == {"p": "word", "k": "v", "name": "p"}
    await w.api.client.patch(PODS, "p", "default", {"metadata": {"labels": {"app": "y"}}})
    await w.advance(61)
    assert (volume_dir(w, "downward-api", "d") / "labels").read_text() == 'app="y"'


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"nfs": {"server": "s", "path": "/"}}, "kind nfs is not supported"),
        ({"emptyDir": {"medium": "HugePages"}}, 'medium "HugePages" is not supported'),
        (
            {"projected": {"sources": [{"clusterTrustBundle": {"name": "b", "path": "t"}}]}},
            "clusterTrustBundle is not supported",
        ),
    ],
)
async def test_what_is_not_supported_is_said(w: World, volume: dict[str, Any], message: str) -> None:
    await w.pod("p", volumes=[{"name": "v", **volume}])
    assert await w.words() == "ContainerCreating 0"
    assert any(e.startswith("FailedMount") and message in e for e in await w.events())
    assert w.calls("run_sandbox") == []
    await w.delete()
    assert await w.get() is None


async def test_sub_path_expr_and_read_only(w: World) -> None:
    mount = {"name": "v", "mountPath": "/data", "subPathExpr": "logs/$(NAME)", "readOnly": True}
    own = {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    await w.pod("p", shell("a", env=[own], volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])
    found = next(m for c in w.engine.containers.values() for m in c.config.mounts if m.container_path == "/data")
    assert found.read_only
    assert found.host_path.endswith("/logs/p")
    assert Path(found.host_path) in list(w.root.glob("pods/*/volumes/*/v/logs/p"))


async def test_hosts_file_knows_the_new_address_after_the_sandbox_was_replaced(w: World) -> None:
    await w.pod("p", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["db"]}])
    hosts = next(w.root.glob("pods/*/etc-hosts"))
    assert f"{(await w.status())['podIP']}\tp" in hosts.read_text()
    assert "1.2.3.4\tdb" in hosts.read_text()
    mounted = [m for c in w.engine.containers.values() for m in c.config.mounts if m.container_path == "/etc/hosts"]
    assert [m.host_path for m in mounted] == [str(hosts)]
    w.engine.crash()
    await w.advance(1)
    assert f"{(await w.status())['podIP']}\tp" in hosts.read_text()
