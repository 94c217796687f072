"""A log that grows until it is complete, and that can be followed."""

import anyio


class Log:
    """Entries in bytes, in the order in which they were appended."""

    def __init__(self) -> None:
        self._entries: list[bytes] = []
        self._complete = False
        self._grown = anyio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: bytes, *, last: bool) -> None:
        """Append an entry.

        Args:
            entry: The entry.
            last: Whether no other will follow.
        """
        self._entries.append(entry)
        self._complete = last
        self._grown.set()
        self._grown = anyio.Event()

    def after(self, number: int) -> list[bytes]:
        """Return the entries after the first so many; there may be none so far."""
        return self._entries[number:]

    def ends_with(self, number: int) -> bool:
        """Whether nothing comes after the first so many entries any more."""
        return self._complete and number >= len(self._entries)

    async def wait_for_more(self, number: int) -> None:
        """Return once there are more than so many entries."""
        while len(self._entries) <= number:
            await self._grown.wait()
