"""What an interpreter runs of which programs get copies: see `tests.support.copies`. It imports little itself."""

import gc
import json
import os
import select
import socket
import sys
from types import CodeType
from typing import TextIO

LARGEST_REQUEST = 200_000
"""Bytes."""


def next_program(control: int, door: int) -> CodeType:
    """Copies this process for each request that comes, and returns in the copies: what they are to run.

    Args:
        control: The descriptor of the socket from which requests come; at its end the process exits.
        door: The descriptor of the socket to which those connect that stand in for copies, with a request each.
    """
    gc.collect()
    gc.freeze()  # else each copy looks through all that was imported when it ends, for which its memory is copied
    with socket.socket(fileno=control) as requests, socket.socket(fileno=door) as stand_ins:
        while True:
            request, descriptors = _next_request(requests, stand_ins)
            _reap()
            if not os.fork():
                break
            for descriptor in descriptors:
                os.close(descriptor)
    *streams, status = descriptors
    program = os.fork()
    if program:
        _watch(program, streams, status)
    os.close(status)
    return _become(json.loads(request), streams)


def _next_request(requests: socket.socket, stand_ins: socket.socket) -> tuple[bytes, list[int]]:
    while True:
        if requests in select.select([requests, stand_ins], [], [])[0]:
            request, descriptors, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 4)
            if not request:
                os._exit(0)
            return request, descriptors
        connection, _ = stand_ins.accept()
        with connection:
            request, descriptors, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 4)
        if request:  # else it was killed at once
            return request, descriptors


def _reap() -> None:
    """Forgets the watchers that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _watch(program: int, streams: list[int], status: int) -> None:
    """Says which process the program is, and how it ends; then exits."""
    for stream in streams:
        os.close(stream)
    os.write(status, b"%d\n" % program)
    ended = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    os.write(status, b"%d\n" % ended)
    os._exit(0)


def _become(request: dict[str, object], streams: list[int]) -> CodeType:
    """Gives this process its streams, its arguments, its environment and its folder."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number, name in (1, "stdout"), (2, "stderr"):
        stream = _output(number, getattr(sys, name))
        vars(sys).update({name: stream, f"__{name}__": stream})  # the second is what Python returns to at its exit
    source, arguments, environment, folder = (
        request[name] for name in ("source", "arguments", "environment", "folder")
    )
    assert isinstance(source, str)
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    assert isinstance(folder, str)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["-c", *arguments]
    return compile(source, "<string>", "exec")


def _output(number: int, like: TextIO) -> TextIO:
    """Opens a stream as Python does when it starts."""
    by_line = number == 2 or os.isatty(number)
    return open(number, "w", encoding=like.encoding, errors=like.errors, buffering=1 if by_line else -1, closefd=False)
