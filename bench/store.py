"""Measures the stores: `python bench/store.py [--backend sqlite --backend ...] [--size BYTES] [--profile]`.

Prints a table. etcd is started for the run when its binary is there. `--directory` names where the files go, for the
disk matters: every write is synced.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from minikube_py.daemon.clock import RealClock
from minikube_py.store.base import Entry, Store
from minikube_py.store.open import open_store

KEYS = 25_000
WATCHES = 200


async def spread(count: int, workers: int, action: Callable[[int], Awaitable[object]]) -> list[float]:
    """Do an action so many times, so many at once; returns the whole time and then each one's, sorted."""
    numbers = iter(range(count))
    times: list[float] = []

    async def work() -> None:
        for number in numbers:
            start = time.perf_counter()
            await action(number)
            times.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return [time.perf_counter() - start, *sorted(times)]


def rate(times: list[float]) -> str:
    each = times[1:]
    p50, p99 = each[len(each) // 2], each[len(each) * 99 // 100]
    return f"{len(each) / times[0]:9,.0f}/s   p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms"


@asynccontextmanager
async def backend(name: str, directory: str) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    """A function that opens the store; with sqlite and etcd3 it may be closed and opened again."""
    clock = RealClock()
    if name == "memory":
        yield lambda: open_store("memory", clock=clock)
    elif name == "sqlite":
        path = os.path.join(directory, "store.db")
        yield lambda: open_store("sqlite", clock=clock, path=path)
    else:
        from tests.etcd import Etcd

        server = Etcd(Path(directory) / "etcd")
        await asyncio.to_thread(server.start)
        try:
            yield lambda: open_store("etcd3", clock=clock, servers=[server.url], prefix="/registry/")
        finally:
            server.stop()


async def measure(name: str, directory: str, size: int) -> None:
    value = b"x" * size

    def say(what: str, result: str) -> None:
        print(f"{name:8} {what:34} {result}", flush=True)

    async with backend(name, directory) as opener:
        store = await opener()
        await spread(1500, 1, lambda i: store.create(f"warm/{i}", value))
        say("create, one by one", rate(await spread(2000, 1, lambda i: store.create(f"lone/{i:06}", value))))
        entries: dict[int, Entry] = {}

        async def create(i: int) -> None:
            entries[i] = await store.create(f"pods/ns{i % 7}/pod-{i:06}", value)

        async def update(i: int) -> None:
            entries[i] = await store.update(entries[i].key, value, at=entries[i].rev)

        say("create, 32 in flight", rate(await spread(KEYS, 32, create)))
        say("update, one by one", rate(await spread(2000, 1, update)))
        say("update, 32 in flight", rate(await spread(KEYS, 32, update)))
        say("get, one by one", rate(await spread(5000, 1, lambda i: store.get(entries[i].key))))
        await with_busy_loop(name, store, value)
        say(f"list {KEYS:,}", await timed(lambda: store.list("pods/")))
        say("list 500 of them", await timed(lambda: store.list("pods/", limit=500)))
        await compaction(name, store, entries, value)
        await fan_out(name, store, value)
        if name != "memory":
            await store.close()
            start = time.perf_counter()
            store = await opener()
            opened = time.perf_counter() - start
            loaded = len((await store.list("pods/")).entries)
            say(f"open and load {loaded:,}", f"{time.perf_counter() - start:9.3f} s    (open {opened:.3f} s)")
        await store.close()


async def timed(action: Callable[[], Awaitable[object]]) -> str:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        await action()
        times.append(time.perf_counter() - start)
    return f"{min(times):9.4f} s    (worst of 3: {max(times):.4f} s)"


async def with_busy_loop(name: str, store: Store, value: bytes) -> None:
    """Latency while the event loop never rests, as that of an API server at full load."""
    stop = False

    async def burn() -> None:
        while not stop:
            end = time.perf_counter() + 0.0002
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    task = asyncio.create_task(burn())
    result = rate(await spread(500, 1, lambda i: store.create(f"busy/{i}", value)))
    print(f"{name:8} {'create, one by one, busy loop':34} {result}")
    start = time.perf_counter()
    await store.list("pods/", limit=10_000)
    print(f"{name:8} {'list 10,000, busy loop':34} {time.perf_counter() - start:9.4f} s", flush=True)
    stop = True
    await task


async def compaction(name: str, store: Store, entries: dict[int, Entry], value: bytes) -> None:
    await store.compact(await store.revision())

    async def update(i: int) -> None:
        entries[i] = await store.update(entries[i].key, value, at=entries[i].rev)

    result = rate(await spread(5000, 8, update))
    print(f"{name:8} {'update, 8 in flight, compacting':34} {result}", flush=True)


async def fan_out(name: str, store: Store, value: bytes) -> None:
    """Events that reach watches per second, and how long one takes."""
    count = 500
    sent: dict[int, float] = {}
    delays: list[float] = []
    ready = asyncio.Event()
    start_rev = await store.revision()
    open_ = 0

    async def follow() -> None:
        nonlocal open_
        async with store.watch("fan/", after=start_rev) as watch:
            open_ += 1
            if open_ == WATCHES:
                ready.set()
            got = 0
            async for change in watch:
                delays.append(time.perf_counter() - sent[int(change.key[4:])])
                got += 1
                if got == count:
                    return

    followers = [asyncio.create_task(follow()) for _ in range(WATCHES)]
    await ready.wait()

    async def create(i: int) -> None:
        sent[i] = time.perf_counter()
        await store.create(f"fan/{i:06}", value)

    start = time.perf_counter()
    await spread(count, 16, create)
    await asyncio.gather(*followers)
    took = time.perf_counter() - start
    delays.sort()
    p50, p99 = delays[len(delays) // 2] * 1e3, delays[len(delays) * 99 // 100] * 1e3
    events = f"{len(delays) / took:9,.0f}/s"
    print(f"{name:8} {f'events to {WATCHES} watches':34} {events}   p50 {p50:6.2f} ms  p99 {p99:6.2f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", action="append", choices=["memory", "sqlite", "etcd3"])
    parser.add_argument("--size", type=int, default=2000, help="bytes of a value")
    parser.add_argument("--directory", default=None, help="where the files go (default: the temporary directory)")
    parser.add_argument("--profile", action="store_true", help="print where the time of the event loop goes")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop, as the daemons run")
    args = parser.parse_args()
    for name in args.backend or ["memory", "sqlite", "etcd3"]:
        with tempfile.TemporaryDirectory(dir=args.directory) as directory:
            profile = cProfile.Profile()
            if args.profile:
                profile.enable()
            if args.uvloop:
                import uvloop

                uvloop.run(measure(name, directory, args.size))
            else:
                asyncio.run(measure(name, directory, args.size))
            if args.profile:
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
