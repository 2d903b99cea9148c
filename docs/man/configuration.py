#!/usr/bin/env python3
"""Prints the manual page pointsman.toml(5), made from docs/configuration.md: one source for both.

  docs/man/configuration.py > pointsman.toml.5
"""

import datetime
import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "configuration.md"

HEAD = """.Dd {date}
.Dt POINTSMAN.TOML 5
.Os
.Sh NAME
.Nm pointsman.toml ,
.Nm credentials.toml ,
.Nm agent.toml
.Nd configuration of pointsmand and pointsman-agent
.Sh DESCRIPTION
"""

TAIL = """.Sh FILES
.Bl -tag -width Ds -compact
.It Pa /etc/pointsman/pointsman.toml
.It Pa /etc/pointsman/credentials.toml
.It Pa /etc/pointsman/agent.toml
.El
.Sh SEE ALSO
.Xr pointsman 1 ,
.Xr pointsman-agent 8 ,
.Xr pointsmand 8
"""


def plain(text):
    """Markdown's inline marks gone, and nothing left that roff would read as its own."""
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"\1 (\2)", text)
    text = re.sub(r"[`]|\*\*", "", text)
    text = text.replace("\\", "\\e")
    return re.sub(r"^(['.])", r"\\&\1", text.strip())


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(rows):
    """A tagged list: the first column is the tag, the others follow with their headings."""
    head, body = cells(rows[0]), [cells(row) for row in rows[2:]]
    yield ".Bl -tag -width Ds"
    for row in body:
        yield f".It Li {plain(row[0])}"
        for title, text in zip(head[1:], row[1:]):
            if text:
                label = "" if title in ("meaning", "keys") else f"{title.capitalize()}: "
                yield plain(label + text) + ("" if text.endswith(".") else ".")
                yield ".br"
    yield ".El"


def page(lines):
    block = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            block.append(line)
            continue
        if block:
            yield from table(block)
            block = []
        if line.startswith("# "):
            continue
        if line.startswith("## "):
            yield f".Sh {plain(line[3:]).upper()}"
        elif line.startswith("### "):
            yield f".Ss {plain(line[4:])}"
        elif line.startswith("- "):
            yield ".Pp"
            yield plain(line[2:])
        elif line.startswith("    "):
            yield f".Dl {plain(line)}"
        elif line.strip():
            yield plain(line)
        else:
            yield ".Pp"


def tidied(lines):
    """No break or paragraph where mandoc and groff would complain of one."""
    kept = []
    for line in lines:
        if line == ".El" and kept[-1] == ".br":
            kept.pop()
        if line.startswith((".It", ".Pp")) and kept and kept[-1] == ".br":
            kept.pop()
        if kept and kept[-1] == ".Pp" and line.startswith((".Sh", ".Ss", ".Bl", ".Pp")):
            kept.pop()
        if line == ".Pp" and kept and kept[-1].startswith((".Sh", ".Ss")):
            continue
        kept.append(line)
    while kept and kept[-1] == ".Pp":
        kept.pop()
    return kept


def main():
    # As other tools for builds that can be repeated: the date may be given.
    when = int(os.environ.get("SOURCE_DATE_EPOCH", SOURCE.stat().st_mtime))
    date = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    sys.stdout.write(HEAD.format(date=date.strftime("%B %-d, %Y")))
    sys.stdout.write("\n".join(tidied(list(page(lines)))) + "\n")
    sys.stdout.write(TAIL)


if __name__ == "__main__":
    main()
