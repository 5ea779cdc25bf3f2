"""kubectl logs, exec, attach, cp and run: reaching into containers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import STAY, container, pod, shell

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

IMAGE = ("--image=minikube-py/busybox:1", "--image-pull-policy=Never")


def printing(text: str) -> list[str]:
    """Print a text, then stay."""
    return shell(f"{text}; {STAY[-1]}")


def test_logs_of_one_container(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", container(command=printing("echo one; sleep 0.2; echo two >&2; sleep 1; echo three"))))
    kubectl.ready("web")
    with kubectl.start("logs", "-f", "web") as follow:
        follow.shows("one", "two", "three")
    assert sorted(kubectl("logs", "web").lines) == ["one", "three", "two"]
    assert kubectl("logs", "web", "--tail=1").lines == ["three"]
    assert kubectl("logs", "web", "--since=1h").lines[-1] == "three"
    stamped = kubectl("logs", "web", "--timestamps").lines
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (one|two|three)", line) for line in stamped)
    after = stamped[-1].split()[0]
    assert kubectl("logs", "web", f"--since-time={after[:19]}Z").lines[-1] == "three"
    assert "one" not in kubectl("logs", "web", f"--since-time={after}").lines
    assert kubectl("logs", "web", "--limit-bytes=2").out == "on"
    assert kubectl("logs", "web", "--prefix", "--tail=1").lines == ["[pod/web/main] three"]


def test_logs_of_several_containers_and_pods(kubectl: Kubectl) -> None:
    kubectl.create(
        pod(
            "a", container("one", printing("echo a-one")), container("two", printing("echo a-two")), labels={"app": "x"}
        ),
        pod("b", container("one", printing("echo b-one")), labels={"app": "x"}),
    )  # fmt: skip
    kubectl.ready("a", "b")
    chosen = kubectl("logs", "a")
    assert chosen.out == "a-one\n" and chosen.err == 'Defaulted container "one" out of: one, two\n'
    assert kubectl("logs", "a", "-c", "two").out == "a-two\n"
    assert sorted(kubectl("logs", "a", "--all-containers").lines) == ["a-one", "a-two"]
    assert sorted(kubectl("logs", "-l", "app=x", "--all-containers", "--prefix").lines) == [
        "[pod/a/one] a-one", "[pod/a/two] a-two", "[pod/b/one] b-one",
    ]  # fmt: skip
    unknown = kubectl("logs", "a", "-c", "three", code=1)
    assert "container three is not valid for pod a" in unknown.err
    none = kubectl("logs", "b", "--previous", code=1)
    assert none.err.strip() == (
        'Error from server (BadRequest): previous terminated container "one" in pod "b" not found'
    )


def test_logs_of_the_previous_container_and_of_a_finished_one(kubectl: Kubectl) -> None:
    count = "n=$(cat /count/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > /count/n; echo run $n"
    volume = {"volumes": [{"name": "count", "emptyDir": {}}]}
    mount = [{"name": "count", "mountPath": "/count"}]
    kubectl.create(
        pod(
            "again",
            container(command=shell(f"{count}; [ $n = 1 ] && exit 3; {STAY[-1]}"), volumeMounts=mount),
            **volume,
        ),
        pod("done", container(command=shell("echo result")), restartPolicy="Never"),
    )
    kubectl.phase("done", "Succeeded")
    assert kubectl("logs", "done").out == "result\n"
    assert kubectl("logs", "-f", "done").out == "result\n"
    until(lambda: kubectl("logs", "again").out == "run 2\n")
    assert kubectl("logs", "again", "--previous").out == "run 1\n"
    status = until(
        lambda: [s for s in kubectl.get("pod", "again")["status"]["containerStatuses"] if s["restartCount"]]
    )[0]
    assert status["restartCount"] == 1
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")


def test_exec(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", container("one"), container("two", env=[{"name": "WHO", "value": "two"}])))
    kubectl.ready("web")
    assert kubectl("exec", "web", "-c", "one", "--", "echo", "a  b", "c").out == "a  b c\n"
    assert kubectl("exec", "web", "-c", "two", "--", "sh", "-c", "echo $WHO").out == "two\n"
    both = kubectl("exec", "web", "-c", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 42", code=42)
    assert both.out == "out\n" and both.err == "err\ncommand terminated with exit code 42\n"
    text = "".join(f"line {number}\n" for number in range(20000))
    assert kubectl("exec", "-i", "web", "-c", "one", "--", "cat", input=text).out == text
    assert kubectl("exec", "-i", "web", "-c", "one", "--", "wc", "-l", input=text).out == "20000\n"
    missing = kubectl("exec", "web", "-c", "one", "--", "no-such-command", code=126)  # as with every Docker Engine
    assert 'exec: "no-such-command": executable file not found in $PATH' in missing.out
    unknown = kubectl("exec", "web", "-c", "three", "--", "true", code=1)
    assert "container three is not valid for pod web" in unknown.err
    gone = kubectl("exec", "nope", "--", "true", code=1)
    assert gone.err.strip() == 'Error from server (NotFound): pods "nope" not found'


def test_exec_on_a_terminal(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    with kubectl.start("exec", "-it", "web", "--", "sh", tty=True) as terminal:
        terminal.shows("#")
        terminal.write("test -t 0 && echo on-a-$((1+1))-terminal\n")
        terminal.shows("on-a-2-terminal")
        terminal.write("stty size\n")
        terminal.shows("33 101")
        terminal.write("echo $((20+3))-begins; sleep 100\n")
        terminal.shows("23-begins")
        terminal.write("\x03echo $((40+2))-after-ctrl-c\n")
        terminal.shows("42-after-ctrl-c")
        terminal.write("exit 7\n")
        terminal.ends(7)


def test_attach(kubectl: Kubectl) -> None:
    echo = shell("while read line; do echo got $line; [ $line = end ] && exit 0; done")
    kubectl.create(pod("web", container(command=echo, stdin=True), restartPolicy="Never"))
    kubectl.ready("web")
    with kubectl.start("attach", "-i", "web") as attached:
        attached.write("hello\n")
        attached.shows("got hello")
        with kubectl.start("attach", "web") as watching:
            for number in range(100):
                attached.write(f"again{number}\n")
                attached.shows(f"got again{number}")
                if "got again" in watching.printed:
                    break
            watching.shows("got again")
        attached.write("end\n")
        attached.shows("got end")
        attached.ends()
    kubectl.phase("web", "Succeeded")


def test_cp_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.create(pod("web", container("one"), container("two")))
    kubectl.ready("web")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "text").write_text("some text\n")
    (tree / "sub" / "binary").write_bytes(bytes(range(256)) * 4000)
    kubectl("cp", str(tree), "web:/tmp/there", "-c", "two")
    assert kubectl("exec", "web", "-c", "two", "--", "cat", "/tmp/there/text").out == "some text\n"
    kubectl("cp", f"{kubectl.namespace}/web:/tmp/there", str(tmp_path / "back"), "-c", "two")
    assert (tmp_path / "back" / "text").read_text() == "some text\n"
    assert (tmp_path / "back" / "sub" / "binary").read_bytes() == (tree / "sub" / "binary").read_bytes()
    kubectl("cp", str(tree / "text"), "web:/tmp/one", "-c", "one")
    assert kubectl("exec", "web", "-c", "one", "--", "ls", "/tmp").out == "one\n"


def test_run(kubectl: Kubectl) -> None:
    assert kubectl("run", "web", *IMAGE, "--labels=app=x", "--env=A=b", "--port=80", "--command", "--", *STAY).out == (
        "pod/web created\n"
    )
    spec = kubectl.get("pod", "web")["spec"]
    assert spec["restartPolicy"] == "Always" and spec["containers"][0]["env"] == [{"name": "A", "value": "b"}]
    once = kubectl("run", "once", *IMAGE, "--rm", "-i", "--restart=Never", "--", "echo", "said once")
    assert once.lines[0] == "said once" and once.lines[-1].startswith('pod "once" deleted')
    piped = kubectl("run", "piped", *IMAGE, "--rm", "-i", "--restart=Never", "--", "cat", input="through a pipe\n")
    assert "through a pipe" in piped.lines[0]
    failed = kubectl("run", "failed", *IMAGE, "--rm", "-i", "--restart=Never", "--", "sh", "-c", "exit 5", code=5)
    assert "terminated" in failed.err
    assert kubectl("get", "pod", "-o", "name").lines == ["pod/web"]
    overridden = kubectl("run", "shown", *IMAGE, "--dry-run=client", "-o", "jsonpath={.kind}/{.metadata.labels.run}")
    assert overridden.out == "Pod/shown"
    kubectl("delete", "pod", "web", "--now", "--wait=false")
