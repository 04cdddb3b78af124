"""A machine of its own: namespaces and cgroups that end with its first process."""

import os
import signal
from pathlib import Path

from process import background, end, processes, run, until

HERE = Path(__file__).parent


class Machine:
    """What machine.sh makes; enter.sh runs commands on it."""

    def __init__(self, state, name):
        self.name = name
        self.folder = state / name
        self.folder.mkdir()

    def start(self, programs):
        """Powers it on. Its disk is as it was."""
        (self.folder / "init").unlink(missing_ok=True)
        self._remove_cgroups()
        background(self.folder / "machine.log", HERE / "machine.sh", self.folder, self.name, programs.find("app"))
        until(f"{self.name} is on: {self.folder}/machine.log", (self.folder / "init").exists, 30, 0.05)

    @property
    def init(self):
        """Its first process, as seen from here."""
        return int((self.folder / "init").read_text())

    def power_off(self):
        """Kills everything on it at once."""
        end(self.init, signal.SIGKILL)

    def run(self, *command, **options):
        """Runs a command on it."""
        return run(HERE / "enter.sh", self.folder, *command, **options)

    def background(self, name, *command, **options):
        """Starts a command on it."""
        return background(self.folder / f"{name}.log", HERE / "enter.sh", self.folder, *command, **options)

    def processes(self, name):
        """Its processes of this name, in any of its pods, as (pid, environment)."""
        # A pod has namespaces of its own, but a path below the machine's in the tree of cgroups.
        for pid, environment in processes(name):
            try:
                groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
            except OSError:
                continue
            if f"/{os.environ['METRICLET_NODES']}/{self.name}/" in groups.replace("\n", "/"):
                yield pid, environment

    def end(self, name, number=signal.SIGTERM):
        """Ends its own process of this name, none in a pod."""
        for pid, _ in self.processes(name):
            if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{self.init}/ns/pid"):
                end(pid, number)

    def _remove_cgroups(self):
        # A kernel that starts has none. Those of pods that were killed would cost the kubelet seconds each.
        listing = self.folder / "cgroups"
        for group in listing.read_text().split() if listing.exists() else []:
            run("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+", check=False)
