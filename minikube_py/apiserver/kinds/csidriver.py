"""CSIDriver: what a volume driver needs of Kubernetes and what it can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.api.resources import CSIDRIVERS
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._storage import UNSET
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import CSIDriver, TokenRequest

_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}
_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")
_MIN_PERIOD = 10


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for member, value in _DEFAULTS.items():
        if spec.get(member) is None:
            spec[member] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def prepare_create(obj: Object, context: Context) -> None:
    """`preventPodSchedulingIfMissing` belongs to a feature that is off, as in Kubernetes."""
    obj["spec"].pop("preventPodSchedulingIfMissing", None)


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Kubernetes counts the changes of this kind from the first one on, not from the creation."""
    prepare_create(new, context)
    if new["spec"] != old.get("spec"):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def validate(obj: CSIDriver) -> Sequence[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    # The misspelt path is Kubernetes' own.
    for path, value in (
        ("attachedRequired", spec.attachRequired),
        ("podInfoOnMount", spec.podInfoOnMount),
        ("storageCapacity", spec.storageCapacity),
        ("seLinuxMount", spec.seLinuxMount),
    ):
        if value is None:
            errs.append(required(f"spec.{path}"))
    if spec.fsGroupPolicy is not None and spec.fsGroupPolicy not in _POLICIES:
        errs.append(not_supported("spec.fsGroupPolicy", spec.fsGroupPolicy, _POLICIES))
    _token_requests(spec.tokenRequests, errs)
    for mode in spec.volumeLifecycleModes:
        if mode not in _MODES:
            errs.append(not_supported("spec.volumeLifecycleModes", mode, _MODES))
    period = spec.nodeAllocatableUpdatePeriodSeconds
    if period is not None and period < _MIN_PERIOD:
        path = "spec.nodeAllocatableUpdatePeriodSeconds"
        errs.append(invalid(path, period, f"must be greater than or equal to {_MIN_PERIOD} seconds"))
    if spec.serviceAccountTokenInSecrets is not None and not spec.tokenRequests:
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        errs.append(invalid("spec.serviceAccountTokenInSecrets", spec.serviceAccountTokenInSecrets, detail))
    return errs


def _token_requests(requests: Sequence[TokenRequest], errs: list[FieldError]) -> None:
    seen: set[str] = set()
    for i, request in enumerate(requests):
        path = f"spec.tokenRequests[{i}]"
        if request.audience in seen:
            errs.append(duplicate(f"{path}.audience", request.audience))
            continue
        seen.add(request.audience)
        seconds = request.expirationSeconds
        if seconds is not None and seconds < 600:
            detail = "may not specify a duration less than 10 minutes"
            errs.append(invalid(f"{path}.expirationSeconds", seconds, detail))
        if seconds is not None and seconds > 2**32:
            detail = "may not specify a duration larger than 2^32 seconds"
            errs.append(invalid(f"{path}.expirationSeconds", seconds, detail))


def validate_update(new: CSIDriver, old: CSIDriver) -> Sequence[FieldError]:
    errs = [*validate(new)]
    if new.spec.attachRequired != old.spec.attachRequired:
        errs.append(invalid("spec.attachedRequired", new.spec.attachRequired, IMMUTABLE))
    if new.spec.volumeLifecycleModes != old.spec.volumeLifecycleModes:
        errs.append(invalid("spec.volumeLifecycleModes", list(new.spec.volumeLifecycleModes), IMMUTABLE))
    return errs


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    requests = spec.get("tokenRequests")
    return [
        metadata["name"],
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        ",".join(r.get("audience", "") for r in requests) if requests else UNSET,
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=CSIDRIVERS,
    singular="csidriver",
    columns=(
        NAME,
        Column("AttachRequired", "boolean", description="Whether volumes are attached to a Node before the mount."),
        Column("PodInfoOnMount", "boolean", description="Whether the driver is told about the Pod."),
        Column("StorageCapacity", "boolean", description="Whether the driver tells how much room is left."),
        Column("TokenRequests", description="The audiences of the tokens that the driver gets."),
        Column("RequiresRepublish", "boolean", description="Whether the driver is called again from time to time."),
        Column("Modes", description="The lifecycles of volumes that the driver knows."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
)
