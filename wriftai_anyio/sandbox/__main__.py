"""`python -m wriftai_anyio.sandbox`: a sandbox that runs until it is stopped."""

import argparse
import signal
import sys
import time
from importlib import import_module
from operator import attrgetter
from types import FrameType
from typing import NoReturn

from . import Model, RateLimits, Sandbox, Streaming
from ._models import ModelFunction


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _parse(arguments: list[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        usage="%(prog)s [OPTIONS]",
        description="A local stand-in for the WriftAI API. Runs until stopped.",
        epilog=f"Example: {program} --port 8080 --creates 15 --others 3 --sample-data",
    )
    parser.add_argument("--port", type=int, default=0, help="port on loopback (default: a free one)")
    parser.add_argument("--no-hold", action="store_true", help="answer creates at once, even with Prefer: wait")
    parser.add_argument("--setup-time", type=float, default=0.02, metavar="SECONDS", help="before a model starts")
    parser.add_argument("--time-scale", type=float, default=1.0, metavar="FACTOR", help="make its time pass faster")
    parser.add_argument("--creates", type=int, metavar="N", help="the most predictions created per second")
    parser.add_argument("--others", type=int, metavar="N", help="the most other requests per second")
    parser.add_argument("--window", choices=["bucket", "fixed"], default="bucket", help="how limits are counted")
    parser.add_argument("--stream-pace", type=float, default=0.0, metavar="SECONDS", help="after each output event")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        type=_model,
        metavar="OWNER/NAME=MODULE:FUNCTION",
        help="a model that runs a function of yours, from a module that can be imported here; may be repeated",
    )
    parser.add_argument("--sample-data", action="store_true", help="fill it with models, users and the like")
    return parser.parse_args(arguments)


def _model(text: str) -> tuple[str, ModelFunction | Model]:
    name, _, place = text.partition("=")
    module, _, path = place.partition(":")
    if "/" not in name or not module or not path:
        raise argparse.ArgumentTypeError(f"write OWNER/NAME=MODULE:FUNCTION, not {text!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does, for the command of the same name
    try:
        return name, attrgetter(path)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{place} cannot be imported: {error}") from None


def _rate_limits(options: argparse.Namespace) -> RateLimits | None:
    if options.creates is None and options.others is None:
        return None
    documented = RateLimits()
    return RateLimits(
        creates=options.creates or documented.creates,
        others=options.others or documented.others,
        window=options.window,
    )


def main(arguments: list[str] | None = None, program: str = "python -m wriftai_anyio.sandbox") -> NoReturn:
    """Run a sandbox, and print how to reach it.

    Args:
        arguments: The command line; by default that of the process.
        program: The name of the program in its help.
    """
    options = _parse(arguments, program)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    sandbox = Sandbox(
        models=dict(options.model),
        port=options.port,
        hold=not options.no_hold,
        setup_time=options.setup_time,
        time_scale=options.time_scale,
        rate_limits=_rate_limits(options),
        streaming=Streaming(pace=options.stream_pace),
        sample_data=options.sample_data,
    )
    with sandbox:
        if sys.stdout.isatty():  # a script that evaluates the two lines needs nothing else
            print(f"# See what your program does, in a browser: {sandbox.page_url}")
        print(f"export WRIFTAI_API_BASE_URL={sandbox.base_url}")
        print(f"export WRIFTAI_ACCESS_TOKEN={sandbox.access_token}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
