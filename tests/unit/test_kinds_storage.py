"""The kinds of storage: rules with exact causes, immutable members, tables, warnings."""

from __future__ import annotations

from typing import Any

import pytest
from kinds_samples import BY_NAME, CONTEXT, SAMPLES, changed, created, errors_of_create, errors_of_update, short, typed

from minikube_py.apiserver.kinds import persistentvolume, persistentvolumeclaim
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds.base import Object

Wrong = list[tuple[str, str]]
OLD = "volume.beta.kubernetes.io/storage-class"
RULE = {"key": "zone", "values": ["a"]}
SECRET = {"name": "s", "namespace": "n"}
CSI = {"driver": "disk.example.com", "volumeHandle": "v1"}
NODES = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}


def volume(source: str, body: Object, **spec: Any) -> Object:
    sample = changed(SAMPLES["PersistentVolume"], "spec.hostPath", None)
    return {**sample, "spec": {**sample["spec"], source: body, **spec}}


BAD: list[tuple[str, str, Any, Wrong]] = [
    ("PersistentVolume", "spec.accessModes", [], [("spec.accessModes", "Required")]),
    ("PersistentVolume", "spec.accessModes", ["Any"], [("spec.accessModes", "NotSupported")]),
    (
        "PersistentVolume", "spec.accessModes", ["ReadWriteOncePod", "ReadOnlyMany"],
        [("spec.accessModes", "Forbidden")],
    ),
    ("PersistentVolume", "spec.capacity", None, [("spec.capacity", "Required"), ("spec.capacity", "NotSupported")]),
    ("PersistentVolume", "spec.capacity", {"storage": "0"}, [("spec.capacity[storage]", "Invalid")]),
    ("PersistentVolume", "spec.capacity", {"storage": "1", "cpu": "1"}, [("spec.capacity", "NotSupported")]),
    (
        "PersistentVolume", "spec.persistentVolumeReclaimPolicy", "Keep",
        [("spec.persistentVolumeReclaimPolicy", "NotSupported")],
    ),
    ("PersistentVolume", "spec.volumeMode", "Tape", [("spec.volumeMode", "NotSupported")]),
    ("PersistentVolume", "spec.storageClassName", "A_b", [("spec.storageClassName", "Invalid")]),
    ("PersistentVolume", "spec.hostPath", None, [("spec", "Required")]),
    ("PersistentVolume", "spec.hostPath", {"path": ""}, [("spec.hostPath.path", "Required")]),
    ("PersistentVolume", "spec.csi", CSI, [("spec.csi", "Forbidden")]),
    ("PersistentVolume", "spec.nodeAffinity", {}, [("spec.nodeAffinity.required", "Required")]),
    (
        "PersistentVolume", "spec.nodeAffinity", {"required": {"nodeSelectorTerms": []}},
        [("spec.nodeAffinity.required.nodeSelectorTerms", "Required")],
    ),
    (
        "PersistentVolume", "spec.volumeAttributesClassName", "",
        [("spec.volumeAttributesClassName", "Required"), ("spec.csi", "Required")],
    ),
    ("PersistentVolumeClaim", "spec.accessModes", [], [("spec.accessModes", "Required")]),
    ("PersistentVolumeClaim", "spec.resources", {}, [("spec.resources[storage]", "Required")]),
    ("PersistentVolumeClaim", "spec.resources.requests.storage", "-1", [("spec.resources[storage]", "Invalid")]),
    ("PersistentVolumeClaim", "spec.volumeMode", "Tape", [("spec.volumeMode", "NotSupported")]),
    ("PersistentVolumeClaim", "spec.storageClassName", "A_b", [("spec.storageClassName", "Invalid")]),
    (
        "PersistentVolumeClaim", "spec.selector", {"matchExpressions": [{"key": "a", "operator": "In"}]},
        [("spec.selector.matchExpressions[0].values", "Required")],
    ),
    (
        "PersistentVolumeClaim", "spec.dataSourceRef", {"kind": "Populator", "name": ""},
        [
            ("spec.dataSource.name", "Required"), ("spec.dataSource", "Invalid"),
            ("spec.dataSourceRef.name", "Required"), ("spec.dataSourceRef", "Invalid"),
        ],
    ),
    ("StorageClass", "provisioner", "", [("provisioner", "Required")]),
    ("StorageClass", "provisioner", "a b", [("provisioner", "Invalid")]),
    ("StorageClass", "parameters", {"": "x"}, [("parameters", "Invalid")]),
    ("StorageClass", "parameters", {str(i): "" for i in range(513)}, [("parameters", "TooLong")]),
    ("StorageClass", "parameters", {"a": "x" * 262144}, [("parameters", "TooLong")]),
    ("StorageClass", "reclaimPolicy", "Recycle", [("reclaimPolicy", "NotSupported")]),
    ("StorageClass", "volumeBindingMode", "Later", [("volumeBindingMode", "NotSupported")]),
    (
        "StorageClass", "allowedTopologies",
        [{"matchLabelExpressions": [{"key": "a b", "values": []}, {"key": "zone", "values": ["a", "a"]}, RULE]}],
        [
            ("allowedTopologies[0].matchLabelExpressions[0].values", "Required"),
            ("allowedTopologies[0].matchLabelExpressions[0].key", "Invalid"),
            ("allowedTopologies[0].matchLabelExpressions[1].values[1]", "Duplicate"),
            ("allowedTopologies[0].matchLabelExpressions[2].key", "Duplicate"),
        ],
    ),
    (
        "StorageClass", "allowedTopologies", [{"matchLabelExpressions": [RULE]}] * 2,
        [("allowedTopologies[1].matchLabelExpressions", "Duplicate")],
    ),
    ("VolumeAttributesClass", "driverName", "", [("driverName", "Required")]),
    ("VolumeAttributesClass", "parameters", {}, [("parameters", "Required")]),
    ("CSIDriver", "spec.fsGroupPolicy", "Some", [("spec.fsGroupPolicy", "NotSupported")]),
    ("CSIDriver", "spec.volumeLifecycleModes", ["Brief"], [("spec.volumeLifecycleModes", "NotSupported")]),
    (
        "CSIDriver", "spec.tokenRequests",
        [{"audience": "a", "expirationSeconds": 599}, {"audience": "a"}, {"audience": "", "expirationSeconds": 2**33}],
        [
            ("spec.tokenRequests[0].expirationSeconds", "Invalid"), ("spec.tokenRequests[1].audience", "Duplicate"),
            ("spec.tokenRequests[2].expirationSeconds", "Invalid"),
        ],
    ),
    (
        "CSIDriver", "spec.nodeAllocatableUpdatePeriodSeconds", 9,
        [("spec.nodeAllocatableUpdatePeriodSeconds", "Invalid")],
    ),
    ("CSIDriver", "spec.serviceAccountTokenInSecrets", True, [("spec.serviceAccountTokenInSecrets", "Invalid")]),
    (
        "CSINode", "spec.drivers",
        [{"name": "", "nodeID": ""}, {"name": "a", "nodeID": "x" * 257, "allocatable": {"count": -1}}],
        [
            ("spec.drivers[0].name", "Required"), ("spec.drivers[0].name", "Invalid"),
            ("spec.drivers[0].nodeID", "Required"), ("spec.drivers[1].nodeID", "Invalid"),
            ("spec.drivers[1].allocatable.count", "Invalid"),
        ],
    ),
    (
        "CSINode", "spec.drivers",
        [{"name": "a", "nodeID": "n", "topologyKeys": ["k", "k", "a b"]}, {"name": "a", "nodeID": "n"}],
        [("spec.drivers[0]", "Duplicate"), ("spec.drivers[0]", "Invalid"), ("spec.drivers[1].name", "Duplicate")],
    ),
    ("CSIStorageCapacity", "storageClassName", "", [("storageClassName", "Invalid")]),
    ("CSIStorageCapacity", "capacity", "-1", [("capacity", "Invalid")]),
    ("CSIStorageCapacity", "nodeTopology", {"matchLabels": {"a b": "c"}}, [("nodeTopology.matchLabels", "Invalid")]),
    ("VolumeAttachment", "spec.attacher", "", [("spec.attacher", "Required")]),
    ("VolumeAttachment", "spec.attacher", "a_b", [("spec.attacher", "Invalid")]),
    ("VolumeAttachment", "spec.nodeName", "", [("spec.nodeName", "Invalid")]),
    ("VolumeAttachment", "spec.source", {}, [("spec.source", "Required")]),
    (
        "VolumeAttachment", "spec.source.persistentVolumeName", "",
        [("spec.source.persistentVolumeName", "Required")],
    ),
    ("VolumeAttachment", "spec.source.persistentVolumeName", "A", [("spec.source.persistentVolumeName", "Invalid")]),
    (
        "VolumeAttachment", "spec.source.inlineVolumeSpec", {"csi": CSI, "accessModes": ["ReadWriteOnce"]},
        [("spec.source", "Forbidden")],
    ),
    (
        "VolumeAttachment", "spec.source",
        {"inlineVolumeSpec": {"hostPath": {"path": "/"}, "capacity": {"storage": "1"}, "volumeMode": "Block"}},
        [
            ("spec.source.inlineVolumeSpec.capacity", "Forbidden"), ("spec.source.inlineVolumeSpec.csi", "Required"),
            ("spec.source.inlineVolumeSpec.accessModes", "Required"),
            ("spec.source.inlineVolumeSpec.volumeMode", "Forbidden"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "value", "wrong"), BAD)
def test_what_is_refused_and_where(kind: str, path: str, value: Any, wrong: Wrong) -> None:
    assert short(errors_of_create(BY_NAME[kind], changed(SAMPLES[kind], path, value))) == wrong


AZURE = {"diskName": "d", "diskURI": "https://x", "kind": "Managed", "cachingMode": "Some"}
SOURCES: list[tuple[str, Object, list[str]]] = [
    ("nfs", {"server": "s", "path": "/p"}, []),
    ("nfs", {"server": "", "path": "p"}, ["server", "path"]),
    ("csi", {**CSI, "nodeStageSecretRef": SECRET}, []),
    ("csi", {"driver": "", "nodeStageSecretRef": {"name": "A"}}, [
        "driver", "driver", "volumeHandle", "nodeStageSecretRef.name", "nodeStageSecretRef.namespace",
    ]),
    ("fc", {"targetWWNs": ["5"], "lun": 1}, []),
    ("fc", {}, ["targetWWNs"]),
    ("fc", {"targetWWNs": ["5"], "wwids": ["3"], "lun": 256}, ["targetWWNs", "lun"]),
    ("iscsi", {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:x", "lun": 0}, []),
    ("iscsi", {"targetPortal": "", "iqn": "x", "lun": 256, "chapAuthSession": True}, [
        "targetPortal", "iqn", "lun", "secretRef",
    ]),
    ("awsElasticBlockStore", {"volumeID": "", "partition": 256}, ["volumeID", "partition"]),
    ("cinder", {"volumeID": "v", "secretRef": {"name": "s"}}, ["secretRef.namespace"]),
    ("flocker", {"datasetName": "a/b", "datasetUUID": "u"}, ["", "datasetName"]),
    ("flexVolume", {"driver": "d", "options": {"kubernetes.io/x": "1", "x": "1"}}, ["options[kubernetes.io/x]"]),
    ("azureFile", {"secretName": "s", "shareName": "h", "secretNamespace": ""}, ["secretNamespace"]),
    ("azureDisk", AZURE, ["cachingMode", "diskURI"]),
    ("glusterfs", {"endpoints": "e", "path": "p", "endpointsNamespace": "A"}, ["endpointsNamespace"]),
    ("storageos", {"volumeName": "A", "volumeNamespace": "n"}, ["volumeName"]),
    ("rbd", {"monitors": [], "image": ""}, ["monitors", "image"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "body", "wrong"), SOURCES)
def test_sources_of_volumes(source: str, body: Object, wrong: list[str]) -> None:
    found = [e.field for e in errors_of_create(persistentvolume.KIND, volume(source, body))]
    assert found == [f"spec.{source}.{w}" if w else f"spec.{source}" for w in wrong]


def test_a_local_volume_says_where_it_is() -> None:
    bare = volume("local", {"path": "/mnt/../x"})
    assert short(errors_of_create(persistentvolume.KIND, bare)) == [
        ("spec.local.path", "Invalid"), ("spec.nodeAffinity", "Required"),
    ]  # fmt: skip
    assert errors_of_create(persistentvolume.KIND, volume("local", {"path": "/mnt"}, nodeAffinity=NODES)) == []


def test_the_root_of_a_node_is_not_recycled() -> None:
    obj = volume("hostPath", {"path": "/tmp/.."}, persistentVolumeReclaimPolicy="Recycle")
    assert ("spec.persistentVolumeReclaimPolicy", "Forbidden") in short(errors_of_create(persistentvolume.KIND, obj))


def test_the_defaults_of_volumes_and_their_sources() -> None:
    disk = {"diskName": "d", "diskURI": "u"}
    made = created(persistentvolume.KIND, volume("azureDisk", disk))["spec"]
    assert (made["persistentVolumeReclaimPolicy"], made["volumeMode"]) == ("Retain", "Filesystem")
    assert made["azureDisk"] == {
        **disk, "cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared",
    }  # fmt: skip
    driver = created(BY_NAME["CSIDriver"], changed(SAMPLES["CSIDriver"], "spec.preventPodSchedulingIfMissing", True))
    assert driver["spec"] == {
        "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
        "seLinuxMount": False, "fsGroupPolicy": "ReadWriteOnceWithFSType", "volumeLifecycleModes": ["Persistent"],
    }  # fmt: skip
    made = created(BY_NAME["StorageClass"], SAMPLES["StorageClass"])
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")


UPDATES: list[tuple[str, Object, Object, Wrong]] = [
    ("PersistentVolume", {}, {"spec.hostPath.path": "/other"}, [("spec.persistentvolumesource", "Forbidden")]),
    ("PersistentVolume", {}, {"spec.capacity.storage": "2Gi", "spec.claimRef": {"name": "c"}}, []),
    ("PersistentVolume", {}, {"spec.volumeMode": "Block"}, [("volumeMode", "Invalid")]),
    ("PersistentVolume", {}, {"spec.nodeAffinity": NODES}, []),
    ("PersistentVolume", {"spec.nodeAffinity": NODES}, {"spec.nodeAffinity": None}, [("nodeAffinity", "Invalid")]),
    ("StorageClass", {}, {"provisioner": "x"}, [("provisioner", "Forbidden")]),
    ("StorageClass", {}, {"parameters": {"a": "b"}}, [("parameters", "Forbidden")]),
    ("StorageClass", {}, {"reclaimPolicy": "Retain"}, [("reclaimPolicy", "Forbidden")]),
    ("StorageClass", {}, {"volumeBindingMode": "WaitForFirstConsumer"}, [("volumeBindingMode", "Invalid")]),
    ("StorageClass", {}, {"allowVolumeExpansion": True, "allowedTopologies": [{"matchLabelExpressions": [RULE]}]}, []),
    ("VolumeAttributesClass", {}, {"parameters": {"a": "b"}}, [("parameters", "Forbidden")]),
    ("VolumeAttributesClass", {}, {"driverName": "other"}, [("driverName", "Forbidden")]),
    ("CSIDriver", {}, {"spec.attachRequired": False}, [("spec.attachedRequired", "Invalid")]),
    ("CSIDriver", {}, {"spec.volumeLifecycleModes": ["Ephemeral"]}, [("spec.volumeLifecycleModes", "Invalid")]),
    ("CSIDriver", {}, {"spec.requiresRepublish": True}, []),
    ("CSINode", {}, {"spec.drivers.0.nodeID": "n2"}, [("spec.drivers", "Invalid")]),
    ("CSINode", {}, {"spec.drivers.0.allocatable": {"count": 5}}, []),
    ("CSIStorageCapacity", {}, {"capacity": "1"}, []),
    ("CSIStorageCapacity", {}, {"storageClassName": "slow"}, [("storageClassName", "Invalid")]),
    ("CSIStorageCapacity", {}, {"nodeTopology": {}}, [("nodeTopology", "Invalid")]),
    ("VolumeAttachment", {}, {"spec.nodeName": "m"}, [("spec", "Invalid")]),
]


@pytest.mark.parametrize(("kind", "before", "after", "wrong"), UPDATES)
def test_what_may_not_change(kind: str, before: Object, after: Object, wrong: Wrong) -> None:
    sample = SAMPLES[kind]
    for path, value in before.items():
        sample = changed(sample, path, value)
    old = created(BY_NAME[kind], sample)
    new = old
    for path, value in after.items():
        new = changed(new, path, value)
    assert short(errors_of_update(BY_NAME[kind], new, old)) == wrong


def test_a_secret_for_growing_may_be_added_once() -> None:
    old = created(persistentvolume.KIND, volume("csi", CSI))
    new = changed(old, "spec.csi.controllerExpandSecretRef", SECRET)
    assert errors_of_update(persistentvolume.KIND, new, old) == []
    other = changed(new, "spec.csi.controllerExpandSecretRef.name", "t")
    assert short(errors_of_update(persistentvolume.KIND, other, new)) == [("spec.persistentvolumesource", "Forbidden")]


def claim(**status: Any) -> Object:
    return {**created(persistentvolumeclaim.KIND, SAMPLES["PersistentVolumeClaim"]), "status": status}


SIZE = "spec.resources.requests.storage"
IMMUTABLE: Wrong = [("spec", "Forbidden")]
CLAIMS: list[tuple[Object, Object, Object, Wrong]] = [
    ({}, {}, {"spec.volumeName": "pv"}, []),
    ({}, {"spec.volumeName": "pv"}, {"spec.volumeName": "other"}, IMMUTABLE),
    ({"phase": "Pending"}, {}, {SIZE: "2Gi"}, IMMUTABLE),
    ({"phase": "Bound"}, {}, {SIZE: "2Gi"}, []),
    ({"phase": "Bound", "capacity": {"storage": "512Mi"}}, {}, {SIZE: "768Mi"}, []),
    ({"phase": "Bound", "capacity": {"storage": "512Mi"}}, {}, {SIZE: "512Mi"}, [(SIZE, "Forbidden")]),
    ({"phase": "Bound"}, {}, {"spec.accessModes": ["ReadOnlyMany"]}, IMMUTABLE),
    ({"phase": "Bound"}, {}, {"spec.volumeAttributesClassName": "gold"}, []),
    (
        {"phase": "Bound"}, {"spec.volumeAttributesClassName": "gold"}, {"spec.volumeAttributesClassName": None},
        [("spec.volumeAttributesClassName", "Forbidden")],
    ),
    ({}, {}, {"spec.storageClassName": "fast"}, []),
    ({}, {"spec.storageClassName": "slow"}, {"spec.storageClassName": "fast"}, IMMUTABLE),
    ({}, {"metadata.annotations": {OLD: "a"}}, {"spec.storageClassName": "a"}, []),
    ({}, {"metadata.annotations": {OLD: "a"}}, {"spec.storageClassName": "b"}, IMMUTABLE),
    (
        {}, {"metadata.annotations": {OLD: "a"}}, {"metadata.annotations": {OLD: "b"}},
        [(f"metadata.annotations.{OLD}", "Invalid")],
    ),
    ({}, {}, {"spec.volumeMode": "Block"}, [*IMMUTABLE, ("volumeMode", "Invalid")]),
]  # fmt: skip


@pytest.mark.parametrize(("status", "before", "after", "wrong"), CLAIMS)
def test_what_of_a_claim_may_change(status: Object, before: Object, after: Object, wrong: Wrong) -> None:
    old = claim(**status)
    for path, value in before.items():
        old = changed(old, path, value)
    new = old
    for path, value in after.items():
        new = changed(new, path, value)
    assert short(errors_of_update(persistentvolumeclaim.KIND, new, old)) == wrong


def test_the_status_of_a_claim() -> None:
    old = claim(phase="Bound")
    status = {
        "capacity": {"storage": "-1"},
        "allocatedResources": {"cpu": "1", "storage": "1Gi", "example.com/x": "1"},
        "allocatedResourceStatuses": {"storage": "Growing"},
    }
    kind = persistentvolumeclaim.KIND
    assert short(kind.validate_status(typed(kind, {**old, "status": status}), typed(kind, old))) == [
        ("status.capacity[storage]", "Invalid"),
        ("status.allocatedResourceStatus", "NotSupported"),
        ("status.allocatedResources", "NotSupported"),
    ]


def test_both_ways_to_name_a_data_source_agree() -> None:
    sample = SAMPLES["PersistentVolumeClaim"]
    one = {"kind": "PersistentVolumeClaim", "name": "a"}
    for member in ("dataSource", "dataSourceRef"):
        spec = created(persistentvolumeclaim.KIND, changed(sample, f"spec.{member}", one))["spec"]
        assert spec["dataSource"] == spec["dataSourceRef"] == one
    # Whatever old clients may not mean is dropped; the newer member takes every kind, but of no other namespace.
    odd = {"apiGroup": "example.com", "kind": "Populator", "name": "a"}
    assert "dataSource" not in created(persistentvolumeclaim.KIND, changed(sample, "spec.dataSource", odd))["spec"]
    spec = created(persistentvolumeclaim.KIND, changed(sample, "spec.dataSourceRef", odd))["spec"]
    assert spec["dataSourceRef"] == spec["dataSource"] == odd
    far = created(persistentvolumeclaim.KIND, changed(sample, "spec.dataSourceRef", {**odd, "namespace": "n"}))["spec"]
    assert "dataSourceRef" not in far and "dataSource" not in far
    both = changed(changed(sample, "spec.dataSource", one), "spec.dataSourceRef", odd)
    (error,) = errors_of_create(persistentvolumeclaim.KIND, both)
    assert (error.field, error.detail) == ("spec", "must match dataSourceRef")


def test_a_new_phase_of_a_volume_is_stamped() -> None:
    old = created(persistentvolume.KIND, SAMPLES["PersistentVolume"])
    assert old["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2030-01-01T00:00:00Z"}
    old["status"]["lastPhaseTransitionTime"] = "2029-01-01T00:00:00Z"
    for phase, stamp, expected in (
        ("Pending", None, "2029-01-01T00:00:00Z"),
        ("Bound", None, "2030-01-01T00:00:00Z"),
        ("Bound", "2029-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("Bound", "2029-06-01T00:00:00Z", "2029-06-01T00:00:00Z"),
    ):
        new: Object = {"metadata": old["metadata"], "spec": {}, "status": {"phase": phase}}
        if stamp:
            new["status"]["lastPhaseTransitionTime"] = stamp
        persistentvolume.KIND.prepare_status(new, old, CONTEXT)
        assert new["status"] == {"phase": phase, "lastPhaseTransitionTime": expected}
        assert new["spec"] == old["spec"]


def test_a_drivers_changes_are_counted_from_the_first_on() -> None:
    kind = BY_NAME["CSIDriver"]
    old = created(kind, SAMPLES["CSIDriver"])
    assert "generation" not in old["metadata"]
    for expected in (1, 2):
        new = changed(old, "spec.requiresRepublish", not old["spec"]["requiresRepublish"])
        kind.prepare_update(new, old, CONTEXT)
        assert new["metadata"]["generation"] == expected
        old = new


def cells(kind: str, obj: Object) -> list[Any]:
    return ["AGE" if isinstance(c, Age) else c for c in BY_NAME[kind].row(obj)]


def test_rows_of_volumes_and_claims() -> None:
    pv = created(persistentvolume.KIND, SAMPLES["PersistentVolume"])
    assert cells("PersistentVolume", pv) == [
        "pv", "1Gi", "RWO,ROX", "Retain", "Pending", "", "", "<unset>", "", "AGE", "Filesystem",
    ]  # fmt: skip
    pv["spec"] |= {"claimRef": {"namespace": "n", "name": "c"}, "storageClassName": "slow"}
    pv["spec"]["accessModes"] = ["ReadWriteOncePod", "ReadWriteMany", "ReadWriteMany"]
    pv["metadata"] |= {"deletionTimestamp": "2030-01-01T00:00:00Z", "annotations": {OLD: "old"}}
    pv["status"]["reason"] = "Broken"
    assert cells("PersistentVolume", pv)[2:9] == [
        "RWX,RWOP", "Retain", "Terminating", "n/c", "old", "<unset>", "Broken",
    ]  # fmt: skip
    free = claim(phase="Pending", capacity={"storage": "9Gi"})
    assert cells("PersistentVolumeClaim", free) == [
        "claim", "Pending", "", "", "", "", "<unset>", "AGE", "Filesystem",
    ]  # fmt: skip
    bound = claim(phase="Bound", capacity={"storage": "2Gi"}, accessModes=["ReadOnlyMany", "ReadWriteOnce"])
    bound["spec"] |= {"volumeName": "pv", "storageClassName": "fast", "volumeAttributesClassName": "gold"}
    assert cells("PersistentVolumeClaim", bound) == [
        "claim", "Bound", "pv", "2Gi", "RWO,ROX", "fast", "gold", "AGE", "Filesystem",
    ]  # fmt: skip
    bound["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert cells("PersistentVolumeClaim", bound)[1] == "Terminating"


def test_rows_of_the_other_kinds() -> None:
    sc = created(BY_NAME["StorageClass"], SAMPLES["StorageClass"])
    assert cells("StorageClass", sc) == ["fast", "example.com/disk", "Delete", "Immediate", False, "AGE"]
    sc["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert cells("StorageClass", {**sc, "allowVolumeExpansion": True})[::4] == ["fast (default)", True]
    driver = created(BY_NAME["CSIDriver"], SAMPLES["CSIDriver"])
    assert cells("CSIDriver", driver)[1:] == [True, False, False, "<unset>", False, "Persistent", "AGE"]
    driver["spec"]["tokenRequests"] = [{"audience": "a"}, {"audience": "b"}]
    assert cells("CSIDriver", driver)[4] == "a,b"
    assert cells("CSINode", SAMPLES["CSINode"]) == ["node-1", 1, "AGE"]
    assert cells("CSIStorageCapacity", SAMPLES["CSIStorageCapacity"]) == ["c", "2029-12-31T23:55:00Z"]
    assert cells("VolumeAttachment", SAMPLES["VolumeAttachment"]) == ["a", "disk.example.com", "pv", "n", False, "AGE"]
    assert cells("VolumeAttributesClass", SAMPLES["VolumeAttributesClass"]) == ["gold", "disk.example.com", "AGE"]


def test_warnings() -> None:
    old = volume("rbd", {"monitors": ["m"], "image": "i"}, persistentVolumeReclaimPolicy="Recycle")
    old = changed(old, "metadata.annotations", {OLD: "a", "volume.beta.kubernetes.io/mount-options": "ro"})
    terms = [{"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "Exists"}]}]
    old["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    assert persistentvolume.KIND.warnings is not None and persistentvolumeclaim.KIND.warnings is not None
    assert [w.partition(": ")[0] for w in persistentvolume.KIND.warnings(created(persistentvolume.KIND, old))] == [
        f"metadata.annotations[{OLD}]",
        "metadata.annotations[volume.beta.kubernetes.io/mount-options]",
        "spec.persistentVolumeReclaimPolicy",
        "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key",
        "spec.rbd",
    ]
    small = changed(SAMPLES["PersistentVolumeClaim"], SIZE, "1500m")
    assert persistentvolumeclaim.KIND.warnings(small) == [
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'
    ]
    assert persistentvolumeclaim.KIND.warnings(SAMPLES["PersistentVolumeClaim"]) == []


STATUSES: dict[str, tuple[Object, Object]] = {
    # What a controller wrote, and what a new object has.
    "PersistentVolumeClaim": ({"phase": "Bound", "capacity": {"storage": "1Gi"}}, {"phase": "Pending"}),
    "ResourceQuota": ({"hard": {"pods": "1"}}, {}),
    "VolumeAttachment": ({"attached": True}, {"attached": False}),
    "Ingress": ({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}, {"loadBalancer": {}}),
    "ServiceCIDR": ({"conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "m",
                                     "lastTransitionTime": "2030-01-01T00:00:00Z"}]}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_status_and_spec_are_written_apart(name: str) -> None:
    kind, (written, fresh) = BY_NAME[name], STATUSES[name]
    new = created(kind, {**SAMPLES[name], "status": written})
    assert new["status"] == fresh
    old = {**new, "status": written}
    sent = {**changed(new, "metadata.labels", {"a": "b"}), "status": {}}
    kind.prepare_update(sent, old, CONTEXT)
    assert sent["status"] == written
    sent = {**old, "spec": {}, "status": fresh}
    kind.prepare_status(sent, old, CONTEXT)
    assert (sent["spec"], sent["status"]) == (old["spec"], fresh)


def test_which_kinds_count_their_changes() -> None:
    mine = {
        *STATUSES, "PersistentVolume", "StorageClass", "IngressClass", "NetworkPolicy", "IPAddress", "EndpointSlice",
        "PriorityClass", "RuntimeClass", "CSINode", "CSIStorageCapacity", "LimitRange",
    }  # fmt: skip
    counting = {name for name in mine if BY_NAME[name].generation}
    assert counting == {"Ingress", "IngressClass", "NetworkPolicy", "EndpointSlice"}


def test_a_pods_own_claim_follows_the_rules_for_claims() -> None:
    spec = {**SAMPLES["PersistentVolumeClaim"]["spec"], "accessModes": ["Any"], "volumeMode": "Tape"}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
    where = "spec.volumes[0].ephemeral.volumeClaimTemplate.spec"
    assert short(errors_of_create(BY_NAME["Pod"], changed(SAMPLES["Pod"], "spec.volumes", volumes))) == [
        (f"{where}.accessModes", "NotSupported"), (f"{where}.volumeMode", "NotSupported"),
    ]  # fmt: skip
