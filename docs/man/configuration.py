#!/usr/bin/env python3
"""Prints the manual page of one configuration file, made from docs/configuration.md: one source.

  docs/man/configuration.py pointsman.toml|credentials.toml|agent.toml > pointsman.toml.5
"""

import datetime
import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "configuration.md"

# File -> (what it is, which program reads it, in section 8).
FILES = {
    "pointsman.toml": ("configuration of the failover daemon", "pointsmand"),
    "credentials.toml": ("secrets of the failover daemon", "pointsmand"),
    "agent.toml": ("configuration of the agent of a site", "pointsman-agent"),
}

HEAD = """.Dd {date}
.Dt {title} 5
.Os
.Sh NAME
.Nm {file}
.Nd {about}
.Sh DESCRIPTION
"""

TAIL = """.Sh FILES
.Bl -tag -width Ds -compact
.It Pa /etc/pointsman/{file}
.El
.Sh SEE ALSO
{others}
"""


def plain(text):
    """Markdown's inline marks gone, and nothing left that roff would read as its own."""
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"\1 (\2)", text)
    text = re.sub(r"[`]|\*\*", "", text)
    text = text.replace("\\", "\\e")
    # A sentence begins a line, as roff wants it.
    text = re.sub(r"([.!?][)\"']*) +(?=[(\"']*[A-Z])", r"\1\n", text.strip())
    return re.sub(r"^(['.])", r"\\&\1", text, flags=re.M)


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
        if line.startswith("## "):
            yield ".Sh KEYS"
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
        if line == ".Pp" and (not kept or kept[-1].startswith((".Sh", ".Ss"))):
            continue
        kept.append(line)
    while kept and kept[-1] == ".Pp":
        kept.pop()
    return kept


def section(lines, file):
    """What is said of all files, then the part of this one."""
    starts = [k for k, line in enumerate(lines) if line.startswith("## ")] + [len(lines)]
    begin = lines.index(f"## {file}")
    return lines[1:starts[0]] + lines[begin:starts[starts.index(begin) + 1]]


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in FILES:
        sys.exit(__doc__)
    file = sys.argv[1]
    about, program = FILES[file]
    # As other tools for builds that can be repeated: the date may be given.
    when = int(os.environ.get("SOURCE_DATE_EPOCH", SOURCE.stat().st_mtime))
    date = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    lines = section(SOURCE.read_text(encoding="utf-8").splitlines(), file)
    others = [("pointsman", 1)] + [(name, 5) for name in sorted(FILES) if name != file]
    others.append((program, 8))
    sys.stdout.write(HEAD.format(date=date.strftime("%B %-d, %Y"), title=file.upper(), file=file,
                                 about=about))
    sys.stdout.write("\n".join(tidied(list(page(lines)))) + "\n")
    sys.stdout.write(TAIL.format(file=file, others=" ,\n".join(f".Xr {n} {s}" for n, s in others)))


if __name__ == "__main__":
    main()
