"""IP addresses that lead to somebody: public ones.

Private, loopback, link-local, multicast and documentation ranges are the same in every house and are left alone, as is
what only looks like an address: versions (`version 10.4.0.1`, `tool-1.2.3.4`, `1.2.3.4.tar.gz`) and sections. An address
of four single digits (`8.1.2.4`) counts only where a word says that it is one. IPv6 counts within 2000::/3, all that IANA
has given out as global unicast: `std::ad` and `a::b` are code.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import lru_cache

from curation.privacy.context import are_named, before, phrases, starts_alone

_VERSION = phrases(
    "v, ver, version, versions, release, releases, rev, revision, build, firmware, section, chapter, clause, oid, kernel, driver"
)
_ADDRESS = phrases(
    "ip, ips, ipv, address, addresses, host, hosts, server, client, from, peer, remote, dns, nameserver, received, ping, ssh, "
    "route, gateway, login, logged"
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NEAR = 20
_SHORTEST = 7


def find_ipv4(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span itself, if it is a public address."""
    is_within = data[start - 1 : start] == b"." or not (starts_alone(data, start) or data[start - 2 : start] == b"//")
    if is_within or _goes_on(data, end):
        return
    said = data[start:end].decode("ascii")
    if not _is_public(said):
        return
    near = before(data, start, _NEAR)
    if are_named(near, _VERSION) and not are_named(near, _ADDRESS):
        return
    if (
        len(said) > _SHORTEST
        or data[start - 1 : start] in (b"[", b"@", b"/")
        or are_named(before(data, start), _ADDRESS)
    ):
        yield start, end


@lru_cache(1 << 16)
def _is_public(said: str) -> bool:
    try:
        address = ipaddress.IPv4Address(said)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _goes_on(data: bytes, end: int) -> bool:
    """Whether a version goes on (`1.2.3.4-beta`, `1.2.3.4rc1`), or more groups follow."""
    following = data[end : end + 1]
    return following.isalnum() or following == b"_" or (following in (b"-", b".") and data[end + 1 : end + 2].isalnum())


def find_ipv6(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without what ends a sentence, if it is a public address."""
    while end > start and data[end - 1] in b".:" and data[end - 2 : end] != b"::":
        end -= 1
    if (start and (data[start - 1 : start].isalnum() or data[start - 1] in b"_:.")) or data[end : end + 1].isalnum():
        return
    if data[end : end + 1] in (b"_", b":"):
        return
    try:
        address = ipaddress.IPv6Address(data[start:end].decode("ascii"))
    except ValueError:
        return
    if address in _GLOBAL_UNICAST and address.is_global:
        yield start, end
