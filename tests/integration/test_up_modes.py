"""A Pod's whole life in Docker in both modes, over SQLite and over etcd; clusters that share an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd import Etcd
from tests.images import need_docker
from tests.integration.clusters import Cluster, cluster, pod, run, until

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]
DOCKER = ("--container-runtime", "docker")


@pytest.fixture(autouse=True)
def engine() -> None:
    need_docker()


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


def live(made: Cluster, directory: Path) -> None:
    """Apply a Pod with two containers and a volume, look at it from all sides, delete it."""
    manifest = pod("a", "sh", "-c", "echo hello > /data/page; echo started; sleep 3600")
    spec = manifest["spec"]
    spec["volumes"] = [{"name": "data", "emptyDir": {}}]
    spec["containers"].append({
        "name": "web", "image": "minikube-py/busybox:1",
        "command": ["sh", "-c", "cat /data/page; exec httpd -f -p 8080 -h /data"],
    })  # fmt: skip
    for container in spec["containers"]:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    file = directory / "pod.json"
    file.write_text(json.dumps(manifest))
    assert made.kubectl("apply", "-f", str(file)).out == "pod/a created\n"
    ready = made.kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=30s")
    assert ready.code == 0, ready
    ip = made.kubectl("get", "pod", "a", "-o", "jsonpath={.status.podIP}").out
    page = until(lambda: run(["curl", "-s", "--max-time", "2", f"http://{ip}:8080/page"]).out)
    assert page == "hello\n"
    assert until(lambda: made.kubectl("logs", "a", "-c", "main").out) == "started\n"
    done = made.kubectl("exec", "a", "-c", "web", "--", "sh", "-c", "cat /data/page; exit 3")
    assert (done.code, done.out) == (3, "hello\n"), done
    assert len(made.containers()) == 3
    assert made.kubectl("delete", "pod", "a", "--timeout=30s").code == 0
    until(lambda: made.containers() == [], 10, "the containers are gone")


@pytest.mark.parametrize("mode", ["--no-single-process", "--single-process"])
def test_a_pod_in_docker(tmp_path: Path, mode: str) -> None:
    with cluster(tmp_path / "data", *DOCKER, mode) as made:
        made.up()
        live(made, tmp_path)


@pytest.mark.etcd
def test_a_pod_over_etcd(tmp_path: Path, etcd: Etcd) -> None:
    flags = (*DOCKER, "--storage-backend", "etcd3", "--etcd-servers", etcd.url, "--single-process")
    with cluster(tmp_path / "data", *flags) as made:
        made.up()
        live(made, tmp_path)
        made.run_down()
        assert not made.layout.database.exists()
        made.up()
        assert made.kubectl("get", "namespace", "default").code == 0


def test_clusters_share_an_engine(tmp_path: Path) -> None:
    """Each sees and removes its own containers only, though their Pods have the same names."""
    with cluster(tmp_path / "one", *DOCKER) as one, cluster(tmp_path / "two", *DOCKER, "--single-process") as two:
        for made in (one, two):
            made.up()
            assert made.kubectl("run", "same", "--image=minikube-py/busybox:1", "--", "sleep", "3600").code == 0
        for made in (one, two):
            ready = made.kubectl("wait", "--for=condition=Ready", "pod/same", "--timeout=30s")
            assert ready.code == 0, ready
        mine, other = sorted(one.containers("ID")), sorted(two.containers("ID"))
        assert len(mine) == len(other) == 2 and not set(mine) & set(other)
        down = two.run_down()
        assert down.code == 0 and "removed 2 containers" in down.out
        assert two.containers() == [] and sorted(one.containers("ID")) == mine
        assert one.kubectl("exec", "same", "--", "echo", "there").out == "there\n"


def test_down_removes_mounts(tmp_path: Path) -> None:
    """An emptyDir in memory is a mount of the machine's; hostPath data is not the cluster's and stays."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "precious").write_text("mine")
    with cluster(tmp_path / "data", *DOCKER, "--single-process") as made:
        made.up()
        manifest = pod("a")
        manifest["spec"]["volumes"] = [
            {"name": "fast", "emptyDir": {"medium": "Memory"}}, {"name": "host", "hostPath": {"path": str(host)}},
        ]  # fmt: skip
        manifest["spec"]["containers"][0]["volumeMounts"] = [
            {"name": "fast", "mountPath": "/fast"},
            {"name": "host", "mountPath": "/one", "subPath": "precious"},
        ]
        (tmp_path / "pod.json").write_text(json.dumps(manifest))
        assert made.kubectl("apply", "-f", str(tmp_path / "pod.json")).code == 0
        assert made.kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=30s").code == 0
        assert str(made.data_dir) in Path("/proc/self/mountinfo").read_text()
        assert made.run_down("--delete-data").code == 0
        assert str(made.data_dir) not in Path("/proc/self/mountinfo").read_text()
        assert not made.data_dir.exists() and made.containers() == []
    assert (host / "precious").read_text() == "mine"


def test_no_pause_image(tmp_path: Path) -> None:
    with cluster(tmp_path / "data", *DOCKER) as made:
        refused = made.run_up("--pod-infra-container-image", "minikube-py/none:1")
        assert refused.code == 1 and "minikube-py/none:1" in refused.err and "build.sh" in refused.err
        assert made.pids() == {}
