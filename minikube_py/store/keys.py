"""Keys and key ranges, the same for every driver: ASCII text, ordered bytewise."""

from __future__ import annotations

from .base import TooLarge

# Greater than every ASCII character, also when both are encoded as UTF-8.
_AFTER_ASCII = "\x80"

# Far above what an API server lets in, and small enough to be joined with others in one SQLite value.
MAX_VALUE = 16 << 20


def check_key(key: str) -> str:
    """The key itself; ValueError unless it is non-empty ASCII text (the empty key marks progress in a watch)."""
    if not key or not key.isascii():
        raise ValueError(f"a key must be non-empty ASCII text, not {key!r}")
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
    """The least text that is greater than every ASCII key that starts with `prefix`."""
    if not prefix:
        return _AFTER_ASCII
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def key_range(prefix: str, after_key: str) -> tuple[str, str]:
    """The half-open range [first, end) of the keys that start with `prefix` and are greater than `after_key`."""
    if not (prefix.isascii() and after_key.isascii()):
        raise ValueError(f"a prefix must be ASCII text, not {prefix!r}, {after_key!r}")
    # "k\0" is the direct successor of "k".
    first = max(prefix, after_key + "\0") if after_key else prefix
    return first, prefix_end(prefix)
