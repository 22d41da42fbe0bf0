"""multiprocessing's fork server, forked from a process that has imported the slow libraries.

The program starts one for its workers, which takes seconds of imports. A waiting fork,
started before the program's first line, has computed nothing either and needs no imports.
"""

import gc
import importlib
import json
import os
import re
import signal
import socket
from contextlib import suppress
from multiprocessing import util

COMMAND = re.compile(r"(from multiprocessing\.forkserver import main; main)\(\d+, \d+, ")
LONGEST_REQUEST = 1 << 20  # bytes
SLOW = (
    "mmerc.cli",
    "torch._dynamo",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.cluster",
    "transformers.models.bert.modeling_bert",
    "av",
    "opensmile",
    "mmerc.inference.pipeline.pipeline",
    "mmerc.serving.server",
)
# Lightning imports matplotlib, which then chooses its folder: not if the home folder matters.
ALSO_SLOW = (
    "lightning.pytorch",
    "torch.utils.tensorboard",
    "mmerc.training.run",
)


def import_slow_libraries(*, all_of_them):
    """Import the slow libraries of the program and its workers for all later forks.

    They are excluded from garbage collection, which would copy their memory.
    """
    gc.disable()
    for name in SLOW + ALSO_SLOW * all_of_them:
        with suppress(ImportError):  # of an extra that is not installed
            importlib.import_module(name)
    gc.freeze()
    gc.enable()


def offer_fork_server():
    """Use a waiting fork as the first fork server that this process starts."""
    asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = os.fork()
    if number == 0:
        asking.close()
        become_fork_server(answering)
    answering.close()
    start_process = util.spawnv_passfds

    def start(path, arguments, descriptors):
        if asking.fileno() < 0 or not COMMAND.match(arguments[-1]):
            return start_process(path, arguments, descriptors)
        request = json.dumps([arguments[-1], dict(os.environ)])
        socket.send_fds(asking, [request.encode()], descriptors)
        asking.close()
        return number

    util.spawnv_passfds = start


def become_fork_server(answering):
    """Wait for the request to start; exit if the program exits without one."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        message, descriptors, _, _ = socket.recv_fds(answering, LONGEST_REQUEST, 2)
        answering.close()
        if message:
            command, environment = json.loads(message)
            os.environ.clear()
            os.environ.update(environment)
            listener, alive = descriptors
            exec(COMMAND.sub(rf"\1({listener}, {alive}, ", command), {})
    finally:  # the server ends by SystemExit
        os._exit(0)
