#!/usr/bin/env python3
"""The style of the house as a test: layers, limits, forbidden names. Standard library only.

usage: test/tidy.py                 prints `file:line: what` for each violation; exit 1 if any
       test/tidy.py --list cc|shell prints the files that clang-format or shellcheck shall see
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

FILE_LINES, FUNCTION_LINES, LINE_COLUMNS, PARAMETERS = 500, 70, 100, 4

# Folder (longest prefix wins) -> what it may include by "...". A trailing slash: the folder itself,
# not what lies below it.
LAYERS = {
    "base/": ["base/"],
    "orchestrator/core/": ["orchestrator/core/", "base/result.h", "base/time.h", "base/lease.h",
                           "base/planted.h"],
    "probes/": ["probes/", "base/"],
    "providers/": ["providers/", "base/"],
    "agent/": ["agent/", "agent/drivers/", "base/"],
    "agent/drivers/": ["agent/", "agent/drivers/", "base/"],
    "agent/witness_probes": ["agent/", "probes/", "base/"],
    "agent/main": ["agent/", "agent/drivers/", "probes/", "base/"],
    "orchestrator/notify/": ["orchestrator/notify/", "providers/aliyun_signature.h",
                             "providers/api_call.h", "providers/call_budget.h",
                             "providers/masking.h", "base/"],
    "orchestrator/offline/": ["orchestrator/offline/", "orchestrator/notify/", "probes/",
                              "providers/", "base/"],
    "orchestrator/shell/": ["orchestrator/shell/", "orchestrator/offline/", "orchestrator/notify/",
                            "orchestrator/core/", "probes/", "providers/", "agent/protocol.h",
                            "base/"],
    "orchestrator/cli/": ["orchestrator/cli/", "orchestrator/offline/", "base/"],
    "orchestrator/main": ["orchestrator/shell/", "orchestrator/offline/", "orchestrator/core/",
                          "probes/", "providers/", "agent/protocol.h", "base/"],
    "orchestrator/sim/": ["orchestrator/sim/", "orchestrator/shell/", "orchestrator/core/",
                          "orchestrator/offline/", "agent/", "probes/", "providers/", "base/"],
    "bench/": ["bench/", "bench/probes/", "orchestrator/shell/",
               "orchestrator/offline/", "orchestrator/core/",
               "probes/", "providers/", "agent/", "base/"],
    "test/": None,  # Everything.
}

# Header of a library -> where it may appear, as patterns of paths. Tests and benches may use all.
LIBRARIES = {
    r"curl/": r"base/(http|smtp)\.cc|probes/engine\w*\.(cc|h)",
    r"httplib\.h": r"base/http_server\w*\.cc",
    r"rapidjson/": r"base/json\.cc",
    r"toml\+\+/": r"base/config_reader\w*\.cc",
    r"ldns/": r"base/dns\w*\.cc",
    r"openssl/": r"base/\w+\.cc|orchestrator/offline/(x509|certs|identity)\w*\.(cc|h)"
                 r"|probes/engine\w*\.cc",
    r"sqlite3\.h": r"orchestrator/shell/sqlite_\w+\.(cc|h)",
    r"(mysql|mysqld_error|errmsg|mariadb/\w+)\.h|mariadb/": r"agent/drivers/mysql_\w+\.cc",
    r"hiredis/": r"agent/drivers/redis_\w+\.cc",
    r"nftables/": r"agent/drivers/nft_\w+\.cc",
    r"prometheus/": r"base/metrics\.cc",
    r"systemd/": r"base/\w+\.cc|orchestrator/shell/\w+\.cc|agent/\w+\.cc",
    r"CLI/": r"orchestrator/cli/\w+\.cc|orchestrator/main\.cc|agent/main\.cc",
    r"doctest/": r"$^",
}

# The core is pure: it names no clock, thread, chance, log, file or socket.
CORE_HEADERS = re.compile(r"thread|mutex|atomic|condition_variable|future|stop_token|random|chrono|"
                          r"ctime|time\.h|fstream|iostream|sstream|cstdio|filesystem|sys/.*|"
                          r"unistd\.h|netinet/.*|arpa/.*|poll\.h|fcntl\.h|signal\.h|csignal")
CORE_WORDS = {"node", "server", "alive", "dead", "check", "alert", "flag", "manager", "handler",
              "util", "utils", "helper", "misc", "data", "info"}
WORDS = {"master", "slave"}

Problem = tuple


def walk():
    """Our files, relative to the root, without what is built or fetched."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders
                            if name not in ("build", "__pycache__", "node_modules")
                            and (not name.startswith(".") or name == ".ci"))
        for name in sorted(names):
            if not name.startswith(".") or name in (".clang-format", ".clang-tidy"):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield os.path.relpath(path, ROOT)


def is_cc(path):
    return path.endswith((".cc", ".h"))


def is_shell(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        first = file.readline(80)
    return re.match(rb"#!\s*(/usr/bin/env )?\S*\b(bash|sh|dash)\b", first) is not None


def blank(match):
    """The same text with every character but line breaks made a space."""
    return re.sub(r"[^\n]", " ", match.group(0))


TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                    r"|(?<![0-9a-fA-F'])'(?:\\.|[^'\\\n])+'", re.S)


def strip(text):
    """Comments, texts and characters blanked; places stay the same."""

    def replace(match):
        token = match.group(0)
        if token.startswith(("//", "/*")):
            return blank(match)
        # Texts keep their quotes, so that an argument stays one.
        return token[0] + blank(match)[1:-1] + token[-1] if len(token) > 1 else token

    text = TOKENS.sub(replace, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def closing(text, at):
    """The place of the bracket that closes the one at `at`."""
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
    opened, closed, depth = text[at], pairs[text[at]], 0
    for i in range(at, len(text)):
        if text[i] == opened:
            depth += 1
        elif text[i] == closed:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def parameters_of(head):
    """How many parameters the declared function takes; None when `head` declares none."""
    depth = 0
    for i, c in enumerate(head):
        if c == "<" and not re.search(r"operator\s*<?$", head[:i]):
            depth += 1
        elif c == ">" and depth > 0 and head[i - 1] != "-":
            depth -= 1
        elif c == "=" and depth == 0 and not re.search(r"operator\W*$", head[:i]):
            return None
        elif c == "(" and depth == 0:
            before = head[:i].rstrip()
            if re.search(r"\b(decltype|noexcept|alignas|requires|sizeof|explicit)$", before):
                continue
            if before.endswith("operator"):
                continue
            if not re.search(r"[\w\]>&|=!<+*/%^~,-]$|operator\s*\(\s*\)$", before):
                return None
            inside = head[i + 1:closing(head, i)]
            # A C library's callback has the shape that the library wants.
            return None if re.search(r"\bvoid\s*\*", inside) else count_arguments(inside)
    return None


def count_arguments(text):
    if text.strip() in ("", "void"):
        return 0
    depth, count, angle = 0, 1, 0
    for i, c in enumerate(text):
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "<":
            angle += 1
        elif c == ">" and angle > 0 and text[i - 1] != "-":
            angle -= 1
        elif c == "," and depth == 0 and angle == 0:
            count += 1
    return count


TYPE_HEAD = re.compile(r"(^|[\s>])(class|struct|union|enum)\b[^()=]*$")
BODY_AHEAD = re.compile(r"\)\s*(const|noexcept|override|final|mutable|try|&&?|\s|->[^{}]*|"
                        r"noexcept\s*\([^()]*\))*$")


def kind_of(head):
    """What the brace after `head` opens, outside of functions."""
    text = head.strip()
    if re.search(r"\bnamespace\b[\w\s:]*$", text) or re.match(r'extern\s*"', text):
        return "namespace"
    if TYPE_HEAD.search(text) or re.search(r"\b(class|struct)\s+[\w:]+(\s+final)?\s*:[^:]", text):
        return "type"
    if BODY_AHEAD.search(text):
        return "function"
    # After a list of initializers: `) : a_(b), c_{d} {`.
    if re.search(r"\)\s*(noexcept\s*)?:[^:].*[)}]$", text, re.S):
        return "function"
    return "other"


def functions_of(text):
    """(line of the head, line of the end or None for a declaration, parameters) of each."""
    found, stack, start = [], [], 0
    line = 1
    lines = []
    for c in text:
        lines.append(line)
        line += c == "\n"

    def first_line():
        skipped = len(text[start:]) - len(text[start:].lstrip())
        return lines[min(start + skipped, len(lines) - 1)]

    for i, c in enumerate(text):
        inside = any(kind in ("function", "other") for kind, _, _ in stack)
        if c == "{":
            if inside:
                stack.append(("other", 0, None))
                continue
            head = re.sub(r"^\s*(public|private|protected)\s*:", "", text[start:i])
            kind = kind_of(head)
            count = parameters_of(head) if kind == "function" else None
            stack.append((kind, first_line(), count))
            if kind in ("namespace", "type"):
                start = i + 1
        elif c == "}" and stack:
            kind, began, count = stack.pop()
            if kind == "function":
                found.append((began, lines[i], count))
            if kind in ("function", "namespace", "type"):
                start = i + 1
        elif c == ";" and not inside:
            head = re.sub(r"^\s*(public|private|protected)\s*:", "", text[start:i])
            if "(" in head and not re.match(r"\s*(using|typedef|static_assert|return)\b", head):
                found.append((first_line(), None, parameters_of(head)))
            start = i + 1
        elif c == ":" and not inside and re.search(r"\b(public|private|protected)$", text[start:i]):
            start = i + 1
    return found


def check_sizes(path, lines, code):
    if len(lines) > FILE_LINES:
        yield (path, FILE_LINES + 1, f"file of {len(lines)} lines; at most {FILE_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS:
            yield (path, number, f"line of {len(line)} columns; at most {LINE_COLUMNS}")
    for began, ended, count in functions_of(code):
        if ended is not None and ended - began + 1 > FUNCTION_LINES:
            yield (path, began, f"function of {ended - began + 1} lines; at most {FUNCTION_LINES}")
        if count is not None and count > PARAMETERS:
            yield (path, began, f"{count} parameters; at most {PARAMETERS}")


def layer_of(path):
    fitting = [prefix for prefix in LAYERS if path.startswith(prefix)]
    return max(fitting, key=len) if fitting else None


def check_include(path, number, header, quoted):
    if not quoted:
        if path.startswith(("test/", "bench/")):
            return
        for pattern, places in LIBRARIES.items():
            if re.match(pattern, header) and not re.fullmatch(places, path):
                yield (path, number, f"<{header}> has no place in this file")
        if path.startswith("orchestrator/core/") and CORE_HEADERS.fullmatch(header):
            yield (path, number, f"<{header}>: the core is pure")
        return
    if not os.path.isfile(os.path.join(ROOT, header)):
        yield (path, number, f'"{header}" is no path from the root')
        return
    layer = layer_of(path)
    if layer is None:
        yield (path, number, "a source file outside of all layers")
        return
    allowed = LAYERS[layer]
    folder = header[:header.rfind("/") + 1]
    if allowed is not None and header not in allowed and folder not in allowed:
        yield (path, number, f'"{header}": {layer} may not include it')


def check_includes(path, lines):
    own = path[:-3] + ".h" if path.endswith(".cc") else None
    first = True
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        quoted, header = match.group(1) == '"', match.group(2)
        if first and own and os.path.isfile(os.path.join(ROOT, own)) and header != own:
            yield (path, number, f'the first include must be "{own}"')
        first = False
        yield from check_include(path, number, header, quoted)
    if path.endswith(".h") and not any(line.strip() == "#pragma once" for line in lines):
        yield (path, 1, "no #pragma once")


def words_of(identifier):
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    return {word.lower() for word in spaced.split("_")}


def check_words(path, code):
    core = path.startswith("orchestrator/core/")
    for number, line in enumerate(code.split("\n"), 1):
        if "shared_ptr" in line and not path.startswith("test/"):
            yield (path, number, "shared_ptr: values, or one owner")
        if path.endswith(".h") and re.search(r"\busing\s+namespace\b", line):
            yield (path, number, "using namespace in a header")
        for match in re.finditer(r"(?<![\w.>:])[A-Za-z_]\w*", line):
            name = match.group(0)
            words = words_of(name)
            bad = words & WORDS
            if core and not name.isupper():
                bad |= words & CORE_WORDS
            if bad:
                yield (path, number, f"`{name}`: {', '.join(sorted(bad))} is not a word of ours")


def types_of(code):
    """(name, line) of each type that every file could see."""
    for match in re.finditer(r"^namespace\s*\{", code, re.M):
        end = closing(code, match.end() - 1)
        hidden = re.sub(r"[^\n]", " ", code[match.end():end])
        code = code[:match.end()] + hidden + code[end:]
    visible = r"^(?:class|struct|enum class)\s+(\w+)(?!\w|::)[\w\s:,<>]*\{"
    for match in re.finditer(visible, code, re.M):
        yield match.group(1), code.count("\n", 0, match.start()) + 1


def check_types(files):
    """Two types of one name in two files break the one-definition rule, and no linker says so."""
    seen = {}
    for path in files:
        if not is_cc(path) or path.startswith(("test/", "bench/")):
            continue
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            for name, number in types_of(strip(file.read())):
                if name in seen:
                    yield (path, number, f"type {name} is also in {seen[name]}")
                seen[name] = path


# Who logs an event -> which of its arguments names it.
EVENT_ARGUMENT = {"log": 1, "tell": 1, "say": 0}


def arguments(code, at):
    """(begin, end) of each argument of the call whose bracket opens at `at`."""
    end, begin, i = closing(code, at), at + 1, at + 1
    while i < end:
        if code[i] in "([{":
            i = closing(code, i)
        elif code[i] == ",":
            yield begin, i
            begin = i + 1
        i += 1
    yield begin, end


def events_of(text):
    """(line, event) of each event that is logged in `text`, the two of `a ? "x" : "y"` as well."""
    code = strip(text)
    for match in re.finditer(r"\b(log|tell|say)\(", code):
        index = EVENT_ARGUMENT[match.group(1)]
        for place, (begin, end) in enumerate(arguments(code, match.end() - 1)):
            if place == index:
                for name in re.findall(r'"([a-z]+(?:-[a-z]+)*)"', text[begin:end]):
                    yield text.count("\n", 0, begin) + 1, name


def check_events(files, manual=None):
    """Every event that is logged has its row in the manual, and every row an event."""
    if manual is None:
        with open(os.path.join(ROOT, "docs/log-events.md"), encoding="utf-8") as file:
            manual = file.read()
    rows = re.findall(r"^\| (`[^|]*) \|", manual, re.M)
    known = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    literals = set()
    for path in files:
        if not path.endswith(".cc") or path.startswith(("test/", "bench/")):
            continue
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        literals |= set(re.findall(r'"([a-z-]+)"', text))
        for number, name in events_of(text):
            if name not in known:
                yield (path, number, f"event {name} is not in docs/log-events.md")
    for name in sorted(known - literals):
        yield ("docs/log-events.md", 1, f"event {name} is logged nowhere")


def check_faults(manual=None, tests=None):
    """Every test that the table of faults names is there."""
    if manual is None:
        with open(os.path.join(ROOT, "docs/testing.md"), encoding="utf-8") as file:
            manual = file.read()
    if tests is None:
        tests = []
        for path in walk():
            if path.startswith("test/") and path.endswith((".cc", ".py", ".cmake", ".txt")):
                with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                    tests.append(path + file.read())
    everything = "\n".join(tests)
    for number, line in enumerate(manual.split("\n"), 1):
        if re.match(r"\| \d+ \|", line):
            for name in re.findall("`([^`]+)`", line):
                if name not in everything:
                    yield ("docs/testing.md", number, f"there is no test `{name}`")


def check_text(path, text, lines):
    marks = "TO" + "DO|FIX" + "ME|X" + "XX"
    for number, line in enumerate(lines, 1):
        if re.search(rf"\b({marks})\b", line):
            yield (path, number, "an open end: finish it or write an issue")
        if line != line.rstrip() and not path.endswith(".md"):
            yield (path, number, "trailing white space")
        if is_cc(path) and "\t" in line:
            yield (path, number, "a tab")
    if text and not text.endswith("\n"):
        yield (path, len(lines), "no line break at the end")


def check(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        raw = file.read()
    if b"\0" in raw or path.startswith(("test/data/", "test/fuzz/corpus/")):
        return
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        yield (path, 1, f"not UTF-8: {error}")
        return
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
    yield from check_text(path, text, lines)
    if is_cc(path):
        code = strip(text)
        yield from check_sizes(path, lines, code)
        yield from check_includes(path, lines)
        yield from check_words(path, code)
    elif path.endswith(".py") or is_shell(path):
        yield from check_sizes(path, lines, "")


def main(arguments):
    files = list(walk())
    if arguments[:1] == ["--list"] and len(arguments) == 2 and arguments[1] in ("cc", "shell"):
        wanted = is_cc if arguments[1] == "cc" else is_shell
        print("\n".join(path for path in files if wanted(path)))
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    problems = [problem for path in files for problem in check(path)]
    problems += [*check_types(files), *check_events(files), *check_faults()]
    for path, number, what in problems:
        print(f"{path}:{number}: {what}")
    print(f"tidy: {len(problems)} violations in {len(files)} files", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
