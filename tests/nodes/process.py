"""Processes: commands that must succeed, servers in the background, and waiting for events."""

import os
import signal
import subprocess
import time


class Failure(Exception):
    """A failure: what was expected and what was found."""


class DoesNotApply(Exception):
    """The reason why a case does not apply to this cluster."""


def run(*command, stdin=None, timeout=120, check=True, **options):
    """Runs a command and returns what it printed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Failure(f"{' '.join(map(str, command))[:300]}: exit code {done.returncode}: {said}")
    return done.stdout


def background(log, *command, **options):
    """Starts a command whose output goes to a file."""
    with open(log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options)


def until(what, probe, timeout=60, every=0.2):
    """Waits until the probe returns something true, and returns that. An exception or a falsy value means not yet."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = probe()
            last = f"found {found!r}"
        except (Failure, OSError, ValueError, KeyError, IndexError) as error:
            found, last = None, f"{type(error).__name__}: {error}"
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout} s; {last[:1500]}")
        time.sleep(every)


def processes(name):
    """Processes with this name, as (pid, environment)."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="utf-8") as comm, open(f"/proc/{entry}/environ", "rb") as environ:
                if comm.read().strip() != name:
                    continue
                pairs = (item.split("=", 1) for item in environ.read().decode(errors="replace").split("\0") if "=" in item)
                yield int(entry), dict(pairs)
        except OSError:
            continue  # the process has ended meanwhile


def end(pid, number=signal.SIGTERM, timeout=30):
    """Ends a process and waits until it has ended."""

    def gone():
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
        except OSError:
            return True

    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    until(f"process {pid} ends", gone, timeout, 0.05)
