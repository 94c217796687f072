"""Requests to presigned URLs and other addresses outside the API, which get no access token."""

import re
from collections.abc import AsyncIterator, Mapping
from functools import partial
from html import unescape
from typing import Final
from urllib.parse import unquote_plus

import httpx
from anyio import move_on_after

from wriftai_anyio._concurrency import system
from wriftai_anyio._instrumentation.shown import shown_response
from wriftai_anyio._pipeline.redirects import follow_redirects
from wriftai_anyio._pipeline.request import USER_AGENT
from wriftai_anyio._pipeline.retry_loop import Failure
from wriftai_anyio._transport import retries
from wriftai_anyio._transport.addresses import header_of, location_of, web_address
from wriftai_anyio._transport.bodies import StreamedBody, abandon, close
from wriftai_anyio._transport.failures import ELSEWHERE, connection_error, patience_with
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.api import API
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError, status_error
from wriftai_anyio.hooks import RequestEvent

MOST_REDIRECTS: Final = 10
_PARTIAL_CONTENT: Final = 206
MOST_SAID: Final = 64 * 1024
"""Bytes read of a store's answer to a part, or to a download that it refuses."""
LONGEST_EXPLANATION: Final = 10.0
"""Seconds that a store has to say why it refuses a download."""
_IN_XML: Final = r"<(Code|Message)>([^<]{1,300})</\1>"
_MAY_BE_EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
LEAST_SECRET: Final = 8
"""The shortest value in a presigned URL that counts as a secret: flags and the numbers of parts are shorter."""


class Store:
    """The object store, which takes the parts of files and returns files.

    Presigned URLs are secrets: errors and logs show them without their queries.

    Args:
        api: The API whose connections, timeout and number of retries are used.
    """

    def __init__(self, api: API) -> None:
        self._http = api.http
        self._config = api.config
        self._watch = api.watch

    async def put(self, url: str, content: AsyncIterator[bytes], size: int, mime_type: str, attempt: int) -> str:
        """Sends a part to its presigned URL, and returns its ETag, without which the upload cannot be completed.

        Args:
            url: The presigned URL.
            content: The bytes of the part.
            size: The number of these bytes.
            mime_type: The MIME type of the file.
            attempt: The number of this attempt, from 1.

        Raises:
            APIStatusError: If the store refused.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is a redirect, which is not followed, or a success without an ETag: then it
                did not come from the store.
        """
        headers = {
            b"content-length": b"%d" % size,
            b"content-type": mime_type.encode("ascii"),
            b"accept-encoding": b"identity",
        }
        request = self._request("PUT", httpx.URL(url), headers, StreamedBody(content))
        response = await self._answer(request, attempt)
        said = await _beginning(response, patience_with(request))
        if not response.is_success:
            raise _refused(response, said)
        etag = _etag_of(response)
        if not etag:
            raise unpromised(
                response, "but without an ETag: what answered is not the store, and the part may not be stored"
            )
        return etag

    async def open(self, address: httpx.URL, headers: Mapping[bytes, bytes], attempt: int) -> httpx.Response:
        """Requests an address and follows redirects; the caller closes the answer.

        Args:
            address: The address.
            headers: More headers, as bytes, since validators from servers need not be ASCII.
            attempt: The number of this attempt, from 1.

        Raises:
            APIStatusError: If the store refused.
            APIConnectionError: If there was no answer.
            APIResponseError: If a redirect is not followed: one without an address, one from HTTPS to plain HTTP, or
                the eleventh.
        """
        send = partial(self._ask, headers, attempt)
        response = await follow_redirects(await send(address), _redirected, send, MOST_REDIRECTS)
        if response.is_success:
            return response
        if response.has_redirect_location:
            raise _not_followed(response, f"there are more than {MOST_REDIRECTS}")
        patience = min(patience_with(response.request), LONGEST_EXPLANATION)
        raise _refused(response, await _beginning(response, patience))

    async def _ask(self, headers: Mapping[bytes, bytes], attempt: int, address: httpx.URL) -> httpx.Response:
        request = self._request("GET", address, {b"accept-encoding": b"identity", **headers})
        response = await self._answer(request, attempt)
        if response.has_redirect_location:
            await close(response)
        return response

    async def _answer(self, request: httpx.Request, attempt: int) -> httpx.Response:
        if self._watch.idle:
            return await self._send(request)
        event = RequestEvent(request.method, request.url.host, "", attempt, 0.0)
        return await self._watch.answer(event, lambda: self._send(request))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.open(request)
        except APIConnectionError as error:
            _hide_query(error.request)
            raise

    def _request(
        self, method: str, address: httpx.URL, headers: Mapping[bytes, bytes], body: StreamedBody | None = None
    ) -> httpx.Request:
        own = httpx.Headers({"host": address.netloc.decode("ascii"), "accept": "*/*"})
        own["user-agent"] = httpx.Headers(self._config.headers).get("user-agent", USER_AGENT)
        is_elsewhere = _origin(address) != _origin(httpx.URL(self._config.base_url))
        if body is None and not is_elsewhere:
            own.update(self._config.headers)
            if self._config.access_token:
                own["authorization"] = f"Bearer {self._config.access_token}"
        own.update(headers)
        extensions: dict[str, object] = {"timeout": self._config.timeout.as_dict()}
        if is_elsewhere:
            extensions[ELSEWHERE] = True
        stream = httpx.ByteStream(b"") if body is None else body
        return httpx.Request(method, address, headers=own, stream=stream, extensions=extensions)

    def retry_delay(self, failure: Failure, repeats: int) -> float | None:
        """Returns the delay before a request is sent again.

        Args:
            failure: How it failed.
            repeats: How often it has been sent again so far.

        Returns:
            Seconds; `None` if it is not sent again.
        """
        if repeats >= self._config.max_retries:
            return None
        if isinstance(failure, APIResponseError):
            # A gateway's page in place of the ETag, or of the rest of a file, may be as temporary as its 502.
            status = failure.response.status_code
            return retries.backoff(repeats) if 200 <= status < 300 and status != _PARTIAL_CONTENT else None
        return retries.retry_delay(failure, repeats, system.wall_time(), repeatable=True)


def broken(response: httpx.Response, error: httpx.RequestError) -> APIConnectionError:
    """Returns the error for an answer that broke off."""
    made = connection_error(response.request, error)
    _hide_query(made.request)
    return made


def unpromised(response: httpx.Response, problem: str) -> APIResponseError:
    """Returns the error for an answer that cannot be right.

    Args:
        response: The answer.
        problem: What is wrong with it, for the message.
    """
    shown = _shown(response, b"")
    return APIResponseError(f"{_outcome(shown)}, {problem}.", response=shown)


def _hide_query(request: httpx.Request) -> None:
    request.url = request.url.copy_with(query=None, userinfo=b"")


def _origin(address: httpx.URL) -> tuple[str, str, int | None]:
    return address.scheme, address.host, address.port


def _redirected(response: httpx.Response) -> httpx.URL | None:
    if not response.has_redirect_location:
        return None
    here = response.request.url
    try:
        there = web_address(str(here.join(location_of(response))), "Location")
    except (httpx.InvalidURL, ValueError):
        raise _not_followed(response, "it leads to no web address") from None
    if here.scheme == "https" and there.scheme == "http":
        raise _not_followed(response, "it leads from HTTPS to plain HTTP")
    return there


def _not_followed(response: httpx.Response, reason: str) -> APIResponseError:
    return unpromised(response, f"a redirect that is not followed: {reason}")


def _refused(response: httpx.Response, said: bytes) -> APIStatusError | APIResponseError:
    shown = _shown(response, said)
    if not shown.is_error:
        return unpromised(response, "which is neither a success nor a refusal")
    known = status_error(shown, _explanation(response.request.url, said))
    named = f"{known.code}: " if known.code and known.code != known.message else ""
    advice = " If the URL is presigned, it may have expired." if shown.status_code in _MAY_BE_EXPIRED else ""
    quoted = f" (request {known.request_id})" if known.request_id else ""
    return type(known)(
        f"{_outcome(shown)}: {named}{known.message.rstrip('.')}.{advice}{quoted}",
        response=shown,
        message=known.message,
        code=known.code,
        request_id=known.request_id,
    )


def _explanation(address: httpx.URL, said: bytes) -> JsonValue:
    """Returns the code and the message of a refusal in the format of S3, unless they quote a secret."""
    found = {name.lower(): unescape(words) for name, words in re.findall(_IN_XML, said.decode(errors="replace"))}
    values = [pair.partition("=")[2] for pair in address.query.decode("ascii").split("&")]
    secrets = [form for each in (*values, address.password) for form in (each, unquote_plus(each))]
    if any(len(secret) >= LEAST_SECRET and secret in words for secret in secrets for words in found.values()):
        return None
    return {"message": found.get("code"), **found}


def _outcome(response: httpx.Response) -> str:
    request = response.request
    return f"{request.method} {request.url.path} on {request.url.host} was answered {response.status_code}"


def _shown(response: httpx.Response, content: bytes) -> httpx.Response:
    shown = shown_response(response, content)
    shown.headers.pop("location", None)
    _hide_query(shown.request)
    return shown


async def _beginning(response: httpx.Response, patience: float) -> bytes:
    """Reads the body of an answer, at most 64 KiB and for a limited time, and closes it.

    Its head says all that is needed, so it is not another failure if the body breaks off. Nothing is decoded: no
    content encoding was requested, and a few bytes could become gigabytes.
    """
    said = bytearray()
    chunks = body_of(response)
    try:
        with move_on_after(patience):
            async for chunk in chunks:
                said += chunk
                if len(said) >= MOST_SAID:
                    await abandon(chunks)
                    break
    except httpx.RequestError:
        pass
    finally:
        await close(response)
    return b"" if "content-encoding" in response.headers else bytes(said[:MOST_SAID])


def body_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Returns the bytes of an answer's body as they arrive, not decoded."""
    # httpx's own iterator over them takes a tenth of the time of a whole download.
    stream = response.stream
    return aiter(stream) if isinstance(stream, httpx.AsyncByteStream) else response.aiter_raw()


def _etag_of(response: httpx.Response) -> str | None:
    """Returns the ETag of a part as a string, for JSON; `None` if there is none."""
    etag = header_of(response, b"etag")
    if etag is None:
        return None
    try:
        return etag.decode()
    except UnicodeDecodeError:
        return etag.decode("latin-1")
