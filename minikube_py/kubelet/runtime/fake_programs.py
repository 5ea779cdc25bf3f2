"""The processes of the fake engine: a container's command, driven by the clock, with signals, files and pipes."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.runtime import fake_shell as shell
from minikube_py.kubelet.runtime.base import Mount, StreamName
from minikube_py.kubelet.runtime.fake_commands import COMMANDS, Exit

Emit = Callable[[StreamName, bytes], Awaitable[None]]

_SIGNALS = {name: signal.Signals[f"SIG{name}"] for name in ("TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2")}


class Bell:
    """Wakes everybody who waits for it, each time that it rings."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class Pipe:
    """Bytes from one side to the other, with back pressure above `limit` bytes and an end."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._limit = limit
        self._bell = Bell()
        self.closed = False

    async def write(self, data: bytes) -> None:
        """Raises BrokenPipeError when the pipe has ended."""
        while self._size >= self._limit and not self.closed:
            await self._bell.wait()
        if self.closed:
            raise BrokenPipeError("the pipe has ended")
        self._chunks.append(data)
        self._size += len(data)
        self._bell.ring()

    def close(self) -> None:
        self.closed = True
        self._bell.ring()

    async def read(self) -> bytes:
        """The next chunk; b"" at the end."""
        while not self._chunks and not self.closed:
            await self._bell.wait()
        if not self._chunks:
            return b""
        data = self._chunks.popleft()
        self._size -= len(data)
        self._bell.ring()
        return data


class Files:
    """What a container sees as files: its own (in memory) and, below its mounts, real ones of the host."""

    def __init__(self, mounts: Sequence[Mount] = (), own: Mapping[str, bytes] | None = None) -> None:
        self._mounts = sorted(mounts, key=lambda m: -len(m.container_path))
        self._own = dict(own or {})

    def _mounted(self, path: str) -> tuple[Mount, Path] | None:
        for mount in self._mounts:
            root = mount.container_path.rstrip("/")
            if path == root or path.startswith(root + "/"):
                return mount, Path(mount.host_path + path[len(root) :])
        return None

    def read(self, path: str) -> bytes:
        """Raises OSError."""
        if found := self._mounted(path):
            return found[1].read_bytes()
        if path not in self._own:
            raise FileNotFoundError(2, "No such file or directory")
        return self._own[path]

    def write(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Raises OSError; a read-only mount refuses as the kernel does."""
        if found := self._mounted(path):
            mount, real = found
            if mount.read_only:
                raise OSError(30, "Read-only file system")
            with real.open("ab" if append else "wb") as file:
                file.write(data)
            return
        self._own[path] = (self._own.get(path, b"") if append else b"") + data

    def remove(self, path: str) -> None:
        """Raises OSError."""
        if found := self._mounted(path):
            if found[0].read_only:
                raise OSError(30, "Read-only file system")
            found[1].unlink()
        elif self._own.pop(path, None) is None:
            raise FileNotFoundError(2, "No such file or directory")

    def exists(self, path: str) -> bool:
        if found := self._mounted(path):
            return found[1].exists()
        return path in self._own or any(p.startswith(path.rstrip("/") + "/") for p in self._own)


class Process:
    """One running command: a container's first process or an exec'ed one. `code` is its exit code once `done`."""

    def __init__(
        self, clock: Clock, argv: Sequence[str], *, env: dict[str, str], files: Files, stdin: Pipe | None,
        emit: Emit, pid1: bool = False, tty: bool = False, cwd: str = "/", uid: int = 0,
        killed_by: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.clock, self.argv, self.env, self.files, self.stdin = clock, list(argv), env, files, stdin
        self.cwd, self.tty, self.uid = cwd, tty, uid
        self.size = (80, 24)
        self.code = 0
        self.done = asyncio.Event()
        self._emit = emit
        self._pid1 = pid1
        self._signal_container = killed_by
        self._traps: dict[int, shell.Script | None] = {}
        self._pending: deque[int] = deque()
        self._signalled = Bell()
        self._killed = 0
        self._task: asyncio.Task[None] | None = None
        self._jobs: list[asyncio.Task[int]] = []

    def start(self) -> asyncio.Task[None]:
        self._task = asyncio.get_running_loop().create_task(self._main(), name=f"fake process {self.argv[0]}")
        self._task.add_done_callback(self._killed_unborn)
        return self._task

    def _killed_unborn(self, task: asyncio.Task[None]) -> None:
        if not self.done.is_set():
            self.code = self._killed
            self.done.set()

    def signal(self, number: int) -> None:
        """Deliver a signal: the first process of a PID namespace ignores what it has no handler for, as in Linux."""
        if self.done.is_set() or self._task is None:
            return
        if number == signal.SIGKILL:
            self._end(number)
        elif number in self._traps:
            if self._traps[number] is not None:
                self._pending.append(number)
                self._signalled.ring()
        elif self.argv[0] == "serve" or not self._pid1:
            self._end(0 if self.argv[0] == "serve" else number)

    def _end(self, number: int) -> None:
        assert self._task is not None
        self._killed = 128 + number if number else 0
        self._task.cancel()

    async def _main(self) -> None:
        try:
            self.code = await self.run(self.argv)
        except Exit as exited:
            self.code = exited.code
        except BrokenPipeError:
            self.code = 128 + signal.SIGPIPE
        except asyncio.CancelledError:
            self.code = self._killed
        finally:
            for job in self._jobs:
                job.cancel()
            self.done.set()

    async def run(self, argv: Sequence[str]) -> int:
        """Run one command to its end; 127 with a message when there is no such command."""
        command = COMMANDS.get(argv[0].rsplit("/", 1)[-1])
        if command is None:
            await self.err(f"sh: {argv[0]}: not found\n")
            return 127
        return await command(self, list(argv))

    async def out(self, text: str | bytes) -> None:
        await self._emit("stdout", text.encode() if isinstance(text, str) else text)

    async def err(self, text: str) -> None:
        await self._emit("stderr", text.encode())

    async def read(self) -> bytes:
        return await self.stdin.read() if self.stdin is not None else b""

    async def for_ever(self) -> int:
        await asyncio.get_running_loop().create_future()
        return 0

    def path(self, name: str) -> str:
        return name if name.startswith("/") else f"{self.cwd.rstrip('/')}/{name}"

    # -- the shell

    async def script(self, text: str) -> int:
        try:
            parsed = shell.parse(text)
        except shell.ShellSyntaxError as error:
            await self.err(f"sh: syntax error: {error}\n")
            return 2
        return await self._script(parsed)

    async def _script(self, script: shell.Script) -> int:
        code = 0
        for item in script:
            if (item.operator == "&&" and code) or (item.operator == "||" and not code):
                continue
            if item.background:
                self._jobs.append(asyncio.get_running_loop().create_task(self._job(item.node), name="fake job"))
                code = 0
            else:
                code = await self._node(item.node)
            self.env["?"] = str(code)
            await self._run_traps()
        return code

    async def _job(self, node: shell.Node) -> int:
        try:
            return await self._node(node)
        except Exit as exited:
            return exited.code

    async def _run_traps(self) -> None:
        while self._pending:
            handler = self._traps.get(self._pending.popleft())
            if handler:
                await self._script(handler)

    async def _node(self, node: shell.Node) -> int:
        match node:
            case shell.Loop():
                while (await self._script(node.condition) == 0) != node.until:
                    await self._script(node.body)
                    await asyncio.sleep(0)
                return 0
            case shell.If():
                if await self._script(node.condition) == 0:
                    return await self._script(node.then)
                return await self._script(node.otherwise) if node.otherwise is not None else 0
            case shell.Pipe():
                return await self._pipe(node)
            case shell.Simple():
                return await self._simple(node)

    async def _pipe(self, node: shell.Pipe) -> int:
        emit, stdin = self._emit, self.stdin
        code = 0
        try:
            for stage in node.stages[:-1]:
                collected = bytearray()

                async def collect(stream: StreamName, data: bytes, into: bytearray = collected) -> None:
                    if stream == "stderr":
                        await emit(stream, data)
                    else:
                        into.extend(data)

                self._emit = collect
                await self._node(stage)
                self.stdin = Pipe()
                if collected:
                    await self.stdin.write(bytes(collected))
                self.stdin.close()
            self._emit = emit
            code = await self._node(node.stages[-1])
        finally:
            self._emit, self.stdin = emit, stdin
        return code

    async def _simple(self, node: shell.Simple) -> int:
        argv = [self._expand(word) for word in node.words]
        argv = [text for text, word in zip(argv, node.words, strict=True) if text or word.quoted]
        while argv and re.fullmatch(r"[A-Za-z_]\w*=.*", argv[0], re.DOTALL):
            name, _, value = argv.pop(0).partition("=")
            self.env[name] = value
        if not argv:
            return 0
        emit, stdin = self._emit, self.stdin
        try:
            await self._redirect(node.redirects)
            if argv[0] == "exec":
                argv = argv[1:]
                raise Exit(await self.run(argv))
            return await self.run(argv)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            await self.err(f"sh: {error.strerror or error}\n")
            return 1
        finally:
            self._emit, self.stdin = emit, stdin

    async def _redirect(self, redirects: Sequence[shell.Redirect]) -> None:
        routes: dict[str, StreamName | str] = {"stdout": "stdout", "stderr": "stderr"}
        outer = self._emit
        for redirect in redirects:
            target = self._expand(redirect.target)
            if redirect.mode == "r":
                data = b"" if target == "/dev/null" else self.files.read(self.path(target))
                self.stdin = Pipe()
                if data:
                    await self.stdin.write(data)
                self.stdin.close()
                continue
            stream = "stderr" if redirect.fd == 2 else "stdout"
            if target.startswith("&"):
                routes[stream] = routes["stderr" if target == "&2" else "stdout"]
            else:
                path = target if target == "/dev/null" else self.path(target)
                routes[stream] = path
                if redirect.mode == "w" and path != "/dev/null":
                    self.files.write(path, b"")

        async def emit(stream: StreamName, data: bytes) -> None:
            route = routes[stream]
            if route == "stdout":
                await outer("stdout", data)
            elif route == "stderr":
                await outer("stderr", data)
            elif route != "/dev/null":
                self.files.write(route, data, append=True)

        if redirects:
            self._emit = emit

    def _expand(self, word: shell.Word) -> str:
        out = []
        for text, expand in word.pieces:
            out.append(_VARIABLE.sub(lambda m: self.env.get(m[1] or m[2], ""), text) if expand else text)
        return "".join(out)

    async def trap(self, argv: list[str]) -> int:
        """`trap 'commands' SIGNAL...`; an empty text ignores the signal."""
        for name in argv[2:]:
            number = _SIGNALS.get(name.removeprefix("SIG")) or (int(name) if name.isdigit() else 0)
            if not number:
                await self.err(f"sh: trap: {name}: invalid signal specification\n")
                return 1
            self._traps[number] = shell.parse(argv[1]) if argv[1] else None
        return 0

    async def wait_jobs(self) -> int:
        """Wait for background jobs; a trapped signal interrupts, as POSIX has it."""
        while waiting := [job for job in self._jobs if not job.done()]:
            bell = asyncio.ensure_future(self._signalled.wait())
            try:
                if not self._pending:
                    await asyncio.wait([*waiting, bell], return_when=asyncio.FIRST_COMPLETED)
            finally:
                bell.cancel()
            if self._pending:
                return 128 + self._pending[0]
        return 0

    async def kill(self, argv: list[str]) -> int:
        """`kill [-SIGNAL] 1` reaches the container's first process; `kill $!`-like numbers are not known here."""
        name = argv[1].removeprefix("-").removeprefix("SIG") if argv[1:2] and argv[1].startswith("-") else "TERM"
        number = _SIGNALS.get(name) or (int(name) if name.isdigit() else 0)
        if not number or argv[-1] != "1":
            await self.err(f"sh: can't kill pid {argv[-1]}: No such process\n")
            return 1
        self._signal_container(number)
        return 0


_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+|\?))")
