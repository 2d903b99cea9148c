#!/usr/bin/python3
"""Runs clang-tidy once over each source: test/clang_tidy.py BUILD_DIR [FILE]...

A source that several programs compile stands in compile_commands.json as often, and clang-tidy by
itself looks at each; this gives it every source once. Ends with 1 when anything was found.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def sources(wanted):
    if wanted:
        return [str(pathlib.Path(name).resolve()) for name in wanted]
    listed = subprocess.run([ROOT / "test/tidy.py", "--list", "cc"], check=True,
                            capture_output=True, text=True, cwd=ROOT).stdout.split()
    return [str(ROOT / name) for name in listed if name.endswith(".cc")]


def once(database):
    """The first command of each source."""
    commands = {}
    for entry in database:
        commands.setdefault(entry["file"], entry)
    return commands


def look_at(folder, source):
    run = subprocess.run(["clang-tidy", "--quiet", "-p", folder, source], capture_output=True,
                         text=True, check=False)
    return source, run.returncode, run.stdout


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1], "compile_commands.json")
    commands = once(json.loads(path.read_text(encoding="utf-8")))
    files = sources(sys.argv[2:])
    unknown = [name for name in files if name not in commands]
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(list(commands.values()))
        pathlib.Path(folder, "compile_commands.json").write_text(text, encoding="utf-8")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            looks = [pool.submit(look_at, folder, name) for name in files if name in commands]
            for look in concurrent.futures.as_completed(looks):
                source, code, said = look.result()
                if code != 0:
                    found += 1
                    print(f"{os.path.relpath(source, ROOT)}:\n{said}", flush=True)
    print(f"clang-tidy: {len(files) - len(unknown)} sources, {found} with findings, "
          f"{len(unknown)} that this build does not compile")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
