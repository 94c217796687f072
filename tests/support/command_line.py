"""The command line, in processes that have imported it."""

from tests.support.copies import Template
from tests.support.subprocesses import LEAN

IMPORTS = """
import contextlib, encodings.idna, importlib, pkgutil
import anyio._backends._asyncio, httpcore
import wriftai_anyio._files.transfers, wriftai_anyio._pipeline.engine, wriftai_anyio._predictions.operations
import wriftai_anyio.cli
for module in pkgutil.iter_modules(wriftai_anyio.cli.__path__, "wriftai_anyio.cli."):
    importlib.import_module(module.name)
for name in wriftai_anyio.__all__:
    getattr(wriftai_anyio, name)
with contextlib.suppress(ImportError):
    import typer._adapters  # typer's own, which it imports late
import wriftai_anyio._progress.rich_display  # where Ctrl-C may come during this import, Python warns of its open file
import importlib.metadata, rich.live, rich.table
"""
MAIN = "import runpy; runpy.run_module('wriftai_anyio', run_name='__main__', alter_sys=True)"
TEMPLATE = Template(IMPORTS, LEAN)
