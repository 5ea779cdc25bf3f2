"""Which StorageClass a PersistentVolumeClaim or PersistentVolume names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def storage_class(obj: Mapping[str, Any]) -> str | None:
    """The class's name; the annotation of old counts before the field. Empty: none on purpose. None: not said."""
    annotations = obj["metadata"].get("annotations") or {}
    if OLD_CLASS in annotations:
        return str(annotations[OLD_CLASS])
    name = (obj.get("spec") or {}).get("storageClassName")
    return None if name is None else str(name)
