"""Objects that are stored and have no effect yet: the answer says so."""

from __future__ import annotations

import pytest

from tests.apiserver.conftest import Api, Object

RULE: Object = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK: Object = {
    "name": "a.b.c", "clientConfig": {"url": "https://h/x"}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
    "rules": [RULE], "failurePolicy": "Fail",
}  # fmt: skip
MATCH: Object = {"matchConstraints": {"resourceRules": [RULE]}}
FLOW: Object = {"priorityLevelConfiguration": {"name": "l"}}
REJECT: Object = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
PATCH: Object = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
FLOWCONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"


@pytest.mark.parametrize(
    "path, body, words",
    [
        (f"{ADMISSION}/validatingwebhookconfigurations", {"webhooks": [HOOK]}, "does not call admission webhooks"),
        (f"{ADMISSION}/mutatingwebhookconfigurations", {"webhooks": [HOOK]}, "does not call admission webhooks"),
        (f"{ADMISSION}/validatingadmissionpolicies", {"spec": {**MATCH, "validations": [{"expression": "false"}]}},
         "does not evaluate admission policies"),
        (f"{ADMISSION}/mutatingadmissionpolicies",
         {"spec": {**MATCH, "mutations": [PATCH], "reinvocationPolicy": "Never"}},
         "does not evaluate admission policies"),
        (f"{ADMISSION}/validatingadmissionpolicybindings", {"spec": {"policyName": "p", "validationActions": ["Deny"]}},
         "does not evaluate admission policies"),
        (f"{ADMISSION}/mutatingadmissionpolicybindings", {"spec": {"policyName": "p"}},
         "does not evaluate admission policies"),
        (f"{FLOWCONTROL}/flowschemas", {"spec": FLOW}, "does not sort requests by priority and fairness"),
        (f"{FLOWCONTROL}/prioritylevelconfigurations", {"spec": REJECT},
         "does not sort requests by priority and fairness"),
    ],
)  # fmt: skip
async def test_a_warning_tells_the_truth(api: Api, path: str, body: Object, words: str) -> None:
    answer = await api.ask("POST", path, {"metadata": {"name": "x"}, **body})
    assert answer.status == 201, answer
    assert words in answer.headers["warning"]
    assert answer.json["metadata"]["generation"] == 1
    # It is true: nothing is refused, changed or slowed down by it.
    await api.config_map("free")
    assert (await api.ask("GET", f"{path}/x")).headers.get("warning") is None
