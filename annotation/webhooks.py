"""Asks Label Studio to say when a label is new: one webhook per project, with a secret and without the label."""

from __future__ import annotations

import hashlib
import hmac

from annotation import client as api
from annotation.client import Client
from annotation.credentials import Credentials
from annotation.projects import our_projects

HEADER = "X-Headwater-Secret"
ACTIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")


def secret_of(secret: Credentials) -> str:
    """What a hint must carry, in hexadecimal: made of the workspace's key, and of no use for anything else."""
    return hmac.digest(secret.key.encode(), b"webhook", hashlib.sha256).hex()


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
