"""Follows redirects, for the API and for object stores; each has its own rule where they may lead."""

from collections.abc import Awaitable, Callable

import httpx


async def follow_redirects(
    response: httpx.Response,
    target: Callable[[httpx.Response], httpx.URL | None],
    send: Callable[[httpx.URL], Awaitable[httpx.Response]],
    most: int,
) -> httpx.Response:
    """Follows redirects as far as a rule allows.

    Args:
        response: The first answer.
        target: The rule: returns the address that an answer leads to, or `None` if it is not followed.
        send: Sends the request again, to another address.
        most: How many redirects are followed.

    Returns:
        The last answer, which is a redirect if it is not followed.
    """
    for _ in range(most):
        address = target(response)
        if address is None:
            break
        response = await send(address)
    return response
