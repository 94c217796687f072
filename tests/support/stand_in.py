"""A process that stands in for a copy of an interpreter, which others start as a program: see `tests.support.copies`.

It runs isolated and imports little: it takes 0.03 s of processor time in the place of the program's imports.
"""

import json
import os
import signal
import socket
import sys

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main(address: str, source: str, *arguments: str) -> None:
    """Runs a program in a copy of a template, with this process's streams, and ends as it does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    reading, writing = os.pipe()
    folder = os.getcwd()  # noqa: PTH109 -- pathlib takes as long to import as all else here
    request = {"source": source, "arguments": arguments, "environment": dict(os.environ), "folder": folder}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as template:
        template.connect(f"\0{address}")
        socket.send_fds(template, [json.dumps(request).encode()], [0, 1, 2, writing])
    for each in (0, 1, 2, writing):  # who waits for the end of a stream waits for the program alone
        os.close(each)
    with os.fdopen(reading, encoding="ascii") as status:
        program = int(status.readline())
        for number in SIGNALS:
            signal.signal(number, lambda number, _: os.kill(program, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        ended = int(status.readline())
    if ended < 0:
        signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    os._exit(ended)


if __name__ == "__main__":
    main(*sys.argv[1:])
