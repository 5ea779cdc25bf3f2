"""`up`, `status` and `down` as commands: what they start, say, refuse and leave behind. No engine is needed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from minikube_py.daemon import certs
from minikube_py.daemon.clock import RealClock
from tests.integration.clusters import Cluster, alive, cluster, ended, kill, minikube_py, run, start, until

FOUR = ["apiserver", "controller-manager", "kubelet", "scheduler"]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "data") as found:
        yield found


def test_up_again_and_after_a_crash(made: Cluster) -> None:
    """The second `up` starts nothing; after a crash it starts what is missing, as it was started before."""
    first = made.up()
    assert "node" in first.out and str(made.layout.admin_conf) in first.out
    pids = made.pids()
    assert sorted(pids) == FOUR
    admin = made.layout.admin_conf.read_bytes()
    again = made.up()
    assert made.pids() == pids and again.out.count("is running already") == 4

    made.kill("controller-manager")
    assert made.status()["healthy"] is False
    # Without any flag but the directory: the port and the runtime are remembered.
    third = minikube_py("up", "--data-dir", str(made.data_dir))
    assert third.code == 0, third.err
    now = made.pids()
    assert now.pop("controller-manager") != pids.pop("controller-manager") and now == pids
    assert made.layout.admin_conf.read_bytes() == admin
    assert oct(made.data_dir.stat().st_mode & 0o777) == "0o700"
    assert oct(made.layout.admin_conf.stat().st_mode & 0o777) == "0o600"


def test_two_ups_at_once_start_one_of_each(made: Cluster) -> None:
    with ended(start("up", *made.up_flags)) as one, ended(start("up", *made.up_flags)) as other:
        texts = [process.communicate(timeout=60)[0] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], texts
    assert sum(text.count(" started") for text in texts) == 4
    ours = [p for p in Path("/proc").iterdir() if p.name.isdigit() and str(made.data_dir) in _command(p)]
    assert len(ours) == 4


def test_a_daemon_is_not_started_twice(made: Cluster) -> None:
    """Also when whoever started the first one was killed before it could note its process id."""
    made.up()
    pid_file = made.layout.pid_file("scheduler")
    second = minikube_py("scheduler", "--data-dir", str(made.data_dir), "--pid-file", str(pid_file))
    assert second.code == 1 and "runs already" in second.err
    assert int(pid_file.read_text().split()[0]) == made.pids()["scheduler"]


def test_other_flags_while_it_runs_are_refused(made: Cluster) -> None:
    made.up()
    other = minikube_py("up", "--data-dir", str(made.data_dir), "--secure-port", "1")
    assert other.code == 1 and f"--secure-port ({made.port})" in other.err and "down" in other.err
    mode = minikube_py("up", "--data-dir", str(made.data_dir), "--single-process")
    assert mode.code == 1 and "--single-process" in mode.err
    assert made.status()["healthy"] is True


def test_status_in_text_and_json(made: Cluster) -> None:
    nothing = minikube_py("status", "--data-dir", str(made.data_dir))
    assert nothing.code == 1 and nothing.out.count("stopped") == 4 and not made.data_dir.exists()
    made.up()
    text = minikube_py("status", "--data-dir", str(made.data_dir))
    assert text.code == 0 and text.out.count("running (pid") == 4
    assert f"ready at {made.server}" in text.out and text.err == ""
    found = made.status()
    assert found["processes"] == made.pids() and found["server"] == made.server
    assert found["ready"] is True and list(found["nodes"].values()) == ["True"] and found["healthy"] is True
    made.kill("apiserver")
    found = made.status()
    assert found["processes"]["apiserver"] is None and found["ready"] is False and found["healthy"] is False
    assert minikube_py("status", "--data-dir", str(made.data_dir)).code == 1


def test_down_keeps_or_deletes(made: Cluster) -> None:
    made.up()
    pids = made.pids()
    assert made.kubectl("create", "configmap", "kept", "--from-literal=a=b").code == 0
    down = made.run_down()
    assert down.code == 0 and "kept in" in down.out and not any(alive(pid) for pid in pids.values())
    assert not list((made.data_dir / "run").glob("*.pid"))
    again = made.run_down()
    assert again.code == 0 and "nothing was running" in again.out
    made.up()
    assert made.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}").out == "b"
    stranger = made.data_dir / "notes.txt"
    stranger.write_text("mine")
    gone = made.run_down("--delete-data")
    # What no cluster has made is not for `down` to delete.
    assert gone.code == 0 and os.listdir(made.data_dir) == ["notes.txt"], gone
    stranger.unlink()
    assert made.run_down("--delete-data").code == 0 and not made.data_dir.exists()


def test_down_of_what_never_was(tmp_path: Path) -> None:
    for flags in ([], ["--delete-data"]):
        result = minikube_py("down", "--data-dir", str(tmp_path / "none"), *flags)
        assert result.code == 0 and result.out == "nothing was running\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["--single-process", "--no-single-process"])
def test_foreground_ends_with_a_signal(made: Cluster, mode: str, number: int) -> None:
    with ended(start("up", *made.up_flags, "--foreground", mode)) as process:
        until(lambda: made.layout.admin_conf.exists() and made.status()["healthy"], 30, "the cluster is healthy")
        until(lambda: ("up" if mode.startswith("--no") else "cluster") in made.pids())
        assert process.poll() is None
        pids = made.pids()
        process.send_signal(number)
        text, _ = process.communicate(timeout=15)
    assert process.returncode == 0, text
    assert "is Ready" in text
    assert not any(alive(pid) for pid in pids.values())


def test_foreground_ends_when_a_daemon_does(made: Cluster) -> None:
    with ended(start("up", *made.up_flags, "--foreground")) as process:
        until(lambda: "up" in made.pids(), 30, "the cluster is up")
        made.kill("scheduler")
        text, _ = process.communicate(timeout=15)
    assert process.returncode == 1 and "scheduler ended" in text and made.pids() == {}


def test_a_signal_during_up_takes_back_what_was_started(made: Cluster) -> None:
    with ended(start("up", *made.up_flags)) as process:
        until(lambda: "apiserver" in made.pids(), 20, "something is started")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130 and made.pids() == {}


def test_down_ends_a_foreground_up(made: Cluster) -> None:
    with ended(start("up", *made.up_flags, "--foreground")) as process:
        until(lambda: "up" in made.pids(), 30, "the cluster is up")
        assert made.run_down().code == 0
        text, _ = process.communicate(timeout=15)
    assert process.returncode == 0, text


def test_clusters_side_by_side(tmp_path: Path) -> None:
    with cluster(tmp_path / "one") as one, cluster(tmp_path / "two") as two:
        one.up()
        two.up("--single-process")
        assert one.kubectl("create", "configmap", "a").code == 0
        assert "not found" in two.kubectl("get", "configmap", "a").err
        assert two.run_down("--delete-data").code == 0
        assert one.status()["healthy"] is True
        # Each has an authority of its own.
        foreign = run(["curl", "-s", "--cacert", str(one.data_dir / "pki" / "ca.crt"), one.server + "/readyz"])
        assert foreign.out == "ok"


def test_a_port_in_use(made: Cluster) -> None:
    with socket.create_server(("127.0.0.1", made.port)):
        result = made.run_up()
    assert result.code == 1 and f"127.0.0.1:{made.port}" in result.err and "--secure-port" in result.err
    assert "Traceback" not in result.err and made.pids() == {}
    assert not made.layout.admin_conf.exists()


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        for command in ("up", "apiserver"):
            result = minikube_py(command, "--data-dir", str(place), "--secure-port", "1")
            assert result.code == 1 and str(place) in result.err and "Traceback" not in result.err, result
        for command in ("down", "status"):
            assert "Traceback" not in minikube_py(command, "--data-dir", str(place)).err


def test_an_engine_that_does_not_answer(tmp_path: Path) -> None:
    with cluster(tmp_path / "data", "--container-runtime", "docker") as made:
        nowhere = f"unix://{tmp_path}/no.sock"
        for flags, env in (((), {"DOCKER_HOST": nowhere}), (("--container-runtime-endpoint", nowhere), None)):
            result = made.run_up(*flags, env=env)
            assert result.code == 1 and "no Docker Engine answers" in result.err, result
            assert "--container-runtime fake" in result.err and "Traceback" not in result.err
        assert made.pids() == {}
        made.flags = ("--container-runtime", "fake")  # Where there is no engine there is nothing to ask it.


@pytest.mark.parametrize("damage", ["noise", "newer", "foreign"])
def test_a_database_that_cannot_be_used(made: Cluster, damage: str) -> None:
    """It is said why, nothing is left running and the file is left as it is."""
    made.data_dir.mkdir()
    file = made.layout.database
    if damage == "noise":
        file.write_bytes(os.urandom(8192))
    else:
        with sqlite3.connect(file) as connection:
            connection.execute(f"PRAGMA application_id = {0x6D6B7079 if damage == 'newer' else 7}")
            connection.execute("PRAGMA user_version = 99")
            connection.execute("CREATE TABLE t (a)")
        connection.close()
    before = file.read_bytes()
    result = made.run_up()
    word = {"noise": "not a database", "newer": "schema version 99", "foreign": "another program"}[damage]
    assert result.code == 1 and word in result.err and str(file) in result.err, result
    assert "Traceback" not in result.err and made.pids() == {} and file.read_bytes() == before


def test_a_log_torn_at_its_end_is_recovered(made: Cluster) -> None:
    """Half a transaction in the write-ahead log, as a power cut leaves it, is not a damage."""
    made.up()
    assert made.kubectl("create", "configmap", "a").code == 0
    made.kill(*FOUR)
    wal = made.layout.database.with_name("state.db-wal")
    with open(wal, "ab") as log:
        log.write(os.urandom(4096 + 24 + 100))
    made.up()
    assert made.kubectl("get", "configmap", "a").code == 0


def test_certificates_that_are_wrong_are_made_anew(made: Cluster) -> None:
    made.up()
    made.run_down()
    pki = made.data_dir / "pki"
    authority = certs.Pair((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes())
    short = certs.issue(authority, "kubernetes-admin", ["system:masters"], client=True, days=1, clock=RealClock())
    (pki / "admin.crt").write_bytes(short.cert_pem)
    (pki / "admin.key").write_bytes(short.key_pem)
    (pki / "scheduler.crt").write_bytes(b"no certificate")
    (pki / "apiserver.key").unlink()
    ca = (pki / "ca.crt").read_bytes()
    made.up()
    assert (pki / "ca.crt").read_bytes() == ca
    assert (pki / "admin.crt").read_bytes() != short.cert_pem
    assert made.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").out == "kubernetes-admin"
    checked = run(["openssl", "verify", "-CAfile", str(pki / "ca.crt"), *map(str, pki.glob("*.crt"))])
    assert checked.code == 0, checked
    # Without its CA key nothing can be issued; that is said, and nothing is replaced.
    made.run_down()
    (pki / "ca.key").unlink()
    (pki / "admin.crt").unlink()
    refused = made.run_up()
    assert refused.code == 1 and "ca.key" in refused.err and "Traceback" not in refused.err
    assert (pki / "ca.crt").read_bytes() == ca


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice"),
        (["up", "--storage-backend", "paper"], "invalid choice"),
        (["up", "--secure-port", "0"], "is not a port"),
        (["up", "--secure-port", "65536"], "is not a port"),
        (["up", "--secure-port", "x"], "is not a port"),
        (["up", "--data", "/tmp/x"], "unrecognized arguments"),
        (["up", "--bind-address", "example"], "is not an IP address"),
        (["up", "--service-cluster-ip-range", "10.0.0.0/33"], "10.0.0.0/33"),
        (["up", "--service-cluster-ip-range", "10.0.0.0/31"], "too few"),
        (["up", "--service-node-port-range", "9-8"], "is not a range"),
        (["up", "--storage-backend", "etcd3"], "--etcd-servers"),
        (["up", "--etcd-servers", "http://127.0.0.1:1"], "is for --storage-backend etcd3"),
        (["up", "--node-labels", "a"], "KEY=VALUE"),
        (["up", "--max-pods", "-1"], "max-pods"),
        (["up", "--wait", "soon"], "not a duration"),
        (["up", "--container-runtime-endpoint", "ssh://x"], "is not a URL"),
        (["apiserver", "--tls-cert-file", "/x"], "go together"),
        (["apiserver", "-v", "loud"], "is not one of"),
        (["apiserver", "--authorization-mode", "Webhook,RBAC"], "'Webhook' is not supported: choose of Node, RBAC"),
        (["up", "--authorization-mode", "ABAC"], "'ABAC' is not supported"),
        (["apiserver", "--authorization-mode", ""], "at least one authorization mode"),
        (["apiserver", "--authorization-mode", "RBAC,RBAC"], "more than once"),
        (["apiserver", "--authorization-always-allow-paths", "/a*b"], "only trailing *"),
        (["scheduler", "--leader-elect=perhaps"], "neither true nor false"),
        (["status", "-o", "xml"], "invalid choice"),
        (["down", "--force"], "unrecognized arguments"),
    ],
)
def test_bad_flags(arguments: list[str], word: str) -> None:
    """Exit code 2, the usage, and nothing has been done."""
    result = minikube_py(*arguments)
    assert result.code == 2 and result.out == "" and result.err.startswith("usage: minikube-py")
    assert word in result.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["scheduler", "--kubeconfig", "/nowhere/a.conf"], "/nowhere/a.conf"),
        (["kubelet", "--container-runtime", "fake", "--hostname-override", "Not_A_Name!"], "--hostname-override"),
        (["controller-manager", "--controllers", "nothing", "--kubeconfig", "@"], "nothing"),
        (["apiserver", "--token-auth-file", "/nowhere/tokens", "--secure-port", "1"], "/nowhere/tokens"),
    ],
)
def test_a_daemon_that_cannot_start_says_why(tmp_path: Path, arguments: list[str], word: str) -> None:
    conf = tmp_path / "a.conf"
    conf.write_text(json.dumps({
        "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
    }))  # fmt: skip
    replaced = [str(conf) if part == "@" else part for part in arguments]
    result = minikube_py(*replaced, "--data-dir", str(tmp_path / "d"), timeout=20)
    assert result.code == 1 and word in result.err, result


def test_version_and_help() -> None:
    version = minikube_py("--version")
    assert version.code == 0 and "Kubernetes v1.36" in version.out
    for command in ("up", "down", "status", "apiserver", "scheduler", "controller-manager", "kubelet"):
        shown = minikube_py(command, "--help")
        assert shown.code == 0 and "--data-dir DIR" in shown.out


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_a_pid_that_belongs_to_somebody_else_is_left_alone(made: Cluster) -> None:
    """A pid file from before a reboot may hold the number of another process by now."""
    made.up()
    made.kill("scheduler")
    with ended(start("status", "--data-dir", str(made.data_dir))) as stranger:
        made.layout.pid_file("scheduler").write_text(f"{stranger.pid} 1\n")
        assert made.status()["processes"]["scheduler"] is None
    for text in ("", "x y", "12345"):
        made.layout.pid_file("scheduler").write_text(text)
        assert made.status()["processes"]["scheduler"] is None
    made.up()
    pid = made.pids()["scheduler"]
    assert made.run_down().code == 0 and not alive(pid)


def test_up_of_one_whose_daemon_hangs(made: Cluster) -> None:
    """A daemon that is stopped in its tracks is killed by `down` in the end; `status` does not hang with it."""
    made.up()
    pid = made.pids()["scheduler"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert made.status()["processes"]["scheduler"] == pid
    finally:
        os.kill(pid, signal.SIGCONT)
    kill(pid, signal.SIGTERM)
