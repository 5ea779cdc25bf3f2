"""What admission makes of claims, volumes and Ingresses: default classes, resizing, finalizers, limits."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import Api

Object = dict[str, Any]
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def claim(name: str, size: str = "1Gi", **spec: Any) -> Object:
    resources = {"requests": {"storage": size}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources, **spec}}


async def storage_class(api: Api, name: str, *, default: bool = False, **more: Any) -> None:
    annotations = {DEFAULT: "true" if default else "false"}
    await api.ok("POST", CLASSES, {"metadata": {"name": name, "annotations": annotations}, "provisioner": "p", **more})


async def test_the_default_storage_class(api: Api) -> None:
    await storage_class(api, "plain")
    assert "storageClassName" not in (await api.ok("POST", CLAIMS, claim("none")))["spec"]
    await storage_class(api, "old", default=True)
    await api.clock.advance(10)
    await storage_class(api, "b-new", default=True)
    await storage_class(api, "a-new", default=True)
    assert (await api.ok("POST", CLAIMS, claim("a")))["spec"]["storageClassName"] == "a-new"
    assert (await api.ok("POST", CLAIMS, claim("b", storageClassName="plain")))["spec"]["storageClassName"] == "plain"
    assert (await api.ok("POST", CLAIMS, claim("c", storageClassName="")))["spec"]["storageClassName"] == ""
    annotated = claim("d")
    annotated["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "plain"}
    assert "storageClassName" not in (await api.ok("POST", CLAIMS, annotated))["spec"]
    for name in ("a-new", "b-new"):
        await api.ok("DELETE", f"{CLASSES}/{name}")
    assert (await api.ok("POST", CLAIMS, claim("e")))["spec"]["storageClassName"] == "old"


async def test_the_default_ingress_class(api: Api) -> None:
    def ingress(name: str, **more: Any) -> Object:
        backend = {"service": {"name": "s", "port": {"number": 80}}}
        return {"metadata": {"name": name, **more.pop("metadata", {})}, "spec": {"defaultBackend": backend, **more}}

    assert "ingressClassName" not in (await api.ok("POST", INGRESSES, ingress("none")))["spec"]
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    made = {"metadata": {"name": "usual", "annotations": annotations}, "spec": {"controller": "example.com/c"}}
    await api.ok("POST", INGRESS_CLASSES, made)
    assert (await api.ok("POST", INGRESSES, ingress("a")))["spec"]["ingressClassName"] == "usual"
    own = await api.ok("POST", INGRESSES, ingress("b", ingressClassName="own"))
    assert own["spec"]["ingressClassName"] == "own"
    old = ingress("c", metadata={"annotations": {"kubernetes.io/ingress.class": "older"}})
    assert "ingressClassName" not in (await api.ok("POST", INGRESSES, old))["spec"]


async def grow(api: Api, name: str, size: str) -> tuple[int, str]:
    patch = {"spec": {"resources": {"requests": {"storage": size}}}}
    answer = await api.ask("PATCH", f"{CLAIMS}/{name}", patch, content_type="application/merge-patch+json")
    return answer.status, answer.json.get("message", "")


async def bind(api: Api, name: str) -> None:
    patch = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    await api.ok("PATCH", f"{CLAIMS}/{name}/status", patch, content_type="application/merge-patch+json")


async def test_who_may_grow(api: Api) -> None:
    await storage_class(api, "rubber", allowVolumeExpansion=True)
    await storage_class(api, "stone")
    for name, chosen in (("a", "rubber"), ("b", "stone"), ("c", "")):
        await api.ok("POST", CLAIMS, claim(name, storageClassName=chosen, volumeName=f"v-{name}"))
    status, message = await grow(api, "a", "2Gi")
    assert status in (403, 422) and ("Only bound persistent volume claims can be expanded" in message or status == 422)
    for name in ("a", "b", "c"):
        await bind(api, name)
    assert (await grow(api, "a", "2Gi"))[0] == 200
    for name in ("b", "c"):
        status, message = await grow(api, name, "2Gi")
        assert status == 403 and "only dynamically provisioned pvc can be resized" in message


async def test_claims_and_volumes_are_kept_while_they_are_used(api: Api) -> None:
    made = await api.ok("POST", CLAIMS, claim("a"))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    given = claim("b")
    given["metadata"]["finalizers"] = ["example.com/mine", "kubernetes.io/pvc-protection"]
    assert (await api.ok("POST", CLAIMS, given))["metadata"]["finalizers"] == given["metadata"]["finalizers"]
    volume = {
        "metadata": {"name": "v"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}},
    }
    made = await api.ok("POST", "/api/v1/persistentvolumes", volume)
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    await api.ok("DELETE", f"{CLAIMS}/a")
    assert (await api.ok("GET", f"{CLAIMS}/a"))["metadata"]["deletionTimestamp"]


async def test_limit_ranges_bound_claims(api: Api) -> None:
    limits = [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}]
    await api.ok("POST", "/api/v1/namespaces/default/limitranges",
                 {"metadata": {"name": "l"}, "spec": {"limits": limits}})  # fmt: skip
    await api.ok("POST", CLAIMS, claim("good", "2Gi"))
    for size, why in (
        ("1Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"),
        ("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
    ):
        answer = await api.ask("POST", CLAIMS, claim("bad", size))
        assert answer.status == 403 and why in answer.json["message"]
