"""Thin functions over Label Studio's HTTP interface.

By httpx and not by label-studio-sdk 2.1, on three grounds. The SDK repeats a POST after a cut connection or a 5xx, and
an import sent twice makes every task twice; it takes 2 to 3 s to import and brings pandas, OpenCV and an upper bound on
NumPy; and what is needed here is a dozen requests. Requests that only read are tried again when the connection fails;
those that write are sent once, and what became of a cut one is for `annotation.sync` to find out. It is loaded with the
first request: a workspace that asks nobody needs none of it.

Measured against 1.23.2 with SQLite on 2 cores: an import of 10,000 tasks 2 s, listing them 9 s, deleting 5,000 1 s.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import records
from annotation.errors import LabelStudioError, Refused, Unreachable

if TYPE_CHECKING:
    import httpx

OLDEST = (1, 23)
"""The oldest Label Studio whose requests and answers this module was tested with."""

PAGE = 500
READ_ATTEMPTS = 3
LOOPBACK_NAMES = {"127.0.0.1", "localhost", "::1"}
Show = Literal["all", "answered"]


@dataclass(frozen=True)
class Client:
    """An open connection to one server, signed in. `version` is the server's release."""

    url: str
    version: str
    http: httpx.Client = field(repr=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.http.close()


@dataclass(frozen=True)
class RemoteProject:
    """A project as the server has it."""

    id: int
    title: str
    description: str
    label_config: str
    maximum_annotations: int
    overlap_cohort_percentage: int


def connect(url: str, token: str, timeout: float = 60.0) -> Client:
    """Signs in at `url` by a legacy or a personal access token. `timeout` is in seconds, for each answer.

    Raises Unreachable when nobody answers, Refused when the token is wrong, LabelStudioError when it is no Label Studio,
    or one that is too old.
    """
    import httpx

    from annotation.access_token import AccessToken

    url = url.rstrip("/")
    is_access_token = token.count(".") == 2
    http = httpx.Client(
        base_url=url,
        auth=AccessToken(url, token) if is_access_token else None,
        headers={} if is_access_token else {"Authorization": f"Token {token}"},
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        trust_env=urlsplit(url).hostname not in LOOPBACK_NAMES,
    )
    try:
        client = Client(url, _version(Client(url, "unknown", http)), http)
        _read(client, "/api/current-user/whoami")
    except BaseException:
        http.close()
        raise
    return client


def projects(client: Client) -> list[RemoteProject]:
    """All projects that the account sees, oldest first."""
    names = ("id", "title", "description", "label_config", "maximum_annotations", "overlap_cohort_percentage")
    found: list[RemoteProject] = []
    page = 1
    while True:
        asked = {"page": page, "page_size": 100, "include": ",".join(names)}
        answer = _read(client, "/api/projects/", asked)
        try:
            found += [_project(row) for row in answer["results"]]
            is_last = not answer["next"]
        except (KeyError, TypeError) as error:
            raise LabelStudioError(
                f"Label Studio {client.version} at {client.url} lists its projects in an unknown way{_newer(client)}"
            ) from error
        if is_last:
            return sorted(found, key=lambda project: project.id)
        page += 1


def create_project(client: Client, fields: Mapping[str, object]) -> RemoteProject:
    """A new project with the given fields of the API (title, description, label_config …)."""
    return _project(_send(client, "POST", "/api/projects/", json=dict(fields)).json())


def _project(row: Mapping[str, Any]) -> RemoteProject:
    told = row["description"] or "", row["label_config"] or ""
    return RemoteProject(row["id"], row["title"], *told, row["maximum_annotations"], row["overlap_cohort_percentage"])


def update_project(client: Client, project_id: int, fields: Mapping[str, object]) -> None:
    """Changes fields of a project."""
    _send(client, "PATCH", f"/api/projects/{project_id}/", json=dict(fields))


def delete_project(client: Client, project_id: int) -> None:
    """Deletes a project with all that is in it."""
    _send(client, "DELETE", f"/api/projects/{project_id}/")


def import_tasks(client: Client, project_id: int, tasks: Sequence[Mapping[str, object]]) -> None:
    """Imports tasks (`{"data": …, "annotations": […]}`) in one request, sent once.

    The server takes all of them or none. Raises Unreachable when the connection failed: then nobody knows which.
    """
    answer = _send(client, "POST", f"/api/projects/{project_id}/import", json=list(tasks)).json()
    if answer["task_count"] != len(tasks):
        raise LabelStudioError(
            f"Label Studio took {answer['task_count']} of {len(tasks)} tasks into project {project_id}: run again, the others will follow"
        )


def tasks(
    client: Client,
    project_id: int,
    show: Show | datetime = "all",
    progress: records.Progress = records.silent,
) -> Iterator[dict[str, Any]]:
    """The tasks of a project by id: all of them without annotations; or with theirs the answered (or skipped) ones, or those
    that changed (were made, answered, or lost an answer) since a time.

    Each page begins after the last id of the one before, so that tasks which come or go meanwhile hide no other.
    """
    conditions: list[tuple[str, str, object]] = []
    if show == "answered":
        conditions = [("total_annotations", "greater", 0), ("cancelled_annotations", "greater", 0)]
    elif isinstance(show, datetime):
        conditions = [("updated_at", "greater_or_equal", show)]
    asked: dict[str, Any] = {"project": project_id, "page_size": PAGE, "resolve_uri": "false"}
    asked |= {"fields": "all"} if conditions else {}
    done = last = 0
    while True:
        beyond = _filter("id", "greater", last)
        items = [_filter(*each) | {"child_filter": beyond} for each in conditions] or [beyond]
        query = {"ordering": ["tasks:id"], "filters": {"conjunction": "or", "items": items}}
        answer = _read(client, "/api/tasks/", asked | {"query": json.dumps(query)})
        yield from answer["tasks"]
        page = [int(task["id"]) for task in answer["tasks"]]
        done, remaining = done + len(page), int(answer["total"]) - len(page)
        progress(done, done + remaining, "tasks")
        if remaining <= 0 or not page:
            return
        last = page[-1]


def delete_unanswered(client: Client, project_id: int, task_ids: Sequence[int]) -> int:
    """Deletes those of the tasks that nobody has answered, skipped or begun; how many went.

    The condition is judged by the server within the request, so that an answer given in between keeps its task.
    """
    untouched = [
        ("total_annotations", "equal", 0),
        ("cancelled_annotations", "equal", 0),
        ("draft_exists", "equal", False),
    ]
    body = {
        "selectedItems": {"all": False, "included": list(task_ids)},
        "filters": {"conjunction": "and", "items": [_filter(*condition) for condition in untouched]},
        "ordering": [],
    }
    if not task_ids:
        return 0
    asked = {"id": "delete_tasks", "project": project_id}
    return int(_send(client, "POST", "/api/dm/actions", params=asked, json=body).json()["processed_items"])


def delete_tasks(client: Client, project_id: int, task_ids: Sequence[int]) -> None:
    """Deletes tasks with all that people answered. Only for what may be kept no longer."""
    body = {"selectedItems": {"all": False, "included": list(task_ids)}, "filters": _NO_FILTER, "ordering": []}
    asked = {"id": "delete_tasks", "project": project_id}
    _send(client, "POST", "/api/dm/actions", params=asked, json=body)


_NO_FILTER: dict[str, object] = {"conjunction": "and", "items": []}


def project_state(client: Client, project_id: int) -> tuple[int, int, str]:
    """Tasks, annotations, and when a task or a label last changed: 0.1 s among 10,000 tasks."""
    asked = {"project": project_id, "page_size": 1, "query": json.dumps({"ordering": ["-tasks:updated_at"]})}
    answer = _read(client, "/api/tasks/", asked)
    newest = answer["tasks"][0]["updated_at"] if answer["tasks"] else ""
    return answer["total"], answer["total_annotations"], newest


def webhooks(client: Client, project_id: int) -> list[dict[str, Any]]:
    """The webhooks of a project."""
    return list(_read(client, "/api/webhooks/", {"project": project_id}))


def create_webhook(client: Client, fields: Mapping[str, object]) -> None:
    """A new webhook."""
    _send(client, "POST", "/api/webhooks/", json=dict(fields))


def update_webhook(client: Client, webhook_id: int, fields: Mapping[str, object]) -> None:
    """Changes a webhook."""
    _send(client, "PATCH", f"/api/webhooks/{webhook_id}/", json=dict(fields))


def users(client: Client) -> dict[int, str]:
    """The address of every account in the organisation, by its id."""
    return {row["id"]: row["email"] for row in _read(client, "/api/users/")}


def add_annotator(client: Client, email: str) -> tuple[str, str]:
    """Makes an account that can label, and returns its address and a password to hand over. The free edition sends no mail.

    An account made through /api/users/ has no password and cannot get one; so this signs up as the person would, by
    the organisation's invitation link. In the free edition every account may do everything: invite whom you trust.
    Raises LabelStudioError when the address is taken or not one.
    """
    import httpx

    email, password = email.strip().lower(), secrets.token_urlsafe(12)
    if email in {known.lower() for known in users(client).values()}:
        raise LabelStudioError(
            f"{email} already has an account at {client.url}, and Label Studio does not tell passwords: "
            f"if it is lost, `headwater annotators password {email}` gives a new one"
        )
    invitation = _read(client, "/api/invite")["invite_url"]
    link = invitation if invitation.startswith("http") else client.url + invitation
    with httpx.Client(timeout=client.http.timeout, trust_env=client.http.trust_env) as visitor:
        try:
            visitor.get(link)
            form = {"email": email, "password": password, "csrfmiddlewaretoken": visitor.cookies.get("csrftoken", "")}
            visitor.post(link, data=form, headers={"Referer": link})
        except httpx.HTTPError as error:
            raise Unreachable(_unreachable(client, error)) from error
    if email not in {known.lower() for known in users(client).values()}:
        raise LabelStudioError(
            f"Label Studio at {client.url} made no account for {email}: is it a valid e-mail address?"
        )
    return email, password


def _version(client: Client) -> str:
    """The server's release; refuses what is no Label Studio, or one that is too old."""
    try:
        release = str(_read(client, "/api/version")["release"])
        numbers = tuple(int(number) for number in release.split(".")[:2])
    except (KeyError, TypeError, ValueError) as error:
        raise LabelStudioError(f"what answers at {client.url} is not Label Studio: check the url") from error
    if numbers < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise LabelStudioError(
            f"Label Studio at {client.url} is {release}; Headwater needs {wanted} or newer: upgrade the server"
        )
    return release


def _read(client: Client, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON of a GET, which is tried again when the connection fails: reading twice changes nothing."""
    for attempt in range(1, READ_ATTEMPTS + 1):
        try:
            return _send(client, "GET", path, params=params).json()
        except Unreachable:
            if attempt == READ_ATTEMPTS:
                raise
            time.sleep(0.2 * attempt)
        except json.JSONDecodeError as error:
            raise LabelStudioError(f"what answers at {client.url} is not Label Studio: check the url") from error
    raise AssertionError("unreachable")


def _send(client: Client, method: str, path: str, **request: Any) -> httpx.Response:
    """One request, sent once. Errors name the server and the mend, never what was sent or answered: it may be data."""
    import httpx

    try:
        answer = client.http.request(method, path, **request)
    except httpx.HTTPError as error:
        raise Unreachable(_unreachable(client, error)) from error
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Refused(
            f"Label Studio at {client.url} refuses the token ({answer.status_code}): make a new one under Account & Settings "
            "and put it where token_env says (legacy tokens must be allowed under Organization, API Tokens Settings)",
            answer.status_code,
        )
    if answer.status_code in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        raise Unreachable(
            f"Label Studio at {client.url} is not answering ({answer.status_code}): is it starting, or overloaded?"
        )
    if not answer.is_success:
        raise Refused(
            f"Label Studio {client.version} at {client.url} answered {method} {path} with {answer.status_code}: its log says why"
            + _newer(client),
            answer.status_code,
        )
    return answer


def _newer(client: Client) -> str:
    """What to do about a server that is newer than the one this module was tested with; "" when it is not."""
    numbers = tuple(int(number) for number in client.version.split(".")[:2] if number.isdigit())
    if numbers <= OLDEST:
        return ""
    tested = ".".join(map(str, OLDEST))
    return f". It is newer than {tested}, with which Headwater was tested: upgrade Headwater, or use {tested} of Label Studio"


def _unreachable(client: Client, error: httpx.HTTPError) -> str:
    kind = type(error).__name__
    return f"no answer from Label Studio at {client.url} ({kind}): start it (headwater up), or check the url and the network"


def _filter(name: str, operator: str, value: object) -> dict[str, object]:
    kinds = {bool: "Boolean", int: "Number", str: "String", datetime: "Datetime"}
    said = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kinds[type(value)], "value": said}
