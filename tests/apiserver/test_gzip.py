"""How answers go out: compressed, indented, as YAML; and what of the Accept header counts."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml

from minikube_py.api import errors
from minikube_py.apiserver import negotiate
from minikube_py.apiserver.negotiate import Form
from minikube_py.apiserver.present import takes_gzip
from tests.apiserver.conftest import CONFIGMAPS, Api, Object

GZIP = {"accept-encoding": "gzip, deflate"}
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


async def fill(api: Api, count: int, size: int) -> None:
    for i in range(count):
        obj: Object = {"metadata": {"name": f"c{i:03}"}, "data": {"k": f"{i}" * size}}
        await api.ok("POST", CONFIGMAPS, obj)


@pytest.mark.parametrize("accept", ["application/json", TABLE + ",application/json"])
async def test_large_lists_are_compressed_for_those_who_take_it(api: Api, accept: str) -> None:
    await fill(api, 30, 100_000 if accept == "application/json" else 10)
    if accept != "application/json":
        await fill_wide(api)
    path = f"{CONFIGMAPS}?includeObject=Object"
    plain = await api.ask("GET", path, headers={"accept": accept})
    assert "content-encoding" not in plain.headers and len(plain.raw) > 128 * 1024
    small = await api.ask("GET", path, headers={"accept": accept, **GZIP})
    assert small.headers["content-encoding"] == "gzip" and small.headers["vary"] == "Accept-Encoding"
    assert small.headers["content-type"] == "application/json" and "content-length" not in small.headers
    assert gzip.decompress(small.raw) == plain.raw
    assert len(small.raw) * 10 < len(plain.raw)


async def fill_wide(api: Api) -> None:
    obj: Object = {"metadata": {"name": "wide"}, "data": {"k": "x" * 200_000}}
    await api.ok("POST", CONFIGMAPS, obj)


async def test_objects_from_128_kib_on(api: Api) -> None:
    for name, size, squeezed in (("small", 100_000, False), ("large", 140_000, True)):
        obj: Object = {"metadata": {"name": name}, "data": {"k": "x" * size}}
        made = await api.ask("POST", CONFIGMAPS, obj, headers=GZIP)
        read = await api.ask("GET", f"{CONFIGMAPS}/{name}", headers=GZIP)
        for answer in (made, read):
            assert (answer.headers.get("content-encoding") == "gzip") is squeezed
            body = gzip.decompress(answer.raw) if squeezed else answer.raw
            assert json.loads(body)["data"] == obj["data"]
        assert made.status == 201


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True), ("deflate, gzip;q=1.0", True), ("br,gzip", True), ("", False), ("identity", False),
        ("gzip;q=0", False), ("gzip; q=0.0", False), ("x-gzip", False),
    ],
)  # fmt: skip
def test_who_takes_gzip(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


async def test_watches_are_never_compressed(api: Api) -> None:
    await fill(api, 2, 100_000)
    path = CONFIGMAPS.removeprefix("/")
    query = [("watch", "1"), ("timeoutSeconds", "1")]
    async with api.transport.stream("GET", f"/{path}", query=query, headers=GZIP) as stream:
        assert "content-encoding" not in stream.headers
        assert json.loads((await anext(aiter(stream))).split(b"\n")[0])["type"] == "ADDED"


async def test_yaml(api: Api) -> None:
    obj: Object = {"metadata": {"name": "c"}, "data": {"yes": "no", "n": "1.0", "text": "a\nb\n", "u": "ü"}}
    made = await api.ask("POST", CONFIGMAPS, obj, headers={"accept": "application/yaml"})
    assert (made.status, made.headers["content-type"]) == (201, "application/yaml")
    assert yaml.safe_load(made.raw)["data"] == obj["data"]
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/c"):
        read = await api.ask("GET", path, headers={"accept": "application/yaml"})
        assert read.headers["content-type"] == "application/yaml" and read.raw.startswith(b"apiVersion: v1\n")
        assert yaml.safe_load(read.raw) == await api.ok("GET", path)
    table = await api.ask("GET", CONFIGMAPS, headers={"accept": TABLE.replace("json", "yaml")})
    assert yaml.safe_load(table.raw)["kind"] == "Table"
    assert (await api.ask("GET", f"{CONFIGMAPS}?watch=1", headers={"accept": "application/yaml"})).status == 406


async def test_pretty(api: Api) -> None:
    await fill(api, 1, 1)
    plain = await api.ask("GET", f"{CONFIGMAPS}/c000")
    pretty = await api.ask("GET", f"{CONFIGMAPS}/c000?pretty=true")
    assert pretty.raw.startswith(b'{\n  "kind": "ConfigMap",\n') and pretty.json == plain.json
    for said in ("false", "0", "", "perhaps"):
        assert (await api.ask("GET", f"{CONFIGMAPS}/c000?pretty={said}")).raw == plain.raw
    listed = await api.ask("GET", f"{CONFIGMAPS}?pretty=1")
    assert b'\n  "items": [\n' in listed.raw


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        ("", Form("", "")),
        ("*/*", Form("", "")),
        (f"{TABLE},application/json", Form("Table", "v1")),
        (f"application/json;q=0.9,{TABLE}", Form("Table", "v1")),
        (f"application/json;q=0.1,{TABLE};q=0.05", Form("", "")),
        (f"{TABLE};q=0,application/json;q=0.5", Form("", "")),
        ("application/vnd.kubernetes.protobuf,application/json", Form("", "")),
        ("application/json;q=x", Form("", "")),
        ("application/yaml", Form("", "", True)),
        ("application/yaml;q=0.2, application/json;q=0.3", Form("", "")),
        ("application/yaml, application/json", Form("", "", True)),
    ],
)
def test_accept(accept: str, found: Form) -> None:
    assert negotiate.form(accept, yaml=True) == found


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "application/cbor"])
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(errors.NotAcceptable):
        negotiate.form(accept, yaml=True)


async def test_reading_endpoints_warns(api: Api) -> None:
    path = "/api/v1/namespaces/default/endpoints"
    text = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    made = await api.ask("POST", path, {"metadata": {"name": "e"}})
    read = await api.ask("GET", f"{path}/e")
    listed = await api.ask("GET", path)
    shown = await api.ask("GET", path, headers={"accept": TABLE})
    assert [a.headers.get("warning") for a in (made, read, listed, shown)] == [text] * 4
    assert "warning" not in (await api.ask("GET", CONFIGMAPS)).headers
