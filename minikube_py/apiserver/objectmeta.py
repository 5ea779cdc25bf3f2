"""The parts of metadata that the API server owns: names, uids, stamps, generations, deletion marks."""

from __future__ import annotations

import os
import random
import uuid
from datetime import datetime, timedelta

from minikube_py.api import errors
from minikube_py.api.times import format_time, parse_time
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes, as upstream's generated names."""
MAX_GENERATED_PREFIX = 58

_random = random.Random(os.urandom(16))


def generate_name(prefix: str) -> str:
    """`prefix` (cut so that the whole fits a DNS label) and five random characters."""
    return prefix[:MAX_GENERATED_PREFIX] + "".join(_random.choices(SUFFIX_ALPHABET, k=5))


def new_uid() -> str:
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def prepare_create(kind: Kind, obj: Object, namespace: str, now: datetime) -> None:
    """Fill in what a new object gets from the server and drop what a client may not choose.

    Raises BadRequest when the body names another namespace than the URL or carries a resourceVersion.
    """
    metadata = ensure_metadata(obj)
    if metadata.get("resourceVersion"):
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    match_namespace(kind, metadata, namespace)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(metadata["generateName"])
    for owned in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        metadata.pop(owned, None)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = format_time(now)
    if kind.generation:
        metadata["generation"] = 1


def ensure_metadata(obj: Object) -> Object:
    metadata: Object | None = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    return metadata


def match_namespace(kind: Kind, metadata: Object, namespace: str) -> None:
    """The namespace of the URL is the object's. Raises BadRequest when the body says another one."""
    said = metadata.get("namespace") or ""
    if not kind.resource.namespaced:
        if said:
            raise errors.BadRequest("namespace may not be set on a cluster-scoped object")
        metadata.pop("namespace", None)
        return
    if said and said != namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = namespace


def match_name(metadata: Object, name: str, namespace: str) -> None:
    """The object of a PUT or of a patch's result is the one of the URL. Raises BadRequest when it is another."""
    said = metadata.get("name")
    if not said:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if said != name:
        raise errors.BadRequest(f"the name of the object ({said}) does not match the name on the URL ({name})")
    said = metadata.get("namespace")
    if said and namespace and said != namespace:
        raise errors.BadRequest(
            f"the namespace of the object ({said}) does not match the namespace on the request ({namespace})"
        )


def prepare_update(kind: Kind, new: Object, old: Object) -> None:
    """What an update cannot change is taken from the old object where clients commonly leave it out."""
    meta, before = ensure_metadata(new), old["metadata"]
    for kept in ("uid", "creationTimestamp", "namespace"):
        if not meta.get(kept) and kept in before:
            meta[kept] = before[kept]
    for owned in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        if owned in before:
            meta[owned] = before[owned]
        else:
            meta.pop(owned, None)
    meta.pop("selfLink", None)
    if before.get("generateName") and not meta.get("generateName"):
        meta["generateName"] = before["generateName"]


def bump_generation(kind: Kind, new: Object, old: Object) -> None:
    """`metadata.generation` counts the changes of everything but metadata, and status where that is written apart."""
    if not kind.generation:
        return
    outside = ("metadata", "status", "apiVersion", "kind") if kind.status else ("metadata", "apiVersion", "kind")
    if {k: v for k, v in new.items() if k not in outside} != {k: v for k, v in old.items() if k not in outside}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


LONGEST_GRACE = 2**31 - 1
"""Seconds, or 68 years: what is added to the time of day has to stay a time of day."""


def mark_deleted(obj: Object, grace_seconds: int, now: datetime) -> bool:
    """Set the deletion stamp, `grace_seconds` from now, or shorten an earlier one. False when nothing changes.

    Upstream's rule: a later request can shorten the grace period, never lengthen it; zero means 'no one needs more
    time' and leaves the object to its finalizers.
    """
    metadata = obj["metadata"]
    grace_seconds = min(grace_seconds, LONGEST_GRACE)
    stamped = metadata.get("deletionTimestamp")
    if stamped is None:
        metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=grace_seconds))
        metadata["deletionGracePeriodSeconds"] = grace_seconds
        if "generation" in metadata:
            metadata["generation"] += 1
        return True
    before = metadata.get("deletionGracePeriodSeconds", 0)
    if grace_seconds >= before:
        return False
    # The stamp says when the old period ends: counted from its start, the new one ends this much earlier.
    earlier = parse_time(stamped) - timedelta(seconds=before - grace_seconds)
    metadata["deletionTimestamp"] = format_time(max(earlier, now) if grace_seconds else now)
    metadata["deletionGracePeriodSeconds"] = grace_seconds
    return True
