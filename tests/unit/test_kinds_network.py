"""The kinds of networking.k8s.io and discovery.k8s.io: rules with exact causes, immutable members, tables, warnings."""

from __future__ import annotations

from typing import Any

import pytest
from kinds_samples import BY_NAME, CONTEXT, SAMPLES, changed, created, errors_of_create, errors_of_update, short, typed

from minikube_py.apiserver.kinds import _net, endpointslice, ingress, ingressclass, ipaddress, networkpolicy
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds.base import Object

Wrong = list[tuple[str, str]]

SERVICE = {"service": {"name": "web", "port": {"number": 80}}}
CLASS = "kubernetes.io/ingress.class"
H = "spec.rules[0].http.paths[0]"


def rule(host: str = "", **path: Any) -> list[Object]:
    found: Object = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": SERVICE, **path}]}}
    return [{**found, "host": host}] if host else [found]


def backend(**body: Any) -> list[Object]:
    return rule(backend=body)


INGRESSES: list[tuple[str, Any, Wrong]] = [
    ("spec.rules", rule("*.example.com"), []),
    ("spec.rules", rule("a.example.com", path="", pathType="ImplementationSpecific"), []),
    ("spec.defaultBackend", None, [("spec", "Invalid")]),
    ("spec.rules", rule("10.0.0.1"), [("spec.rules[0].host", "Invalid")]),
    ("spec.rules", rule("*"), [("spec.rules[0].host", "Invalid")]),
    ("spec.rules", rule("a.*.com"), [("spec.rules[0].host", "Invalid")]),
    ("spec.rules", rule("A.com"), [("spec.rules[0].host", "Invalid")]),
    ("spec.rules", [{"http": {"paths": []}}], [("spec.rules[0].http.paths", "Required")]),
    ("spec.rules", rule(pathType=None), [(f"{H}.pathType", "Required")]),
    ("spec.rules", rule(pathType="Regex"), [(f"{H}.pathType", "NotSupported")]),
    ("spec.rules", rule(path=""), [(f"{H}.path", "Invalid")]),
    ("spec.rules", rule(path="x", pathType="ImplementationSpecific"), [(f"{H}.path", "Invalid")]),
    ("spec.rules", rule(path="/a//b/../c%2f"), [(f"{H}.path", "Invalid")] * 3),
    ("spec.rules", rule(path="/a/.."), [(f"{H}.path", "Invalid")]),
    ("spec.rules", rule(path="/a//..", pathType="ImplementationSpecific"), []),
    ("spec.rules", backend(), [(f"{H}.backend", "Invalid")]),
    ("spec.rules", backend(**SERVICE, resource={"kind": "K", "name": "n"}), [(f"{H}.backend", "Invalid")]),
    ("spec.rules", backend(resource={"apiGroup": "a.b", "kind": "K", "name": "n"}), []),
    (
        "spec.rules", backend(resource={"apiGroup": "A", "kind": "", "name": "a/b"}),
        [
            (f"{H}.backend.resource.apiGroup", "Invalid"), (f"{H}.backend.resource.kind", "Required"),
            (f"{H}.backend.resource.name", "Invalid"),
        ],
    ),
    (
        "spec.rules", backend(service={"name": "", "port": {}}),
        [(f"{H}.backend.service.name", "Required"), (f"{H}.backend", "Required")],
    ),
    (
        "spec.rules", backend(service={"name": "a.b", "port": {"number": 70000}}),
        [(f"{H}.backend.service.name", "Invalid"), (f"{H}.backend.service.port.number", "Invalid")],
    ),
    (
        "spec.rules", backend(service={"name": "1web", "port": {"name": "a--b"}}),
        [(f"{H}.backend.service.port.name", "Invalid")],
    ),
    (
        "spec.rules", backend(service={"name": "web", "port": {"name": "http", "number": 1}}),
        [(f"{H}.backend", "Invalid")],
    ),
    (
        "spec.tls", [{"hosts": ["*.a.com", "*a.com", "A"], "secretName": "A"}],
        [
            ("spec.tls[0].hosts[1]", "Invalid"), ("spec.tls[0].hosts[2]", "Invalid"),
            ("spec.tls[0].secretName", "Invalid"),
        ],
    ),
    ("spec.ingressClassName", "A", [("spec.ingressClassName", "Invalid")]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "wrong"), INGRESSES)
def test_ingresses(path: str, value: Any, wrong: Wrong) -> None:
    obj = changed(SAMPLES["Ingress"], path, value)
    assert short(errors_of_create(ingress.KIND, obj)) == wrong
    assert short(errors_of_update(ingress.KIND, obj, created(ingress.KIND, SAMPLES["Ingress"]))) == wrong


def test_the_old_annotation_of_a_class_may_not_contradict_a_new_ingress() -> None:
    obj = changed(SAMPLES["Ingress"], "metadata.annotations", {CLASS: "a"})
    both = changed(obj, "spec.ingressClassName", "b")
    assert errors_of_create(ingress.KIND, changed(obj, "spec.ingressClassName", "a")) == []
    assert short(errors_of_create(ingress.KIND, both)) == [(f"annotations.{CLASS}", "Invalid")]
    assert errors_of_update(ingress.KIND, both, created(ingress.KIND, obj)) == []
    assert ingress.KIND.warnings is not None
    (warning,) = ingress.KIND.warnings(obj)
    assert warning == f"annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
    assert ingress.KIND.warnings(SAMPLES["Ingress"]) == ()


def test_the_status_of_an_ingress() -> None:
    old = created(ingress.KIND, SAMPLES["Ingress"])
    assert old["status"] == {"loadBalancer": {}}
    entries = [{"ip": "1.2.3"}, {"ip": "10.0.0.1"}, {"hostname": "A"}, {"hostname": "10.0.0.1"}]
    new = {**old, "status": {"loadBalancer": {"ingress": entries}}}
    where = "status.loadBalancer.ingress"
    assert short(ingress.KIND.validate_status(typed(ingress.KIND, new), typed(ingress.KIND, old))) == [
        (f"{where}[0].ip", "Invalid"), (f"{where}[2].hostname", "Invalid"), (f"{where}[3].hostname", "Invalid"),
    ]  # fmt: skip
    assert (
        ingress.KIND.validate_status(typed(ingress.KIND, new), typed(ingress.KIND, new))[0].field
        == f"{where}[2].hostname"
    )


def row(kind: str, obj: Object) -> list[Any]:
    return ["AGE" if isinstance(c, Age) else c for c in BY_NAME[kind].row(obj)]


def test_the_row_of_an_ingress() -> None:
    obj = created(ingress.KIND, SAMPLES["Ingress"])
    assert row("Ingress", obj) == ["web", "<none>", "*", "", "80", "AGE"]
    obj["spec"] = {"ingressClassName": "nginx", "tls": [{}], "rules": [{"host": h} for h in ("a", "", "b", "c")]}
    obj["status"] = {"loadBalancer": {"ingress": [{"hostname": "z"}, {"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}]}}
    assert row("Ingress", obj)[1:5] == ["nginx", "a,b,c", "10.0.0.1,10.0.0.2,z", "80, 443"]
    obj["spec"]["rules"] += [{"host": "d"}, {"host": "e"}]
    assert row("Ingress", obj)[2] == "a,b,c + 3 more..."


PARAMETERS = {"kind": "K", "name": "n", "scope": "Namespace", "namespace": "ns"}
CLASSES: list[tuple[Object, Wrong]] = [
    ({"controller": ""}, [("spec.controller", "Required")]),
    ({"controller": "nginx"}, [("spec.controller", "Invalid")]),
    ({"controller": "A/nginx"}, [("spec.controller", "Invalid")]),
    ({"controller": "a.b/c d"}, [("spec.controller", "Invalid")]),
    ({"controller": "a.b/" + "c" * 250}, [("spec.controller", "TooLong")]),
    ({"controller": "a.b/c", "parameters": PARAMETERS}, []),
    (
        {"controller": "a.b/c", "parameters": {"apiGroup": "A", "kind": "", "name": "a/b", "scope": "World"}},
        [
            ("spec.parameters.apiGroup", "Invalid"), ("spec.parameters.kind", "Required"),
            ("spec.parameters.name", "Invalid"), ("spec.parameters.scope", "NotSupported"),
        ],
    ),
    (
        {"controller": "a.b/c", "parameters": {**PARAMETERS, "scope": "Cluster"}},
        [("spec.parameters.namespace", "Forbidden")],
    ),
    (
        {"controller": "a.b/c", "parameters": {**PARAMETERS, "namespace": None}},
        [("spec.parameters.namespace", "Required")],
    ),
    (
        {"controller": "a.b/c", "parameters": {**PARAMETERS, "namespace": "A"}},
        [("spec.parameters.namespace", "Invalid")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "wrong"), CLASSES)
def test_ingress_classes(spec: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(ingressclass.KIND, {**SAMPLES["IngressClass"], "spec": spec})) == wrong


def test_the_controller_of_a_class_stays() -> None:
    old = created(ingressclass.KIND, SAMPLES["IngressClass"])
    other = changed(old, "spec.controller", "example.com/other")
    assert short(errors_of_update(ingressclass.KIND, other, old)) == [("spec.controller", "Invalid")]
    assert row("IngressClass", old) == ["nginx", "example.com/nginx", "<none>", "AGE"]
    full = created(ingressclass.KIND, changed(old, "spec.parameters", {"apiGroup": "a.b", "kind": "K", "name": "n"}))
    assert full["spec"]["parameters"]["scope"] == "Cluster"
    full["metadata"]["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    assert row("IngressClass", full)[::2] == ["nginx (default)", "K.a.b/n"]


def peer(**body: Any) -> Object:
    return {"podSelector": {}, "ingress": [{"from": [body]}]}


def port(**body: Any) -> Object:
    return {"podSelector": {}, "ingress": [{"ports": [body]}]}


def block(cidr: str, *excepted: str) -> Object:
    return peer(ipBlock={"cidr": cidr, "except": list(excepted)})


P, F = "spec.ingress[0].ports[0]", "spec.ingress[0].from[0]"
POLICIES: list[tuple[Object, Wrong]] = [
    (port(port=80, endPort=90), []),
    (port(port="http", protocol="SCTP"), []),
    (port(port=0, protocol="ICMP"), [(f"{P}.protocol", "NotSupported"), (f"{P}.port", "Invalid")]),
    (port(port=90, endPort=80), [(f"{P}.endPort", "Invalid")]),
    (port(port=90, endPort=70000), [(f"{P}.endPort", "Invalid")]),
    (port(endPort=80), [(f"{P}.endPort", "Invalid")]),
    (port(port="a_b", endPort=80), [(f"{P}.port", "Invalid"), (f"{P}.endPort", "Invalid")]),
    (peer(podSelector={}, namespaceSelector={}), []),
    (peer(), [(F, "Required")]),
    (peer(podSelector={}, ipBlock={"cidr": "10.0.0.0/8"}), [(F, "Forbidden")]),
    (peer(podSelector={"matchLabels": {"a b": ""}}), [(f"{F}.podSelector.matchLabels", "Invalid")]),
    (block("10.0.0.0/8", "10.1.0.0/16"), []),
    (block("fd00::/8", "fd00:1::/32"), []),
    (block(""), [(f"{F}.ipBlock.cidr", "Required")]),
    (block("10.0.0.0"), [(f"{F}.ipBlock.cidr", "Invalid")]),
    (block("10.0.0.0/255.0.0.0"), [(f"{F}.ipBlock.cidr", "Invalid")]),
    (block("10.0.0.1/8"), [(f"{F}.ipBlock.cidr", "Invalid")]),
    (block("::ffff:10.0.0.0/120"), [(f"{F}.ipBlock.cidr", "Invalid")]),
    (block("10.0.0.0/16", "10.1.0.0/24"), [(f"{F}.ipBlock.except[0]", "Invalid")]),
    (
        block("10.0.0.0/16", "10.0.0.0/16", "x"),
        [(f"{F}.ipBlock.except[0]", "Invalid"), (f"{F}.ipBlock.except[1]", "Invalid")],
    ),
    ({"podSelector": {}, "policyTypes": ["Both"]}, [("spec.policyTypes[0]", "NotSupported")]),
    ({"podSelector": {}, "policyTypes": ["Ingress"] * 3}, [("spec.policyTypes", "Invalid")]),
    (
        {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        [("spec.podSelector.matchExpressions[0].operator", "Invalid")],
    ),
    ({"podSelector": {}, "egress": [{"to": [{}]}]}, [("spec.egress[0].to[0]", "Required")]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "wrong"), POLICIES)
def test_policies(spec: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(networkpolicy.KIND, {**SAMPLES["NetworkPolicy"], "spec": spec})) == wrong


def test_what_a_policy_gets_unless_told_otherwise() -> None:
    sample = SAMPLES["NetworkPolicy"]
    spec = created(networkpolicy.KIND, {**sample, "spec": port(port=80)})["spec"]
    assert spec["ingress"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    assert spec["policyTypes"] == ["Ingress"]
    assert created(networkpolicy.KIND, sample)["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_an_old_cidr_of_a_policy_stays_valid() -> None:
    kind = networkpolicy.KIND
    old = created(kind, {**SAMPLES["NetworkPolicy"], "spec": block("10.0.0.1/8")})
    assert errors_of_update(kind, changed(old, "metadata.labels", {"a": "b"}), old) == []
    newer = changed(old, "spec.ingress.0.from.0.ipBlock.cidr", "10.0.0.2/8")
    assert short(errors_of_update(kind, newer, old)) == [(f"{F}.ipBlock.cidr", "Invalid")]
    assert kind.warnings is not None
    (warning,) = kind.warnings(old)
    assert warning == (
        f'{F}.ipBlock.cidr: CIDR value "10.0.0.1/8" is ambiguous in this context '
        '(should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    )


def test_the_row_of_a_policy() -> None:
    obj = created(networkpolicy.KIND, SAMPLES["NetworkPolicy"])
    assert row("NetworkPolicy", obj) == ["deny", "<none>", "AGE"]
    terms = [{"key": "b", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}]
    obj["spec"]["podSelector"] = {"matchLabels": {"a": "1"}, "matchExpressions": terms}
    assert row("NetworkPolicy", obj)[1] == "a=1,b in (x,y),!c"


@pytest.mark.parametrize(
    ("name", "good"),
    [("10.0.0.1", True), ("fd00::1", True), ("FD00::1", False), ("10.0.0.01", False), ("::ffff:10.0.0.1", False),
     ("fe80::1%eth0", False), ("10.0.0.1/32", False), ("", False)],
)  # fmt: skip
def test_the_name_of_an_ip_address_is_the_address(name: str, good: bool) -> None:
    assert (not ipaddress.KIND.validate_name(name)) is good


def test_ip_addresses() -> None:
    sample = SAMPLES["IPAddress"]
    path = "spec.parentRef"
    assert short(errors_of_create(ipaddress.KIND, {**sample, "spec": {}})) == [(path, "Required")]
    bad = {"group": "A", "resource": "", "namespace": "a/b", "name": ".."}
    assert short(errors_of_create(ipaddress.KIND, {**sample, "spec": {"parentRef": bad}})) == [
        (f"{path}.group", "Invalid"), (f"{path}.resource", "Required"), (f"{path}.name", "Invalid"),
        (f"{path}.namespace", "Invalid"),
    ]  # fmt: skip
    old = created(ipaddress.KIND, sample)
    other = changed(old, "spec.parentRef.name", "other")
    assert short(errors_of_update(ipaddress.KIND, other, old)) == [(path, "Invalid")]
    assert row("IPAddress", old) == ["10.0.0.1", "services/default/web"]
    assert row("IPAddress", changed(old, "spec.parentRef.group", "a.b"))[1] == "services.a.b/default/web"


CIDRS: list[tuple[list[str], Wrong]] = [
    (["10.96.0.0/16"], []),
    ([], [("spec.cidrs", "Required")]),
    (["10.0.0.0/8", "fd00::/64", "10.0.0.0/9"], [("spec.cidrs", "Invalid")]),
    (["10.0.0.0/8", "11.0.0.0/8"], [("spec.cidrs", "Invalid")]),
    (["10.0.0.1/8", "FD00::/64"], [("spec.cidrs[0]", "Invalid"), ("spec.cidrs[1]", "Invalid")]),
    (["10.0.0.0/08"], [("spec.cidrs[0]", "Invalid")]),
]


@pytest.mark.parametrize(("cidrs", "wrong"), CIDRS)
def test_ranges_of_services(cidrs: list[str], wrong: Wrong) -> None:
    obj = {**SAMPLES["ServiceCIDR"], "spec": {"cidrs": cidrs}}
    assert short(errors_of_create(BY_NAME["ServiceCIDR"], obj)) == wrong


RANGES: list[tuple[list[str], list[str], Wrong]] = [
    (["10.0.0.0/8"], ["10.0.0.0/8"], []),
    (["10.0.0.0/8"], ["10.0.0.0/8", "fd00::/64"], []),
    (["10.0.0.0/8"], ["11.0.0.0/8"], [("spec.cidrs[0]", "Invalid")]),
    (["10.0.0.0/8"], ["11.0.0.0/8", "fd00::/64"], [("spec.cidrs[0]", "Invalid")]),
    (["10.0.0.0/8"], ["10.0.0.0/8", "x"], [("spec.cidrs[1]", "Invalid")]),
    (["10.0.0.0/8", "fd00::/64"], ["10.0.0.0/8"], [("spec.cidrs", "Invalid")]),
    (["10.0.0.0/8", "fd00::/64"], [], [("spec.cidrs", "Invalid")]),
]


@pytest.mark.parametrize(("before", "after", "wrong"), RANGES)
def test_a_range_may_get_one_of_the_other_family(before: list[str], after: list[str], wrong: Wrong) -> None:
    kind = BY_NAME["ServiceCIDR"]
    old = created(kind, {**SAMPLES["ServiceCIDR"], "spec": {"cidrs": before}})
    assert short(errors_of_update(kind, changed(old, "spec.cidrs", after), old)) == wrong
    assert row("ServiceCIDR", old) == ["more", ",".join(before), "AGE"]


def slice_of(*addresses: str, kind: str = "IPv4", **endpoint: Any) -> Object:
    return {**SAMPLES["EndpointSlice"], "addressType": kind, "endpoints": [{"addresses": list(addresses), **endpoint}]}


A = "endpoints[0].addresses[0]"
SLICES: list[tuple[Object, Wrong]] = [
    (slice_of("fd00::1", kind="IPv6", hostname="a", nodeName="n", zone="z"), []),
    (slice_of("a.example.com.", kind="FQDN"), []),
    (slice_of("10.0.0.1", kind=""), [("addressType", "Required")]),
    (slice_of("10.0.0.1", kind="IP"), [("addressType", "NotSupported")]),
    (slice_of(), [("endpoints[0].addresses", "Required")]),
    (slice_of(*["10.0.0.1"] * 101), [("endpoints[0].addresses", "TooMany")]),
    (slice_of("fd00::1"), [(A, "Invalid")]),
    (slice_of("10.0.0.1", kind="IPv6"), [(A, "Invalid")]),
    (slice_of("127.0.0.1"), [(A, "Invalid")]),
    (slice_of("x"), [(A, "Invalid")]),
    (slice_of("::ffff:10.0.0.1", kind="IPv6"), [(A, "Invalid")]),
    (slice_of("", kind="FQDN"), [(A, "Required")]),
    (slice_of("localhost", kind="FQDN"), [(A, "Invalid")]),
    (slice_of("10.0.0.1", hostname="A", nodeName="B"), [
        ("endpoints[0].nodeName", "Invalid"), ("endpoints[0].hostname", "Invalid"),
    ]),
    (slice_of("10.0.0.1", hints={"forZones": [{"name": "z"}, {"name": "z"}], "forNodes": [{"name": "A"}]}), [
        ("endpoints[0].hints.forZones[1].name", "Duplicate"), ("endpoints[0].hints.forNodes[0].name", "Invalid"),
    ]),
    (slice_of("10.0.0.1", hints={"forZones": [{"name": str(i)} for i in range(9)]}), [
        ("endpoints[0].hints.forZones", "TooMany"),
    ]),
    ({**slice_of("10.0.0.1"), "endpoints": [{"addresses": ["10.0.0.1"]}] * 1001}, [("endpoints", "TooMany")]),
    ({**slice_of("10.0.0.1"), "ports": [{"port": 1}, {"port": 2}]}, [("ports[1].name", "Duplicate")]),
    ({**slice_of("10.0.0.1"), "ports": [{"name": "A", "protocol": "ICMP", "appProtocol": "a b"}]}, [
        ("ports[0].name", "Invalid"), ("ports[0].protocol", "NotSupported"), ("ports[0].appProtocol", "Invalid"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "wrong"), SLICES)
def test_slices(obj: Object, wrong: Wrong) -> None:
    assert short(errors_of_create(endpointslice.KIND, obj)) == wrong


def test_the_type_of_a_slice_stays_and_its_labels_count() -> None:
    kind = endpointslice.KIND
    old = created(kind, changed(SAMPLES["EndpointSlice"], "endpoints.0.deprecatedTopology", {"a": "b"}))
    assert old["endpoints"] == [{"addresses": ["10.1.0.1"], "conditions": {}}]
    assert old["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    old["metadata"]["generation"] = 4
    other = changed(changed(old, "addressType", "IPv6"), "endpoints", [])
    assert short(errors_of_update(kind, other, old)) == [("addressType", "Invalid")]
    new = changed(old, "metadata.labels", {"a": "b"})
    kind.prepare_update(new, old, CONTEXT)
    assert new["metadata"]["generation"] == 5
    kind.prepare_update(same := changed(old, "metadata.annotations", {"a": "b"}), old, CONTEXT)
    assert same["metadata"]["generation"] == 4


def test_the_row_of_a_slice() -> None:
    obj = created(endpointslice.KIND, SAMPLES["EndpointSlice"])
    assert row("EndpointSlice", obj) == ["web-1", "IPv4", "80", "10.1.0.1", "AGE"]
    assert row("EndpointSlice", {**obj, "ports": [], "endpoints": []})[2:4] == ["<unset>", "<unset>"]
    obj["ports"] = [{"name": "http"}, {}, {"port": 3}, {"port": 4}]
    obj["endpoints"] = [{"addresses": ["1.0.0.1", "1.0.0.2"]}, {"addresses": ["1.0.0.3", "1.0.0.4", "1.0.0.5"]}]
    assert row("EndpointSlice", obj)[2:4] == ["http,*,3 + 1 more...", "1.0.0.1,1.0.0.2,1.0.0.3 + 2 more..."]


def test_warnings_about_addresses_of_slices() -> None:
    assert endpointslice.KIND.warnings is not None
    six = slice_of("fd00::0:1", "fd00::2", kind="IPv6")
    assert endpointslice.KIND.warnings(six) == [
        f'{A}: IPv6 address "fd00::0:1" should be in RFC 5952 canonical format ("fd00::1")'
    ]
    label = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert endpointslice.KIND.warnings(changed(six, "metadata.labels", label)) == ()
    assert endpointslice.KIND.warnings(slice_of("a.b", kind="FQDN")) == (
        "spec.addressType: FQDN endpoints are deprecated",
    )


@pytest.mark.parametrize("kind", ["ServiceCIDR", "IPAddress"])
def test_what_has_no_effect_says_so(kind: str) -> None:
    warnings = BY_NAME[kind].warnings
    assert warnings is not None and "the object is stored and" in warnings(SAMPLES[kind])[0]


def test_cidr_warnings() -> None:
    assert _net.cidr_warnings("p", "10.0.0.0/8") == _net.cidr_warnings("p", "nonsense") == []
    assert _net.cidr_warnings("p", "FD00::/64") == [
        'p: IPv6 CIDR value "FD00::/64" should be in RFC 5952 canonical format ("fd00::/64")'
    ]
