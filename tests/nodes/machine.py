"""A simulated machine: namespaces and cgroups that end with its first process."""

import os
import signal
from pathlib import Path

from process import background, end, processes, run, until

HERE = Path(__file__).parent


class Machine:
    """A machine made by machine.sh; enter.sh runs commands on it."""

    def __init__(self, state, name):
        self.name = name
        self.folder = state / name
        self.folder.mkdir()

    def start(self, programs):
        """Powers the machine on. Its disk keeps its content."""
        (self.folder / "init").unlink(missing_ok=True)
        self._remove_cgroups()
        background(self.folder / "machine.log", HERE / "machine.sh", self.folder, self.name, programs.find("app"))
        until(f"{self.name} is on: {self.folder}/machine.log", (self.folder / "init").exists, 30, 0.05)

    @property
    def init(self):
        """The machine's first process, by its PID here."""
        return int((self.folder / "init").read_text())

    def power_off(self):
        """Kills all processes of the machine at once."""
        end(self.init, signal.SIGKILL)

    def run(self, *command, **options):
        """Runs a command on the machine."""
        return run(HERE / "enter.sh", self.folder, *command, **options)

    def background(self, name, *command, **options):
        """Starts a command on the machine."""
        return background(self.folder / f"{name}.log", HERE / "enter.sh", self.folder, *command, **options)

    def processes(self, name):
        """Processes with this name on the machine, including its pods, as (pid, environment)."""
        # Pods have their own namespaces, but their cgroups are below the machine's.
        for pid, environment in processes(name):
            try:
                groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
            except OSError:
                continue
            if f"/{os.environ['METRICLET_NODES']}/{self.name}/" in groups.replace("\n", "/"):
                yield pid, environment

    def end(self, name, number=signal.SIGTERM):
        """Ends the machine's own processes with this name, not those in pods."""
        for pid, _ in self.processes(name):
            if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{self.init}/ns/pid"):
                end(pid, number)

    def _remove_cgroups(self):
        # A kernel that boots has no cgroups; for those of killed pods, the kubelet would take seconds each.
        listing = self.folder / "cgroups"
        for group in listing.read_text().split() if listing.exists() else []:
            run("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+", check=False)
