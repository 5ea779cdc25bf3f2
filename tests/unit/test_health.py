"""The health endpoints' texts, as Kubernetes' daemons give them."""

from __future__ import annotations

import pytest

from minikube_py.daemon.health import Health


@pytest.fixture
def health() -> Health:
    found = Health()
    found.add("store", lambda: None)

    async def later() -> str:
        return "still listing"

    found.add("caches", later, ["readyz"])
    return found


async def test_all_well(health: Health) -> None:
    assert await health.answer("livez") == (200, "ok")
    assert await health.answer("livez", verbose=True) == (200, "[+]ping ok\n[+]store ok\nlivez check passed\n")
    assert await health.answer("healthz", "ping") == (200, "ok")


async def test_a_failure_keeps_its_reason_to_the_log(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    assert await health.answer("readyz") == (
        500, "[+]ping ok\n[+]store ok\n[-]caches failed: reason withheld\nreadyz check failed\n"
    )  # fmt: skip
    assert caplog.records[0].fields["failed"] == "caches: still listing"  # type: ignore[attr-defined]
    assert await health.answer("readyz", "caches") == (500, "internal server error: still listing\n")


async def test_excluding(health: Health) -> None:
    assert await health.answer("readyz", exclude=["caches"]) == (200, "ok")
    assert await health.answer("readyz", verbose=True, exclude=["caches", "nope"]) == (
        200,
        "[+]ping ok\n[+]store ok\n[+]caches excluded: ok\n"
        'warn: some health checks cannot be excluded: no matches for "nope"\nreadyz check passed\n',
    )


async def test_a_check_that_raises_has_failed(health: Health) -> None:
    def broken() -> None:
        raise OSError("disk")

    health.add("disk", broken)
    assert (await health.answer("livez", "disk")) == (500, "internal server error: OSError: disk\n")


async def test_unknown_ones_are_not_found(health: Health) -> None:
    assert await health.answer("livez", "caches") is None
    assert await health.answer("nothing") is None
    with pytest.raises(ValueError, match="already"):
        health.add("ping", lambda: None)
    with pytest.raises(ValueError, match="unknown health endpoints"):
        health.add("x", lambda: None, ["deadz"])
