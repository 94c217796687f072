"""Run by each Python that has this folder on its path: hides what httpcore imports wherever it is installed."""

import sys

for name in ("h2", "socksio", "trio"):
    sys.modules[name] = None  # type: ignore[assignment]
