"""What a client sends its requests with. Everything that only requests need is imported with this module: see `API`.

So are the parts of anyio that it imports lazily (`anyio.Event`): nothing is left to import once a request is sent.
"""

# For batches: a later import may find no free file descriptor.
import anyio.streams.memory  # noqa: F401  # pyright: ignore[reportUnusedImport]

from wriftai_anyio._blocking.runner import BlockingRunner
from wriftai_anyio._config import Config
from wriftai_anyio._instrumentation.event_hooks import Watch
from wriftai_anyio._rate_limits.accounts import SharedLimits
from wriftai_anyio._transport.connections import Http

from .departures import Departures
from .pipeline import Pipeline


class Engine:
    """Connections, rate limits, the thread of the blocking calls, and the pipeline over them.

    Args:
        config: The client's configuration.
        watch: The client's hooks.
    """

    def __init__(self, config: Config, watch: Watch) -> None:
        self.http: Http = Http(config.transport, config.max_response_size)
        self.rate_limits: SharedLimits = SharedLimits(config.base_url, config.access_token)
        self.blocking: BlockingRunner = BlockingRunner(config.backend, self.http.close_loop)
        self.departures: Departures = Departures()
        self.pipeline: Pipeline = Pipeline(config, self.http, self.rate_limits, watch)

    async def aclose(self) -> None:
        """Closes the connections of this event loop, and the thread of the blocking calls."""
        try:
            await self.departures.finish()
            await self.blocking.aclose()
        finally:
            await self.http.aclose()

    def close(self) -> None:
        """Closes the thread of the blocking calls, and refuses further requests on any event loop."""
        self.blocking.close()
        self.http.refuse()
