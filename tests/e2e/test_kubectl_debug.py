"""kubectl debug: ephemeral containers in Pods that run, and copies of Pods."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import container, pod, web

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

IMAGE = ("--image=minikube-py/busybox:1", "--image-pull-policy=Never")


def state_of(kubectl: Kubectl, name: str) -> str:
    """`running`, `waiting`, or the code that it ended with."""
    statuses = kubectl.get("pod", "web")["status"].get("ephemeralContainerStatuses") or ()
    found: dict[str, Any] = next((s["state"] for s in statuses if s["name"] == name), {})
    return str(found["terminated"]["exitCode"]) if "terminated" in found else "".join(found)


def test_a_terminal_in_a_running_pod(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", web(), container("other")))
    kubectl.ready("web")
    terminal = kubectl.start("debug", "-it", "web", *IMAGE, "--target=web", "-c", "look", "--", "sh", tty=True)
    with terminal:
        # What was written before the terminal was there is not seen: ask for something.
        terminal.write("\n")
        terminal.shows("#")
        terminal.write("wget -qO- http://127.0.0.1/ | wc -l; echo in $((40 + 2))\n")
        terminal.shows("in 42")
        # The processes of its target, and not those of the other container.
        terminal.write("tr '\\0' ' ' < /proc/1/cmdline; ls /proc/1/root/etc/hostname; echo seen $((1 + 1))\n")
        terminal.shows("/usr/bin/serve", "/proc/1/root/etc/hostname", "seen 2")
        terminal.write("exit 7\n")
        until(lambda: state_of(kubectl, "look") == "7")
    kubectl.ready("web")
    assert "wget -qO-" in kubectl("logs", "web", "-c", "look").out
    described = kubectl("describe", "pod", "web").out
    assert re.search(r"Ephemeral Containers:\n\s+look:", described) and "Exit Code:    7" in described


def test_added_first_and_attached_later(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    script = "while read word; do echo got $word; done"
    made = kubectl("debug", "web", *IMAGE, "-c", "look", "-i", "--attach=false", "--", "sh", "-c", script)
    assert made.code == 0
    until(lambda: state_of(kubectl, "look") == "running")
    with kubectl.start("attach", "-i", "web", "-c", "look") as attached:
        attached.write("hello\n")
        attached.shows("got hello")
    assert kubectl("exec", "web", "-c", "look", "--", "echo", "hi").out == "hi\n"
    # A second one, beside the first; neither restarts the Pod.
    kubectl("debug", "web", *IMAGE, "-c", "once", "--", "sh", "-c", "echo done; exit 1")
    until(lambda: state_of(kubectl, "once") == "1")
    assert kubectl("logs", "web", "-c", "once").out == "done\n"
    assert kubectl("get", "pod", "web").rows[1][1:4] == ["1/1", "Running", "0"]
    wrong = kubectl("debug", "web", *IMAGE, "--target=nobody", "--", "true", code=1)
    assert "targetContainerName" in wrong.err
    kubectl("delete", "pod", "web")


def test_without_a_target_it_has_its_own_processes_or_the_pods(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"), pod("shared", shareProcessNamespace=True))
    kubectl.ready("web", "shared")
    for name, first in (("web", "cat"), ("shared", "/pause")):
        kubectl("debug", name, *IMAGE, "-c", "look", "--", "cat", "/proc/1/cmdline")
        assert until(lambda name=name: kubectl("logs", name, "-c", "look").out).startswith(first)  # type: ignore[misc]


def test_a_copy_of_a_pod(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    kubectl("debug", "web", "--copy-to=copy", *IMAGE, "--", "sleep", "60")
    kubectl.phase("copy", "Running")
