"""Secrets: keys of known services by their prefix, private keys, tokens, and passwords in addresses and assignments.

The kinds are those of Yelp's detect-secrets, written anew with each service's own documentation, for its rules look at
lines of code, and read 0.12 MB of mail a second. What a service prints in front of its keys tells nearly all of them; a value that
is assigned to a `password`, `token`, `secret` or `key` counts if it looks like no word and like no example.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Iterator

_KEYS: dict[bytes, bytes] = {
    b"AKI": rb"AKIA[A-Z0-9]{16}",  # AWS, IAM identifiers
    b"ASI": rb"ASIA[A-Z0-9]{16}",
    b"ABI": rb"ABIA[A-Z0-9]{16}",
    b"ACC": rb"ACCA[A-Z0-9]{16}",
    b"ghp": rb"ghp_[A-Za-z0-9]{36,255}",  # GitHub, token formats
    b"gho": rb"gho_[A-Za-z0-9]{36,255}",
    b"ghu": rb"ghu_[A-Za-z0-9]{36,255}",
    b"ghs": rb"ghs_[A-Za-z0-9]{36,255}",
    b"ghr": rb"ghr_[A-Za-z0-9]{36,255}",
    b"git": rb"github_pat_[A-Za-z0-9_]{36,255}",
    b"glp": rb"gl(?:pat|ptt)-[A-Za-z0-9_-]{20,300}(?:\.[A-Za-z0-9_-]{2,100}){0,3}",  # GitLab, token prefixes
    b"gld": rb"gldt-[A-Za-z0-9_-]{20,300}",
    b"glr": rb"glrt-[A-Za-z0-9_-]{20,300}(?:\.[A-Za-z0-9_-]{2,100}){0,3}",
    b"gls": rb"glsoat-[A-Za-z0-9_-]{20,300}",
    b"glc": rb"glcbt-[A-Za-z0-9_-]{20,300}",
    b"xox": rb"xox[abeoprs]-[0-9A-Za-z-]{10,250}",  # Slack, token types
    b"hoo": rb"hooks\.slack\.com/services/T[A-Za-z0-9_]{6,20}/B[A-Za-z0-9_]{6,20}/[A-Za-z0-9_]{16,40}",
    b"sk_": rb"sk_(?:live|test)_[0-9A-Za-z]{16,250}",  # Stripe, API keys
    b"rk_": rb"rk_(?:live|test)_[0-9A-Za-z]{16,250}",
    b"SG.": rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",  # SendGrid
    b"AIz": rb"AIza[0-9A-Za-z_-]{35}",  # Google Cloud
    b"ya2": rb"ya29\.[0-9A-Za-z_-]{20,2000}",  # Google OAuth
    b"GOC": rb"GOCSPX-[0-9A-Za-z_-]{28}",
    b"npm": rb"npm_[A-Za-z0-9]{36}",  # npm
    b"pyp": rb"pypi-AgE[A-Za-z0-9_-]{50,1000}",  # PyPI
    b"hf_": rb"hf_[A-Za-z0-9]{34,40}",  # Hugging Face
    b"sk-": rb"sk-(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{32,250}",  # OpenAI, Anthropic
    b"dop": rb"dop_v1_[0-9a-f]{64}",  # DigitalOcean
    b"shp": rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    b"sq0": rb"sq0(?:csp|atp|idp)-[0-9A-Za-z_-]{22,43}",  # Square
    b"eyJ": rb"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?",  # JWT, RFC 7519
    b"---": rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",  # RFC 7468, RFC 4880
}
PREFIXES = tuple(_KEYS)
"""The three bytes that a key may begin with."""
_PATTERNS = {prefix: re.compile(pattern) for prefix, pattern in _KEYS.items()}
_KEY_END = re.compile(rb"-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(rb"(?:\s|\\[nr]|[\"'+,>]){0,8}[A-Za-z0-9+/=\\\s]{0,16384}")
_LONGEST_KEY = 1 << 14
_TELEGRAM = re.compile(rb":[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])")
_IN_ADDRESS = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@<>\"']{0,128}:([^\s/@<>\"']{2,256})\Z")

_NAMED = re.compile(
    rb"(?i)(?:(pass|password|passwords|passwd|passphrase|pwd)|(?:secret|secrets|token|tokens|credentials?|key))"
    rb"[\"'`\])]{0,2}[ \t]{0,3}\Z"
)
_KEY_NAMES = re.compile(
    rb"(?i)(?:api|access|auth|private|secret|encryption|account|client|signing|master|service|shared|app|application|bot"
    rb"|webhook|session|refresh|bearer|id|admin|user|db|database|root|ssh|aws|azure|gcp|github|slack|stripe)[ _.-]?"
    rb"(?:key|token|secret|secrets|tokens)[\"'`\])]{0,2}[ \t]{0,3}\Z"
)
_VALUE = re.compile(
    rb"[=:]{1,2}[=>]?[ \t]{0,4}(?:[a-zA-Z]{0,2}([\"'`])([^\"'`\s<>]{6,256})\1|([^\s\"'`<>,;&(){}\[\]|]{8,256}))"
)
_EXAMPLES = re.compile(
    rb"(?i)(?:.*(?:example|changeme|change-?me|placeholder|your|dummy|sample|redacted|insert|replace|todo|xxxx|\*\*\*|\.\.\.)"
    rb".*|pass(?:word|wd|phrase)?[0-9]?|secret[0-9]?|token[0-9]?|string|none|null|true|false|undefined|required|optional|hidden"
    rb"|test(?:ing)?[0-9]*|(.)\1+|[$%#@~\\].*|.*(?:\$[({]|%[({s]|\{\{|://|->|::).*|(?:os|process|env|self|this|config|settings)\..*"
    rb"|\.{0,2}/.*|[a-z]:\\.*)\Z",
    re.DOTALL,
)
_WORDS_ONLY = re.compile(rb"[A-Za-z]+(?:[._:/-][A-Za-z]+)*[0-9]{0,2}[.!?]?\Z")
_DIGITS = frozenset(b"0123456789")
_HEX = re.compile(rb"[0-9a-fA-F]+\Z")
_LEAST_ENTROPY, _LEAST_OF_HEX = 3.2, 2.8
"""Bits for each sign. English words have some 2.8 at these lengths, random base64 of 16 signs 3.7, random hex 3.2."""


def find_key(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The key of a service, the token, or the private key that starts there."""
    prefix = data[start : start + 3]
    if prefix == b"hoo" and data[max(0, start - 2) : start] != b"//":
        return
    found = _PATTERNS[prefix].match(data, start)
    if found is None:
        return
    if prefix == b"---":
        yield start, _private_key_end(data, found.end())
    elif not _goes_on(data, found.end()) and (prefix != b"eyJ" or _is_jwt(found[0])):
        yield found.span()


def _goes_on(data: bytes, end: int) -> bool:
    return data[end : end + 1].isalnum()


def _private_key_end(data: bytes, begun: int) -> int:
    """The end of a private key's block; of one that is cut off, the end of what may belong to it."""
    end = _KEY_END.search(data, begun, begun + _LONGEST_KEY)
    if end and b"<" not in data[begun : end.start()] and b">" not in data[begun : end.start()]:
        return end.end()
    body = _KEY_BODY.match(data, begun)
    assert body is not None  # every part of it may be empty
    return begun + len(body[0].rstrip()) if b">" not in body[0] else begun


def _is_jwt(token: bytes) -> bool:
    head = token.split(b".", 1)[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(said, dict) and ("alg" in said or "typ" in said)


def find_bot_token(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Telegram's bot tokens: a number of eight to ten digits, a colon and 35 signs."""
    token = _TELEGRAM.match(data, end)
    if token and 8 <= end - start <= 10:
        yield start, token.end()


def find_password_in_address(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """The password before the `@` of an address such as `https://user:password@host` (RFC 3986, section 3.2.1)."""
    first = max(0, at - 420)
    lead = data.rfind(b"://", first, at)
    host = data[at + 1 : at + 2]
    if lead < 0 or not (host.isalnum() or host == b"[" or host >= b"\x80"):
        return
    scheme = lead
    while scheme > first and (data[scheme - 1 : scheme].isalnum() or data[scheme - 1] in b"+.-"):
        scheme -= 1
    found = _IN_ADDRESS.match(data[scheme:at])
    if found and not _EXAMPLES.match(found[1]) and found[1] not in (b"pass", b"pw", b"pwd"):
        yield scheme + found.start(1), at


def find_assigned(data: bytes, sign: int) -> Iterator[tuple[int, int]]:
    """The value after the `=` or `:` at `sign`, if what stands before names a secret and the value looks like one."""
    head = data[max(0, sign - 40) : sign]
    head = head[max(head.rfind(b"<"), head.rfind(b">"), head.rfind(b"\n")) + 1 :]
    named = _NAMED.search(head)
    if named is None:
        return
    found = _VALUE.match(data, sign)
    if found is None:
        return
    quoted = found[2] is not None
    value, place = (found[2], found.span(2)) if quoted else (found[3], found.span(3))
    stripped = value if quoted else value.rstrip(b".!?:")
    if _EXAMPLES.match(stripped) or not stripped:
        return
    if _is_password(stripped, quoted) if named[1] else _is_random(stripped, head):
        yield place[0], place[0] + len(stripped)


def _is_password(value: bytes, quoted: bool) -> bool:
    if quoted:
        return not re.fullmatch(rb"[A-Za-z][a-z]+|[a-z]+(?:[_.-][a-z]+)+", value)
    return not _WORDS_ONLY.match(value) and not value.isdigit() and not _DIGITS.isdisjoint(value)


def _is_random(value: bytes, head: bytes) -> bool:
    """Whether letters and digits stand in no order of words; a mere `key` names no secret."""
    is_key = _KEY_NAMES.search(head)
    if not is_key and re.search(rb"(?i)key[^a-z]*\Z", head):
        return False
    if len(value) < (16 if is_key else 20) or _WORDS_ONLY.match(value) or not value.isascii():
        return False
    if value.isdigit() or _DIGITS.isdisjoint(value):
        return False
    return entropy(value) >= (_LEAST_OF_HEX if _HEX.match(value) else _LEAST_ENTROPY)


def entropy(value: bytes) -> float:
    """Shannon's entropy of the bytes of a value, in bits for each."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
