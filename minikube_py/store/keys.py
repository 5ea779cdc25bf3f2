"""Keys and key ranges, the same for every driver: text that begins in ASCII, ordered by its UTF-8 bytes."""

from __future__ import annotations

from .base import TooLarge

# Greater than every key, which begins with an ASCII character, also when both are encoded as UTF-8.
_AFTER_ASCII = "\x80"

# Far above what an API server lets in, and small enough to be joined with others in one SQLite value.
MAX_VALUE = 16 << 20


def check_key(key: str) -> str:
    """The key itself; ValueError unless it is text that begins in ASCII (the empty key marks progress in a watch).

    A NUL ends a text for some of SQLite's functions, and half a surrogate pair has no UTF-8.
    """
    if not key or not key[0].isascii():
        raise ValueError(f"a key must be text that begins with an ASCII character, not {key!r}")
    if "\0" in key or (not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key)):
        raise ValueError(f"a key must be free of NUL characters and lone surrogates, not {key!r}")
    return key


def check_write(key: str, value: bytes, ttl: int) -> None:
    """ValueError or TypeError for what no driver can store, TooLarge above MAX_VALUE (etcd itself takes less)."""
    check_key(key)
    if not isinstance(value, bytes):
        raise TypeError(f"a value must be bytes, not {type(value).__name__}")
    if ttl < 0:
        raise ValueError(f"a TTL must not be negative: {ttl}")
    if len(value) > MAX_VALUE:
        raise TooLarge(key, len(value))


def prefix_end(prefix: str) -> str:
    """The least text that is greater than every key that starts with `prefix`, which is ASCII."""
    if not prefix:
        return _AFTER_ASCII
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def key_range(prefix: str, after_key: str) -> tuple[str, str]:
    """The half-open range [first, end) of the keys that start with `prefix` and are greater than `after_key`."""
    if not prefix.isascii():
        raise ValueError(f"a prefix must be ASCII text, not {prefix!r}")
    if after_key:
        check_key(after_key)
    # "k\0" is the direct successor of "k".
    first = max(prefix, after_key + "\0") if after_key else prefix
    return first, prefix_end(prefix)
