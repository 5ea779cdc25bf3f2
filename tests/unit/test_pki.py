"""The cluster's certificates: openssl as an independent judge, repair after crashes, a start that touches nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from minikube_py.daemon import certs, files, pki
from minikube_py.daemon.clock import VirtualClock

START = datetime.now(UTC)  # openssl checks validity against the real time


def clock(days: float = 0) -> VirtualClock:
    return VirtualClock(START + timedelta(days=days))


def ensure(
    directory: Path, *, days: float = 0, names: Any = ("localhost",), ips: Any = ("127.0.0.1",), **more: Any
) -> pki.ClusterPki:
    return pki.ensure_cluster_pki(directory, names=names, ips=ips, clock=clock(days), **more)


def content(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (directory / "pki").iterdir() if not p.name.startswith(".")}


def openssl(*args: str) -> str:
    if shutil.which("openssl") is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_openssl_accepts_every_certificate_for_its_purpose_alone(tmp_path: Path) -> None:
    serving = pki.kubelet_serving("n1", ["n1"], ["::1"])
    made = ensure(tmp_path, names=["b", "a", "a"], ips=["127.0.0.1", "::1"],
                  leaves=[pki.ADMIN, pki.KUBELET_CLIENT, pki.kubelet("n1"), serving])  # fmt: skip
    ca = str(made.cert("ca"))
    strict = ["verify", "-x509_strict", "-CAfile", ca]
    for leaf, purpose, wrong in [
        ("apiserver", "sslserver", "sslclient"),
        ("kubelet-n1-server", "sslserver", "sslclient"),
        ("admin", "sslclient", "sslserver"),
        ("apiserver-kubelet-client", "sslclient", "sslserver"),
        ("kubelet-n1", "sslclient", "sslserver"),
    ]:
        openssl(*strict, "-purpose", purpose, str(made.cert(leaf)))
        with pytest.raises(AssertionError, match=r"unsuitable certificate purpose|unsupported certificate purpose"):
            openssl(*strict, "-purpose", wrong, str(made.cert(leaf)))
    openssl(*strict, "-verify_hostname", "a", str(made.cert("apiserver")))
    openssl(*strict, "-verify_ip", "::1", str(made.cert("apiserver")))
    text = openssl("x509", "-in", str(made.cert("admin")), "-noout", "-text")
    assert "Subject: O = system:masters, CN = kubernetes-admin" in text
    assert "CA:FALSE" in text and "prime256v1" in text and "Authority Key Identifier" in text
    text = openssl("x509", "-in", str(made.cert("kubelet-n1")), "-noout", "-subject")
    assert "O = system:nodes, CN = system:node:n1" in text
    assert made.sa_pub.read_text() == openssl("pkey", "-in", str(made.sa_key), "-pubout")


def test_keys_belong_to_their_owner(tmp_path: Path) -> None:
    made = ensure(tmp_path)
    modes = {p.name: p.stat().st_mode & 0o777 for p in made.directory.iterdir()}
    assert {m for n, m in modes.items() if n.endswith(".key")} == {0o600}
    assert {m for n, m in modes.items() if n.endswith(".crt")} == {0o644}
    assert made.directory.stat().st_mode & 0o777 == 0o700
    assert "BEGIN" not in repr(made.pair("admin"))


def test_a_second_time_changes_nothing_and_loads_no_cryptography(tmp_path: Path) -> None:
    script = (
        "import sys; from minikube_py.daemon import pki\n"
        "pki.ensure_cluster_pki(sys.argv[1], names=['localhost'], ips=['127.0.0.1'])\n"
        "print('cryptography' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    run = [sys.executable, "-c", script, str(tmp_path)]
    said = []
    kept = []
    for _ in range(2):
        said.append(subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout)
        kept.append(content(tmp_path))
    assert said == ["True\n", "False\n"] and kept[0] == kept[1]


def test_the_quick_look_is_not_fooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ensure(tmp_path)
    looked: list[int] = []

    def look(*args: object) -> datetime:
        looked.append(1)
        return clock(300).now()

    monkeypatch.setattr(pki, "_make", look)
    ensure(tmp_path)
    assert looked == []
    ensure(tmp_path, names=["localhost", "more"])
    ensure(tmp_path, days=340)
    os.utime(made.cert("admin"))
    ensure(tmp_path)
    (made.directory / ".checked.json").write_text("[]")
    ensure(tmp_path)
    assert len(looked) == 4


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "other key"])
@pytest.mark.parametrize("name", ["apiserver.crt", "apiserver.key", "admin.crt", "admin.key"])
def test_a_damaged_leaf_is_issued_anew_and_the_rest_stays(tmp_path: Path, name: str, damage: str) -> None:
    made = ensure(tmp_path)
    before = content(tmp_path)
    file = made.directory / name
    if damage == "missing":
        file.unlink()
    elif damage == "other key":
        file.write_bytes(made.pair("scheduler").key_pem if name.endswith("key") else made.pair("scheduler").cert_pem)
    else:
        file.write_bytes(b"" if damage == "empty" else file.read_bytes()[:100])
    ensure(tmp_path)
    after = content(tmp_path)
    stem = name.split(".")[0]
    assert {n for n in before if before[n] != after[n]} == {f"{stem}.crt", f"{stem}.key"}
    openssl("verify", "-CAfile", str(made.cert("ca")), str(made.cert(stem)))


def test_other_names_another_identity_and_an_old_age_are_issued_anew(tmp_path: Path) -> None:
    made = ensure(tmp_path, leaves=[pki.Leaf("x", "one", client=True)])
    before = content(tmp_path)
    ensure(tmp_path, names=["localhost", "b"], leaves=[pki.Leaf("x", "one", client=True)])
    middle = content(tmp_path)
    assert {n for n in before if before[n] != middle[n]} == {"apiserver.crt", "apiserver.key"}
    ensure(tmp_path, names=["b", "localhost"], leaves=[pki.Leaf("x", "one", ("group",), client=True)])
    after = content(tmp_path)
    assert {n for n in before if middle[n] != after[n]} == {"x.crt", "x.key"}
    ensure(tmp_path, days=334, names=["b", "localhost"], leaves=[pki.Leaf("x", "one", ("group",), client=True)])
    assert content(tmp_path) == after
    ensure(tmp_path, days=336, names=["b", "localhost"], leaves=[pki.Leaf("x", "one", ("group",), client=True)])
    renewed = content(tmp_path)
    assert {n for n in after if after[n] != renewed[n]} == {"apiserver.crt", "apiserver.key", "x.crt", "x.key"}
    assert made.directory == tmp_path / "pki"


def test_an_ending_ca_goes_on_with_its_key_and_its_leaves_stay_good(tmp_path: Path) -> None:
    made = ensure(tmp_path)
    old = made.pair("ca")
    ensure(tmp_path, days=3630)
    new = made.pair("ca")
    assert new.key_pem == old.key_pem and new.cert_pem != old.cert_pem
    leaf = certs.load_cert(made.pair("apiserver").cert_pem, "leaf")
    leaf.verify_directly_issued_by(certs.load_cert(old.cert_pem, "old"))
    leaf.verify_directly_issued_by(certs.load_cert(new.cert_pem, "new"))


def test_killed_at_any_moment_the_next_start_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    real = files.replace
    crashes = 0
    while True:
        directory = tmp_path / str(crashes)
        left = crashes

        def replace(*args: Any, **more: Any) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            real(*args, **more)

        monkeypatch.setattr(files, "replace", replace)
        try:
            ensure(directory)
        except Killed:
            crashes += 1
            monkeypatch.setattr(files, "replace", real)
            made = ensure(directory)
            for name in ("apiserver", "admin"):
                openssl("verify", "-CAfile", str(made.cert("ca")), str(made.cert(name)))
            continue
        break
    assert crashes >= 13


def test_two_processes_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: (ensure(tmp_path), content(tmp_path))[1], range(4)))
    assert all(f == found[0] for f in found)


def test_each_asks_for_its_own_and_what_others_made_stays_known(tmp_path: Path) -> None:
    ensure(tmp_path)
    ensure(tmp_path, leaves=[pki.kubelet("n1")])
    record = json.loads((tmp_path / "pki" / ".checked.json").read_bytes())
    assert {"apiserver", "admin", "kubelet-n1"} <= set(record["leaves"])


def test_a_ca_kept_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    made = ensure(tmp_path)
    key = made.key("ca").read_bytes()
    made.key("ca").unlink()
    before = content(tmp_path)
    ensure(tmp_path)
    assert content(tmp_path) == before, "all is there, the key is not needed"
    with pytest.raises(pki.PkiError, match=r"apiserver.crt must be issued, but there is no ca.key"):
        ensure(tmp_path, names=["other"])
    made.key("ca").write_bytes(made.pair("admin").key_pem)
    with pytest.raises(pki.PkiError, match="is not the key of"):
        ensure(tmp_path, names=["other"])
    made.key("ca").write_bytes(b"garbage")
    with pytest.raises(pki.PkiError, match="not a PEM private key"):
        ensure(tmp_path, names=["other"])
    made.key("ca").write_bytes(key)
    made.cert("ca").write_bytes(b"garbage")
    with pytest.raises(pki.PkiError, match="not a PEM certificate"):
        ensure(tmp_path, names=["other"])


def test_senseless_requests_are_refused(tmp_path: Path) -> None:
    ca = pki.new_ca()
    with pytest.raises(ValueError, match="for a client, a server or both"):
        pki.issue(ca, "x")
    with pytest.raises(ValueError, match="at least one name"):
        pki.issue(ca, "x", server=True)
    for stems in (["ca"], ["a/b"], ["x", "x"]):
        with pytest.raises(ValueError, match="cannot be kept"):
            ensure(tmp_path, leaves=[pki.Leaf(s, "x", client=True) for s in stems])
    with pytest.raises(ValueError):
        ensure(tmp_path, ips=["not-an-ip"])
    assert not (tmp_path / "pki").exists()


def test_a_certificate_never_outlives_its_ca() -> None:
    ca = pki.new_ca(days=10, clock=clock())
    leaf = certs.load_cert(pki.issue(ca, "x", client=True, clock=clock()).cert_pem, "leaf")
    assert leaf.not_valid_after_utc == certs.load_cert(ca.cert_pem, "ca").not_valid_after_utc
