"""Exec and attach sessions of the fake engine, and the reader of its logs."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import AsyncIterator, Sequence

from minikube_py.kubelet.runtime.base import LogOptions, StreamName
from minikube_py.kubelet.runtime.fake_containers import FakeContainer, no_such_command
from minikube_py.kubelet.runtime.fake_programs import Bell, Pipe, Process

_LIMIT = 1 << 18


class _Output:
    """Chunks of both streams on their way to one reader; a writer waits while too much is unread."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[StreamName, bytes]] = deque()
        self._size = 0
        self._bell = Bell()
        self._ended = False
        self._gone = False

    async def put(self, stream: StreamName, data: bytes) -> None:
        while self._size >= _LIMIT and not self._gone:
            await self._bell.wait()
        if self._gone or not data:
            return
        self._chunks.append((stream, data))
        self._size += len(data)
        self._bell.ring()

    def end(self, *, gone: bool = False) -> None:
        """No more chunks; `gone` says that the reader has left and writers need not wait."""
        self._ended = True
        self._gone = self._gone or gone
        self._bell.ring()

    async def get(self) -> tuple[StreamName, bytes] | None:
        while not self._chunks:
            if self._ended:
                return None
            await self._bell.wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk[1])
        self._bell.ring()
        return chunk


class _Session:
    def __init__(self) -> None:
        self._output = _Output()
        self._stdin: Pipe | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[StreamName, bytes]]:
        while (chunk := await self._output.get()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        """Raises BrokenPipeError when nobody reads it."""
        if self._stdin is None:
            raise BrokenPipeError("stdin is not open")
        await self._stdin.write(data)


class ExecSession(_Session):
    """A second process in a running container."""

    def __init__(self, container: FakeContainer, command: Sequence[str], *, stdin: bool, tty: bool) -> None:
        super().__init__()
        self._container = container
        self._stdin = Pipe() if stdin else None
        self._tty = tty
        self._process: Process | None = None
        self._code: int | None = None
        if container.knows(command):
            self._process = container.new_process(list(command), self._emit, self._stdin, tty=tty)
            container.execs.add(self._process)
            self._process.start()
        self._task = asyncio.get_running_loop().create_task(self._finish(command), name="fake exec")

    async def _emit(self, stream: StreamName, data: bytes) -> None:
        if self._tty:
            stream, data = "stdout", data.replace(b"\n", b"\r\n")
        await self._output.put(stream, data)

    async def _finish(self, command: Sequence[str]) -> None:
        if self._process is None:
            self._code = 126  # What the engine says here, unlike for a first process.
            await self._output.put("stdout", no_such_command(command[0]).replace("create", "exec").encode() + b"\r\n")
        else:
            await self._process.done.wait()
            self._code = self._process.code
            self._container.execs.discard(self._process)
        self._output.end()

    async def close_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.close()

    async def resize(self, width: int, height: int) -> None:
        if self._process is not None and self._tty:
            self._process.size = (width, height)

    async def exit_code(self) -> int | None:
        if self._task is not None:
            await asyncio.wait([self._task])
        return self._code

    def kill(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def close(self) -> None:
        self._output.end(gone=True)
        await self.close_stdin()


class AttachSession(_Session):
    """The streams of a container's first process, from now on."""

    def __init__(self, container: FakeContainer, *, stdin: bool) -> None:
        super().__init__()
        self._container = container
        self._stdin = container.stdin if stdin else None
        self._put = self._output.put
        container.listeners[self._put] = None
        self._task = asyncio.get_running_loop().create_task(self._finish(), name="fake attach")

    async def _finish(self) -> None:
        await self._container.ended.wait()
        self._output.end()

    async def close_stdin(self) -> None:
        """Ends the process' stdin only where the container was made with stdinOnce."""
        if self._stdin is not None and self._container.config.stdin_once:
            self._stdin.close()

    async def resize(self, width: int, height: int) -> None:
        if self._container.process is not None and self._container.config.tty:
            self._container.process.size = (width, height)

    async def exit_code(self) -> int | None:
        return None

    async def close(self) -> None:
        self._container.listeners.pop(self._put, None)
        self._output.end(gone=True)
        await self.close_stdin()
        if self._task is not None:
            self._task.cancel()


async def read_logs(container: FakeContainer, options: LogOptions) -> AsyncIterator[bytes]:
    """The container's log as `options` ask; with follow until the container has ended."""
    at = 0
    if options.tail_lines is not None:
        at = max(0, len(container.log) - options.tail_lines)
    left = options.limit_bytes
    while True:
        while at < len(container.log):
            line = container.log[at]
            at += 1
            if options.since is not None and line.at < options.since:
                continue
            data = line.data
            if options.timestamps:
                data = f"{line.at:%Y-%m-%dT%H:%M:%S.%f}000Z ".encode() + data
            if left is not None:
                data, left = data[:left], left - len(data[:left])
            if data:
                yield data
            if left == 0:
                return
        if not options.follow or container.state != "running":
            return
        await container.log_bell.wait()
