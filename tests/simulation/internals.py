"""What is left inside of a client: the one place that looks at what is private to the package."""

from collections.abc import Iterator

from wriftai_anyio import Client


def leaks(clients: list[Client]) -> Iterator[str]:
    """Says what of the calls is left in clients all of whose calls have ended."""
    for number, client in enumerate(clients):
        limits = client._api.rate_limits.get()
        for name, bucket in (("creates", limits.creates), ("others", limits.others)):
            if bucket._budget._under_way or bucket._budget._held:
                yield f"client {number} has slots of {name} that were not given back"
        if client.predictions._poller._loops.get():
            yield f"client {number} still knows of waits"
