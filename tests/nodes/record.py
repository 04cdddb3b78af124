"""Writes the table of a run into documents: record.py TABLE DOCUMENT..."""

import sys
from pathlib import Path

BEGIN, END = "<!-- scripts/test-nodes --record writes this table -->\n\n", "<!-- end of the table -->"


def main(table, *documents):
    """Replaces what is between the two comments."""
    for path in map(Path, documents):
        before, rest = path.read_text(encoding="utf-8").split(BEGIN)
        path.write_text(before + BEGIN + Path(table).read_text(encoding="utf-8") + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
