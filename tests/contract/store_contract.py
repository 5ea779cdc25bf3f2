"""What every store must do, whatever it is made of. Real engines are waited for with a timeout, never slept on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from minikube_py.store.base import (
    Change,
    Compacted,
    Conflict,
    Entry,
    Exists,
    FutureRevision,
    NotFound,
    Store,
    StoreError,
    TooLarge,
    Unavailable,
    Watch,
)

PATIENCE = 30.0


@dataclass
class World:
    """A fresh store, a way to let time pass for it, and the longest value that it refuses."""

    store: Store
    pass_time: Callable[[float], Awaitable[None]]
    too_large: int


async def take(watch: Watch, count: int) -> list[Change]:
    """The next changes of a watch."""
    changes = aiter(watch)
    async with asyncio.timeout(PATIENCE):
        return [await anext(changes) for _ in range(count)]


async def take_until_mark(watch: Watch) -> list[Change]:
    """The changes before the next progress mark, and that mark as the last."""
    taken: list[Change] = []
    while not taken or taken[-1].key:
        taken += await take(watch, 1)
    return taken


async def fails(error: type[StoreError], awaitable: Awaitable[object]) -> StoreError:
    with pytest.raises(error) as raised:
        await awaitable
    return raised.value


async def first_of(store: Store, prefix: str, after: int) -> Change:
    async with store.watch(prefix, after=after) as watch:
        return (await take(watch, 1))[0]


class StoreContract:
    """Subclasses give the fixture `world`."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        raise NotImplementedError
        yield

    @pytest.fixture
    def store(self, world: World) -> Store:
        return world.store

    # writes and reads of one key

    async def test_create_gives_the_next_revision(self, store: Store) -> None:
        before = await store.revision()
        assert before >= 1
        one = await store.create("a/1", b"one")
        two = await store.create("a/2", b"two")
        assert one == Entry("a/1", b"one", one.rev) and two == Entry("a/2", b"two", two.rev)
        assert before < one.rev < two.rev == await store.revision()
        assert await store.get("a/1") == one

    async def test_create_of_an_existing_key_changes_nothing(self, store: Store) -> None:
        one = await store.create("a", b"1")
        error = await fails(Exists, store.create("a", b"2"))
        assert isinstance(error, Exists) and error.key == "a"
        assert await store.get("a") == one
        assert await store.revision() == one.rev

    async def test_get_of_a_missing_key(self, store: Store) -> None:
        error = await fails(NotFound, store.get("nothing"))
        assert isinstance(error, NotFound) and error.key == "nothing"

    async def test_update_replaces_at_the_named_revision_only(self, store: Store) -> None:
        one = await store.create("a", b"1")
        two = await store.update("a", b"2", at=one.rev)
        assert two == Entry("a", b"2", two.rev) and two.rev > one.rev
        for wrong in (one.rev, two.rev + 100, 0):
            error = await fails(Conflict, store.update("a", b"3", at=wrong))
            assert isinstance(error, Conflict) and error.current == two
        assert await store.get("a") == two
        assert await store.revision() == two.rev

    async def test_update_of_a_missing_key(self, store: Store) -> None:
        for at in (0, 1, 5):
            await fails(NotFound, store.update("a", b"1", at=at))
        gone = await store.create("a", b"1")
        await store.delete("a")
        await fails(NotFound, store.update("a", b"2", at=gone.rev))

    async def test_delete_returns_the_last_value_and_the_new_revision(self, store: Store) -> None:
        one = await store.create("a", b"1")
        gone = await store.delete("a")
        assert gone.key == "a" and gone.value == b"1" and gone.rev > one.rev
        assert await store.revision() == gone.rev
        await fails(NotFound, store.get("a"))
        await fails(NotFound, store.delete("a"))
        await fails(NotFound, store.delete("a", at=one.rev))

    async def test_delete_at_a_revision(self, store: Store) -> None:
        one = await store.create("a", b"1")
        two = await store.update("a", b"2", at=one.rev)
        error = await fails(Conflict, store.delete("a", at=one.rev))
        assert isinstance(error, Conflict) and error.current == two
        assert (await store.delete("a", at=two.rev)).value == b"2"

    async def test_a_key_can_come_back(self, store: Store) -> None:
        one = await store.create("a", b"1")
        await store.delete("a")
        again = await store.create("a", b"2")
        assert again.rev > one.rev + 1
        assert await store.get("a") == again
        await fails(Conflict, store.update("a", b"3", at=one.rev))

    @pytest.mark.parametrize("value", [b"", b"\0", b"\xff\xfe\0x", b"x" * 1_000_000], ids=["no", "nul", "raw", "1MB"])
    async def test_values_are_any_bytes(self, store: Store, value: bytes) -> None:
        start = await store.revision()
        one = await store.create("a", value)
        await store.create("b", b"next to it")
        assert (await store.get("a")).value == value
        assert [e.value for e in (await store.list("")).entries] == [value, b"next to it"]
        two = await store.update("a", value + b"2", at=one.rev)
        assert (await store.list("a", rev=one.rev)).entries == [one]
        assert (await store.delete("a", at=two.rev)).value == value + b"2"
        async with store.watch("a", after=start) as watch:
            assert [(c.new and c.new.value, c.old and c.old.value) for c in await take(watch, 3)] == [
                (value, None), (value + b"2", value), (None, value + b"2"),
            ]  # fmt: skip

    async def test_a_value_over_the_limit_is_refused_and_its_neighbours_are_not(self, world: World) -> None:
        store = world.store
        huge = b"x" * world.too_large
        one = await store.create("a", b"1")
        outcomes = await asyncio.gather(
            store.create("b", b"2"),
            store.create("huge", huge),
            store.update("a", huge, at=one.rev),
            store.create("c", b"3"),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], Entry) and isinstance(outcomes[3], Entry)
        assert isinstance(outcomes[1], TooLarge) and outcomes[1].key == "huge" and outcomes[1].size == len(huge)
        assert isinstance(outcomes[2], TooLarge)
        assert [e.key for e in (await store.list("")).entries] == ["a", "b", "c"]
        assert await store.get("a") == one

    async def test_what_no_store_takes_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="key"):
            await store.create("", b"")
        for key, said in (("é", "ASCII"), ("k\0", "NUL"), ("k\ud800", "surrogates")):
            with pytest.raises(ValueError, match=said):
                await store.create(key, b"")
            with pytest.raises(ValueError, match=said):
                await store.list("", after_key=key)
        with pytest.raises(ValueError, match="TTL"):
            await store.create("a", b"", ttl=-1)
        with pytest.raises(TypeError, match="bytes"):
            await store.create("a", "text")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="ASCII"):
            await store.list("é")
        with pytest.raises(ValueError, match="ASCII"):
            store.watch("é", after=0)
        assert (await store.list("")).entries == []

    async def test_keys_may_have_any_characters(self, store: Store) -> None:
        keys = ["/a", "/a\x7f", "/aé", "/aé/b", "/a\u4e2d", "/a\uffff", "/a\U0001f600", "/b"]
        for key in reversed(keys):
            await store.create(key, key.encode())
        assert [e.key for e in (await store.list("")).entries] == keys
        assert [e.key for e in (await store.list("/a")).entries] == keys[:-1]
        assert [e.key for e in (await store.list("/", after_key="/aé", limit=3)).entries] == keys[3:6]
        one = await store.get("/a\U0001f600")
        changed = await store.update(one.key, b"2", at=one.rev)
        async with store.watch("/a", after=changed.rev) as watch:
            await store.delete(one.key, at=changed.rev)
            assert [(c.old and c.old.key, c.new) for c in await take(watch, 1)] == [(one.key, None)]

    async def test_concurrent_writers_of_one_key_are_put_in_order(self, store: Store) -> None:
        one = await store.create("a", b"0")
        outcomes = await asyncio.gather(
            *(store.update("a", b"%d" % i, at=one.rev) for i in range(20)), return_exceptions=True
        )
        (winner,) = (o for o in outcomes if isinstance(o, Entry))
        losers = [o for o in outcomes if isinstance(o, Conflict)]
        assert len(losers) == 19 and {loser.current for loser in losers} == {winner}
        created = await asyncio.gather(*(store.create("b", b"%d" % i) for i in range(20)), return_exceptions=True)
        assert sum(isinstance(o, Entry) for o in created) == 1
        assert sum(isinstance(o, Exists) for o in created) == 19

    async def test_concurrent_errors_do_not_fail_their_neighbours(self, store: Store) -> None:
        await store.create("there", b"")
        outcomes = await asyncio.gather(
            store.create("n1", b"1"), store.create("there", b""), store.delete("not there"),
            store.update("not there", b"", at=3), store.update("there", b"", at=1), store.create("n2", b"2"),
            return_exceptions=True,
        )  # fmt: skip
        assert [type(o) for o in outcomes] == [Entry, Exists, NotFound, NotFound, Conflict, Entry]

    # lists

    async def test_list_is_the_prefix_in_byte_order(self, store: Store) -> None:
        keys = ["a", "a/", "a/1", "a/10", "a/2", "a/Z", "a/a", "a/~", "a0", "ab", "ab/1", "b", "A/1", "a/\x7f", "a\x7f"]
        for key in random.Random(1).sample(keys, len(keys)):
            await store.create(key, key.encode())
        for prefix in ("", "a", "a/", "ab", "a/1", "A", "b", "c", "a/\x7f", "a\x7f"):
            page = await store.list(prefix)
            expected = sorted((k for k in keys if k.startswith(prefix)), key=str.encode)
            assert [e.key for e in page.entries] == expected
            assert [e.value for e in page.entries] == [k.encode() for k in expected]
            assert page.rev == await store.revision() and not page.more

    async def test_list_pages(self, store: Store) -> None:
        keys = [f"p/{i:03}" for i in range(25)]
        await asyncio.gather(*(store.create(key, b"") for key in keys))
        await store.create("q", b"")
        for limit in (1, 7, 24, 25, 26):
            got: list[str] = []
            more, pages = True, 0
            while more:
                page = await store.list("p/", after_key=got[-1] if got else "", limit=limit)
                got += [e.key for e in page.entries]
                more, pages = page.more, pages + 1
            assert got == keys and pages == -(-25 // limit)
        assert [e.key for e in (await store.list("p/", after_key="p/0225")).entries] == ["p/023", "p/024"]
        assert [e.key for e in (await store.list("p/", after_key="a")).entries] == keys
        assert (await store.list("p/", after_key="p/024")).entries == []
        assert (await store.list("p/", after_key="z")).entries == []

    async def test_deleted_keys_do_not_count_in_a_limit(self, store: Store) -> None:
        for i in range(40):
            await store.create(f"p/{i:02}", b"")
        for i in range(35):
            await store.delete(f"p/{i:02}")
        page = await store.list("p/", limit=5)
        assert [e.key for e in page.entries] == [f"p/{i}" for i in range(35, 40)] and not page.more
        page = await store.list("p/", limit=4)
        assert len(page.entries) == 4 and page.more

    async def test_old_revisions_stay_readable(self, store: Store) -> None:
        states: dict[int, dict[str, bytes]] = {await store.revision(): {}}
        state: dict[str, Entry] = {}
        dice = random.Random(2)
        for step in range(120):
            key = f"k{dice.randrange(8)}"
            if key not in state:
                state[key] = entry = await store.create(key, b"%d" % step)
                rev = entry.rev
            elif dice.random() < 0.3:
                rev = (await store.delete(key)).rev
                del state[key]
            else:
                state[key] = entry = await store.update(key, b"%d" % step, at=state[key].rev)
                rev = entry.rev
            states[rev] = {k: e.value for k, e in state.items()}
        for rev, values in states.items():
            page = await store.list("k", rev=rev)
            assert page.rev == rev
            assert {e.key: e.value for e in page.entries} == values
            assert all(e.rev <= rev for e in page.entries)

    async def test_paging_at_an_old_revision_while_writers_write(self, store: Store) -> None:
        entries = await asyncio.gather(*(store.create(f"p/{i:03}", b"old") for i in range(60)))
        rev = await store.revision()

        async def write(i: int) -> None:
            if i % 3 == 0:
                await store.delete(f"p/{i:03}")
            else:
                await store.update(f"p/{i:03}", b"new", at=entries[i].rev)
            await store.create(f"p/{i:03}x", b"new")

        writers = asyncio.gather(*(write(i) for i in range(60)))
        got: list[Entry] = []
        more = True
        while more:
            page = await store.list("p/", after_key=got[-1].key if got else "", limit=7, rev=rev)
            assert page.rev == rev
            got += page.entries
            more = page.more
        await writers
        assert got == sorted(entries)

    async def test_the_future_cannot_be_read(self, store: Store) -> None:
        now = (await store.create("a", b"")).rev
        error = await fails(FutureRevision, store.list("", rev=now + 1000))
        assert isinstance(error, FutureRevision) and (error.rev, error.current) == (now + 1000, now)

    # watches

    async def test_a_watch_has_every_change_with_old_and_new(self, store: Store) -> None:
        start = await store.revision()
        async with store.watch("a/", after=start) as watch:
            one = await store.create("a/1", b"1")
            await store.create("ab", b"other")
            await store.create("a", b"other")
            two = await store.update("a/1", b"2", at=one.rev)
            gone = await store.delete("a/1")
            back = await store.create("a/1", b"3")
            expected = [
                Change(one.rev, "a/1", one, None),
                Change(two.rev, "a/1", two, one),
                Change(gone.rev, "a/1", None, two),
                Change(back.rev, "a/1", back, None),
            ]
            assert await take(watch, 4) == expected
        for skipped in range(4):
            after = [start, *(c.rev for c in expected)][skipped]
            async with store.watch("a/", after=after) as watch:
                assert await take(watch, 4 - skipped) == expected[skipped:]

    async def test_failed_writes_are_no_changes(self, store: Store) -> None:
        one = await store.create("a", b"1")
        async with store.watch("", after=one.rev) as watch:
            await fails(Exists, store.create("a", b"2"))
            await fails(Conflict, store.update("a", b"2", at=one.rev + 7))
            await fails(NotFound, store.delete("b"))
            last = await store.create("c", b"")
            assert await take(watch, 1) == [Change(last.rev, "c", last, None)]

    async def test_history_then_live_without_gap_or_duplicate(self, store: Store) -> None:
        start = await store.revision()
        made: list[Entry] = []
        stop = False

        async def write(name: int) -> None:
            count = 0
            while not stop:
                made.append(await store.create(f"w/{name}-{count:05}", b""))
                count += 1
                await asyncio.sleep(0)  # the store in memory never waits

        writers = [asyncio.create_task(write(i)) for i in range(8)]
        seen: list[list[int]] = []

        async def follow(after: int) -> None:
            revs: list[int] = []
            seen.append(revs)
            async with store.watch("w/", after=after) as watch:
                async for change in watch:
                    if not change.key:
                        return
                    assert change.new is not None and change.old is None and change.new.rev == change.rev
                    revs.append(change.rev)
                    if len(revs) == 150:
                        nonlocal stop
                        stop = True
                        await asyncio.gather(*writers)
                        await watch.request_progress()

        async with asyncio.timeout(PATIENCE):
            followers = []
            for goal in (5, 50, 90, 130):
                while len(made) < goal:
                    await asyncio.wait(writers, timeout=0.005)
                followers.append(asyncio.create_task(follow(start)))
            await asyncio.gather(*followers)
        expected = sorted(entry.rev for entry in made)
        assert seen == [expected] * 4

    async def test_a_watch_from_the_future_waits_for_it(self, store: Store) -> None:
        now = await store.revision()
        async with store.watch("", after=now + 3) as watch:
            entries = [await store.create(f"k{i}", b"") for i in range(5)]
            expected = [e for e in entries if e.rev > now + 3]
            assert [c.new for c in await take(watch, len(expected))] == expected

    async def test_a_progress_mark_comes_after_what_it_covers(self, store: Store) -> None:
        async with store.watch("a/", after=await store.revision()) as watch:
            await watch.request_progress()
            (mark,) = await take(watch, 1)
            assert (mark.key, mark.new, mark.old) == ("", None, None)
            for i in range(30):
                inside = [await store.create(f"a/{i}-{j}", b"") for j in range(i % 4)]
                outside = await store.create(f"b/{i}", b"")
                await watch.request_progress()
                *changes, mark = await take_until_mark(watch)
                assert [c.new for c in changes] == inside
                assert mark.rev >= outside.rev

    async def test_a_progress_mark_of_a_watch_that_reads_history(self, store: Store) -> None:
        start = await store.revision()
        entries = await asyncio.gather(*(store.create(f"a/{i:04}", b"") for i in range(1500)))
        last = await store.create("b", b"")
        async with store.watch("a/", after=start) as watch:
            await watch.request_progress()
            *changes, mark = await take_until_mark(watch)
            assert [c.new for c in changes] == sorted(entries, key=lambda e: e.rev)
            assert mark.rev >= last.rev

    async def test_many_watches_of_the_same_and_other_prefixes(self, store: Store) -> None:
        start = await store.revision()
        counts = {"a/": 60, "a/1": 11, "b/": 60, "": 120, "c": 0}

        async def follow(prefix: str, ready: asyncio.Event) -> None:
            async with store.watch(prefix, after=start) as watch:
                ready.set()
                changes = await take(watch, counts[prefix])
                await watch.request_progress()
                assert len(await take_until_mark(watch)) == 1
            assert all(c.key.startswith(prefix) for c in changes)
            assert [c.rev for c in changes] == sorted({c.rev for c in changes})

        readies = [asyncio.Event() for _ in range(50)]
        followers = [asyncio.create_task(follow(p, ready)) for p, ready in zip([*counts] * 10, readies, strict=True)]
        await asyncio.gather(*(ready.wait() for ready in readies))
        await asyncio.gather(*(store.create(f"{p}/{i}", b"") for i in range(60) for p in "ab"))
        await asyncio.gather(*followers)

    async def test_an_ended_watch_frees_what_it_had(self, store: Store) -> None:
        start = await store.revision()
        await store.create("a", b"")
        tasks = len(asyncio.all_tasks())
        for after in (start, start + 1):
            async with store.watch("", after=after):
                pass

            async def follow(after: int = after) -> None:
                async with store.watch("", after=after) as watch:
                    async for _ in watch:
                        pass

            followers = [asyncio.create_task(follow()) for _ in range(20)]
            await asyncio.wait(followers, timeout=0.05)
            assert store._feed.open_watches == 20  # type: ignore[attr-defined]
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
        assert store._feed.open_watches == 0  # type: ignore[attr-defined]
        assert not store._feed._live  # type: ignore[attr-defined]
        assert len(asyncio.all_tasks()) == tasks
        await store.create("b", b"")

    async def test_a_cancelled_read_of_a_watch_loses_nothing(self, store: Store) -> None:
        async with store.watch("", after=await store.revision()) as watch:
            changes = aiter(watch)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.wait([waiting], timeout=0.01)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            one = await store.create("a", b"")
            assert (await take(watch, 1))[0].new == one

    async def test_a_reader_that_falls_far_behind_loses_nothing(self, store: Store) -> None:
        store._feed._max_waiting = 50  # type: ignore[attr-defined]
        async with store.watch("a/", after=await store.revision()) as watch:
            first = await asyncio.gather(*(store.create(f"a/{i:03}", b"") for i in range(120)))
            assert [c.new for c in await take(watch, 10)] == sorted(first, key=lambda e: e.rev)[:10]
            second = await asyncio.gather(*(store.create(f"a/{i:03}", b"") for i in range(120, 300)))
            rest = sorted([*first, *second], key=lambda e: e.rev)[10:]
            assert [c.new for c in await take(watch, len(rest))] == rest
            last = await store.create("a/z", b"")
            assert (await take(watch, 1))[0].new == last

    async def test_closing_the_store_ends_its_watches(self, store: Store) -> None:
        async def follow() -> None:
            async with store.watch("", after=await store.revision()) as watch:
                async for _ in watch:
                    pass

        followers = [asyncio.create_task(follow()) for _ in range(3)]
        await asyncio.wait(followers, timeout=0.05)
        await store.close()
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*followers, return_exceptions=True)
        assert [type(o) for o in outcomes] == [Unavailable] * 3

    async def test_a_closed_store_is_unavailable(self, store: Store) -> None:
        await store.create("a", b"")
        await store.close()
        await store.close()
        for awaitable in (
            store.revision(), store.get("a"), store.list(""), store.create("b", b""), store.update("a", b"", at=2),
            store.delete("a"), store.compact(1), first_of(store, "", 1),
        ):  # fmt: skip
            await fails(Unavailable, awaitable)

    # compaction

    async def test_compaction_forgets_what_is_older(self, store: Store) -> None:
        one = await store.create("a", b"1")
        await store.create("gone", b"")
        two = await store.update("a", b"2", at=one.rev)
        gone = await store.delete("gone")
        three = await store.update("a", b"3", at=two.rev)
        await store.compact(gone.rev)
        assert (await store.list("", rev=gone.rev)).entries == [two]
        assert (await store.list("")).entries == [three]
        assert await store.get("a") == three
        assert await first_of(store, "", gone.rev) == Change(three.rev, "a", three, two)
        for rev in (one.rev, two.rev, gone.rev - 1):
            error = await fails(Compacted, store.list("", rev=rev))
            assert isinstance(error, Compacted) and (error.rev, error.oldest) == (rev, gone.rev)
            error = await fails(Compacted, first_of(store, "", rev))
            assert isinstance(error, Compacted) and error.oldest == gone.rev
        await fails(Compacted, first_of(store, "", 0))

    async def test_compaction_twice_back_and_in_the_future(self, store: Store) -> None:
        entries = [await store.create(f"k{i}", b"") for i in range(10)]
        await store.compact(entries[4].rev)
        await store.compact(entries[4].rev)
        await store.compact(entries[2].rev)
        assert len((await store.list("", rev=entries[4].rev)).entries) == 5
        now = await store.revision()
        error = await fails(FutureRevision, store.compact(now + 1000))
        assert isinstance(error, FutureRevision) and error.current == now
        await store.compact(now)
        assert len((await store.list("", rev=now)).entries) == 10
        await fails(Compacted, store.list("", rev=now - 1))
        assert await store.revision() == now

    async def test_compaction_does_not_disturb_live_watches_and_writers(self, store: Store) -> None:
        async with store.watch("", after=await store.revision()) as watch:
            entry = await store.create("a", b"0")
            revs = [entry.rev]
            for i in range(200):
                entry = await store.update("a", b"%d" % i, at=entry.rev)
                revs.append(entry.rev)
                if i % 20 == 0:
                    await store.compact(entry.rev)
                    # What the watch has not been handed yet may be forgotten; what is live must come.
                    assert [c.rev for c in await take(watch, len(revs))] == revs
                    revs = []
            assert [c.rev for c in await take(watch, len(revs))] == revs
        assert (await store.list("")).entries == [entry]

    async def test_a_deleted_and_compacted_key_can_come_back(self, store: Store) -> None:
        await store.create("a", b"1")
        gone = await store.delete("a")
        await store.compact(gone.rev)
        assert await store.revision() == gone.rev
        back = await store.create("a", b"2")
        assert back.rev > gone.rev
        assert await first_of(store, "a", gone.rev) == Change(back.rev, "a", back, None)

    # time to live

    async def test_a_key_with_ttl_is_deleted_by_the_store(self, world: World) -> None:
        store = world.store
        stays = await store.create("stays", b"")
        async with store.watch("", after=stays.rev) as watch:
            one = await store.create("a", b"1", ttl=1)
            assert await store.get("a") == one
            await take(watch, 1)
            await world.pass_time(1)
            (change,) = await take(watch, 1)
            assert change == Change(change.rev, "a", None, one) and change.rev > one.rev
        await fails(NotFound, store.get("a"))
        assert (await store.list("")).entries == [stays]

    async def test_an_update_removes_or_renews_the_ttl(self, world: World) -> None:
        store = world.store
        removed = await store.create("removed", b"", ttl=2)
        given = await store.create("given", b"")
        removed = await store.update("removed", b"2", at=removed.rev)
        given = await store.update("given", b"2", at=given.rev, ttl=2)
        async with store.watch("", after=await store.revision()) as watch:
            await world.pass_time(2)
            assert (await take(watch, 1))[0].old == given
        await world.pass_time(100)
        assert (await store.list("")).entries == [removed]

    async def test_deleting_and_recreating_a_key_with_ttl(self, world: World) -> None:
        store = world.store
        await store.create("a", b"1", ttl=2)
        await store.create("timer", b"", ttl=2)
        await store.delete("a")
        again = await store.create("a", b"2")
        async with store.watch("", after=await store.revision()) as watch:
            await world.pass_time(2)
            assert (await take(watch, 1))[0].key == "timer"
        assert await store.get("a") == again

    async def test_a_refused_write_gives_no_ttl(self, world: World) -> None:
        store = world.store
        one = await store.create("a", b"1")
        await fails(Exists, store.create("a", b"2", ttl=1))
        await fails(Conflict, store.update("a", b"2", at=one.rev + 5, ttl=1))
        await store.create("timer", b"", ttl=2)
        async with store.watch("timer", after=await store.revision()) as watch:
            await world.pass_time(2)
            await take(watch, 1)
        assert await store.get("a") == one

    async def test_many_keys_expire_together(self, world: World) -> None:
        store = world.store
        await asyncio.gather(*(store.create(f"e/{i}", b"", ttl=2) for i in range(300)))
        async with store.watch("e/", after=await store.revision()) as watch:
            await world.pass_time(2)
            changes = await take(watch, 300)
        assert len({c.key for c in changes}) == 300 and all(c.new is None for c in changes)
        assert (await store.list("e/")).entries == []

    # size

    async def test_ten_thousand_keys(self, store: Store) -> None:
        start = await store.revision()
        keys = [f"k/{i:05}" for i in range(10_000)]
        shuffled = random.Random(3).sample(keys, len(keys))
        for at in range(0, len(keys), 500):
            await asyncio.gather(*(store.create(key, key.encode() * 20) for key in shuffled[at : at + 500]))
        page = await store.list("k/")
        assert [e.key for e in page.entries] == keys
        assert all(e.value == e.key.encode() * 20 for e in page.entries)
        async with store.watch("k/", after=start) as watch:
            changes = await take(watch, len(keys))
        assert sorted(c.key for c in changes) == keys
        assert [c.new for c in changes] == sorted(page.entries, key=lambda e: e.rev)
