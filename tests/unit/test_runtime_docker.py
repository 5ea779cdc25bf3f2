"""What we tell Docker and what it tells us, without an engine: requests, inspections, frames, HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from minikube_py.kubelet.runtime import docker_specs as specs
from minikube_py.kubelet.runtime.base import (
    ContainerConfig,
    CreateContainerError,
    EngineUnavailable,
    InvalidImageName,
    LogOptions,
    Mount,
    PodRef,
    PortMapping,
    Resources,
    SandboxConfig,
    Security,
)
from minikube_py.kubelet.runtime.docker_http import Connections, Refused
from minikube_py.kubelet.runtime.docker_streams import frames, limited, log_query, raw
from minikube_py.kubelet.runtime.references import normalized, split

POD = PodRef("default", "web", "uid-1")


def test_names_tell_clusters_apart_and_have_only_the_engines_letters() -> None:
    one = specs.container_name("one", POD, "main", 3)
    assert one.startswith("k8s_main_web_default_uid-1_3_")
    assert one != specs.container_name("two", POD, "main", 3)
    odd = specs.container_name("one", PodRef("a", "b", "file/x:y"), "c", 0)
    assert odd.replace("_", "").replace("-", "").replace(".", "").isalnum()


def test_a_sandbox() -> None:
    config = SandboxConfig(
        POD, attempt=1, hostname="web", share_process_namespace=True, sysctls={"a": "b"}, dns_servers=["10.0.0.1"],
        ports=[
            PortMapping(8080, 80), PortMapping(8080, 80, "UDP", "127.0.0.1"), PortMapping(8081, 80), PortMapping(0, 9)
        ],
        annotations={"k": "v"},
    )  # fmt: skip
    body = specs.sandbox_body("one", config, "pause:1")
    host = body["HostConfig"]
    assert body["Image"] == "pause:1" and body["Hostname"] == "web"
    assert host["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8081"}],
        "80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
    }
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == ("default", "shareable", "")
    assert host["Sysctls"] == {"a": "b"} and host["Dns"] == ["10.0.0.1"] and host["RestartPolicy"] == {"Name": "no"}
    labels = body["Labels"]
    assert specs.pod_of(labels) == POD and specs.annotations_of(labels) == {"k": "v"}
    assert labels[specs.NAMESPACES] == "pid=pod,ipc=pod,net=pod" and labels[specs.ATTEMPT] == "1"


def test_a_sandbox_on_the_host() -> None:
    config = SandboxConfig(
        POD, hostname="web", host_network=True, host_pid=True, host_ipc=True, ports=[PortMapping(80, 80)]
    )  # fmt: skip
    body = specs.sandbox_body("one", config, "pause:1")
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == ("host", "host", "host")
    assert "Hostname" not in body and host["PortBindings"] == {}
    assert body["Labels"][specs.NAMESPACES] == "pid=host,ipc=host,net=host"


@pytest.mark.parametrize(
    ("joined", "modes"),
    [
        ("pid=own,ipc=pod,net=pod", ("container:s", "container:s", "")),
        ("pid=pod,ipc=pod,net=host", ("container:s", "container:s", "container:s")),
        ("pid=host,ipc=host,net=host", ("container:s", "host", "host")),
    ],
)
def test_what_a_container_joins(joined: str, modes: tuple[str, str, str]) -> None:
    host = specs.container_body("one", "s", joined, ContainerConfig(POD, "main", "busybox"))["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == modes
    # One that looks into another container joins its processes, where they are not everybody's already.
    looking = ContainerConfig(POD, "look", "busybox", target="t")
    host = specs.container_body("one", "s", joined, looking)["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == (*modes[:2], modes[2] or "container:t")


def body_of(**config: Any) -> dict[str, Any]:
    made = ContainerConfig(POD, "main", "busybox", **config)
    return specs.container_body("one", "s", "pid=own,ipc=pod,net=pod", made)


def test_a_container() -> None:
    body = body_of(
        command=["a", "b"], args=["c"], env=[("A", "1"), ("B", "x=y")], working_dir="/w", stdin=True, tty=True,
        mounts=[Mount("/h:1", "/c", True, "rslave"), Mount("/d", "/e")],
        resources=Resources(512, 50_000, 100_000, 1 << 20),
        security=Security(
            run_as_user=0, run_as_group=7, supplemental_groups=[8], privileged=True, read_only_root_filesystem=True,
            add_capabilities=["A"], drop_capabilities=["ALL"], no_new_privileges=True,
        ),
    )  # fmt: skip
    host = body["HostConfig"]
    assert (body["Entrypoint"], body["Cmd"], body["Env"]) == (["a", "b"], ["c"], ["A=1", "B=x=y"])
    assert (body["User"], body["WorkingDir"], body["OpenStdin"], body["StdinOnce"], body["Tty"]) == (
        "0:7", "/w", True, False, True,
    )  # fmt: skip
    assert [(m["Source"], m["Target"], m["ReadOnly"], m["BindOptions"]["Propagation"]) for m in host["Mounts"]] == [
        ("/h:1", "/c", True, "rslave"), ("/d", "/e", False, "rprivate"),
    ]  # fmt: skip
    assert (host["CpuShares"], host["CpuQuota"], host["CpuPeriod"]) == (512, 50_000, 100_000)
    assert host["Memory"] == host["MemorySwap"] == 1 << 20
    assert (host["CapAdd"], host["CapDrop"], host["GroupAdd"]) == (["A"], ["ALL"], ["8"])
    assert host["Privileged"] and host["ReadonlyRootfs"] and host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}}
    assert host["Init"] is False and host["RestartPolicy"] == {"Name": "no"}


def test_what_is_not_asked_is_left_to_the_image() -> None:
    body = body_of()
    assert "Entrypoint" not in body and "Cmd" not in body and body["User"] == ""
    assert "Entrypoint" not in body_of(command=[], args=["x"])
    assert body_of(security=Security(run_as_user=5))["User"] == "5"
    assert body_of(stdin_once=True)["StdinOnce"] is False
    with pytest.raises(CreateContainerError):
        body_of(security=Security(run_as_group=5))


def inspected(**state: Any) -> dict[str, Any]:
    labels = body_of(attempt=2)["Labels"]
    return {
        "Id": "c", "Image": "sha256:1", "Created": "2030-01-01T00:00:00.123456789Z",
        "Config": {"Image": "busybox", "Labels": labels, "Tty": False},
        "State": {
            "Status": "created", "Running": False, "ExitCode": 0, "OOMKilled": False, "Error": "",
            "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z", **state,
        },
        "HostConfig": {"CpuShares": 102, "CpuQuota": 20_000, "CpuPeriod": 100_000, "Memory": 0, "OomScoreAdj": 7},
    }  # fmt: skip


def test_the_states_of_a_container() -> None:
    created = datetime(2030, 1, 1, 0, 0, 0, 123456, UTC)
    seen = specs.container_from_inspect(inspected())
    assert (seen.state, seen.created_at, seen.started_at, seen.finished_at, seen.attempt) == (
        "created", created, None, None, 2,
    )  # fmt: skip
    assert seen.resources == Resources(102, 20_000, 100_000)
    started = "2030-01-01T00:00:01Z"
    seen = specs.container_from_inspect(inspected(Status="running", Running=True, StartedAt=started))
    assert (seen.state, seen.finished_at) == ("running", None)
    seen = specs.container_from_inspect(inspected(Status="paused", Running=True, StartedAt=started))
    assert seen.state == "running"
    ended = inspected(
        Status="exited", ExitCode=137, OOMKilled=True, StartedAt=started, FinishedAt="2030-01-01T00:00:02.5+01:00"
    )
    seen = specs.container_from_inspect(ended)
    assert (seen.state, seen.exit_code, seen.oom_killed) == ("exited", 137, True)
    assert seen.finished_at is not None and seen.finished_at.astimezone(UTC).hour == 23
    seen = specs.container_from_inspect(inspected(ExitCode=127, Error="no such command"))
    assert (seen.state, seen.exit_code, seen.message, seen.finished_at) == ("exited", 127, "no such command", created)
    for status in ("dead", "removing"):
        assert specs.container_from_inspect(inspected(Status=status)).state == "exited"


def test_times() -> None:
    assert specs.parse_time("0001-01-01T00:00:00Z") is None and specs.parse_time("") is None
    assert specs.parse_time("2030-01-02T03:04:05Z") == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert specs.parse_time("2030-01-02T03:04:05.000001999Z") == datetime(2030, 1, 2, 3, 4, 5, 1, UTC)
    with pytest.raises(ValueError, match="a time that is none"):
        specs.parse_time("soon")


@pytest.mark.parametrize(
    ("name", "parts", "short"),
    [
        ("busybox", ("busybox", "latest"), "busybox:latest"),
        ("docker.io/library/busybox:1", ("docker.io/library/busybox", "1"), "busybox:1"),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000/a/b", "latest"), "127.0.0.1:5000/a/b:latest"),
        ("localhost/a:v1.2-x_y", ("localhost/a", "v1.2-x_y"), "localhost/a:v1.2-x_y"),
        ("a/b:1@sha256:" + "0" * 64, ("a/b", "sha256:" + "0" * 64), "a/b@sha256:" + "0" * 64),
    ],
)
def test_references(name: str, parts: tuple[str, str], short: str) -> None:
    assert split(name) == parts
    assert normalized(name) == short


@pytest.mark.parametrize(
    "name", ["", "Upper", "a b", "a:b:c", "a@sha256:12", "http://a/b", "a:" + "x" * 129, "-a", "a/"]
)
def test_no_references(name: str) -> None:
    with pytest.raises(InvalidImageName):
        split(name)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("size", [1, 3, 8, 1000])
async def test_frames_may_be_cut_anywhere(size: int) -> None:
    stream = b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03err\x01\0\0\0\0\0\x01\x00" + b"x" * 256
    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    out: dict[str, bytes] = {}
    async for name, data in frames(pieces(*cut)):
        out[name] = out.get(name, b"") + data
    assert out == {"stdout": b"hello" + b"x" * 256, "stderr": b"err"}


@pytest.mark.parametrize("stream", [b"\x01\0\0\0\0\0\0\x05he", b"\x01\0\0"])
async def test_a_stream_that_ends_inside_a_frame(stream: bytes) -> None:
    with pytest.raises(EngineUnavailable):
        [part async for part in frames(pieces(stream))]


async def test_a_limit_of_bytes() -> None:
    async def read(limit: int | None) -> bytes:
        return b"".join([part async for part in limited(raw(pieces(b"abc", b"def")), limit)])

    assert [await read(n) for n in (None, 0, 2, 3, 4, 9)] == [b"abcdef", b"", b"ab", b"abc", b"abcd", b"abcdef"]


def test_what_a_log_is_asked_for() -> None:
    since = datetime(2030, 1, 1, 0, 0, 0, 250_000, UTC)
    assert log_query(LogOptions(True, 5, since, True)) == {
        "stdout": 1, "stderr": 1, "follow": 1, "timestamps": 1, "tail": 5, "since": "1893456000.250000000",
    }  # fmt: skip
    assert "tail" not in log_query(LogOptions())


async def answers(path: Path, answer: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    return await asyncio.start_unix_server(serve, path)


CASES: Sequence[tuple[bytes, bytes]] = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
]


@pytest.mark.parametrize(("answer", "body"), CASES)
async def test_bodies(tmp_path: Path, answer: bytes, body: bytes) -> None:
    async with await answers(tmp_path / "s", answer):
        got = await Connections(f"unix://{tmp_path}/s").open("GET", "/x", query={"a": "b c"})
        assert b"".join([chunk async for chunk in got.chunks()]) == body
        got.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
async def test_bodies_that_break_off(tmp_path: Path, answer: bytes) -> None:
    async with await answers(tmp_path / "s", answer):
        got = await Connections(f"unix://{tmp_path}/s").open("GET", "/x")
        with pytest.raises(EngineUnavailable):
            [chunk async for chunk in got.chunks()]
        got.close()


async def test_refusals_and_silence(tmp_path: Path) -> None:
    text = json.dumps({"message": "no such thing"}).encode()
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(text)
    async with await answers(tmp_path / "a", head + text):
        with pytest.raises(Refused) as refused:
            await Connections(f"unix://{tmp_path}/a").open("GET", "/x")
        assert (refused.value.status, refused.value.text) == (404, "no such thing")
    async with await answers(tmp_path / "b", b"HTTP/1.1 20"):
        with pytest.raises(EngineUnavailable):
            await Connections(f"unix://{tmp_path}/b").open("GET", "/x")
    with pytest.raises(EngineUnavailable):
        await Connections(f"unix://{tmp_path}/none").open("GET", "/x")
