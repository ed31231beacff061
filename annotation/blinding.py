"""Who labelled, and which model wrote: both are kept from those who should not know.

Tables name an annotator by a pseudonym, a keyed hash of the account's address, so that agreement can be measured and
nobody is named. Tasks carry the names of the two models sealed under the same key: an annotator who opens the raw task
cannot tell the models, and the sealed text of one model differs from task to task; yet a label finds its models again
however often the models of the workspace have changed since. The seal is the message XORed with HMAC-SHA256 blocks of a
nonce that is used once (the task's digest covers the names), preceded by a tag of 8 bytes.
"""

from __future__ import annotations

import hmac
import itertools
import json

TAG_BYTES = 8
PADDED = 96
"""Bytes that a message has at least, so that its length tells no model from another, nor a known question from others."""


def pseudonym(key: str, email: str) -> str:
    """A stable name for an annotator: 16 hexadecimal digits, the same for one key and address (case aside)."""
    return _keyed(key, "annotator", email.strip().lower())[:8].hex()


def seal(key: str, nonce: str, names: tuple[str | None, ...]) -> str:
    """`names` hidden under `key`, in hexadecimal. One nonce must never serve two sets of names."""
    message = json.dumps(names).encode().ljust(PADDED)
    tag = _keyed(key, "tag", nonce, message.hex())[:TAG_BYTES]
    return (tag + _masked(key, nonce, message)).hex()


def unseal(key: str, nonce: str, sealed: str) -> tuple[str | None, ...] | None:
    """The names that `seal` hid; None when the key is another one or the text was altered."""
    try:
        data = bytes.fromhex(sealed)
    except ValueError:
        return None
    tag, message = data[:TAG_BYTES], _masked(key, nonce, data[TAG_BYTES:])
    if not hmac.compare_digest(tag, _keyed(key, "tag", nonce, message.hex())[:TAG_BYTES]):
        return None
    return tuple(json.loads(message))


def _keyed(key: str, *parts: str) -> bytes:
    return hmac.digest(key.encode(), json.dumps(parts).encode(), "sha256")


def _masked(key: str, nonce: str, message: bytes) -> bytes:
    blocks = (_keyed(key, "mask", nonce, str(block)) for block in itertools.count())
    stream = itertools.chain.from_iterable(blocks)
    return bytes(byte ^ mask for byte, mask in zip(message, stream, strict=False))
