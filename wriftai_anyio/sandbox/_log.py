"""A log that grows until it is complete, and that can be followed."""

import anyio


class Log:
    """Entries of bytes, in the order in which they were appended."""

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
            last: Whether it is the last one.
        """
        self._entries.append(entry)
        self._complete = last
        self._grown.set()
        self._grown = anyio.Event()

    def after(self, number: int) -> list[bytes]:
        """Return the entries after the first `number`; there may be none yet."""
        return self._entries[number:]

    def ends_with(self, number: int) -> bool:
        """Return whether there are and will be only the first `number` entries."""
        return self._complete and number >= len(self._entries)

    async def wait_for_more(self, number: int) -> None:
        """Wait until there are more than `number` entries."""
        while len(self._entries) <= number:
            await self._grown.wait()
