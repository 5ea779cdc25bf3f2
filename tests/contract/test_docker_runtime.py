"""What only a real engine can show: namespaces, limits, capabilities, ports, pulls, and an engine that goes away."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import secrets
import subprocess
import tarfile
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from minikube_py.daemon.clock import RealClock, VirtualClock
from minikube_py.kubelet.runtime import base
from minikube_py.kubelet.runtime.base import LogOptions, Mount, PodRef, Resources, RuntimeEvent, SandboxConfig, Security
from minikube_py.kubelet.runtime.docker import DockerRuntime
from tests.contract.runtime_harness import DockerHarness
from tests.images import WEB, need_docker

pytestmark = pytest.mark.docker
LONG = ["sleep", "3600"]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
async def harness() -> AsyncIterator[DockerHarness]:
    need_docker()
    harness = DockerHarness()
    yield harness
    await harness.clean()


async def shell(harness: DockerHarness, container: str, script: str) -> str:
    result = await harness.runtime.exec_sync(container, ["sh", "-c", script], 30)
    assert result.exit_code == 0, result
    return result.stdout.decode().strip()


async def started(harness: DockerHarness, sandbox: base.Sandbox, name: str = "main", **config: Any) -> str:
    container = await harness.create(sandbox, LONG, name=name, **config)
    await harness.runtime.start_container(container)
    return container


async def namespaces(harness: DockerHarness, container: str) -> dict[str, str]:
    kinds = ("net", "ipc", "pid", "mnt")
    found = await shell(harness, container, "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds))
    return dict(zip(kinds, found.split(), strict=True))


def of_host(kind: str) -> str:
    return os.readlink(f"/proc/self/ns/{kind}")


async def test_containers_of_a_pod_share_network_and_ipc_but_not_processes(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox()
    one = await namespaces(harness, await started(harness, sandbox, "one"))
    two = await namespaces(harness, await started(harness, sandbox, "two"))
    assert one["net"] == two["net"] != of_host("net")
    assert one["ipc"] == two["ipc"] != of_host("ipc")
    assert one["pid"] != two["pid"]


async def test_a_shared_process_namespace(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox(share_process_namespace=True)
    one, two = await started(harness, sandbox, "one"), await started(harness, sandbox, "two")
    assert (await namespaces(harness, one))["pid"] == (await namespaces(harness, two))["pid"] != of_host("pid")
    assert "/pause" in await shell(harness, one, "tr '\\0' ' ' < /proc/1/cmdline")
    # Not the first process any more, it heeds SIGTERM.
    await asyncio.wait_for(harness.runtime.stop_container(one, 30), 20)
    assert (await harness.runtime.inspect_container(one)).exit_code == 143


async def test_the_hosts_namespaces(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox(host_network=True, host_pid=True, host_ipc=True, hostname="ignored")
    container = await started(harness, sandbox)
    found = await namespaces(harness, container)
    assert {kind: found[kind] for kind in ("net", "ipc", "pid")} == {
        kind: of_host(kind) for kind in ("net", "ipc", "pid")
    }  # fmt: skip
    assert await shell(harness, container, "hostname") == os.uname().nodename


async def test_what_a_container_joins_is_known_to_a_new_driver(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox(share_process_namespace=True)
    first = harness.runtime
    assert isinstance(first, DockerRuntime)
    harness.runtime = DockerRuntime(RealClock(), instance=first._instance)
    container = await started(harness, sandbox)
    assert "/pause" in await shell(harness, container, "tr '\\0' ' ' < /proc/1/cmdline")
    await first.close()


@pytest.mark.parametrize("host_network", [False, True])
async def test_dns(harness: DockerHarness, host_network: bool) -> None:
    sandbox = await harness.sandbox(
        dns_servers=["10.96.0.10"], dns_searches=["default.svc.cluster.local", "svc.cluster.local"],
        dns_options=["ndots:5"], host_network=host_network,
    )  # fmt: skip
    lines = (await shell(harness, await started(harness, sandbox), "cat /etc/resolv.conf")).splitlines()
    assert "nameserver 10.96.0.10" in lines
    assert "search default.svc.cluster.local svc.cluster.local" in lines
    assert "options ndots:5" in lines


async def test_sysctls(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox(sysctls={"net.ipv4.ip_local_port_range": "40000 41000"})
    found = await shell(harness, await started(harness, sandbox), "cat /proc/sys/net/ipv4/ip_local_port_range")
    assert found.split() == ["40000", "41000"]
    with pytest.raises(base.SandboxFailed, match=r"kernel\.nonsense"):
        await harness.sandbox("other", sysctls={"kernel.nonsense": "1"})
    assert [s.pod.name for s in (await harness.runtime.snapshot()).sandboxes] == ["pod"]


async def test_a_sandbox_killed_from_outside_is_seen_dead_at_its_event(harness: DockerHarness) -> None:
    for attempt in range(5):  # the engine tells of the end before or after its list shows it
        sandbox = await harness.sandbox(f"pod{attempt}")
        async with aclosing(harness.runtime.events()) as events:
            assert (await anext(events)).pod is None
            kill = partial(subprocess.run, ["docker", "kill", sandbox.id], check=True, capture_output=True)
            killing = asyncio.create_task(asyncio.to_thread(kill))
            event = await anext(events)
            seen = (await harness.runtime.snapshot()).sandboxes
            assert event.pod is not None and event.pod.name == sandbox.pod.name
            assert [s.ready for s in seen if s.id == sandbox.id] == [False]
            await killing


async def test_a_host_port_leads_to_the_container(harness: DockerHarness) -> None:
    port = base.PortMapping(host_port=28417, container_port=80, host_ip="127.0.0.1")
    sandbox = await harness.sandbox(ports=[port])
    container = await harness.create(sandbox, None, image=WEB)
    await harness.runtime.start_container(container)

    def fetch(url: str) -> bytes | None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found: bytes = answer.read()
                return found
        except OSError:
            return None

    for url in ("http://127.0.0.1:28417/", f"http://{sandbox.ip}/"):
        assert b"It works" in await harness.eventually(partial(asyncio.to_thread, fetch, url))


async def test_limits(harness: DockerHarness) -> None:
    resources = Resources(cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, memory_bytes=64 << 20)
    container = await started(harness, await harness.sandbox(), resources=resources)
    version_2 = await shell(harness, container, "[ -e /sys/fs/cgroup/cgroup.controllers ] && echo 2 || echo 1") == "2"
    if version_2:
        assert await shell(harness, container, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max") == (
            f"{64 << 20}\n0"
        )
        assert await shell(harness, container, "cat /sys/fs/cgroup/cpu.max") == "50000 100000"
    else:
        root = "/sys/fs/cgroup"
        assert await shell(harness, container, f"cat {root}/memory/memory.limit_in_bytes") == str(64 << 20)
        found = await shell(harness, container, f"cat {root}/cpu/cpu.shares {root}/cpu/cpu.cfs_quota_us")
        assert found.split() == ["512", "50000"]


async def test_too_much_memory(harness: DockerHarness) -> None:
    container = await harness.start(["tail", "/dev/zero"], resources=Resources(memory_bytes=16 << 20))
    seen = await harness.exited(container)
    assert (seen.oom_killed, seen.exit_code) == (True, 137)


def _all_capabilities() -> bool:
    status = Path("/proc/self/status").read_text()
    mine = int(status.split("CapEff:")[1].split()[0], 16)
    return mine == (1 << int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1


async def test_capabilities_and_privileges(harness: DockerHarness) -> None:
    sandbox = await harness.sandbox()

    async def status(name: str, field: str, **security: Any) -> int:
        container = await started(harness, sandbox, name, security=Security(**security))
        found = await shell(harness, container, f"grep {field}: /proc/1/status")
        return int(found.split()[1], 16)

    net_admin = 1 << 12
    plain = await status("plain", "CapEff")
    assert plain and not plain & net_admin
    assert await status("more", "CapEff", add_capabilities=["NET_ADMIN"]) == plain | net_admin
    assert await status("less", "CapEff", drop_capabilities=["ALL"]) == 0
    assert await status("one", "CapEff", drop_capabilities=["ALL"], add_capabilities=["NET_ADMIN"]) == net_admin
    if _all_capabilities():
        assert await status("all", "CapEff", privileged=True) & net_admin
    else:
        # An engine cannot give what root itself does not have here.
        with pytest.raises(base.RunContainerError, match="unable to apply caps"):
            await status("all", "CapEff", privileged=True)
    assert await status("free", "NoNewPrivs") == 0
    assert await status("bound", "NoNewPrivs", no_new_privileges=True) == 1


async def test_users_and_groups(harness: DockerHarness) -> None:
    security = Security(run_as_user=1000, run_as_group=2000, supplemental_groups=[3000, 4000])
    container = await started(harness, await harness.sandbox(), security=security)
    assert await shell(harness, container, "id -u; id -g; id -G") == "1000\n2000\n2000 3000 4000"


async def test_a_read_only_root(harness: DockerHarness, tmp_path: Path) -> None:
    container = await started(
        harness, await harness.sandbox(), security=Security(read_only_root_filesystem=True),
        mounts=[Mount(str(tmp_path), "/data")],
    )  # fmt: skip
    assert await shell(harness, container, "touch /x 2>&1 || true; touch /data/x") == "touch: /x: Read-only file system"
    assert (tmp_path / "x").exists()


async def test_mount_propagation(harness: DockerHarness, tmp_path: Path) -> None:
    def run(*words: str) -> None:
        subprocess.run(words, check=True, timeout=30)

    def mount(*words: str) -> None:
        run("mount", *words)

    shared = tmp_path / "shared"
    shared.mkdir()
    mount("-t", "tmpfs", "shared", str(shared))
    try:
        mount("--make-shared", str(shared))
        (shared / "later").mkdir()
        mounts = [Mount(str(shared), "/private"), Mount(str(shared), "/slave", propagation="rslave")]
        container = await started(harness, await harness.sandbox(), mounts=mounts)
        mount("-t", "tmpfs", "later", str(shared / "later"))
        (shared / "later" / "seen").touch()
        assert await shell(harness, container, "cd /; ls -d */later/seen") == "slave/later/seen"
    finally:
        run("umount", "-R", str(shared))


async def test_a_file_that_cannot_be_executed(harness: DockerHarness) -> None:
    container = await harness.create(await harness.sandbox(), ["/etc/passwd"])
    with pytest.raises(base.RunContainerError, match="permission denied"):
        await harness.runtime.start_container(container)
    assert (await harness.runtime.inspect_container(container)).exit_code == 126


async def test_a_probe_that_took_too_long_does_not_live_on(harness: DockerHarness) -> None:
    container = await harness.start(LONG)
    with pytest.raises(TimeoutError):
        await harness.runtime.exec_sync(container, ["sleep", "77"], 0.5)

    async def check() -> bool | None:
        found = await harness.runtime.exec_sync(container, ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], 20)
        return b"sleep 77" not in found.stdout or None

    await harness.eventually(check)


async def test_the_orphans_of_a_pod_are_buried_by_pause(harness: DockerHarness) -> None:
    container = await started(harness, await harness.sandbox(share_process_namespace=True))
    await shell(harness, container, "sh -c 'sleep 0.2 & exit 0'; sleep 0.6")

    async def check() -> bool | None:
        states = await shell(harness, container, "cat /proc/[0-9]*/stat 2>/dev/null | cut -d' ' -f3 | sort -u")
        return "Z" not in states.split() or None

    await harness.eventually(check)


async def test_two_instances_may_have_the_same_pod(harness: DockerHarness) -> None:
    await harness.sandbox()
    other = harness.other()
    made = await other.run_sandbox(SandboxConfig(PodRef("default", "pod", "uid-pod")))
    try:
        assert [s.id for s in (await other.snapshot()).sandboxes] == [made.id]
        assert len((await harness.runtime.snapshot()).sandboxes) == 1
    finally:
        await other.remove_sandbox(made.id)


# -- pulls, from a registry of our own


def _image() -> tuple[dict[str, bytes], str, str]:
    """The blobs of a one-file image by digest, its manifest's digest, its id."""

    def digest(data: bytes) -> str:
        return "sha256:" + hashlib.sha256(data).hexdigest()

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo("hello")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    packed = gzip.compress(layer.getvalue(), mtime=0)
    config_kind = "application/vnd.docker.container.image.v1+json"
    layer_kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"User": "1234", "Cmd": [secrets.token_hex(4)]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]},
    }).encode()  # fmt: skip
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": config_kind, "size": len(config), "digest": digest(config)},
        "layers": [{"mediaType": layer_kind, "size": len(packed), "digest": digest(packed)}],
    }).encode()  # fmt: skip
    return {digest(data): data for data in (packed, config, manifest)}, digest(manifest), digest(config)


@asynccontextmanager
async def registry(blobs: dict[str, bytes], manifest: str) -> AsyncIterator[str]:
    """A registry that has one image, `test/hello:1`; its address."""

    async def answer(request: web.Request) -> web.Response:
        match request.path.split("/")[2:]:
            case [""]:
                return web.Response()
            case ["test", "hello", "manifests", "1"]:
                return found(manifest)
            case ["test", "hello", "manifests" | "blobs", digest] if digest in blobs:
                return found(digest)
        problem = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
        return web.json_response(problem, status=404)

    def found(digest: str) -> web.Response:
        kind = MANIFEST if digest == manifest else "application/octet-stream"
        headers = {"Docker-Content-Digest": digest, "Content-Type": kind}
        return web.Response(body=blobs[digest], headers=headers)

    app = web.Application()
    app.router.add_route("*", "/v2/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def test_pulls(harness: DockerHarness) -> None:
    runtime = harness.runtime
    assert isinstance(runtime, DockerRuntime)
    blobs, manifest, image_id = _image()
    async with registry(blobs, manifest) as address:
        name = f"{address}/test/hello"
        try:
            assert await runtime.image(f"{name}:1") is None
            image = await runtime.pull_image(f"{name}:1")
            assert image.id == image_id and image.user == "1234"
            assert image.tags == (f"{name}:1",) and image.digests == (f"{name}@{manifest}",)
            assert await runtime.image(f"{name}:1") == image
            assert (await runtime.pull_image(f"{name}@{manifest}")).id == image_id
            with pytest.raises(base.ImagePullFailed, match="manifest unknown"):
                await runtime.pull_image(f"{name}:2")
            with pytest.raises(base.ImagePullFailed, match="manifest unknown"):
                await runtime.pull_image(name)
        finally:
            await runtime._client.call("remove_image", image_id, force=True)


# -- an engine that goes away


class _Line:
    """A socket in front of the engine's that can be cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> _Line:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self.path)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_unix_connection("/var/run/docker.sock")

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
                target.write_eof()
            except (OSError, RuntimeError):
                pass

        self._open |= {writer, down}
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await asyncio.gather(copy(reader, down), copy(up, writer))
        finally:
            self._open -= {writer, down}
            self._tasks.discard(task)
            writer.close()
            down.close()


async def test_an_engine_that_goes_away_and_comes_back(harness: DockerHarness, tmp_path: Path) -> None:
    inner = harness.runtime
    assert isinstance(inner, DockerRuntime)
    clock = VirtualClock()
    async with _Line(tmp_path / "engine.sock") as line:
        runtime = DockerRuntime(clock, instance=inner._instance, base_url=f"unix://{line.path}")
        sandbox = await harness.sandbox()
        container = await started(harness, sandbox)
        events = runtime.events()
        async with aclosing(events):
            assert await anext(events) == RuntimeEvent(None)
            assert len((await runtime.snapshot()).sandboxes) == 1
            log = runtime.logs(container, LogOptions(follow=True))
            reading = asyncio.ensure_future(anext(log))
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.to_thread(lambda: None)
            await line.cut()
            attempts: tuple[Callable[[], Awaitable[object]], ...] = (
                runtime.version, runtime.snapshot, lambda: runtime.inspect_container(container),
                lambda: runtime.stop_container(container, 5), lambda: runtime.exec_sync(container, ["true"], 5),
                lambda: runtime.pull_image("minikube-py/absent:1"),
                lambda: runtime.run_sandbox(SandboxConfig(sandbox.pod)),
            )  # fmt: skip
            for attempt in attempts:
                with pytest.raises(base.EngineUnavailable):
                    await attempt()
            with pytest.raises((base.EngineUnavailable, StopAsyncIteration)):
                await reading
            await clock.advance(60)
            assert not waiting.done()
            await line.mend()
            await clock.advance(10)
            assert await asyncio.wait_for(waiting, 30) == RuntimeEvent(None)
            assert [c.id for c in (await runtime.snapshot()).containers] == [container]
            await runtime.stop_container(container, 0)
            assert await asyncio.wait_for(anext(events), 30) == RuntimeEvent(sandbox.pod)
        await runtime.close()


async def test_no_engine_at_all(tmp_path: Path) -> None:
    runtime = DockerRuntime(RealClock(), instance="none", base_url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(base.EngineUnavailable):
        await runtime.version()
    with pytest.raises(base.EngineUnavailable):
        await runtime.snapshot()
    await runtime.close()


@pytest.mark.parametrize("url", ["https://engine:2376", "ssh://engine", "tcp://"])
def test_engines_that_are_not_supported(url: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        DockerRuntime(RealClock(), instance="none", base_url=url)
