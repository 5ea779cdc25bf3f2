"""kill -9 of the kubelet while Pods start and end in Docker: afterwards exactly the wanted containers."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import need_docker
from tests.integration.clusters import Cluster, Object, cluster, pod, until

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]
NAMES = [f"p{n}" for n in range(5)]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    need_docker()
    with cluster(tmp_path / "data", "--container-runtime", "docker") as found:
        found.up()
        yield found


def two(name: str) -> Object:
    """A Pod with an init container and two containers."""
    found = pod(name)
    (main,) = found["spec"]["containers"]
    main["command"] = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]
    found["spec"]["initContainers"] = [{**main, "name": "first", "command": ["true"]}]
    found["spec"]["containers"].append({**main, "name": "other"})
    return found


def pods(made: Cluster) -> dict[str, Object]:
    listed = made.kubectl("get", "pods", "-o", "json")
    assert listed.code == 0, listed
    return {p["metadata"]["name"]: p for p in json.loads(listed.out)["items"]}


def running(made: Cluster, names: list[str]) -> bool:
    found = pods(made)
    return all(
        name in found and all(c.get("ready") for c in found[name].get("status", {}).get("containerStatuses") or [{}])
        for name in names
    )


def create(made: Cluster, *objects: Object) -> None:
    file = made.data_dir.parent / "objects.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": list(objects)}))
    result = made.kubectl("create", "-f", str(file))
    assert result.code == 0, result


def restarts(made: Cluster) -> dict[str, list[int]]:
    return {
        name: [c["restartCount"] for kind in ("initContainerStatuses", "containerStatuses") for c in p["status"][kind]]
        for name, p in pods(made).items()
    }


def there(made: Cluster) -> Counter[tuple[str, str]]:
    """Pod and container name of all running containers; pause is POD."""
    rows = [row.split("\t") for row in made.containers("Names", "State")]
    return Counter((name.split("_")[2], name.split("_")[1]) for name, state in rows if state == "running")


def crash(made: Cluster) -> None:
    """Kill the kubelet and start it again."""
    made.kill("kubelet")
    made.up()


def test_while_pods_start_and_end(made: Cluster) -> None:
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    create(made, *(two(name) for name in NAMES))
    for _ in range(3):
        time.sleep(rng.uniform(0.05, 0.7))
        crash(made)
    until(lambda: running(made, NAMES), 40, "all Pods are ready")
    wanted = Counter({(name, container): 1 for name in NAMES for container in ("POD", "main", "other")})
    until(lambda: there(made) == wanted, 10, "exactly the wanted containers run")
    # One that was created and not started when the kubelet was killed may be there no more than its successor.
    assert restarts(made) == {name: [0, 0, 0] for name in NAMES}
    names = [row.split("_")[1:4] for row in made.containers()]
    assert len(names) == len({tuple(name) for name in names}), "a container is there twice"
    ids = sorted(made.containers("ID"))
    crash(made)
    assert sorted(made.containers("ID")) == ids, "a restart of the kubelet touches nothing"

    assert made.kubectl("delete", "pod", "--wait=false", *NAMES).code == 0
    for _ in range(2):
        time.sleep(rng.uniform(0.05, 0.5))
        crash(made)
    until(lambda: not pods(made), 30, "the Pods are gone")
    until(lambda: not made.containers(), 10, "their containers are gone")
    assert not list((made.data_dir / "kubelet" / "pods").glob("*")), "and their directories"


def test_containers_go_on_without_it(made: Cluster) -> None:
    """They run on; what ends meanwhile is reported, what was deleted meanwhile is removed, what is new is started."""
    gate = made.data_dir.parent / "gate"
    gate.mkdir()
    wait = "until [ -e /gate/open ]; do sleep 0.05; done; "
    ends = pod("ends", "sh", "-c", wait + "exit 7", restartPolicy="Never")
    again = pod("again", "sh", "-c", wait + "[ -e /gate/twice ] || { > /gate/twice; exit 1; }; sleep 3600")
    for one in (ends, again):
        one["spec"]["volumes"] = [{"name": "gate", "hostPath": {"path": str(gate)}}]
        one["spec"]["containers"][0]["volumeMounts"] = [{"name": "gate", "mountPath": "/gate"}]
    create(made, pod("stays"), pod("goes"), ends, again)
    until(lambda: running(made, ["stays", "goes", "ends", "again"]), 30)
    before = {n: p["status"]["containerStatuses"][0]["containerID"] for n, p in pods(made).items()}
    made.kill("kubelet")
    assert there(made) == Counter({(n, c): 1 for n in before for c in ("POD", "main")})
    (gate / "open").touch()
    until(lambda: there(made)["ends", "main"] == 0 and there(made)["again", "main"] == 0, 10, "two have ended")
    assert made.kubectl("delete", "pod", "goes", "--wait=false").code == 0
    assert made.kubectl("delete", "pod", "goes", "--force", "--grace-period=0").code == 0
    create(made, pod("new"))
    assert there(made)["goes", "main"] == 1 and pods(made)["stays"]["status"]["phase"] == "Running"
    made.up()
    until(lambda: running(made, ["stays", "again", "new"]), 30)
    until(lambda: pods(made)["ends"]["status"]["phase"] == "Failed", 10)
    found = pods(made)
    ended = found["ends"]["status"]["containerStatuses"][0]
    assert ended["state"]["terminated"]["exitCode"] == 7 and ended["restartCount"] == 0
    assert ended["containerID"] == before["ends"]
    again_status = found["again"]["status"]["containerStatuses"][0]
    assert again_status["restartCount"] == 1 and again_status["lastState"]["terminated"]["exitCode"] == 1
    assert again_status["lastState"]["terminated"]["containerID"] == before["again"]
    stays = found["stays"]["status"]["containerStatuses"][0]
    assert stays["containerID"] == before["stays"] and stays["restartCount"] == 0
    until(lambda: not [pair for pair in there(made) if pair[0] == "goes"], 15, "the deleted Pod is removed")
    assert made.kubectl("exec", "stays", "--", "echo", "x").out == "x\n"


def test_everything_killed(made: Cluster) -> None:
    """All daemons at once: the containers run on, and the next `up` takes them over as they are."""
    create(made, two("a"), two("b"))
    until(lambda: running(made, ["a", "b"]), 30)
    ids, known = sorted(made.containers("ID")), restarts(made)
    made.kill("apiserver", "scheduler", "controller-manager", "kubelet")
    assert sorted(made.containers("ID")) == ids
    made.up()
    until(lambda: running(made, ["a", "b"]), 20)
    assert sorted(made.containers("ID")) == ids and restarts(made) == known
    create(made, pod("c"))
    until(lambda: running(made, ["c"]), 20)
