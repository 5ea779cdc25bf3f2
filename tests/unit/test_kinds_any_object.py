"""Whatever object of the right types comes in, the hooks of its kind answer with errors and never fail."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_samples import CONTEXT
from schema_strategies import objects

from minikube_py.api.normalize import normalize
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds.base import Kind, Object

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.qualified)
@settings(max_examples=8, deadline=None, suppress_health_check=CHECKS)
@given(st.data())
def test_hooks_never_fail(kind: Kind, data: st.DataObject) -> None:
    old, new = (_stored(kind, data.draw(objects(kind.struct, depth=4))) for _ in range(2))
    first = copy.deepcopy(old)
    again = copy.deepcopy(old)
    kind.default(again)
    assert again == first
    for changed in (copy.deepcopy(old), new):
        before = copy.deepcopy(old)
        kind.prepare_update(changed, before, CONTEXT)
        assert before == old, "the stored object is nobody's to change"
        _check(kind, kind.validate_update(kind.view(changed), kind.view(old)))
    if kind.status:
        status = copy.deepcopy(new)
        kind.prepare_status(status, old, CONTEXT)
        _check(kind, kind.validate_status(kind.view(status), kind.view(old)))


def _stored(kind: Kind, obj: Object) -> Object:
    normalize(obj, kind.struct)
    metadata = obj.setdefault("metadata", {})
    metadata["name"] = metadata.get("name") or "x"
    metadata["creationTimestamp"] = "2030-01-01T00:00:00Z"
    kind.default(obj)
    kind.prepare_create(obj, CONTEXT)
    _check(kind, kind.validate(kind.view(obj)))
    if kind.warnings is not None:
        assert all(isinstance(warning, str) for warning in kind.warnings(obj))
    cells = kind.row(obj)
    assert len(cells) == len(kind.columns)
    assert all(isinstance(cell, (str, int, Age)) for cell in cells), cells
    assert all(isinstance(value, str) for value in kind.select_fields(obj).values())
    return obj


def _check(kind: Kind, errors: Any) -> None:
    for error in errors:
        assert error.cause().message, kind.resource.kind
