"""Python commands in children of a process that has imported torch and the rest already.

A command of this project spends most of its time on imports: five of six seconds of the smallest
training. `run_command` stands in for ``subprocess.run`` where a test asks what a command does, not
how its interpreter starts: each command is a process of its own, forked from a server that this
process starts at the first use. What is killed, signalled or watched while it runs is started for
real.
"""

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MODULES = (
    "siammae.training.session", "siammae.launching.entry", "siammae.assembly.identity",
    "siammae.evaluation.benchmarks.davis", "siammae.data.packing.packed", "cv2", "av",
    "wandb", "optuna", "pandas", "matplotlib.pyplot", "seaborn", "scipy.stats",
)  # fmt: skip
FIXED = ("OMP_NUM_THREADS", "PYTHONHASHSEED")  # read once, when Python starts
_lock = threading.Lock()
_server: socket.socket | None = None


def run_command(
    command, *, cwd=None, env=None, timeout=None, check=False, text=True, fresh=False, **others
):
    """Do what ``subprocess.run(..., capture_output=True)`` does with ``[sys.executable, ...]``.

    With ``fresh`` the interpreter is started anew, for tests of what it imports.
    """
    env = dict(os.environ) if env is None else dict(env)
    command = [str(part) for part in command]
    changed = any(env.get(name) != os.environ.get(name) for name in FIXED)
    others.pop("capture_output", None)
    is_plain = command[0] == sys.executable and (command[1] in ("-m", "-c") or command[1][0] != "-")
    if fresh or not is_plain or changed or others or not hasattr(os, "fork"):
        return subprocess.run(
            command, cwd=cwd, env=env, timeout=timeout, check=check, text=text,
            capture_output=True, **others,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "command": command, "cwd": str(cwd or Path.cwd()), "env": env, "timeout": timeout,
            "out": f"{folder}/out", "err": f"{folder}/err",
        }  # fmt: skip
        with _lock:
            answer = _ask(request)
        out, err = (Path(request[name]).read_bytes() for name in ("out", "err"))
    if text:
        out, err = out.decode(), err.decode()
    if answer is None:
        raise subprocess.TimeoutExpired(command, timeout, out, err)
    done = subprocess.CompletedProcess(command, answer, out, err)
    if check:
        done.check_returncode()
    return done


def _ask(request) -> int | None:
    """Send a request to the server; return the exit code, or None after the timeout."""
    global _server
    if _server is None:
        _server, theirs = socket.socketpair()
        subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        atexit.register(_server.close)
    with _server.makefile("rw") as lines:
        print(json.dumps(request), file=lines, flush=True)
        return json.loads(lines.readline())


def serve(connection: socket.socket):
    """Answer requests until the other side has gone; return a request in each child."""
    with connection.makefile("rw") as lines:
        for line in lines:
            request = json.loads(line)
            child = os.fork()
            if child == 0:
                break
            print(json.dumps(_wait(child, request["timeout"])), file=lines, flush=True)
        else:
            os._exit(0)
    connection.close()
    return request


def _wait(child: int, timeout: float | None) -> int | None:
    """Wait for a child; return its exit code as `subprocess` counts, or None after the timeout."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        done, status = os.waitpid(child, 0 if until is None else os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.005)


def become(request) -> list[str]:
    """Make this process look as if it had been started with the request; return its arguments."""
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    tempfile.tempdir = None  # TMPDIR may be another
    sys.orig_argv = request["command"]
    return request["command"][1:]


if __name__ == "__main__":
    for module in MODULES:
        try:
            __import__(module)
        except ImportError:  # as the tests of missing packages want
            continue
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, *rest = become(serve(socket.socket(fileno=int(sys.argv[1]))))
    if kind == "-m":
        sys.path[0], sys.argv = str(Path.cwd()), rest
        sys.modules.pop(rest[0], None)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path[0], sys.argv = "", ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[0], sys.argv = str(Path(kind).resolve().parent), [kind, *rest]
        runpy.run_path(kind, run_name="__main__")
