"""State that lives as long as its event loop."""

import asyncio
import gc
import weakref

import anyio
import pytest
from anyio.lowlevel import EventLoopToken, current_token

from tests.support.clients import run_on
from wriftai_anyio._concurrency.per_loop import PerLoop, loop_clock


class LeadsToItsLoop:
    def __init__(self) -> None:
        self.loop: EventLoopToken = current_token()


states = PerLoop("wriftai_anyio_test", LeadsToItsLoop)


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_each_event_loop_has_one_value_of_its_own(backend: str) -> None:
    async def main() -> LeadsToItsLoop:
        first = states.get()
        await anyio.lowlevel.checkpoint()
        assert states.get() is first
        return first

    one, other = run_on(backend, main), run_on(backend, main)
    assert one is not other


def test_a_value_that_leads_to_its_event_loop_does_not_keep_one_that_is_just_closed() -> None:
    async def main() -> None:
        states.get()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_the_clock_of_an_event_loop_is_that_of_anyio(backend: str) -> None:
    async def main() -> None:
        clock = loop_clock()
        assert anyio.current_time() <= clock() <= anyio.current_time()

    run_on(backend, main)
