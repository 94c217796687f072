"""What a fresh process waits for: the import, a client, and its first call."""

import os
import subprocess
import sys

from ._measure import Figure, cost_of, print_table, ratio
from ._server import prediction_server

ROUNDS = 15
WITHOUT_TERMINAL = "import sys; sys.modules['click'] = None; "
"""As where the packages of httpx's own command line are not installed."""


def main() -> None:
    with prediction_server("https") as base_url:
        call = f"Client('t', '{base_url}').predictions.get('pred1')"
        figures = [
            _start_up("import and Client('t')", f"{WITHOUT_TERMINAL}from {{}} import Client; Client('t')", 0.58),
            _start_up("the same where rich and click are installed", "from {} import Client; Client('t')", 0.45),
            _start_up("import, client and first call over TLS", f"from {{}} import Client; {call}", 2.0),
        ]
    print_table("A fresh process, of the published client", figures)


def _start_up(name: str, program: str, target: float) -> Figure:
    ours, published = program.format("wriftai_anyio"), program.format("wriftai")
    return ratio(
        name, cost_of(lambda: _run(ours), 1), cost_of(lambda: _run(published), 1), target=target, rounds=ROUNDS
    )


def _run(program: str) -> None:
    # An installed package has its bytecode; that of this checkout is written in the round that does not count.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
