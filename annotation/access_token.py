"""Signing in to Label Studio by a personal access token, which buys tokens that live for five minutes."""

from __future__ import annotations

from collections.abc import Generator

import httpx


class AccessToken(httpx.Auth):
    """Signs each request by the token of the moment, and buys another when that one is over."""

    requires_response_body = True

    def __init__(self, url: str, token: str) -> None:
        self._refresh = httpx.Request("POST", f"{url}/api/token/refresh/", json={"refresh": token})
        self._access = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request signed; on 401, renew the token and send it once more."""
        if self._access:
            request.headers["Authorization"] = f"Bearer {self._access}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return
        renewed = yield self._refresh
        if renewed.is_success:
            self._access = renewed.json()["access"]
            request.headers["Authorization"] = f"Bearer {self._access}"
        yield request
