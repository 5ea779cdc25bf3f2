"""The commands that scripted containers know: the handful of busybox applets that tests and demonstrations use."""

from __future__ import annotations

import codecs
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minikube_py.kubelet.runtime.fake_programs import Process


class Exit(Exception):
    """A command that ends its shell."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def _true(process: Process, argv: list[str]) -> int:
    return 0


async def _false(process: Process, argv: list[str]) -> int:
    return 1


async def _echo(process: Process, argv: list[str]) -> int:
    words = argv[1:]
    end = "\n"
    if words[:1] == ["-n"]:
        words, end = words[1:], ""
    await process.out(" ".join(words) + end)
    return 0


async def _printf(process: Process, argv: list[str]) -> int:
    values = iter(argv[2:])
    text = re.sub(r"%[sd]", lambda _: next(values, ""), argv[1] if len(argv) > 1 else "")
    await process.out(codecs.decode(text.encode("latin-1", "backslashreplace"), "unicode_escape").encode("latin-1"))
    return 0


async def _sleep(process: Process, argv: list[str]) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", argv[1] if len(argv) > 1 else "")
    if argv[1:2] == ["infinity"] or argv[1:2] == ["inf"]:
        return await process.for_ever()
    if match is None:
        await process.err(f"sleep: invalid number '{' '.join(argv[1:])}'\n")
        return 1
    await process.clock.sleep(float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]])
    return 0


async def _cat(process: Process, argv: list[str]) -> int:
    code = 0
    for name in argv[1:] or ["-"]:
        if name == "-":
            while data := await process.read():
                await process.out(data)
            continue
        try:
            await process.out(process.files.read(process.path(name)))
        except OSError as error:
            await process.err(f"cat: can't open '{name}': {error.strerror}\n")
            code = 1
    return code


async def _head(process: Process, argv: list[str]) -> int:
    if len(argv) != 4 or argv[1] != "-c" or argv[3] != "/dev/zero":
        await process.err("head: only `head -c BYTES /dev/zero` is supported\n")
        return 1
    left = int(argv[2])
    while left > 0:
        size = min(left, 1 << 16)
        await process.out(bytes(size))
        left -= size
    return 0


async def _env(process: Process, argv: list[str]) -> int:
    await process.out("".join(f"{k}={v}\n" for k, v in process.env.items() if k != "?"))
    return 0


async def _printenv(process: Process, argv: list[str]) -> int:
    if len(argv) < 2:
        return await _env(process, argv)
    if argv[1] not in process.env:
        return 1
    await process.out(process.env[argv[1]] + "\n")
    return 0


async def _hostname(process: Process, argv: list[str]) -> int:
    await process.out(process.env.get("HOSTNAME", "") + "\n")
    return 0


async def _pwd(process: Process, argv: list[str]) -> int:
    await process.out(process.cwd + "\n")
    return 0


async def _cd(process: Process, argv: list[str]) -> int:
    process.cwd = process.path(argv[1]) if len(argv) > 1 else "/"
    return 0


async def _id(process: Process, argv: list[str]) -> int:
    await process.out(f"{process.uid}\n" if argv[1:] == ["-u"] else f"uid={process.uid} gid=0\n")
    return 0


async def _test(process: Process, argv: list[str]) -> int:
    words = argv[1:-1] if argv[0] == "[" else argv[1:]
    negate = words[:1] == ["!"]
    words = words[1:] if negate else words
    match words:
        case [("-e" | "-f" | "-d" | "-s"), name]:
            result = process.files.exists(process.path(name))
        case ["-n", text]:
            result = bool(text)
        case ["-z", text]:
            result = not text
        case [a, "=", b]:
            result = a == b
        case [a, "!=", b]:
            result = a != b
        case [text]:
            result = bool(text)
        case _:
            await process.err("sh: test: unknown operand\n")
            return 2
    return 0 if result != negate else 1


async def _touch(process: Process, argv: list[str]) -> int:
    return await _each(process, argv, lambda path: process.files.write(path, b"", append=True))


async def _rm(process: Process, argv: list[str]) -> int:
    force = "-f" in argv

    def remove(path: str) -> None:
        if not force or process.files.exists(path):
            process.files.remove(path)

    return await _each(process, [argv[0], *(a for a in argv[1:] if not a.startswith("-"))], remove)


async def _mkdir(process: Process, argv: list[str]) -> int:
    return await _each(process, [argv[0], *(a for a in argv[1:] if a != "-p")], lambda path: None)


async def _each(process: Process, argv: list[str], act: Callable[[str], None]) -> int:
    code = 0
    for name in argv[1:]:
        try:
            act(process.path(name))
        except OSError as error:
            await process.err(f"{argv[0]}: {name}: {error.strerror}\n")
            code = 1
    return code


async def _sh(process: Process, argv: list[str]) -> int:
    if len(argv) >= 3 and argv[1] == "-c":
        return await process.script(argv[2])
    if len(argv) > 1:
        await process.err(f"sh: {argv[1]}: only `sh -c SCRIPT` and a script on stdin are supported\n")
        return 2
    code, held = 0, b""
    while data := await process.read():
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            code = await process.script(line.decode(errors="replace"))
    return await process.script(held.decode(errors="replace")) if held.strip() else code


async def _exit(process: Process, argv: list[str]) -> int:
    raise Exit(int(argv[1]) % 256 if len(argv) > 1 else int(process.env.get("?", "0")))


async def _export(process: Process, argv: list[str]) -> int:
    for pair in argv[1:]:
        name, equals, value = pair.partition("=")
        if equals:
            process.env[name] = value
    return 0


async def _trap(process: Process, argv: list[str]) -> int:
    return await process.trap(argv)


async def _wait(process: Process, argv: list[str]) -> int:
    return await process.wait_jobs()


async def _kill(process: Process, argv: list[str]) -> int:
    return await process.kill(argv)


async def _stty(process: Process, argv: list[str]) -> int:
    if argv[1:] != ["size"] or not process.tty:
        await process.err("stty: standard input\n")
        return 1
    await process.out(f"{process.size[1]} {process.size[0]}\n")
    return 0


async def _serve(process: Process, argv: list[str]) -> int:
    return await process.for_ever()


async def _busybox(process: Process, argv: list[str]) -> int:
    return await process.run(argv[1:]) if len(argv) > 1 else 0


COMMANDS: Mapping[str, Callable[[Process, list[str]], Awaitable[int]]] = {
    "true": _true, ":": _true, "false": _false, "echo": _echo, "printf": _printf, "sleep": _sleep, "cat": _cat,
    "head": _head, "env": _env, "printenv": _printenv, "hostname": _hostname, "pwd": _pwd, "cd": _cd, "id": _id,
    "test": _test, "[": _test, "touch": _touch, "rm": _rm, "mkdir": _mkdir, "sh": _sh, "ash": _sh, "exit": _exit,
    "export": _export, "trap": _trap, "wait": _wait, "kill": _kill, "stty": _stty, "serve": _serve, "pause": _serve,
    "httpd": _serve, "tail": _serve, "busybox": _busybox,
}  # fmt: skip
"""The commands that a fake container knows, by their base name."""
