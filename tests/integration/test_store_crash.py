"""kill -9 while 16 writers write to SQLite, again and again on one file: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from minikube_py.daemon.clock import RealClock
from minikube_py.store.base import Change, Entry
from minikube_py.store.sqlite import open_sqlite

KILLS = 50
WRITERS = 16
KEYS_PER_WRITER = 6

# What a child says: "I tag key" before a write, "A tag key revision" when it has been acknowledged. A tag begins with
# c, u or d for the sort of write, and names it once for all runs.


def value_of(tag: str) -> bytes:
    """A value that shows its write, and whether it is whole: from nothing to many pages."""
    size = 20 + random.Random(tag).choice([0, 50, 500, 3000, 20_000])
    return (tag.encode() + b" ") * (size // (len(tag) + 1))


async def child(path: str, run: int) -> None:
    """Write for ever."""
    store = await open_sqlite(path, RealClock())
    current = {entry.key: entry for entry in (await store.list("")).entries}
    # So that deleting old rows is interrupted too; the parent has checked that history already.
    await store.compact(await store.revision())

    async def write_for_ever(writer: int) -> None:
        dice = random.Random(f"{run} {writer}")
        for number in range(1_000_000):
            key = f"w{writer}/{dice.randrange(KEYS_PER_WRITER)}"
            old = current.get(key)
            sort = "c" if old is None else dice.choice("uud")
            tag = f"{sort}{run}.{writer}.{number}"
            os.write(1, f"I {tag} {key}\n".encode())
            if old is None:
                entry = current[key] = await store.create(key, value_of(tag))
            elif sort == "u":
                entry = current[key] = await store.update(key, value_of(tag), at=old.rev)
            else:
                entry = await store.delete(key, at=old.rev)
                del current[key]
            os.write(1, f"A {tag} {key} {entry.rev}\n".encode())

    await asyncio.gather(*(write_for_ever(writer) for writer in range(WRITERS)))


def write_and_kill(path: str, run: int, acknowledgements: int) -> tuple[dict[str, str], dict[str, tuple[str, int]]]:
    """Have a child write until it has been told so many acknowledgements, then kill it.

    Returns key by tag of what was begun, and (key, revision) by tag of what was acknowledged.
    """
    begun: dict[str, str] = {}
    done: dict[str, tuple[str, int]] = {}
    with subprocess.Popen([sys.executable, __file__, path, str(run)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        killed = False
        for line in process.stdout:
            match line.decode().split():
                case ["I", tag, key]:
                    begun[tag] = key
                case ["A", tag, key, rev]:
                    done[tag] = key, int(rev)
            if not killed and len(done) >= acknowledgements:
                process.kill()
                killed = True
        assert killed, f"the child ended by itself: {process.wait()}"
    return begun, done


async def check(
    path: str, before: dict[str, Entry], rev: int, begun: dict[str, str], done: dict[str, tuple[str, int]]
) -> tuple[dict[str, Entry], int]:
    """Compare history and state with what the child said; returns state and revision for the next run."""
    store = await open_sqlite(path, RealClock())
    now = await store.revision()
    assert now >= max([rev, *(revision for _, revision in done.values())])
    changes: list[Change] = []
    async with asyncio.timeout(60), store.watch("", after=rev) as watch:
        while len(changes) < now - rev:
            changes.append(await anext(aiter(watch)))
    assert [change.rev for change in changes] == list(range(rev + 1, now + 1)), "each revision once, in order"

    state = dict(before)
    found: dict[str, tuple[str, int]] = {}
    deletes = {tag: key for tag, key in begun.items() if tag[0] == "d"}
    for change in changes:
        assert change.old == state.get(change.key)
        if change.new is None:
            # A deletion carries no tag of its own: it is the acknowledged one of this revision, or one under way.
            here = change.key, change.rev
            tags = [tag for tag, key in deletes.items() if key == change.key and done.get(tag, here) == here]
            assert tags, f"nobody asked for {change}"
            tag = next((tag for tag in tags if tag in done), tags[0])
            del state[change.key]
        else:
            tag = change.new.value.split(b" ", 1)[0].decode()
            assert change.new.value == value_of(tag), "a value is whole"
            assert change.new.rev == change.rev
            assert (tag[0] == "c") == (change.old is None)
            state[change.key] = change.new
        assert begun.get(tag) == change.key
        assert tag not in found
        found[tag] = change.key, change.rev
    assert {tag: found.get(tag) for tag in done} == done, "every acknowledged write is there with its revision"
    assert len(found) - len(done) <= WRITERS, "only what was under way may be there beyond that"
    assert {entry.key: entry for entry in (await store.list("")).entries} == state
    await store.close()
    return state, now


def sound(path: str) -> bool:
    database = sqlite3.connect(path)
    try:
        return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        database.close()


@pytest.mark.slow
async def test_kill_9_while_16_writers_write(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    state: dict[str, Entry] = {}
    rev = 1
    dice = random.Random()
    acknowledged = unacknowledged = 0
    for run in range(KILLS):
        begun, done = write_and_kill(path, run, dice.choice([1, 20, dice.randrange(2000)]))
        if run % 2:
            assert sound(path), "also in the eyes of plain SQLite, right after the kill"
        old_rev = rev
        state, rev = await check(path, state, rev, begun, done)
        assert sound(path)
        acknowledged += len(done)
        unacknowledged += rev - old_rev - len(done)
    assert acknowledged > KILLS
    print(f"{KILLS} kills, {acknowledged} acknowledged writes, {unacknowledged} more that were under way")


if __name__ == "__main__":
    asyncio.run(child(sys.argv[1], int(sys.argv[2])))
