"""Runs the same job from all three kinds of caller: a plain script, trio and asyncio."""

import subprocess
import sys
from pathlib import Path

for name in ("quickstart.py", "trio_app.py", "asyncio_app.py"):
    print(f"--- examples/{name}", flush=True)
    subprocess.run([sys.executable, Path(__file__).with_name(name)], check=True)
