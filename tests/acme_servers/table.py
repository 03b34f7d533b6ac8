"""The table of docs/acme.md: what RFC 8555 says of a call in a state, and what each server answers.

`python -m tests.acme_servers.table [FILE or FOLDER ...]` prints it of recordings, else of docs/acme-servers.json;
`--record FOLDER [NAME ...]` before that records the servers first, a file for each in FOLDER;
`--write FOLDER` makes what is recorded there the one that the page has.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from orderfsm.tables.acme import LIFECYCLE, State
from orderfsm.verdict import Verdict

from . import FLAVOURS, SERVERS, Unavailable
from .recording import FLAWED, HALF, TWICE, code_of, departs, key, record, rows

PAGE = Path(__file__).parents[2] / "docs" / "acme.md"
RECORDED = PAGE.with_name("acme-servers.json")
GENERATED = re.compile(r"(<!-- generated: .*? -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def says(state, trigger, particular):
    """What the RFC says of a row: what comes of it, how strongly, and where."""
    rule, why = LIFECYCLE.trigger_rules[trigger], LIFECYCLE.explain(state, trigger)
    section = why.reference.rpartition("section ")[2]
    strength = "" if why.strength is None else f" {why.strength}"
    if particular == HALF:
        return f"the order stays {state} (7.1.6)"
    if particular == TWICE:
        return f"one is accepted, the other refused: {code_of(State.VALID, trigger)} (7.4 MUST)"
    row = LIFECYCLE.table[state].get(trigger)
    if particular == FLAWED and row is not None:
        return f"refused; the order stays {state} (7.4 {rule.fails_strength})"
    if why.verdict is Verdict.UNDECIDED:
        return f"nothing (nearest: {section})"
    if row is None:
        code = code_of(state, trigger)
        return f"refused{f': {code}' if code else ''}; stays {state} ({section}{strength})"
    targets = " or ".join(each for each in State if each in LIFECYCLE.targets(row))
    return f"{'may be refused; else ' if row.optional else ''}{targets} ({section}{strength})"


def cell(recording, row, bold):
    """What a server answered to the call of a row, and the status after it; in bold if the RFC does not allow that."""
    recorded = recording["answers"][key(*row)]
    if recorded["after"] is None:
        return "not reached"
    text = f"{', '.join(recorded['came'])}; {recorded['after']}"
    return f"{bold}{text}{bold}" if departs(*row, recorded) else text


def table(recordings, *, bold="**"):
    """The lines of the table, in Markdown."""
    titles = [f"{each['server']} {each['version']}" for each in recordings]
    yield f"| state: call | RFC 8555 says (section) | {' | '.join(titles)} |"
    yield "|---" * (2 + len(titles)) + "|"
    for row in rows():
        state, trigger, particular = row
        cells = [cell(each, row, bold) for each in recordings]
        yield f"| {state}: {trigger}{particular} | {says(*row)} | {' | '.join(cells)} |"


def counterexamples(recording):
    """What the kit found of a server, and the calls that show it, in Markdown."""
    for each in recording["departures"]:
        where = each["state"] or "no order"
        strength = f" (a {each['strength']})" if each["strength"] else ""
        accused = f"{each['trigger']}{each['particular']} in {where}"
        yield f"* {accused}: expected {each['expected']}, got {each['got']}{strength}."
        yield f"  {each['reference']}. {'; '.join(each['calls'])}."


def page(recordings):
    """What is generated of docs/acme.md."""
    lines = [*table(recordings), ""]
    for each in recordings:
        named = f"{each['server']} {each['version']}"
        lines += [
            f"### {named}",
            "",
            f"![An order's life, and in red what {named} does](acme-{each['server']}.svg)",
            "",
        ]
        lines += [f"The kit checked {each['checked']} answers; {each['passed']} pairs passed. It found:", ""]
        lines += [*counterexamples(each), ""]
    return "\n".join(lines)


def main(words):
    """Do as the module says."""
    match words:
        case ["--record", folder, *names]:
            recorded(Path(folder), names or SERVERS)
            words = [folder]
        case ["--write", folder]:
            write(read([Path(folder)]))
            words = []
    print(page(read([Path(word) for word in words] or [RECORDED])))
    return 0


def recorded(folder, names):
    """Record servers, each into a file of a folder; the kit's report as a text beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            recording, report = record(name)
        except Unavailable as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        keep(folder, recording, report)


def keep(folder, recording, report):
    """Write a recording and the kit's report to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{recording['server']}.json").write_text(as_text([recording]))
    (folder / f"{recording['server']}.txt").write_text(f"{report}\n")


def as_text(recordings):
    """Recordings as they are in a file."""
    return json.dumps(recordings, indent=1) + "\n"


def read(paths):
    """The recordings in files, or in those of folders, in the order of the servers."""
    files = [file for path in paths for file in (path.glob("*.json") if path.is_dir() else [path])]
    found = [recording for file in files for recording in json.loads(file.read_text())]
    return sorted(found, key=lambda each: list(FLAVOURS).index(each["server"]))


def write(recordings):
    """Let the page have these recordings."""
    RECORDED.write_text(as_text(recordings))
    text = PAGE.read_text()
    PAGE.write_text(GENERATED.sub(lambda found: f"{found[1]}{page(recordings)}{found[3]}", text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
