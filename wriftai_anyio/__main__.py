"""The entry of the command line: `wriftai-anyio`, or `python -m wriftai_anyio`."""

import sys
from importlib.util import find_spec


def main() -> None:
    """Runs the command line, or says what it needs."""
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"The command line needs {' and '.join(missing)}: pip install 'wriftai-anyio[cli]'\n")
        sys.exit(2)
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
