"""The kubelet outlives its engine: a second dockerd is stopped, killed and started again under running Pods."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import BUSYBOX, PAUSE, need_docker
from tests.integration.clusters import Cluster, Object, alive, cluster, kill, pod, run, until

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


class Engine:
    """A second dockerd: own data, own socket, own bridge, and no hand on the machine's iptables."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bridge = f"mkpy{os.getpid()}"
        self.url = f"unix://{directory}/sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.directory.mkdir(exist_ok=True)
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "exec"),
                 "--pidfile", str(self.directory / "pid"), "-H", self.url, "--bridge", self.bridge, "--live-restore",
                 "--iptables=false", "--ip-masq=false", "--ip-forward=false"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(lambda: run(self.docker("version")).code == 0, 90, "dockerd answers")

    def docker(self, *arguments: str) -> list[str]:
        return ["docker", "-H", self.url, *arguments]

    def load(self) -> None:
        """The images, from the machine's own engine."""
        saved = subprocess.Popen(["docker", "save", BUSYBOX, PAUSE], stdout=subprocess.PIPE)
        subprocess.run(self.docker("load"), stdin=saved.stdout, check=True, capture_output=True, timeout=60)
        assert saved.stdout is not None
        saved.stdout.close()
        assert saved.wait(10) == 0

    def end(self, number: int) -> None:
        """Stop it by a signal; its containerd lives on only when it is killed."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(30)
        self.process = None

    def containers(self) -> dict[str, tuple[str, str]]:
        """State and id by name."""
        shown = run(self.docker("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.State}} {{.ID}}"))
        assert shown.code == 0, shown.err
        rows = [line.split() for line in shown.out.splitlines()]
        return {name: (state, found) for name, state, found in rows}

    def kill_all(self) -> None:
        """As a power cut: every container dies while the engine is away."""
        for _, (state, found) in self.containers().items():
            if state == "running":
                assert run(self.docker("kill", found)).code == 0


@pytest.fixture
def engine() -> Iterator[Engine]:
    need_docker()
    if os.geteuid() != 0 or shutil.which("dockerd") is None or shutil.which("ip") is None:
        message = "a second dockerd needs root, dockerd and ip"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    # A short path: containerd's sockets lie below it, and the kernel takes 107 characters.
    made = Engine(Path(tempfile.mkdtemp(prefix="mkpy-")))
    made_bridge = run(["ip", "link", "add", made.bridge, "type", "bridge"])
    assert made_bridge.code == 0, made_bridge
    try:
        assert run(["ip", "addr", "add", f"10.213.{os.getpid() % 250}.1/24", "dev", made.bridge]).code == 0
        assert run(["ip", "link", "set", made.bridge, "up"]).code == 0
        made.start()
        made.load()
        yield made
    finally:
        try:
            if made.process is None:
                made.start()
            for found in run(made.docker("ps", "-aq")).out.split():
                run(made.docker("rm", "-f", found))
            containerd = int((made.directory / "exec" / "containerd" / "containerd.pid").read_text())
            made.end(signal.SIGTERM)
            if alive(containerd):
                kill(containerd, signal.SIGTERM)
            # dockerd mounts its data directory on itself and leaves it so.
            while run(["umount", str(made.directory / "data")]).code == 0:
                pass
            shutil.rmtree(made.directory)
        finally:
            run(["ip", "link", "delete", made.bridge])


def two(name: str) -> Object:
    found = pod(name)
    (main,) = found["spec"]["containers"]
    found["spec"]["containers"].append({**main, "name": "other"})
    return found


def ready(made: Cluster, names: list[str]) -> bool:
    path = "jsonpath={range .items[*]}{.metadata.name}={.status.containerStatuses[*].ready} {end}"
    shown = made.kubectl("get", "pods", "-o", path)
    return all(f"{name}=true" in shown.out for name in names) and "false" not in shown.out


def node_ready(made: Cluster) -> str:
    path = 'jsonpath={.items[0].status.conditions[?(@.type=="Ready")].status}'
    return made.kubectl("get", "nodes", "-o", path).out


def restart_counts(made: Cluster) -> list[str]:
    path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}"
    return made.kubectl("get", "pods", "-o", path).out.split()


def running(engine: Engine) -> list[tuple[str, str]]:
    """Container and Pod of everything that runs."""
    names = [name.split("_") for name, (state, _) in engine.containers().items() if state == "running"]
    return sorted((parts[1], parts[2]) for parts in names)


@pytest.fixture
def made(tmp_path: Path, engine: Engine) -> Iterator[Cluster]:
    """A cluster on that engine with two Pods that are ready."""
    with cluster(tmp_path / "d", "--container-runtime", "docker", "--container-runtime-endpoint", engine.url) as found:
        found.up()
        objects = {"kind": "List", "apiVersion": "v1", "items": [two("a"), two("b")]}
        (tmp_path / "pods.json").write_text(json.dumps(objects))
        assert found.kubectl("create", "-f", str(tmp_path / "pods.json")).code == 0
        until(lambda: ready(found, ["a", "b"]), 30, "both Pods are ready")
        yield found


def test_engine_killed(made: Cluster, engine: Engine) -> None:
    """With live-restore the containers run on without it, and are taken as they are."""
    before, kubelet = engine.containers(), made.pids()["kubelet"]
    assert len(before) == 6
    engine.end(signal.SIGKILL)
    until(lambda: node_ready(made) == "False", 30, "the node says that its engine is gone")
    assert made.kubectl("exec", "a", "--", "true").code != 0
    engine.start()
    until(lambda: node_ready(made) == "True", 30, "the node is Ready again")
    assert made.kubectl("exec", "a", "-c", "main", "--", "echo", "x").out == "x\n"
    assert engine.containers() == before and restart_counts(made) == ["0"] * 4
    # What was deleted while the engine was away is removed when it is back.
    engine.end(signal.SIGTERM)
    assert made.kubectl("delete", "pod", "a", "--wait=false").code == 0
    engine.start()
    until(lambda: not [name for name in engine.containers() if "_a_" in name], 30, "the deleted Pod is gone")
    until(lambda: made.kubectl("get", "pods", "-o", "name").out == "pod/b\n", 10, "here, too")
    assert made.pids()["kubelet"] == kubelet, "the kubelet has lived through all of it"


def test_engine_and_containers_gone(made: Cluster, engine: Engine) -> None:
    """As when the machine was rebooted: each container comes back once."""
    kubelet = made.pids()["kubelet"]
    # The kubelet is held meanwhile, or it would restart some before the engine is gone.
    os.kill(kubelet, signal.SIGSTOP)
    engine.kill_all()
    engine.end(signal.SIGTERM)
    os.kill(kubelet, signal.SIGCONT)
    engine.start()
    wanted = sorted((c, p) for c in ("POD", "main", "other") for p in ("a", "b"))
    until(lambda: running(engine) == wanted, 40, "all containers are back")
    until(lambda: restart_counts(made) == ["1"] * 4 and ready(made, ["a", "b"]), 20, "and that is reported")
    assert made.kubectl("exec", "b", "--", "echo", "y").out == "y\n"
    assert running(engine) == wanted, "nothing is there twice"
    assert made.pids()["kubelet"] == kubelet
    # Without its engine `down` says what it could not do, and can be asked again.
    engine.end(signal.SIGTERM)
    refused = made.run_down("--delete-data")
    assert refused.code == 1 and "Start the engine" in refused.err and made.pids() == {} and made.data_dir.exists()
    engine.start()
    assert engine.containers() != {}
    assert made.run_down().code == 0 and engine.containers() == {}
