"""The daemons as processes: how they stop, log and authenticate, seen by curl, openssl and kubectl."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import CONFIGMAPS, PODS
from minikube_py.client import kubeconfig
from minikube_py.daemon import certs
from tests.integration.clusters import FAKE, Cluster, cluster, config_map, ended, kubectl_binary, pod, run, start, until

STOP_SECONDS = 6.0
TOKENS = 'sesame,ali,u1,"thieves,system:masters"\nplain,baba,u2\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for the tests that only ask."""
    directory = tmp_path_factory.mktemp("daemons")
    tokens = directory / "tokens.csv"
    tokens.write_text(TOKENS)
    with cluster(directory / "data", *FAKE, "--token-auth-file", str(tokens)) as found:
        found.up()
        yield found


def curl(made: Cluster, path: str, *flags: str) -> tuple[int, str]:
    """Status and body, as the independent client sees them."""
    ca = str(made.layout.root / "pki" / "ca.crt")
    got = run(["curl", "-sS", "--cacert", ca, "-w", "\n%{http_code}", *flags, made.server + path])
    assert got.code == 0, got.err
    body, _, status = got.out.rpartition("\n")
    return int(status), body


def test_who_one_is(made: Cluster) -> None:
    """A client certificate's common name and organizations, a token's user and groups; both seen by kubectl."""
    assert made.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo['username','groups']}").out == (
        'kubernetes-admin ["system:masters","system:authenticated"]'
    )
    ca = str(made.layout.root / "pki" / "ca.crt")
    whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo['username','uid','groups']}", "--server", made.server,
              f"--certificate-authority={ca}", "--kubeconfig=/dev/null"]  # fmt: skip
    assert made.kubectl(*whoami, "--token=sesame").out == 'ali u1 ["thieves","system:masters","system:authenticated"]'
    wrong = made.kubectl(*whoami, "--token=open")
    assert wrong.code == 1 and "Unauthorized" in wrong.err
    conf = kubeconfig.load(made.layout.kubeconfig("kubelet"))
    assert conf.cert_pem
    node = made.kubectl("--kubeconfig", str(made.layout.kubeconfig("kubelet")), "auth", "whoami", "-o", "name")
    assert node.code == 0


def test_what_is_open_to_everybody(made: Cluster) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert curl(made, path) == (200, "ok")
    assert "[+]etcd ok" in curl(made, "/readyz?verbose")[1]
    assert json.loads(curl(made, "/version")[1])["gitVersion"].startswith("v1.36")
    for path in ("/metrics", "/api", "/apis", "/api/v1/pods", "/openapi/v3", "/nothing"):
        status, body = curl(made, path)
        assert status in (401, 403), (path, status, body)
        assert json.loads(body)["kind"] == "Status"
    pki = made.layout.root / "pki"
    pair = ["--cert", str(pki / "admin.crt"), "--key", str(pki / "admin.key")]
    status, text = curl(made, "/metrics", *pair)
    assert status == 200 and "apiserver_request_total" in text and "# TYPE" in text
    assert curl(made, "/api/v1/namespaces/default", "-H", "Authorization: Bearer sesame")[0] == 200
    assert curl(made, "/api/v1/namespaces/default", "-H", "Authorization: Bearer wrong")[0] == 401


def test_a_certificate_of_another_authority(made: Cluster, tmp_path: Path) -> None:
    other = certs.new_ca()
    stranger = certs.issue(other, "kubernetes-admin", ["system:masters"], client=True)
    (tmp_path / "c.crt").write_bytes(stranger.cert_pem)
    (tmp_path / "c.key").write_bytes(stranger.key_pem)
    (tmp_path / "ca.crt").write_bytes(other.cert_pem)
    ca, path = str(made.layout.root / "pki" / "ca.crt"), made.server + "/api/v1/pods"
    refused = run(["curl", "-sS", "--cacert", ca, "--cert", str(tmp_path / "c.crt"), "--key", str(tmp_path / "c.key"),
                   path])  # fmt: skip
    assert refused.code != 0 and refused.out == ""
    # And the other way round: a client that trusts somebody else does not take this server.
    assert run(["curl", "-sS", "--cacert", str(tmp_path / "ca.crt"), path]).code == 60


def test_what_openssl_sees(made: Cluster) -> None:
    pki = made.layout.root / "pki"
    shown = run(["openssl", "s_client", "-connect", f"127.0.0.1:{made.port}", "-CAfile", str(pki / "ca.crt"),
                 "-verify_return_error", "-verify_ip", "127.0.0.1", "-alpn", "h2,http/1.1", "-cert",
                 str(pki / "admin.crt"), "-key", str(pki / "admin.key")])  # fmt: skip
    assert shown.code == 0, shown
    assert "Verify return code: 0 (ok)" in shown.out and "ALPN protocol: http/1.1" in shown.out
    assert "Requested Signature Algorithms" in shown.out, "the server asks for a client certificate"
    old = run(["openssl", "s_client", "-connect", f"127.0.0.1:{made.port}", "-tls1_1"])
    assert old.code != 0
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    for name in ("kubernetes.default.svc", "localhost", "127.0.0.1", "10.96.0.1"):
        certificate = ssl.get_server_certificate(("127.0.0.1", made.port), ca_certs=str(pki / "ca.crt"))
        assert certificate and context.check_hostname
        flag = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
        checked = run(["openssl", "verify", "-CAfile", str(pki / "ca.crt"), flag, name, str(pki / "apiserver.crt")])
        assert checked.code == 0, checked


async def test_every_daemon_stops_at_a_signal(tmp_path: Path) -> None:
    """Within seconds and with code 0, though watches, a followed log and an exec are open; also on the second try."""
    with cluster(tmp_path / "data") as made:
        made.up()
        flags = ["--data-dir", str(made.layout.root)]
        made.kill("scheduler", "controller-manager")
        with ended(start("scheduler", *flags)) as scheduler, ended(start("controller-manager", *flags)) as manager:
            async with made.client() as client:
                await client.create(PODS, pod("a", "sh", "-c", "while true; do echo tick; sleep 0.1; done"))
                ready = made.kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=20s")
                assert ready.code == 0, ready
                async with client.watch(CONFIGMAPS, "default", resource_version="") as events:
                    task = asyncio.create_task(_all(events))
                    follow = await _kubectl(made, "logs", "-f", "a")
                    hold = await _kubectl(made, "exec", "a", "--", "sh", "-c", "echo held; sleep 60")
                    for process in (scheduler, manager):
                        await asyncio.to_thread(_stops, process)
                    pids = made.pids()
                    for name in ("kubelet", "apiserver"):
                        began = time.monotonic()
                        await asyncio.to_thread(made.kill, name, number=signal.SIGTERM)
                        assert time.monotonic() - began < STOP_SECONDS, name
                        assert "Traceback" not in made.log(name), made.log(name)
                    assert pids
                    for stream in (follow, hold):
                        await asyncio.wait_for(stream.communicate(), STOP_SECONDS)
                    await asyncio.wait((task,), timeout=STOP_SECONDS)
                    assert task.done(), "the watch has ended"
                    with pytest.raises(errors.StatusError):
                        task.result()


async def _all(events) -> None:  # type: ignore[no-untyped-def]
    async for _ in events:
        pass
    raise errors.ServiceUnavailable("the stream ended")


async def _kubectl(made: Cluster, *arguments: str) -> asyncio.subprocess.Process:
    """A kubectl that has shown its first line."""
    process = await asyncio.create_subprocess_exec(
        str(kubectl_binary()), "--kubeconfig", str(made.layout.admin_conf), *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 10)
    return process


def _hears(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


def _stops(process) -> None:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=15)
    assert process.returncode == 0 and time.monotonic() - began < STOP_SECONDS, text
    assert "Traceback" not in text, text


def test_json_logs_and_levels(made: Cluster) -> None:
    flags = ["--kubeconfig", str(made.layout.kubeconfig("scheduler")), "--logging-format", "json", "--leader-elect"]
    with ended(start("scheduler", *flags, "-v", "5")) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert {"ts", "level", "component", "msg"} <= first.keys()
        until(lambda: made.kubectl("get", "lease", "kube-scheduler", "-n", "kube-system").code == 0, 15)
        process.send_signal(signal.SIGTERM)
        lines = process.communicate(timeout=15)[0].splitlines()
    assert process.returncode == 0
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert {json.loads(line)["level"] for line in [json.dumps(first), *lines]} >= {"info"}
    with ended(start("scheduler", *flags[:2], "-v", "error")) as quiet:
        until(lambda: _hears(quiet.pid, signal.SIGTERM), 10, "it has set up its signals")
        quiet.send_signal(signal.SIGTERM)
        assert quiet.communicate(timeout=15)[0] == "" and quiet.returncode == 0


async def test_two_schedulers_take_turns(made: Cluster) -> None:
    """With --leader-elect one works; when it is killed the other goes on after the lease has run out."""
    # The leader renews every 2 s and its lease lasts 15; a clean stop gives it up at once.
    flags = ["--kubeconfig", str(made.layout.kubeconfig("scheduler")), "--leader-elect", "--scheduler-name", "turns"]
    with ended(start("scheduler", *flags)) as one, ended(start("scheduler", *flags)) as other:
        holder = until(lambda: _holder(made), 15)
        async with made.client() as client:
            await client.create(PODS, pod("first", schedulerName="turns"))
            until(lambda: made.kubectl("get", "pod", "first", "-o", "jsonpath={.spec.nodeName}").out, 10)
            assert one.poll() is None and other.poll() is None
            one.send_signal(signal.SIGTERM)
            await asyncio.to_thread(one.communicate, timeout=15)
            until(lambda: _holder(made) or holder, 15)
            await client.create(PODS, pod("second", schedulerName="turns"))
            until(lambda: made.kubectl("get", "pod", "second", "-o", "jsonpath={.spec.nodeName}").out, 20)
            await client.create(CONFIGMAPS, config_map("seen"))


def _holder(made: Cluster) -> str:
    return made.kubectl(
        "get", "lease", "kube-scheduler", "-n", "kube-system", "-o", "jsonpath={.spec.holderIdentity}"
    ).out


@pytest.mark.parametrize("with_authority", [False, True])
def test_a_kubelet_of_its_own_joins(made: Cluster, tmp_path: Path, with_authority: bool) -> None:
    """Another node needs nothing but a kubeconfig; with the cluster's authority its logs can be read, too."""
    name = "second" if not with_authority else "third"
    if with_authority:
        (tmp_path / "pki").mkdir()
        for file in ("ca.crt", "ca.key"):
            (tmp_path / "pki" / file).write_bytes((made.layout.root / "pki" / file).read_bytes())
    flags = ("--kubeconfig", str(made.layout.root / "admin.conf"), "--data-dir", str(tmp_path), "--port", "0")
    process = start("kubelet", *flags, "--hostname-override", name, "--container-runtime", "fake")
    with ended(process):
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        until(lambda: made.kubectl("get", "node", name, "-o", ready).out == "True", 30, f"{name} is Ready")
        overrides = json.dumps({"spec": {"nodeName": name}})
        command = ("--image=busybox", f"--overrides={overrides}", "--", "sh", "-c", "echo here; sleep 1000")
        assert made.kubectl("run", f"on-{name}", *command).code == 0
        waited = made.kubectl("wait", "--for=condition=Ready", f"pod/on-{name}", "--timeout=30s")
        assert waited.code == 0, waited
        log = made.kubectl("logs", f"on-{name}")
        if with_authority:
            assert log.out == "here\n", log
        else:
            assert log.code != 0 and "certificate" in log.err, log
        made.kubectl("delete", "pod", f"on-{name}", "--grace-period=0", "--force")
    made.kubectl("delete", "node", name)
