"""The cluster's own certificate authority: EC P-256 keys, and files under the names that kubeadm gives them.

    ca.crt/key  apiserver.crt/key  apiserver-kubelet-client.crt/key  sa.key/pub
    admin.crt/key  scheduler.crt/key  controller-manager.crt/key  kubelet-NODE.crt/key   (kubeadm embeds these)

`cryptography` takes long to import, so it is imported only when something has to be made or looked into: what is in
order is recorded, with the sizes and times of the files, and a start that finds them unchanged only stats them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from minikube_py.daemon import certs, files, logs
from minikube_py.daemon.certs import CA_DAYS, Pair, PkiError, Sans, issue, new_ca
from minikube_py.daemon.clock import Clock, RealClock

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["ClusterPki", "Leaf", "Pair", "PkiError", "Sans", "ensure_cluster_pki", "issue", "new_ca"]

log = logs.get("pki")

_RENEW_DAYS = 30
_NO_SANS = Sans()
_RECORD = ".checked.json"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate to keep as STEM.crt and STEM.key: who it is for and what it may be used for."""

    stem: str
    common_name: str
    organizations: tuple[str, ...] = ()
    sans: Sans = _NO_SANS
    client: bool = False
    server: bool = False


ADMIN = Leaf("admin", "kubernetes-admin", ("system:masters",), client=True)
SCHEDULER = Leaf("scheduler", "system:kube-scheduler", client=True)
CONTROLLER_MANAGER = Leaf("controller-manager", "system:kube-controller-manager", client=True)
KUBELET_CLIENT = Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",), client=True)


def apiserver(names: Iterable[str], ips: Iterable[str]) -> Leaf:
    """The API server's serving certificate."""
    return Leaf("apiserver", "kube-apiserver", sans=Sans.of(names, ips), server=True)


def kubelet(node: str) -> Leaf:
    """The client certificate of the kubelet of `node`."""
    return Leaf(f"kubelet-{node}", f"system:node:{node}", ("system:nodes",), client=True)


def kubelet_serving(node: str, names: Iterable[str], ips: Iterable[str]) -> Leaf:
    """The serving certificate of the kubelet of `node`."""
    sans = Sans.of(names, ips)
    return Leaf(f"kubelet-{node}-server", f"system:node:{node}", ("system:nodes",), sans, server=True)


@dataclass(frozen=True, slots=True)
class ClusterPki:
    """Where the files are."""

    directory: Path

    def cert(self, leaf: Leaf | str) -> Path:
        return self.directory / f"{leaf if isinstance(leaf, str) else leaf.stem}.crt"

    def key(self, leaf: Leaf | str) -> Path:
        return self.directory / f"{leaf if isinstance(leaf, str) else leaf.stem}.key"

    def pair(self, leaf: Leaf | str) -> Pair:
        """A certificate and its key, read from their files."""
        return Pair(self.cert(leaf).read_bytes(), self.key(leaf).read_bytes())

    @property
    def ca_pem(self) -> bytes:
        return self.cert("ca").read_bytes()

    @property
    def sa_key(self) -> Path:
        return self.directory / "sa.key"

    @property
    def sa_pub(self) -> Path:
        return self.directory / "sa.pub"


def ensure_cluster_pki(
    dir: str | os.PathLike[str],
    *,
    names: Iterable[str],
    ips: Iterable[str],
    leaves: Iterable[Leaf] = (ADMIN, SCHEDULER, CONTROLLER_MANAGER, KUBELET_CLIENT),
    clock: Clock | None = None,
) -> ClusterPki:
    """Make what is missing, broken, about to expire (30 days) or for other names in DIR/pki.

    `names` and `ips` are those of the API server's serving certificate. May be killed at any moment and run by several
    processes at once. Raises PkiError when certificates must be issued and the CA's key is missing or is not its key.
    """
    clock = clock or RealClock()
    directory = Path(dir) / "pki"
    wanted = (apiserver(names, ips), *leaves)
    stems = [leaf.stem for leaf in wanted]
    if len(set(stems)) != len(stems) or not {"ca", "sa"}.isdisjoint(stems) or "/" in "".join(stems):
        raise ValueError(f"certificates cannot be kept under these names: {stems}")
    if not _in_order(directory, wanted, clock):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory):
            until = _make(directory, wanted, clock)
            _record(directory, wanted, until, clock)
    return ClusterPki(directory)


# -- what is there


def _files(wanted: Sequence[Leaf]) -> list[str]:
    stems = ("ca", *(leaf.stem for leaf in wanted))
    return [f"{stem}.{suffix}" for stem in stems for suffix in ("crt", "key")] + ["sa.key", "sa.pub"]


def _stats(directory: Path, wanted: Sequence[Leaf]) -> dict[str, list[int] | None]:
    """Size, time and inode of each file; None for one that is not there (a CA's key may be kept elsewhere)."""
    out: dict[str, list[int] | None] = {}
    for name in _files(wanted):
        try:
            stat = os.stat(directory / name)
            out[name] = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        except FileNotFoundError:
            out[name] = None
    return out


def _fingerprint(leaf: Leaf) -> str:
    return hashlib.sha256(repr(leaf).encode()).hexdigest()


def _in_order(directory: Path, wanted: Sequence[Leaf], clock: Clock) -> bool:
    """Whether everything is as it was when it was last checked, and was made for what is wanted now."""
    try:
        record = orjson.loads((directory / _RECORD).read_bytes())
        stats = _stats(directory, wanted)
        return (
            clock.time() < record["renew_at"]
            and all(record["leaves"].get(leaf.stem) == _fingerprint(leaf) for leaf in wanted)
            and all(record["files"].get(name, 0) == stat for name, stat in stats.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _record(directory: Path, wanted: Sequence[Leaf], until: datetime, clock: Clock) -> None:
    """Remember what was checked; what other callers had checked, for other leaves, stays remembered."""
    renew_at = (until - timedelta(days=_RENEW_DAYS)).timestamp()
    leaves = {leaf.stem: _fingerprint(leaf) for leaf in wanted}
    stats = _stats(directory, wanted)
    try:
        old = orjson.loads((directory / _RECORD).read_bytes())
        if clock.time() < old["renew_at"]:
            renew_at = min(renew_at, old["renew_at"])
            leaves, stats = {**old["leaves"], **leaves}, {**old["files"], **stats}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet, or none that is of use
    files.replace(directory / _RECORD, orjson.dumps({"renew_at": renew_at, "leaves": leaves, "files": stats}))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with open(directory / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- making it (the caller holds the lock)


def _make(directory: Path, wanted: Sequence[Leaf], clock: Clock) -> datetime:
    """Bring the directory in order; when the first of its certificates ends."""
    ca = _ensure_ca(directory, clock)
    authority = certs.load_cert(ca.cert_pem, "ca.crt")
    _ensure_service_account_key(directory)
    until = authority.not_valid_after_utc
    for leaf in wanted:
        found = _usable(directory, leaf, authority, clock)
        if found is None:
            if not ca.key_pem:
                raise PkiError(f"{directory}: {leaf.stem}.crt must be issued, but there is no ca.key")
            pair = issue(
                ca, leaf.common_name, leaf.organizations, leaf.sans,
                client=leaf.client, server=leaf.server, clock=clock,
            )  # fmt: skip
            _write_pair(directory, leaf.stem, pair)
            log.info("issued a certificate", file=f"{leaf.stem}.crt", common_name=leaf.common_name)
            found = certs.load_cert(pair.cert_pem, leaf.stem)
        until = min(until, found.not_valid_after_utc)
    return until


def _ensure_ca(directory: Path, clock: Clock) -> Pair:
    """The CA; its key is empty when somebody else keeps it. An ending CA goes on with its key and name."""
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    key_pem = key_file.read_bytes() if key_file.exists() else b""
    if not cert_file.exists():
        key = certs.load_key(key_pem, str(key_file)) if key_pem else certs.new_key()
        pair = Pair(certs.ca_certificate(key, "kubernetes", CA_DAYS, clock), key_pem or certs.key_pem(key))
        _write_pair(directory, "ca", pair)
        log.info("made a certificate authority", file=str(cert_file))
        return pair
    cert_pem = cert_file.read_bytes()
    authority = certs.load_cert(cert_pem, str(cert_file))
    if not key_pem:
        return Pair(cert_pem, b"")
    key = certs.load_key(key_pem, str(key_file))
    if certs.public_pem(authority.public_key()) != certs.public_pem(key.public_key()):
        raise PkiError(f"{key_file} is not the key of {cert_file}")
    if authority.not_valid_after_utc - clock.now() < timedelta(days=_RENEW_DAYS):
        name = str(certs.common_name_of(authority))
        pair = Pair(certs.ca_certificate(key, name, CA_DAYS, clock), key_pem)
        files.replace(cert_file, pair.cert_pem, 0o644)
        log.info("renewed the certificate authority", file=str(cert_file))
        return pair
    return Pair(cert_pem, key_pem)


def _ensure_service_account_key(directory: Path) -> None:
    key_file, pub_file = directory / "sa.key", directory / "sa.pub"
    if key_file.exists():
        key = certs.load_key(key_file.read_bytes(), str(key_file))
    else:
        key = certs.new_key()
        files.replace(key_file, certs.key_pem(key))
    public = certs.public_pem(key.public_key())
    if not pub_file.exists() or pub_file.read_bytes() != public:
        files.replace(pub_file, public, 0o644)


def _usable(directory: Path, leaf: Leaf, authority: x509.Certificate, clock: Clock) -> x509.Certificate | None:
    """The certificate in the files, if it is what `leaf` says, belongs to its key and will be valid for a while."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    try:
        cert = certs.load_cert((directory / f"{leaf.stem}.crt").read_bytes(), leaf.stem)
        key = certs.load_key((directory / f"{leaf.stem}.key").read_bytes(), leaf.stem)
        cert.verify_directly_issued_by(authority)
        usages = set(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (OSError, PkiError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return None
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH} if leaf.server else set()
    wanted |= {ExtendedKeyUsageOID.CLIENT_AUTH} if leaf.client else set()
    organizations = tuple(str(a.value) for a in cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    same = (
        certs.public_pem(cert.public_key()) == certs.public_pem(key.public_key())
        and usages == wanted
        and certs.common_name_of(cert) == leaf.common_name
        and organizations == leaf.organizations
        and certs.sans_of(cert) == leaf.sans
    )
    # A leaf ends with its CA at the latest; renewing it again and again would not help then.
    until = min(clock.now() + timedelta(days=_RENEW_DAYS), authority.not_valid_after_utc)
    return cert if same and cert.not_valid_after_utc >= until and cert.not_valid_before_utc <= clock.now() else None


def _write_pair(directory: Path, stem: str, pair: Pair) -> None:
    # The key first: a certificate without its key would look like one whose key somebody else keeps.
    files.replace(directory / f"{stem}.key", pair.key_pem)
    files.replace(directory / f"{stem}.crt", pair.cert_pem, 0o644)
