"""Runs the same job in three ways: from a plain script, with trio and with asyncio."""

import subprocess
import sys
from pathlib import Path

for name in ("quickstart.py", "trio_app.py", "asyncio_app.py"):
    print(f"--- examples/{name}", flush=True)
    subprocess.run([sys.executable, Path(__file__).with_name(name)], check=True)
