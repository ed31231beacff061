"""Asks Label Studio to say when a label is new: one webhook per project, with a secret and without the label.

Label Studio sends nothing to private addresses, since every account may name an address, and the server stands behind
the firewall. Headwater's own server can be let reach one of them: a loopback address drawn for the workspace (all of 127.0.0.0/8
is this machine's, on Linux), where `headwater up` alone listens. All others stay banned, Dagster's and Label Studio's own among them.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv4Address, IPv4Network, ip_network

from annotation import client as api
from annotation.client import Client
from annotation.credentials import Credentials
from annotation.projects import our_projects

HEADER = "X-Headwater-Secret"
ACTIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")


def secret_of(secret: Credentials) -> str:
    """What a hint must carry, in hexadecimal: made of the workspace's key, and of no use for anything else."""
    return hmac.digest(secret.key.encode(), b"webhook", hashlib.sha256).hex()


LOOPBACK_NETWORK = IPv4Network("127.0.0.0/8")
PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    *("::/128", "::1/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("2001::/32", "2001:20::/28", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
)
"""What IANA's registries of special addresses hold beside IPv4's loopback: networks that no webhook may lead to."""


def loopback_address(secret: Credentials) -> str:
    """The workspace's own loopback address, outside 127.0.0.0/16, where other programs listen."""
    drawn = int.from_bytes(hmac.digest(secret.key.encode(), b"loopback", hashlib.sha256)[:4], "big")
    first, last = int(IPv4Address("127.1.0.1")), int(IPv4Address("127.255.255.254"))
    return str(IPv4Address(first + drawn % (last - first + 1)))


def banned_but(address: str) -> list[str]:
    """The networks that Label Studio may not reach, so that of all private addresses `address` alone is left."""
    around = LOOPBACK_NETWORK.address_exclude(IPv4Network(address))
    return [*map(str, around), *(str(ip_network(each)) for each in PRIVATE)]


def ensure_webhooks(client: Client, secret: Credentials, url: str) -> int:
    """Lets each of the workspace's projects send hints to `url`; how many webhooks were made or mended."""
    changed = 0
    for ours in our_projects(client, secret.workspace):
        wanted = {
            "url": url,
            "headers": {HEADER: secret_of(secret)},
            "actions": list(ACTIONS),
            "send_payload": False,
            "send_for_all_actions": False,
            "is_active": True,
        }
        found = [each for each in api.webhooks(client, ours.id) if HEADER in (each.get("headers") or {})]
        if not found:
            api.create_webhook(client, wanted | {"project": ours.id})
            changed += 1
        elif any(_said(found[0], name) != _said(wanted, name) for name in wanted):
            api.update_webhook(client, found[0]["id"], wanted)
            changed += 1
    return changed


def _said(webhook: dict[str, object], name: str) -> object:
    value = webhook.get(name)
    return sorted(value) if isinstance(value, list) else value
