"""Normalisation: Go's view of absent and zero members, type errors with paths, and the two walks against each other."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from schema_strategies import objects

from minikube_py.api import scheme
from minikube_py.api.errors import BadRequest
from minikube_py.api.normalize import normalize
from minikube_py.api.normalize_careful import Careful, Wrong
from minikube_py.api.schema import Field, List, Map, Scalar, Struct, struct

POD = scheme.struct("core/v1.Pod")
WIDE = [
    "core/v1.Pod",
    "core/v1.Node",
    "core/v1.Service",
    "core/v1.PersistentVolume",
    "apps/v1.Deployment",
    "batch/v1.CronJob",
    "networking/v1.NetworkPolicy",
    "apiextensions/v1.CustomResourceDefinition",
    "resource/v1.ResourceSlice",
    "meta/v1.Table",
    "autoscaling/v2.HorizontalPodAutoscaler",
    "core/v1.Event",
    "coordination/v1.Lease",
    "admission/v1.AdmissionReview",
    "core/v1.Secret",
    "flowcontrol/v1.FlowSchema",
    "meta/v1.DeleteOptions",
]


def pod(**container: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", **container}]}}


def test_gos_json_form() -> None:
    obj = {
        "metadata": {"name": "x", "labels": {}, "annotations": None, "creationTimestamp": None, "finalizers": []},
        "spec": {"containers": [{"name": "a", "args": [], "stdin": False}], "hostNetwork": False, "nodeName": ""},
        "status": {"containerStatuses": [{"name": "a"}]},
    }
    assert normalize(obj, POD) == []
    assert obj == {
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "a", "resources": {}}]},
        "status": {
            "containerStatuses": [
                {
                    "name": "a",
                    "state": {},
                    "lastState": {},
                    "ready": False,
                    "restartCount": 0,
                    "image": "",
                    "imageID": "",
                }
            ]
        },
    }


def test_pointers_keep_their_zero() -> None:
    obj = {"spec": {"replicas": 0, "template": {"spec": {"containers": [], "automountServiceAccountToken": False}}}}
    normalize(obj, scheme.struct("apps/v1.Deployment"))
    spec: Any = obj["spec"]
    assert spec["replicas"] == 0
    assert spec["template"]["spec"] == {"containers": [], "automountServiceAccountToken": False}
    assert spec["strategy"] == {} and "selector" not in spec


def test_partial_objects_are_left_as_they_are() -> None:
    obj = {"spec": {"hostNetwork": False, "nodeName": "", "containers": [{"args": [], "name": None}]}}
    assert normalize(obj, POD, partial=True) == []
    assert obj == {"spec": {"hostNetwork": False, "nodeName": "", "containers": [{"args": []}]}}


def test_scalars_become_canonical() -> None:
    obj = pod(resources={"limits": {"cpu": 0.5, "memory": 1024, "storage": "1024Mi"}})
    obj["metadata"] = {"creationTimestamp": "2030-01-01T02:00:00.5+02:00"}
    assert normalize(obj, POD) == []
    assert obj["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1024", "storage": "1Gi"}
    assert obj["metadata"]["creationTimestamp"] == "2030-01-01T00:00:00Z"
    zero: dict[str, Any] = {"metadata": {"creationTimestamp": "0001-01-01T00:00:00Z"}}
    normalize(zero, POD)
    assert zero["metadata"] == {}


def test_nulls_inside_lists_and_maps_become_zero() -> None:
    obj = pod(args=["a", None], env=[None])
    obj["metadata"] = {"labels": {"a": None}}
    normalize(obj, POD)
    assert obj["spec"]["containers"][0]["args"] == ["a", ""]
    assert obj["spec"]["containers"][0]["env"] == [{"name": ""}]
    assert obj["metadata"]["labels"] == {"a": ""}


def test_unknown_members_are_named_and_pruned() -> None:
    obj = pod(foo=1, ports=[{"containerPort": 80}, {"containerPort": 81, "bar": {}}])
    obj["nope"] = None
    assert normalize(obj, POD) == ["spec.containers[0].foo", "spec.containers[0].ports[1].bar", "nope"]
    assert "nope" not in obj and "foo" not in obj["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            pod(ports=[{"containerPort": "80"}]),
            "cannot unmarshal string into Go struct field Pod.spec.containers[0].ports[0].containerPort of type int32",
        ),
        (
            pod(ports=[{"containerPort": 2**31}]),
            "cannot unmarshal number 2147483648 into Go struct field "
            "Pod.spec.containers[0].ports[0].containerPort of type int32",
        ),
        (pod(ports=[{"containerPort": 1.5}]), "number 1.5 into Go struct field"),
        (pod(ports=[{"containerPort": True}]), "cannot unmarshal bool into"),
        (pod(image=3), "cannot unmarshal number into Go struct field Pod.spec.containers[0].image of type string"),
        (pod(stdin="yes"), "Pod.spec.containers[0].stdin of type bool"),
        (pod(args="a"), "Pod.spec.containers[0].args of type []string"),
        (pod(args=[1]), "Pod.spec.containers[0].args[0] of type string"),
        (pod(env={}), "Pod.spec.containers[0].env of type []EnvVar"),
        (pod(env=["x"]), "Pod.spec.containers[0].env[0] of type EnvVar"),
        (pod(resources={"limits": {"cpu": "x"}}), "Pod.spec.containers[0].resources.limits.cpu: quantities must match"),
        (pod(resources={"limits": {"cpu": True}}), "cannot unmarshal bool into"),
        (pod(resources={"limits": ["cpu"]}), "resources.limits of type map[string]string"),
        (pod(livenessProbe={"tcpSocket": {"port": 2**31}}), "tcpSocket.port of type string or int32"),
        (pod(livenessProbe={"tcpSocket": {"port": 1.5}}), "tcpSocket.port of type string or int32"),
        ({"metadata": {"labels": {"a": 1}}}, "Pod.metadata.labels.a of type string"),
        ({"metadata": []}, "cannot unmarshal array into Go struct field Pod.metadata of type ObjectMeta"),
        ({"metadata": {"generation": 2**63}}, "Pod.metadata.generation of type int64"),
        ({"metadata": {"creationTimestamp": "yesterday"}}, 'parsing time "yesterday"'),
        ({"metadata": {"managedFields": [{"fieldsV1": "x"}]}}, "managedFields[0].fieldsV1 of type object"),
        ({"kind": 5}, "Pod.kind of type string"),
    ],
)
def test_wrong_types_are_bad_requests_with_the_path(obj: dict[str, Any], message: str) -> None:
    for partial in (False, True):
        with pytest.raises(BadRequest) as caught:
            normalize(copy.deepcopy(obj), POD, partial=partial)
        assert message in caught.value.message
        assert " cannot be handled as a Pod: " in caught.value.message


def test_the_message_names_version_and_kind() -> None:
    with pytest.raises(BadRequest, match=r'^Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal'):
        normalize(pod(image=1), POD)
    with pytest.raises(BadRequest, match=r"illegal base64"):
        normalize({"data": {"a": "?"}}, scheme.struct("core/v1.Secret"))


def test_deep_values_are_refused_not_crashed_on() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"f:x": deep}
    with pytest.raises(BadRequest, match="max depth"):
        normalize({"metadata": {"managedFields": [{"fieldsV1": deep}]}}, POD)
    props: Any = {"type": "string"}
    for _ in range(2000):
        props = {"not": props}
    with pytest.raises(BadRequest, match="nested too deeply"):
        normalize(props, scheme.struct("apiextensions/v1.JSONSchemaProps"))


def test_hand_made_schemas_work_too() -> None:
    tree: Struct = Struct(
        "Tree", lambda: {"kids": Field("kids", List(tree)), "by": Field("by", Map(List(Scalar("int32"))))}
    )
    obj: dict[str, Any] = {"kids": [{"kids": [{"by": {"a": [1], "b": None}}]}], "x": 1}
    assert normalize(obj, tree) == ["x"]
    assert obj == {"kids": [{"kids": [{"by": {"a": [1], "b": []}}]}]}
    with pytest.raises(BadRequest, match=r"Tree\.kids\[0\]\.by\.a\[1\] of type int32"):
        normalize({"kids": [{"by": {"a": [1, "2"]}}]}, tree)
    assert normalize({"any": [1, "x"]}, struct("S", Field("any", Scalar("JSON")))) == []


@pytest.mark.parametrize("name", WIDE)
@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_normal_objects_stay_as_they_are(name: str, data: st.DataObject) -> None:
    schema = scheme.struct(name)
    obj = data.draw(objects(schema))
    before = copy.deepcopy(obj)
    assert normalize(obj, schema) == []
    assert obj == before
    scheme.model(name).model_validate(obj)
    assert orjson.loads(orjson.dumps(obj)) == obj


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.lists(st.none() | st.text(max_size=2) | st.integers(-1, 1), max_size=2),
    st.dictionaries(
        st.sampled_from(["name", "a", "cpu"]), st.none() | st.text(max_size=2) | st.integers(-1, 1), max_size=2
    ),
)


def spoil(data: st.DataObject, value: Any) -> Any:
    """The value with one place in it replaced or added to by junk."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 3)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: spoil(data, value[key])}
    if isinstance(value, dict) and data.draw(st.booleans()):
        return {**value, data.draw(st.sampled_from(["name", "zzz", "status"])): data.draw(JUNK)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [spoil(data, value[0]), *value[1:]]
    return data.draw(JUNK)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("partial", [False, True])
@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_quick_and_careful_walk_agree(name: str, partial: bool, data: st.DataObject) -> None:
    schema = scheme.struct(name)
    quick = spoil(data, data.draw(objects(schema, 3)))
    if not isinstance(quick, dict):
        quick = {"metadata": quick}
    careful = copy.deepcopy(quick)
    walker = Careful(partial)
    try:
        walker.struct(careful, schema, "")
    except Wrong:
        with pytest.raises(BadRequest):
            normalize(quick, schema, partial=partial)
        return
    assert normalize(quick, schema, partial=partial) == walker.unknown
    assert quick == careful
    again = copy.deepcopy(quick)
    assert normalize(again, schema, partial=partial) == []
    assert again == quick
