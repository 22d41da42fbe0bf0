"""Runs the program in forks of this process, which has imported the slow libraries once.

Reads one JSON request per line: ``{"arguments", "environment", "folder", "stdout", "stderr",
"session"}`` starts the program and returns its process number; ``{"ended": number}`` returns its
exit code, or null while it runs.
"""

import atexit
import importlib
import json
import os
import signal
import sys
import threading
import weakref

from spare_fork_server import import_slow_libraries, offer_fork_server


def answer_requests(running):
    """Answer requests until the input ends; in a fork, return the program's request."""
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            number, status = os.waitpid(request["ended"], os.WNOHANG)
            running.discard(number)
            print(json.dumps(os.waitstatus_to_exitcode(status) if number else None), flush=True)
            continue
        number = os.fork()
        if number == 0:
            return request
        running.add(number)
        print(number, flush=True)
    return None


def become_program(request):
    """Give this fork the state of a newly started program."""
    for finalizer in list(weakref.finalize._registry):
        finalizer.detach()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored, as after `&`
    if request["session"]:
        os.setsid()
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (request["stdout"], WRITE), (request["stderr"], WRITE))
    ):
        os.dup2(os.open(path, flags), number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    importlib.import_module("mmerc.privacy").opt_out_of_telemetry()
    words = [word.encode("latin-1") for word in request["arguments"]]
    sys.argv = ["mmerc", *map(os.fsdecode, words)]  # in the encoding of this process


WRITE = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def main():
    import_slow_libraries(all_of_them="few" not in sys.argv[1:])
    running = set()
    request = answer_requests(running)
    if request is None:
        for number in running:
            os.kill(number, 9)
        exit_quickly(0)
    become_program(request)
    offer_fork_server()
    try:
        importlib.import_module("mmerc.cli").main()
    except SystemExit as end:
        exit_quickly(end.code or 0)


def exit_quickly(code):
    """Run the interpreter's exit steps, but free nothing, since that would copy shared memory."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
