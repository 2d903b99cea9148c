#!/usr/bin/env python3
"""The texts of the page: each in both languages, all that are asked for, and a word for each of
the core's. Standard library only."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WEB = ROOT / "orchestrator/web"

# What views.mjs calls the words of names.cc.
FAMILIES = {"kPhaseWords": "phasename", "kVerdictWords": "verdict", "kRoleWords": "siterole",
            "kStepWords": "stepstate", "kMoveWords": "movekind"}
OUTCOMES = ("running", "done", "partial", "voided", "failed", "refused")


def texts_of(source):
    """{key: [English, Chinese]}."""
    found = {}
    string = r'"(?:[^"\\]|\\.)*"(?:\s*\+\s*"(?:[^"\\]|\\.)*")*'
    for match in re.finditer(rf'^  ("[^"]+"): \[\s*({string}),\s*({string})\],$', source, re.M):
        key = match[1].strip('"')
        found.setdefault(key, []).append(
            ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[place])) for place in (2, 3)])
    return found


def problems():
    source = (WEB / "texts.mjs").read_text()
    texts = texts_of(source)
    if len(texts) != len(re.findall(r'^  "[^"]+": \[', source, re.M)):
        yield "texts.mjs: an entry that is not `\"key\": [\"English\", \"Chinese\"],`"
    for key, entries in texts.items():
        if len(entries) > 1:
            yield f"{key}: twice"
        english, chinese = entries[0]
        if not english.strip() or not chinese.strip():
            yield f"{key}: empty in one language"
        if set(re.findall(r"\{\d\}", english)) != set(re.findall(r"\{\d\}", chinese)):
            yield f"{key}: the languages differ in what is filled in"
    for path in sorted(WEB.glob("*.mjs")):
        for key in re.findall(r'\bt\(\s*"([^"]+)"', path.read_text()):
            if key not in texts:
                yield f"{path.name}: t(\"{key}\") has no text"
    names = (ROOT / "orchestrator/core/names.cc").read_text()
    wanted = [("outcome", OUTCOMES)]
    for array, family in FAMILIES.items():
        wanted.append((family, re.findall(r'"([^"]+)"',
                                          re.search(rf"{array}\{{(.*?)\}};", names, re.S)[1])))
    gates = (ROOT / "orchestrator/core/gates.cc").read_text()
    wanted.append(("gatename", sorted(set(re.findall(r'\b(?:open|shut)\("([^"]+)"', gates)))))
    moves = "".join((ROOT / f"orchestrator/core/{name}.cc").read_text()
                    for name in ("moves", "planned", "takings"))
    steps = set(re.findall(r'step_(?:running|done|failed)\(turn, "([^"]+)"', moves))
    for source in (ROOT / "orchestrator/core").glob("*.cc"):
        for found in re.findall(r"for \(const char\* name\s*:\s*\{([^}]*)\}", source.read_text()):
            steps |= set(re.findall(r'"([^"]+)"', found))
    wanted.append(("step", sorted(steps)))
    for family, words in wanted:
        if not words:
            yield f"{family}: no words found in the core"
        for word in words:
            if f"{family}.{word}" not in texts:
                yield f"{family}.{word}: the core says it, and the page has no text"


def main():
    found = list(problems())
    for one in found:
        print(one)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
