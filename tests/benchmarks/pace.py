"""When creates go out that all start at once, by this client and by the published one: figures, and a drawing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wriftai

from wriftai_anyio import Client
from wriftai_anyio.sandbox import RateLimits, Sandbox

CALLS: Final = 150
LIMIT: Final = 15
"""Creates a second."""
DRAWING: Final = Path(__file__).parents[2] / "build" / "pace.svg"

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 260, 56, 20


@dataclass(frozen=True)
class Creates:
    """What came of the creates of one client, each a second after the first request."""

    name: str
    let_through: Sequence[float]
    refused: Sequence[float]
    failed_calls: int


def main() -> None:
    """Measures both, prints figures, and draws them."""
    measured = [
        _measured("wriftai_anyio", _ours),
        _measured(f"wriftai {version('wriftai')}", _published),
    ]
    print(f"\n{CALLS} creates started at once, at {LIMIT} a second")
    for each in measured:
        print(
            f"  {each.name}: {len(each.let_through)} let through by {each.let_through[-1]:.1f} s, "
            f"{len(each.refused)} answers 429, {each.failed_calls} calls failed"
        )
    DRAWING.parent.mkdir(exist_ok=True)
    DRAWING.write_text(_drawing(measured), encoding="utf-8")
    print(f"  drawn in {DRAWING}")


def _measured(name: str, create_all: Callable[[Sandbox], Awaitable[int]]) -> Creates:
    async def run() -> int:
        return await create_all(sandbox)

    with Sandbox(rate_limits=RateLimits(LIMIT, LIMIT)) as sandbox:
        failed = asyncio.run(run())
        requests = [request for request in sandbox.requests if request.method == "POST"]
    began = requests[0].arrived_at
    let_through = [request.arrived_at - began for request in requests if request.status != 429]
    refused = [request.arrived_at - began for request in requests if request.status == 429]
    return Creates(name, let_through, refused, failed)


async def _ours(sandbox: Sandbox) -> int:
    async with Client(sandbox.access_token, sandbox.base_url) as client:
        calls = [
            client.predictions.async_create({"input": {"number": number}}, "sandbox/echo") for number in range(CALLS)
        ]
        return _failures(await asyncio.gather(*calls, return_exceptions=True))


async def _published(sandbox: Sandbox) -> int:
    client = wriftai.Client(sandbox.access_token, sandbox.base_url)
    calls = [client.predictions.async_create(model="sandbox/echo", input={"number": number}) for number in range(CALLS)]
    return _failures(await asyncio.gather(*calls, return_exceptions=True))


def _failures(results: Sequence[object]) -> int:
    return sum(isinstance(result, BaseException) for result in results)


def _drawing(measured: Sequence[Creates]) -> str:
    longest = max(each.let_through[-1] for each in measured)
    size = f"0 0 {_LEFT + _WIDTH + 20} {_TOP + _HEIGHT + 42}"
    lines = [
        f'<svg class="drawing" viewBox="{size}" role="img" aria-label="Creates let through over time" '
        'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12.5" fill="currentColor">',
        *_axes(longest),
    ]
    for line, (each, colour) in enumerate(zip(measured, ("#2a7de1", "#d97500"), strict=True)):
        lines += [*_curve(each, longest, colour), _legend(each, line, colour)]
    return "\n".join([*lines, "</svg>", ""])


def _axes(longest: float) -> Iterator[str]:
    """Draws the axes, and the line that the limit allows."""
    yield f'<path d="M{_LEFT} {_TOP} v{_HEIGHT} h{_WIDTH}" fill="none" stroke="currentColor" stroke-opacity="0.5"/>'
    for count in range(0, CALLS + 1, 50):
        yield f'<text x="{_LEFT - 8}" y="{_y(count) + 4:.1f}" text-anchor="end">{count}</text>'
    for seconds in range(0, int(longest) + 1, 2):
        x = _x(seconds, longest)
        yield f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{seconds} s</text>'
    end = _x((CALLS - LIMIT) / LIMIT, longest)
    allowed = f"M{_LEFT} {_y(LIMIT):.1f} L{end:.1f} {_y(CALLS):.1f}"
    yield f'<path d="{allowed}" fill="none" stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="3 4"/>'


def _curve(creates: Creates, longest: float, colour: str) -> Iterator[str]:
    """Draws how many creates were let through, and a dot at the bottom for each refusal."""
    points = [f"{_x(at, longest):.1f} {_y(count):.1f}" for count, at in enumerate(creates.let_through, 1)]
    yield f'<path d="M{" L".join(points)}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
    for at in creates.refused:
        yield f'<circle cx="{_x(at, longest):.1f}" cy="{_TOP + _HEIGHT - 5}" r="1.6" fill="{colour}"/>'


def _legend(creates: Creates, line: int, colour: str) -> str:
    created, refused = len(creates.let_through), len(creates.refused)
    said = f"{creates.name}: {created} created, {refused} answers 429, {creates.failed_calls} calls failed"
    place = f'x="{_LEFT + _WIDTH}" y="{_TOP + _HEIGHT - 64 + 22 * line}"'
    return f'<text {place} text-anchor="end" fill="{colour}" font-weight="bold">{said}</text>'


def _x(seconds: float, longest: float) -> float:
    return _LEFT + seconds / longest * _WIDTH


def _y(count: int) -> float:
    return _TOP + _HEIGHT - count / CALLS * _HEIGHT


if __name__ == "__main__":
    main()
