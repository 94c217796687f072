"""Webhooks: signed posts at each change of a prediction's status, repeated until they are accepted."""

import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import httpx

from ._log import Log
from ._settings import Settings

SIGNATURE_HEADER: Final = "wriftai-webhook-signature"
TIMEOUT_SECONDS: Final = 10.0
POSTS_AT_ONCE: Final = 8
"""Posts under way to one receiver. httpcore searches all connections for each request, so more would be slower."""


@dataclass(frozen=True)
class Webhook:
    """The URL for a prediction's changes, and the secret to sign them with, if there is one."""

    url: str
    secret: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Webhook | None":
        """Return the webhook in the body of a create."""
        asked = body.get("webhook")
        return None if asked is None else cls(asked["url"], asked.get("secret"))


def signature(secret: str, body: bytes, now: float) -> str:
    """Return the header that proves the origin of a body.

    Args:
        secret: The webhook's secret.
        body: The body.
        now: Unix time in seconds.
    """
    moment = int(now)
    digest = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


class WebhookSender:
    """Posts the changes of predictions.

    Args:
        http: Posts them.
        settings: How they are delivered.
    """

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._turns: defaultdict[bytes, anyio.Semaphore] = defaultdict(
            lambda: anyio.Semaphore(POSTS_AT_ONCE, fast_acquire=True)
        )

    async def deliver(self, webhook: Webhook, changes: Log) -> None:
        """Post the changes as they come, each until it is accepted or the attempts are used up.

        Args:
            webhook: The webhook to post them to.
            changes: The prediction as JSON at each change.
        """
        sent = 0
        overtaken: bytes | None = None
        while not changes.ends_with(sent):
            await changes.wait_for_more(sent)
            change: bytes | None = changes.after(sent)[0]
            sent += 1
            if self._settings.delivery.reorder and not changes.ends_with(sent):
                change, overtaken = overtaken, change
            if change is not None:
                await self._post_copies(webhook, change)
        if overtaken is not None:
            await self._post_copies(webhook, overtaken)

    async def _post_copies(self, webhook: Webhook, body: bytes) -> None:
        for _ in range(1 + self._settings.delivery.duplicates):
            await self._post(webhook, body)

    async def _post(self, webhook: Webhook, body: bytes) -> None:
        delay = self._settings.scaled(self._settings.delivery.retry_delay)
        for attempt in range(self._settings.delivery.attempts):
            if attempt:
                await anyio.sleep(delay)
                delay *= 2
            if await self._is_taken(webhook, body):
                return

    async def _is_taken(self, webhook: Webhook, body: bytes) -> bool:
        try:
            url = httpx.URL(webhook.url)
            async with self._turns[url.netloc]:
                headers = _headers(webhook, body)
                answer = await self._http.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.is_success


def _headers(webhook: Webhook, body: bytes) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if webhook.secret is not None:
        headers[SIGNATURE_HEADER] = signature(webhook.secret, body, time.time())
    return headers
