"""PATCH: the four kinds of patch, chosen by Content-Type, as changes that the registry's update loop applies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minikube_py.api import decode, errors
from minikube_py.api.patch import apply as managed
from minikube_py.api.patch import json as json_patch
from minikube_py.api.patch import merge, strategic
from minikube_py.api.times import format_time
from minikube_py.apiserver import objectmeta
from minikube_py.apiserver.body import media_type, require_object
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.writes import Request, Result, report_unknown
from minikube_py.daemon.clock import Clock

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
CUSTOM_PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
"""What custom resources take: their schemas know no patch strategies."""


Operation = Callable[[Object], Object]
"""From the object to the patched one, without changing it."""


async def patch(registry: Registry, raw: bytes, content_type: str, request: Request, clock: Clock) -> Result:
    """Apply a patch. Raises UnsupportedMediaType, BadRequest, Invalid, Conflict, NotFound."""
    media = media_type(content_type)
    if media == APPLY_PATCH:
        return await _apply(registry, raw, request, clock)
    taken = PATCH_TYPES if registry.kind.custom is None else CUSTOM_PATCH_TYPES
    if media not in taken:
        raise errors.UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(taken)
        )
    struct = registry.kind.struct
    if media == JSON_PATCH:
        operations: Any = _load(raw)
        if not isinstance(operations, list):
            raise errors.BadRequest("a JSON patch is a list of operations")
        return await _modify(registry, lambda old: json_patch.apply(old, operations), request)
    body, duplicates = decode.decode_json(raw, duplicates=request.options.field_validation != "Ignore")
    if duplicates:
        report_unknown([f'duplicate field "{path}"' for path in duplicates], request)
    if media == MERGE_PATCH:
        return await _modify(registry, lambda old: merge.apply(old, body), request)
    return await _modify(registry, lambda old: strategic.apply(old, body, struct), request)


async def _modify(registry: Registry, operation: Operation, request: Request) -> Result:
    """Patch the object; a result that is no object of the kind is the patch's fault (422), as upstream has it."""

    def patched(old: Object) -> Object:
        new = operation(old)
        try:
            require_object(new, registry.kind)
            registry.check(new, request)
        except errors.BadRequest as error:
            raise errors.Invalid.of("", "", "", [errors.invalid("patch", "", error.message)]) from None
        objectmeta.match_name(objectmeta.ensure_metadata(new), request.name, request.namespace)
        return new

    return await registry.modify(patched, request, checked=True)


def _load(raw: bytes) -> Any:
    try:
        return loads(raw)
    except ValueError as error:
        raise errors.BadRequest(f"error decoding patch: {error}") from None


async def _apply(registry: Registry, raw: bytes, request: Request, clock: Clock) -> Result:
    """Server-side apply: create the object if it is not there, else merge by ownership."""
    config, duplicates = decode.decode_yaml(raw)
    if duplicates:
        report_unknown([f'duplicate field "{path}"' for path in duplicates], request)
    require_object(config, registry.kind)
    registry.check(config, request, partial=True)
    metadata = objectmeta.ensure_metadata(config)
    if metadata.get("name") and metadata["name"] != request.name:
        raise errors.BadRequest(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({request.name})"
        )
    metadata["name"] = request.name
    objectmeta.match_namespace(registry.kind, metadata, request.namespace)
    resource = registry.kind.resource
    struct = registry.kind.struct

    def merged(live: Object | None) -> Object:
        return managed.server_side_apply(
            live,
            config,
            struct,
            manager=request.options.field_manager,
            force=bool(request.options.force),
            api_version=resource.api_version,
            time=format_time(clock.now()),
            subresource=request.subresource,
            ignore=registry.ignored(request.subresource),
        )

    try:
        return await registry.modify(merged, request, tracked=True)
    except errors.NotFound:
        if request.subresource or metadata.get("resourceVersion"):
            raise
        if metadata.get("uid"):
            why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
            raise errors.conflict(resource.group, resource.plural, request.name, why) from None
    try:
        return await registry.create(merged(None), request, tracked=True)
    except errors.AlreadyExists:  # someone else was first: then it is an update after all
        return await registry.modify(merged, request, tracked=True)
