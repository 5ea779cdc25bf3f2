"""Writers of one object take turns; nobody who leaves takes the turn along."""

from __future__ import annotations

import asyncio

from minikube_py.apiserver.keylocks import KeyLocks
from minikube_py.daemon.clock import settle


async def test_turns_in_order_and_other_keys_at_once() -> None:
    locks, log, go = KeyLocks(), list[str](), asyncio.Event()

    async def hold(key: str, name: str) -> None:
        async with locks.hold(key):
            log.append(name)
            await go.wait()

    tasks = [asyncio.create_task(hold(key, name)) for key, name in (("a", "1"), ("a", "2"), ("b", "3"), ("a", "4"))]
    await settle()
    assert log == ["1", "3"] and len(locks) == 2
    go.set()
    await asyncio.gather(*tasks)
    assert log == ["1", "3", "2", "4"] and len(locks) == 0


async def test_who_leaves_while_waiting_or_holding_blocks_nobody() -> None:
    locks, log = KeyLocks(), list[str]()
    never = asyncio.Event()

    async def hold(name: str, wait: bool) -> None:
        async with locks.hold("a"):
            log.append(name)
            if wait:
                await never.wait()

    first, second, third = (asyncio.create_task(hold(n, n != "3")) for n in "123")
    await settle()
    second.cancel()
    await settle()
    first.cancel()
    await settle()
    assert log == ["1", "3"] and third.done() and len(locks) == 0

    one, two, three = (asyncio.create_task(hold(n, n == "4")) for n in "456")
    await settle()
    one.cancel()
    await asyncio.sleep(0)  # the turn has passed to the second, which has not run yet
    two.cancel()
    await asyncio.gather(one, two, three, return_exceptions=True)
    assert log[-1] == "6" and len(locks) == 0
