"""The kinds of resource.k8s.io: defaults, what is refused and where, what may change, and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from minikube_py.api.errors import FieldError
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds.base import Object
from tests.unit.kinds_samples import (
    BY_NAME,
    CONTEXT,
    changed,
    created,
    errors_of_create,
    errors_of_update,
    metadata,
    short,
    typed,
)

CLAIM: Object = {
    "metadata": metadata("c"),
    "spec": {"devices": {
        "requests": [
            {"name": "gpu", "exactly": {
                "deviceClassName": "gpu.example.com",
                "selectors": [{"cel": {"expression": "true"}}],
                "tolerations": [{"key": "k", "operator": "Exists"}],
            }},
            {"name": "any", "firstAvailable": [{"name": "big", "deviceClassName": "a"}]},
        ],
        "constraints": [{"requests": ["gpu", "any/big"], "matchAttribute": "example.com/numa"}],
        "config": [{"requests": ["any"], "opaque": {"driver": "d.example.com", "parameters": {"a": 1}}}],
    }},
}  # fmt: skip
SLICE: Object = {
    "metadata": metadata("s", ""),
    "spec": {
        "driver": "d.example.com",
        "pool": {"name": "node-1/pool", "generation": 1, "resourceSliceCount": 1},
        "nodeName": "node-1",
        "devices": [{
            "name": "gpu-0",
            "attributes": {"model": {"string": "x"}, "example.com/v": {"version": "1.2.3-rc.1+b"}, "n": {"int": 3}},
            "capacity": {"memory": {"value": "1Gi"}},
            "taints": [{"key": "broken", "effect": "NoSchedule"}],
        }],
    },
}  # fmt: skip
REQUEST = "spec.devices.requests.0"
EXACTLY = f"{REQUEST}.exactly"


def where(path: str) -> str:
    """A dotted path in upstream's form."""
    parts = path.split(".")
    return "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in parts).lstrip(".")


@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
@pytest.mark.parametrize(
    "path, value, wrong, at",
    [
        (f"{REQUEST}.name", "GPU", "Invalid", ""),
        (f"{EXACTLY}.deviceClassName", "", "Required", ""),
        (f"{EXACTLY}.deviceClassName", "A", "Invalid", ""),
        (f"{EXACTLY}.allocationMode", "Some", "NotSupported", ""),
        (f"{EXACTLY}.count", -1, "Invalid", ""),
        (f"{EXACTLY}.adminAccess", True, "Forbidden", ""),
        (f"{EXACTLY}.selectors.0.cel", None, "Required", ""),
        (f"{EXACTLY}.selectors.0.cel.expression", " ", "Required", ""),
        (f"{EXACTLY}.selectors.0.cel.expression", "x" * 10241, "TooLong", ""),
        (f"{EXACTLY}.selectors", [{"cel": {"expression": "true"}}] * 33, "TooMany", ""),
        (f"{EXACTLY}.tolerations.0.operator", "Like", "NotSupported", ""),
        (f"{EXACTLY}.tolerations.0.value", "x", "Invalid", ""),
        (f"{EXACTLY}.tolerations.0.effect", "Never", "NotSupported", ""),
        (
            "spec.devices.requests.1.firstAvailable",
            [{"name": "big", "deviceClassName": "a"}] * 2,
            "Duplicate",
            "spec.devices.requests[1].firstAvailable[1]",
        ),
        ("spec.devices.constraints.0.requests.1", "any/small", "Invalid", ""),
        ("spec.devices.constraints.0.requests.1", "gpu", "Duplicate", ""),
        ("spec.devices.constraints.0.matchAttribute", "numa", "Invalid", ""),
        ("spec.devices.constraints.0.matchAttribute", None, "Required", "spec.devices.constraints[0]"),
        ("spec.devices.constraints.0.distinctAttribute", "example.com/x", "Invalid", "spec.devices.constraints[0]"),
        ("spec.devices.config.0.requests.0", "other", "Invalid", ""),
        ("spec.devices.config.0.opaque", None, "Required", ""),
        ("spec.devices.config.0.opaque.driver", "", "Required", ""),
        ("spec.devices.config.0.opaque.parameters", None, "Required", ""),
        ("spec.devices.config.0.opaque.parameters", {"a": "x" * 10240}, "TooLong", ""),
    ],
)
def test_claims(kind: str, path: str, value: Any, wrong: str, at: str) -> None:
    obj = changed(CLAIM, path, value)
    prefix = ""
    if kind == "ResourceClaimTemplate":
        obj, prefix = {"metadata": obj["metadata"], "spec": {"spec": obj["spec"]}}, "spec."
    assert short(errors_of_create(BY_NAME[kind], obj))[0] == (prefix + (at or where(path)), wrong)


def test_requests_ask_in_one_way_for_something_new() -> None:
    kind = BY_NAME["ResourceClaim"]
    assert errors_of_create(kind, CLAIM) == []
    both = changed(CLAIM, f"{REQUEST}.firstAvailable", [{"name": "x", "deviceClassName": "a"}])
    assert short(errors_of_create(kind, both)) == [("spec.devices.requests[0]", "Invalid")]
    neither = changed(CLAIM, EXACTLY, None)
    assert short(errors_of_create(kind, neither)) == [("spec.devices.requests[0]", "Required")]
    again = changed(CLAIM, "spec.devices.requests.1.name", "gpu")
    assert ("spec.devices.requests[1]", "Duplicate") in short(errors_of_create(kind, again))
    every = changed(CLAIM, f"{EXACTLY}.allocationMode", "All")
    assert errors_of_create(kind, every) == []
    assert short(errors_of_create(kind, changed(every, f"{EXACTLY}.count", 2))) == [
        (where(f"{EXACTLY}.count"), "Invalid")
    ]


def test_defaults() -> None:
    made = created(BY_NAME["ResourceClaim"], changed(CLAIM, f"{EXACTLY}.tolerations", [{"key": "k"}]))
    exactly = made["spec"]["devices"]["requests"][0]["exactly"]
    assert (exactly["allocationMode"], exactly["count"]) == ("ExactCount", 1)
    assert exactly["tolerations"][0]["operator"] == "Equal"
    assert made["spec"]["devices"]["requests"][1]["firstAvailable"][0]["count"] == 1
    template = created(BY_NAME["ResourceClaimTemplate"], {"metadata": metadata("t"), "spec": {"spec": CLAIM["spec"]}})
    assert template["spec"]["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1


def test_specs_stay() -> None:
    old = created(BY_NAME["ResourceClaim"], CLAIM)
    assert errors_of_update(BY_NAME["ResourceClaim"], changed(old, "metadata.labels", {"a": "b"}), old) == ()
    new = changed(old, f"{EXACTLY}.count", 2)
    assert short(errors_of_update(BY_NAME["ResourceClaim"], new, old)) == [("spec", "Invalid")]
    template = {"metadata": metadata("t"), "spec": {"spec": CLAIM["spec"]}}
    old = created(BY_NAME["ResourceClaimTemplate"], template)
    new = changed(old, "spec.metadata", {"labels": {"a": "b"}})
    assert short(errors_of_update(BY_NAME["ResourceClaimTemplate"], new, old)) == [("spec", "Invalid")]


RESULT = {"request": "gpu", "driver": "d.example.com", "pool": "p", "device": "gpu-0"}
USED: Object = {
    "allocation": {"devices": {"results": [RESULT]}},
    "reservedFor": [{"resource": "pods", "name": "p", "uid": "1"}],
    "devices": [{"driver": "d.example.com", "pool": "p", "device": "gpu-0", "networkData": {"ips": ["10.0.0.1/24"]}}],
}


def of_status(status: Object, old_status: Object | None = None, **meta: Any) -> Sequence[FieldError]:
    kind = BY_NAME["ResourceClaim"]
    old = created(kind, CLAIM)
    old["status"] = old_status or {}
    old["metadata"] |= meta
    new = changed(old, "status", status)
    kind.prepare_status(new, old, CONTEXT)
    return kind.validate_status(typed(kind, new), typed(kind, old))


@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("allocation.devices.results.0.request", "other", ("status.allocation.devices.results[0].request", "Invalid")),
        ("allocation.devices.results.0.shareID", "x", ("status.allocation.devices.results[0].shareID", "Invalid")),
        ("reservedFor.0.uid", "", ("status.reservedFor[0].uid", "Required")),
        ("reservedFor", [USED["reservedFor"][0]] * 2, ("status.reservedFor[1]", "Duplicate")),
        ("devices.0.device", "gpu-1", ("status.devices[0]", "Invalid")),
        ("devices.0.networkData.ips.0", "10.0.0.1", ("status.devices[0].networkData.ips[0]", "Invalid")),
        ("devices.0.networkData.interfaceName", "x" * 257, ("status.devices[0].networkData.interfaceName", "TooLong")),
    ],
)
def test_status(path: str, value: Any, wrong: tuple[str, str]) -> None:
    assert of_status(USED) == []
    assert wrong in short(of_status(changed(USED, path, value)))


def test_allocations_stay_and_reservations_need_one() -> None:
    assert short(of_status({"reservedFor": USED["reservedFor"]})) == [("status.reservedFor", "Forbidden")]
    other = changed(USED, "allocation.devices.results.0.pool", "q")
    del other["devices"]
    assert short(of_status(other, USED)) == [("status.allocation", "Invalid")]
    more = changed(USED, "reservedFor", [*USED["reservedFor"], {"resource": "pods", "name": "q", "uid": "2"}])
    assert of_status(more, USED) == []
    gone = {"deletionTimestamp": "2030-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    assert short(of_status(more, USED, **gone)) == [("status.reservedFor", "Forbidden")]
    assert of_status(changed(USED, "reservedFor", []), USED, **gone) == []


@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("driver", "", [("spec.driver", "Required")]),
        ("driver", "x" * 64, [("spec.driver", "TooLong"), ("spec.driver", "Invalid")]),
        ("pool.name", "", [("spec.pool.name", "Required")]),
        ("pool.name", "a//b", [("spec.pool.name", "Invalid")]),
        ("pool.resourceSliceCount", 0, [("spec.pool.resourceSliceCount", "Invalid")]),
        ("pool.generation", -1, [("spec.pool.generation", "Invalid")]),
        ("nodeName", None, [("spec", "Required")]),
        ("nodeName", "A", [("spec.nodeName", "Invalid")]),
        ("allNodes", True, [("spec", "Invalid")]),
        ("allNodes", False, [("spec.allNodes", "Invalid")]),
        ("perDeviceNodeSelection", False, [("spec.perDeviceNodeSelection", "Invalid")]),
        ("sharedCounters", [{"name": "c", "counters": {"x": {"value": "1"}}}], [("spec", "Invalid")]),
        ("devices.0.name", "A", [("spec.devices[0].name", "Invalid")]),
        ("devices.0.nodeName", "n", [("spec.devices[0]", "Invalid")]),
        ("devices.0.attributes.n", {}, [("spec.devices[0].attributes[n]", "Invalid")]),
        ("devices.0.attributes.n", {"int": 1, "bool": True}, [("spec.devices[0].attributes[n]", "Invalid")]),
        ("devices.0.attributes.n", {"string": "x" * 65}, [("spec.devices[0].attributes[n].string", "TooLong")]),
        ("devices.0.attributes.n", {"version": "1.2"}, [("spec.devices[0].attributes[n].version", "Invalid")]),
        ("devices.0.attributes.n", {"versions": ["1.2.3", "v1"]},
         [("spec.devices[0].attributes[n].versions[1]", "Invalid")]),
        ("devices.0.attributes.a-b", {"int": 1}, [("spec.devices[0].attributes", "Invalid")]),
        ("devices.0.capacity.memory.requestPolicy", {"default": "1"},
         [("spec.devices[0].capacity[memory].requestPolicy", "Forbidden")]),
        ("devices.0.taints.0.effect", "", [("spec.devices[0].taints[0].effect", "Required")]),
        ("devices.0.taints.0.key", "a b", [("spec.devices[0].taints[0].key", "Invalid")]),
        ("devices.0.consumesCounters", [{"counterSet": "c", "counters": {}}],
         [("spec.devices[0].consumesCounters[0].counters", "Required")]),
        ("devices.0.bindingConditions", ["a"], [("spec.devices[0].bindingFailureConditions", "Invalid")]),
        ("devices.0.nodeAllocatableResourceMappings", {"cpu": {}},
         [("spec.devices[0].nodeAllocatableResourceMappings", "Forbidden")]),
    ],
)  # fmt: skip
def test_slices(path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    kind = BY_NAME["ResourceSlice"]
    assert errors_of_create(kind, SLICE) == []
    obj = changed(SLICE, f"spec.{path}", value)
    assert short(errors_of_create(kind, obj))[: len(wrong)] == (wrong if path != "driver" or value == "" else wrong[:1])


@pytest.mark.parametrize(
    "policy, wrong",
    [
        ({"default": "1", "validValues": ["1", "2"]}, []),
        ({"default": "3", "validValues": ["1", "2"]}, [("validValues", "Invalid")]),
        ({"default": "1", "validValues": ["2", "1"]}, [("validValues[1]", "Invalid")]),
        ({"default": "1", "validValues": ["1", "20"]}, [("validValues[1]", "Invalid")]),
        ({"validValues": ["1"]}, [("default", "Required")]),
        ({"default": "2", "validRange": {"min": "2", "max": "8", "step": "2"}}, []),
        ({"default": "2", "validRange": {}}, [("validRange.min", "Required")]),
        ({"default": "1", "validRange": {"min": "2"}}, [("validRange.default", "Invalid")]),
        ({"default": "9", "validRange": {"min": "2", "max": "8"}}, [("validRange.default", "Invalid")]),
        ({"default": "2", "validRange": {"min": "2", "max": "20"}}, [("validRange.max", "Invalid")]),
        ({"default": "3", "validRange": {"min": "2", "step": "2"}}, [("validRange.step", "Invalid")]),
        ({"default": "2", "validRange": {"min": "2", "step": "0"}}, [("validRange.step", "Invalid")]),
    ],
)
def test_capacity_policies(policy: Object, wrong: list[tuple[str, str]]) -> None:
    obj = changed(SLICE, "spec.devices.0.capacity", {"memory": {"value": "10", "requestPolicy": policy}})
    obj["spec"]["devices"][0]["allowMultipleAllocations"] = True
    path = "spec.devices[0].capacity[memory].requestPolicy"
    assert short(errors_of_create(BY_NAME["ResourceSlice"], obj)) == [(f"{path}.{at}", type_) for at, type_ in wrong]


def test_devices_by_node_and_limits() -> None:
    kind = BY_NAME["ResourceSlice"]
    obj = changed(changed(SLICE, "spec.nodeName", None), "spec.perDeviceNodeSelection", True)
    assert short(errors_of_create(kind, obj)) == [("spec.devices[0]", "Required")]
    assert errors_of_create(kind, changed(obj, "spec.devices.0.allNodes", True)) == []
    plain = changed(SLICE, "spec.devices", [{"name": f"d{i}"} for i in range(128)])
    assert errors_of_create(kind, plain) == []
    many = changed(plain, "spec.devices.0.taints", [{"key": "k", "effect": "None"}])
    assert short(errors_of_create(kind, many)) == [("spec.devices", "TooMany")]
    same = changed(SLICE, "spec.devices", [{"name": "d"}, {"name": "d"}])
    assert short(errors_of_create(kind, same)) == [("spec.devices[1]", "Duplicate")]


def test_what_of_a_slice_stays() -> None:
    kind = BY_NAME["ResourceSlice"]
    old = created(kind, SLICE)
    assert old["spec"]["devices"][0]["taints"][0]["timeAdded"] == "2030-01-01T00:00:00Z"
    for path, value in (("driver", "e.example.com"), ("pool.name", "q"), ("nodeName", "node-2")):
        new = changed(old, f"spec.{path}", value)
        assert short(errors_of_update(kind, new, old)) == [(f"spec.{path}", "Invalid")]
    assert errors_of_update(kind, changed(old, "spec.pool.generation", 2), old) == []


@pytest.mark.parametrize(
    "spec, wrong",
    [
        ({}, []),
        ({"extendedResourceName": "example.com/gpu"}, []),
        ({"extendedResourceName": "cpu"}, [("spec.extendedResourceName", "Invalid")]),
        ({"selectors": [{}]}, [("spec.selectors[0].cel", "Required")]),
        ({"config": [{}]}, [("spec.config[0].opaque", "Required")]),
    ],
)
def test_classes(spec: Object, wrong: list[tuple[str, str]]) -> None:
    assert short(errors_of_create(BY_NAME["DeviceClass"], {"metadata": metadata("d", ""), "spec": spec})) == wrong


def test_rows() -> None:
    stamp = age("2029-12-31T23:55:00Z")
    claim = BY_NAME["ResourceClaim"]
    assert claim.row(CLAIM) == ["c", "pending", stamp]
    used = changed(CLAIM, "status", USED)
    assert claim.row(used)[1] == "allocated,reserved"
    assert claim.row(changed(used, "status.reservedFor", []))[1] == "allocated"
    gone = changed(CLAIM, "metadata.deletionTimestamp", "2030-01-01T00:00:00Z")
    assert claim.row(gone)[1] == "deleted"
    assert BY_NAME["ResourceSlice"].row(SLICE) == ["s", "node-1", "d.example.com", "node-1/pool", stamp]
    assert BY_NAME["DeviceClass"].row({"metadata": metadata("d", "")}) == ["d", stamp]
    assert BY_NAME["ResourceClaimTemplate"].row({"metadata": metadata("t")}) == ["t", stamp]
    assert BY_NAME["ResourceSlice"].select_fields(SLICE) == {"spec.nodeName": "node-1", "spec.driver": "d.example.com"}
