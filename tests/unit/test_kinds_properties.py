"""What holds for every object: defaulting settles at once, and what was once valid and stored stays valid."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_samples import BY_NAME, created, errors_of_create, typed, updated

from minikube_py.api import scheme
from minikube_py.api.normalize import normalize
from minikube_py.apiserver import table
from minikube_py.apiserver.kinds.base import Kind, Object


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """An object with any of the members."""
    return st.fixed_dictionaries({}, optional=members)


word = st.sampled_from(["a", "web", "b-1", "A", "", "a.b", "x" * 64])
number = st.sampled_from([-1, 0, 1, 80, 8080, 65536])
amounts = st.dictionaries(
    st.sampled_from(["cpu", "memory", "example.com/gpu", "hugepages-2Mi"]),
    st.sampled_from(["1", "100m", "0", "64Mi", "1500u", "-1", 2, "1e3"]),
    max_size=3,
)
http = some(port=st.one_of(number, word), path=word, scheme=st.sampled_from(["HTTP", "HTTPS", ""]))
probe = some(httpGet=http, tcpSocket=some(port=number), grpc=some(port=number), periodSeconds=number)
variable = some(
    name=word,
    value=word,
    valueFrom=some(
        fieldRef=some(fieldPath=st.sampled_from(["metadata.name", "status.podIP", "spec.x", ""]), apiVersion=word),
        configMapKeyRef=some(name=word, key=word),
    ),
)
container = some(
    name=word,
    image=st.sampled_from(["nginx", "nginx:1", "r:5000/i@sha256:00", "", " "]),
    ports=st.lists(some(containerPort=number, hostPort=number, name=word, protocol=word), max_size=3),
    env=st.lists(variable, max_size=3),
    resources=some(limits=amounts, requests=amounts),
    livenessProbe=probe,
    readinessProbe=probe,
    volumeMounts=st.lists(some(name=word, mountPath=word, subPath=word), max_size=2),
    restartPolicy=st.sampled_from(["Always", "Never", "x"]),
)
volume = some(
    name=word,
    emptyDir=some(medium=word),
    hostPath=some(path=word),
    configMap=some(name=word, items=st.lists(some(key=word, path=word), max_size=1)),
    projected=some(sources=st.lists(some(serviceAccountToken=some(path=word), configMap=some(name=word)), max_size=2)),
)
pods = st.builds(
    lambda spec, labels: {"metadata": {"name": "p", "namespace": "default", "labels": labels}, "spec": spec},
    some(
        containers=st.lists(container, max_size=3),
        initContainers=st.lists(container, max_size=2),
        volumes=st.lists(volume, max_size=3),
        hostNetwork=st.booleans(),
        restartPolicy=st.sampled_from(["Always", "OnFailure", "x"]),
        serviceAccount=word,
        serviceAccountName=word,
        terminationGracePeriodSeconds=number,
        resources=some(limits=amounts, requests=amounts),
        tolerations=st.lists(some(key=word, operator=word, value=word, tolerationSeconds=number), max_size=2),
        nodeSelector=st.dictionaries(word, word, max_size=2),
    ),
    st.dictionaries(word, word, max_size=2),
)
services = st.builds(
    lambda spec: {"metadata": {"name": "s", "namespace": "default"}, "spec": spec},
    some(
        type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "x"]),
        clusterIP=st.sampled_from(["", "None", "10.96.0.5", "fd00::1", "x"]),
        ports=st.lists(some(port=number, targetPort=st.one_of(number, word), name=word, nodePort=number), max_size=3),
        sessionAffinity=st.sampled_from(["None", "ClientIP", ""]),
        externalTrafficPolicy=st.sampled_from(["Cluster", "Local"]),
        externalIPs=st.lists(st.sampled_from(["1.2.3.4", "x"]), max_size=1),
        externalName=word,
    ),
)
many = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def check(kind: Kind, obj: Object) -> None:
    stored = created(kind, obj)
    again = copy.deepcopy(stored)
    kind.default(again)
    assert again == stored, "defaulting twice changes something"
    unknown = normalize(again, scheme.struct(kind.resource.type))
    assert unknown == [] and again == stored, "a stored object is not in its normal form"
    errors = errors_of_create(kind, obj)
    for error in errors:
        assert str(error).startswith(error.field) and error.cause().reason == error.type
    if not errors:
        same = updated(kind, stored, stored)
        assert same == stored, "an update with nothing changed changes something"
        assert list(kind.validate_update(typed(kind, same), typed(kind, stored))) == []
        assert list(kind.validate(typed(kind, stored))) == []
    assert len(kind.row(stored)) == len(kind.columns)
    assert all(isinstance(text, str) for text in kind.select_fields(stored).values())
    table.Row(kind, stored)
    if kind.warnings is not None:
        assert all(isinstance(text, str) for text in kind.warnings(stored))


@many
@given(pods)
def test_pods(obj: Object) -> None:
    check(BY_NAME["Pod"], obj)


@many
@given(services)
def test_services(obj: Object) -> None:
    check(BY_NAME["Service"], obj)
