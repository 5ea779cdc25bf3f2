"""The store in an etcd cluster, for more than one API server; the only module that knows etcd and gRPC."""

from __future__ import annotations

import asyncio
import builtins
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import grpc
from aetcd import rpc

from ..daemon.clock import Clock
from .base import (
    Change,
    Compacted,
    Conflict,
    Entry,
    Exists,
    FutureRevision,
    NotFound,
    Page,
    TooLarge,
    Unavailable,
    Watch,
)
from .feed import Feed
from .keys import check_key, check_write, key_range
from .open import TLSFiles

# How long a call waits for a connection; at the start more time is given.
_CONNECT_SECONDS, _START_SECONDS = 1.0, 5.0
_CALL_SECONDS = 10.0
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0)
_PAGE = 500
_HISTORY_BATCH = 10_000
# The whole key space, in etcd's terms.
_ALL = b"\0"
# Marks the leases that we made, each for one key: those may be revoked when their key no longer needs them.
_LEASE_TAG, _LEASE_BITS = 0x6D6B, 46

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Finds out in 15 s that a silent server is dead; etcd allows a ping every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
)
# Has a server that has lost its leader refuse instead of answering from its own old state.
_METADATA = (("hasleader", "true"),)


async def open_etcd(
    servers: Sequence[str], clock: Clock, *, prefix: str = "", tls: TLSFiles | None = None
) -> EtcdStore:
    """The store below `prefix` in the etcd cluster of these servers (URLs). Raises Unavailable when none answers."""
    if not prefix.isascii():
        raise ValueError(f"a prefix must be ASCII text, not {prefix!r}")
    cluster = Cluster(servers, clock, tls)
    store = EtcdStore(cluster, clock, prefix)
    try:
        await store._start()
    except BaseException as error:
        await store.close()
        if isinstance(error, TimeoutError):
            raise Unavailable(f"etcd accepts no watch at {', '.join(servers)}") from error
        raise
    return store


class Cluster:
    """Channels to the servers; calls go to the current one as long as it works, then to the next."""

    def __init__(self, servers: Sequence[str], clock: Clock, tls: TLSFiles | None) -> None:
        """Raises ValueError for what is no `http://host:port` or `https://host:port`, Unavailable for bad TLS files."""
        self._clock = clock
        self._servers = list(servers)
        self._channels = [_channel(server, tls) for server in servers]
        self._current = 0

    async def connect(self, seconds: float = _CONNECT_SECONDS) -> Any:
        """A connected channel: the current one, else whichever comes first. So a write is seldom lost on the way."""
        current = self._channels[self._current]
        if current.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return current
        waits = [asyncio.create_task(c.channel_ready(), name="store-etcd-connect") for c in self._channels]
        try:
            async with self._clock.timeout(seconds):
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise Unavailable(f"etcd does not answer at {', '.join(self._servers)}") from None
        finally:
            for wait in waits:
                wait.cancel()
        self._current = next(i for i, wait in enumerate(waits) if wait.done() and not wait.cancelled())
        return self._channels[self._current]

    def _failed(self, channel: Any) -> None:
        """Turn to the next server, unless somebody has."""
        if channel is self._channels[self._current]:
            self._current = (self._current + 1) % len(self._channels)

    async def call(self, method: str, request: Any, *, again: bool = False) -> Any:
        """One request. A request that may be sent `again` is tried on each server before Unavailable is raised.

        etcd's refusals come as grpc.aio.AioRpcError.
        """
        attempts = len(self._channels) if again else 1
        while True:
            channel = await self.connect()
            try:
                service, _, name = method.partition(".")
                stub = _STUBS[service](channel)
                return await getattr(stub, name)(request, timeout=_CALL_SECONDS, metadata=_METADATA)
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSALS:
                    raise
                self._failed(channel)
                attempts -= 1
                if not attempts:
                    raise Unavailable(f"etcd: {error.details()}") from error

    @asynccontextmanager
    async def watch(self, key: bytes, end: bytes, start: int) -> AsyncIterator[AsyncIterator[Any]]:
        """The answers to a watch of [key, end) from revision `start` on, with previous values, as long as it works."""
        channel = await self.connect()
        call = rpc.WatchStub(channel).Watch(metadata=_METADATA)
        try:
            async with aclosing(_answers(call, key, end, start)) as answers:
                yield answers
        except grpc.aio.AioRpcError as error:
            self._failed(channel)
            raise Unavailable(f"etcd: {error.details()}") from error
        finally:
            call.cancel()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


class EtcdStore:
    """See `base.Store`. Made by `open_etcd`.

    One watch of all keys feeds every watch of this store. Since each revision of etcd has a change of some key, that
    watch alone tells how far it has come; etcd's own progress marks may overtake changes before 3.4.25 and 3.5.8.
    """

    def __init__(self, cluster: Cluster, clock: Clock, prefix: str) -> None:
        self._cluster, self._clock = cluster, clock
        self._prefix = prefix.encode("ascii")
        self._feed = Feed(1, self._history, confirm=self._confirm)
        self._published = asyncio.Event()
        self._following = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._revoking: set[asyncio.Task[None]] = set()
        self._closed = False

    async def _start(self) -> None:
        await self._cluster.connect(_START_SECONDS)
        self._feed.rev = await self.revision()
        self._follower = asyncio.create_task(self._follow(), name="store-etcd-watch")
        async with self._clock.timeout(_START_SECONDS):
            await self._following.wait()

    async def revision(self) -> int:
        """See `Store.revision`. A linearizable read."""
        answer = await self._range(rpc.RangeRequest(key=_ALL, count_only=True))
        return int(answer.header.revision)

    async def get(self, key: str) -> Entry:
        """See `Store.get`. A linearizable read."""
        answer = await self._range(rpc.RangeRequest(key=self._full(check_key(key))))
        if not answer.kvs:
            raise NotFound(key)
        return self._entry(answer.kvs[0])

    async def list(self, prefix: str, *, after_key: str = "", limit: int = 0, rev: int = 0) -> Page:
        """See `Store.list`. Long lists are read in pages at one revision."""
        first, end = (self._full(key) for key in key_range(prefix, after_key))
        entries: builtins.list[Entry] = []
        at = rev
        while True:
            size = min(_PAGE, limit - len(entries)) if limit else _PAGE
            request = rpc.RangeRequest(key=first or _ALL, range_end=end, limit=size, revision=at)
            try:
                answer = await self._range(request)
            except Compacted:
                if rev:
                    raise
                # Compacted while we read: the newest state is asked for, so begin again.
                entries, at, first = [], 0, self._full(key_range(prefix, after_key)[0])
                continue
            at = at or answer.header.revision
            entries += map(self._entry, answer.kvs)
            if not answer.more or len(entries) == limit:
                return Page(entries, at, answer.more)
            first = answer.kvs[-1].key + b"\0"

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> Entry:
        """See `Store.create`."""
        check_write(key, value, ttl)
        answer = await self._put(key, value, ttl, at=0)
        if not answer.succeeded:
            raise Exists(key)
        return Entry(key, value, answer.header.revision)

    async def update(self, key: str, value: bytes, *, at: int, ttl: int = 0) -> Entry:
        """See `Store.update`."""
        check_write(key, value, ttl)
        # Revision 0 would mean to etcd that the key must not exist; no key ever has revision 1.
        answer = await self._put(key, value, ttl, at=at or 1)
        if not answer.succeeded:
            raise self._mismatch(key, answer)
        previous = answer.responses[0].response_put.prev_kv
        self._revoke(previous.lease)
        return Entry(key, value, answer.header.revision)

    async def delete(self, key: str, *, at: int = 0) -> Entry:
        """See `Store.delete`."""
        full = self._full(check_key(key))
        request = rpc.TxnRequest(
            compare=[_at(full, at) if at else _exists(full)],
            success=[rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=full, prev_kv=True))],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=full))],
        )
        answer = await self._call("KV.Txn", request)
        if not answer.succeeded:
            raise self._mismatch(key, answer)
        (previous,) = answer.responses[0].response_delete_range.prev_kvs
        self._revoke(previous.lease)
        return Entry(key, previous.value, answer.header.revision)

    def watch(self, prefix: str, *, after: int) -> AbstractAsyncContextManager[Watch]:
        """See `Store.watch`. A watch outlives a restart of etcd: it falls silent and then goes on where it was."""
        key_range(prefix, "")
        return self._feed.watch(prefix, after)

    async def compact(self, rev: int) -> None:
        """See `Store.compact`. etcd forgets for all of its users."""
        with suppress(Compacted):
            try:
                await self._call("KV.Compact", rpc.CompactionRequest(revision=rev))
            except grpc.aio.AioRpcError as error:
                raise await self._reason(error, rev) from error

    async def close(self) -> None:
        """See `Store.close`; closing twice is harmless."""
        self._closed = True
        for task in (self._follower, *self._revoking):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._feed.close(Unavailable("the store is closed"))
        self._published.set()
        await self._cluster.close()

    def _full(self, key: str) -> bytes:
        return self._prefix + key.encode()

    def _entry(self, kv: Any) -> Entry:
        return Entry(kv.key[len(self._prefix) :].decode(), kv.value, kv.mod_revision)

    def _mismatch(self, key: str, answer: Any) -> NotFound | Conflict:
        found = answer.responses[0].response_range.kvs
        return Conflict(key, self._entry(found[0])) if found else NotFound(key)

    async def _call(self, method: str, request: Any, *, again: bool = False) -> Any:
        if self._closed:
            raise Unavailable("the store is closed")
        return await self._cluster.call(method, request, again=again)

    async def _range(self, request: Any) -> Any:
        try:
            return await self._call("KV.Range", request, again=True)
        except grpc.aio.AioRpcError as error:
            raise await self._reason(error, request.revision) from error

    async def _put(self, key: str, value: bytes, ttl: int, *, at: int) -> Any:
        full = self._full(key)
        lease = await self._grant(ttl) if ttl else 0
        answer = None
        request = rpc.TxnRequest(
            compare=[_at(full, at)],
            success=[
                rpc.RequestOp(request_put=rpc.PutRequest(key=full, value=value, lease=lease, prev_kv=at > 0)),
            ],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=full))] if at else [],
        )
        try:
            answer = await self._call("KV.Txn", request)
            return answer
        except grpc.aio.AioRpcError as error:
            if "too large" in (error.details() or "") or "larger than max" in (error.details() or ""):
                raise TooLarge(key, len(value)) from error
            raise await self._reason(error, at) from error
        finally:
            # Only when the write was certainly refused: otherwise the key may have been stored with the lease.
            if lease and answer is not None and not answer.succeeded:
                self._revoke(lease)

    async def _grant(self, ttl: int) -> int:
        """A lease for one key; etcd makes very short ones longer."""
        lease = _LEASE_TAG << _LEASE_BITS | random.getrandbits(_LEASE_BITS)
        try:
            await self._call("Lease.LeaseGrant", rpc.LeaseGrantRequest(TTL=ttl, ID=lease))
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"etcd: {error.details()}") from error
        return lease

    def _revoke(self, lease: int) -> None:
        """Give back, in the background, a lease whose key no longer has it. If that fails it ends by itself."""
        if lease >> _LEASE_BITS != _LEASE_TAG or self._closed:
            return

        async def revoke() -> None:
            with suppress(Unavailable, grpc.aio.AioRpcError):
                await self._call("Lease.LeaseRevoke", rpc.LeaseRevokeRequest(ID=lease))

        task = asyncio.create_task(revoke(), name="store-etcd-revoke")
        self._revoking.add(task)
        task.add_done_callback(self._revoking.discard)

    async def _reason(self, error: Any, rev: int) -> Compacted | FutureRevision | Unavailable:
        """What a refusal means in the store's terms."""
        details = error.details() or ""
        if "has been compacted" in details:
            return Compacted(rev, await self._oldest())
        if "future revision" in details:
            return FutureRevision(rev, await self.revision())
        return Unavailable(f"etcd: {details}")

    async def _oldest(self) -> int:
        """The revision up to which etcd is compacted: told to a watch that asks for the beginning."""
        async with self._cluster.watch(_ALL, b"", 1) as answers:
            async for answer in answers:
                if answer.compact_revision:
                    return int(answer.compact_revision)
        raise Unavailable("etcd ended a watch")

    async def _confirm(self) -> None:
        """Return when all that is acknowledged has been published."""
        rev = await self.revision()
        while self._feed.rev < rev and not self._closed:
            await self._published.wait()

    def _publish(self, changes: Sequence[Change], rev: int) -> None:
        self._feed.publish(changes, rev)
        self._wake()

    def _reset(self, rev: int, reason: Compacted) -> None:
        self._feed.reset(rev, reason)
        self._wake()

    def _wake(self) -> None:
        # Whoever waits now goes on; the next change is waited for anew.
        self._published.set()
        self._published = asyncio.Event()

    async def _follow(self) -> None:
        """Feed the watches, over all interruptions."""
        waits = iter(_RETRY_SECONDS)
        while True:
            try:
                now = await self.revision()
                if now < self._feed.rev:
                    # Restored from a backup: what was delivered is not what is stored.
                    self._reset(now, Compacted(self._feed.rev, now))
                async for changes, rev in self._changes(b"", self._feed.rev, now):
                    if rev > self._feed.rev:
                        self._publish(changes, rev)
                    else:
                        self._following.set()
                    waits = iter(_RETRY_SECONDS)
            except Unavailable:
                await self._clock.sleep(next(waits, _RETRY_SECONDS[-1]))
            except Compacted as error:
                with suppress(Unavailable):
                    self._reset(await self.revision(), error)

    async def _changes(
        self, prefix: bytes, after: int, now: int
    ) -> AsyncGenerator[tuple[builtins.list[Change], int], None]:
        """Groups of changes after revision `after` to our keys that start with `prefix`, each with where it ends.

        `now` is a revision that etcd has reached. Begins with an empty group when etcd has accepted the watch.
        Raises Compacted, or Unavailable at the end of the connection.
        """
        wanted = self._prefix + prefix
        # A watch of the past begins with `after` itself, so that etcd refuses if that is compacted: it keeps no
        # deletion at the revision it is compacted to. A watch of the future cannot be compacted.
        async with self._cluster.watch(_ALL, _ALL, after if now > after else after + 1) as answers:
            async for answer in answers:
                if answer.compact_revision:
                    raise Compacted(after, answer.compact_revision)
                if answer.canceled:
                    raise Unavailable(f"etcd ended a watch: {answer.cancel_reason}")
                events = [event for event in answer.events if event.kv.mod_revision > after]
                if events:
                    if events[0].kv.mod_revision > after + 1:
                        raise Compacted(after, events[0].kv.mod_revision)
                    after = events[-1].kv.mod_revision
                    yield [self._change(e) for e in events if e.kv.key.startswith(wanted)], after
                elif answer.created:
                    yield [], after
        raise Unavailable("etcd ended a watch")

    def _change(self, event: Any) -> Change:
        kv = event.kv
        deletion = event.type == rpc.Event.DELETE
        old = self._entry(event.prev_kv) if event.prev_kv.mod_revision else None
        if old is None and (deletion or kv.create_revision != kv.mod_revision):
            # etcd looks previous values up when it sends; this one was compacted under our feet.
            raise Compacted(kv.mod_revision - 1, kv.mod_revision)
        new = None if deletion else self._entry(kv)
        return Change(kv.mod_revision, (new or old).key, new, old)  # type: ignore[union-attr]

    async def _history(self, prefix: str, after: int, up_to: int) -> tuple[Sequence[Change], int]:
        found: builtins.list[Change] = []
        async with aclosing(self._changes(prefix.encode("ascii"), after, up_to)) as groups:
            async for changes, rev in groups:
                found += (change for change in changes if change.rev <= up_to)
                if rev >= up_to or len(found) >= _HISTORY_BATCH:
                    return found, min(rev, up_to)
        raise AssertionError("unreachable: changes end with an exception")


_STUBS: dict[str, Callable[[Any], Any]] = {"KV": rpc.KVStub, "Lease": rpc.LeaseStub}

# etcd has understood the request and says no; asking another server is of no use.
_REFUSALS = (
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
)


def _channel(server: str, tls: TLSFiles | None) -> Any:
    try:
        url = urlsplit(server)
        fits = url.scheme in ("http", "https") and url.hostname and url.path in ("", "/") and (url.port or True)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"an etcd server is http://host:port or https://host:port, not {server!r}")
    target = url.netloc if url.port else f"{url.netloc}:2379"
    if url.scheme == "http":
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    files = tls or TLSFiles()
    try:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(files.ca_file),
            private_key=_read(files.key_file),
            certificate_chain=_read(files.cert_file),
        )
    except OSError as error:
        raise Unavailable(f"cannot read a TLS file for etcd: {error}") from error
    return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)


def _read(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as file:
        return file.read()


async def _answers(call: Any, key: bytes, end: bytes, start: int) -> AsyncGenerator[Any, None]:
    request = rpc.WatchCreateRequest(key=key, range_end=end, start_revision=start, prev_kv=True)
    await call.write(rpc.WatchRequest(create_request=request))
    while (answer := await call.read()) is not grpc.aio.EOF:
        yield answer


def _at(key: bytes, rev: int) -> Any:
    return rpc.Compare(key=key, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=rev)


def _exists(key: bytes) -> Any:
    return rpc.Compare(key=key, target=rpc.Compare.MOD, result=rpc.Compare.GREATER, mod_revision=0)
