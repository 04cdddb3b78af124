"""The results of the cases: lines during the run, and a table at the end."""

import time


class Report:
    """The report of one run."""

    def __init__(self, version):
        self.version = version
        self.begun = time.monotonic()
        self.since = self.begun
        self.case = None
        self.rows = []
        self.failures = 0
        self.inapplicable = 0

    def say(self, what):
        """Prints a step with the time since the start."""
        print(f"[{time.monotonic() - self.begun:4.0f} s] {what}", flush=True)

    def begin(self, case):
        """Reports the start of a case."""
        self.case, self.since = case, time.monotonic()
        self.say(f"{case.name}: {case.title}")

    def passed(self, shown):
        """Reports the success of the current case, with its measurements."""
        self.rows.append((self.case, shown))
        self.say(f"    passed in {time.monotonic() - self.since:.0f} s: {shown}")

    def does_not_apply(self, why):
        """Reports that the current case does not apply."""
        self.inapplicable += 1
        self.rows.append((self.case, f"does not apply: {why}"))
        self.say(f"    does not apply: {why}")

    def failed(self, error, details):
        """Reports the failure of the current case."""
        self.failures += 1
        self.say(f"    FAILED after {time.monotonic() - self.since:.0f} s: {error or type(error).__name__}\n{details}")

    def finish(self, state):
        """Prints the table and writes it to a file; returns the exit code."""
        lines = ["| Case | Check | Result |", "| -- | -- | -- |"]
        lines += [f"| `{case.name}` | {case.title} | {shown} |" for case, shown in self.rows]
        table = f"On Kubernetes {self.version}:\n\n" + "\n".join(lines) + "\n"
        (state / "results.md").write_text(table)
        passed, others = len(self.rows) - self.inapplicable, self.inapplicable
        print(f"\n{table}\n{passed} passed, {self.failures} failed, {others} did not apply", flush=True)
        return 1 if self.failures else 0
