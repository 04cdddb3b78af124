"""Writes the table of a run into a document: record.py TABLE DOCUMENT"""

import sys
from pathlib import Path

BEGIN, END = "<!-- scripts/test-nodes --record writes this table -->\n\n", "<!-- end of the table -->"


def main(table, document):
    """Replaces the text between the two comments."""
    before, rest = document.read_text(encoding="utf-8").split(BEGIN)
    document.write_text(before + BEGIN + table.read_text(encoding="utf-8") + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
