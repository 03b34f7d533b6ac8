"""The drawn table shows every row that changes something, and can be read."""

from __future__ import annotations

import itertools
import random
import re
import threading
import xml.etree.ElementTree as ET
from enum import StrEnum

import attrs
import pytest
from chromium import chromium
from tables import table

from orderfsm import ORDER_LIFECYCLE, Basis, Event, InvalidValue, Operation, State, Transition
from orderfsm.drawing import WIDTH, dot, layout, mermaid, svg, text_width
from orderfsm.drawing.geometry import Rect
from orderfsm.drawing.ways import NEVER, Ways
from orderfsm.rows import Actor, StateRule, TriggerRule
from orderfsm.tables.orders import TRANSITIONS

EDGE = re.compile(r"    (\S+) --> (\S+) : (.*)")


def test_every_row_that_changes_something_is_one_edge():
    edges = {match.groups() for line in mermaid().splitlines() if (match := EDGE.fullmatch(line))}
    rows = [row for row in TRANSITIONS if row.changes]
    assert len(edges) == len(rows) == 21
    for row in rows:
        labels = [label for source, target, label in edges if (source, target) == (row.source or "[*]", row.target)]
        (label,) = [label for label in labels if row.trigger in label.split(", ")[0].split()]
        assert label.startswith("(") is isinstance(row.trigger, Event)
        assert label.endswith("?") is (row.basis is Basis.INFERRED)


def test_terminal_states_lead_to_the_end():
    ends = [line.split()[0] for line in mermaid().splitlines() if line.endswith("--> [*]")]
    assert ends == [State.DELETED, State.EXPIRED, State.REVOKED]


def test_a_name_that_is_no_word_is_a_name_beside_an_id_in_mermaid():
    class Named(StrEnum):
        PLAIN = "plain"
        ODD = "in; transit"

    class Call(StrEnum):
        MOVE = "a::b"

    rows = (
        Transition(None, Call.MOVE, Named.PLAIN, Basis.DOCUMENTED, "d"),
        Transition(Named.PLAIN, Call.MOVE, Named.ODD, Basis.DOCUMENTED, "d"),
    )
    states = tuple(StateRule(state, "", (), Basis.DOCUMENTED, "d") for state in (None, *Named))
    odd = table(rows, states, (TriggerRule(Call.MOVE, Actor.CLIENT, Basis.DOCUMENTED, "d"),), vocabularies=())
    assert mermaid(odd).splitlines()[1:] == [
        '    state "in#59; transit" as _1',
        "    [*] --> plain : a#58;#58;b",
        "    plain --> _1 : a#58;#58;b",
    ]


def shuffled(seed=7):
    """The real table, its rows in another order."""
    rows = list(TRANSITIONS)
    random.Random(seed).shuffle(rows)
    return table(tuple(rows))


@pytest.mark.parametrize("draw", [mermaid, dot, svg])
def test_the_drawing_is_sorted_and_the_same_for_the_same_rows(draw):
    assert draw(shuffled()) == draw()


def test_a_changed_table_is_drawn_changed():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    assert "verify_fail --> deleted" in mermaid()
    assert "verify_fail --> deleted" not in mermaid(ORDER_LIFECYCLE.without(row))
    assert ("verify_fail", "deleted") in Picture(svg()).labels
    assert ("verify_fail", "deleted") not in Picture(svg(ORDER_LIFECYCLE.without(row))).labels


def test_quota_and_second_orders_are_written_on_the_edge():
    drawn = mermaid()
    assert "issued --> revoked : CancelCertificateForPackageRequest, -1 within 30 days\n" in drawn
    assert "[*] --> pending_review : CreateCertificateRequest, +1\n" in drawn
    assert "RenewCertificateOrderForPackageRequest, a new order in pending_application\n" in drawn


# -- Graphviz, which itself draws it in test_pictures.py ---------------------------------------------------------------


def test_in_dot_every_row_is_one_edge_that_says_what_mermaids_says():
    edges = re.findall(r'^  "(\S+)" -> "(\S+)" \[label="(.*?)", tooltip="(.*?)"', dot(), re.MULTILINE)
    said = {(source, target, label.replace("\\n", ", ")) for source, target, label, _ in edges}
    drawn = [match.groups() for line in mermaid().splitlines() if (match := EDGE.fullmatch(line))]
    assert said == {(source.replace("[*]", "none"), target, label) for source, target, label in drawn}
    assert {tooltip for *_, tooltip in edges} == {f"{row.basis}: {row.reference}" for row in TRANSITIONS if row.changes}


def test_dot_draws_a_state_that_the_table_does_not_know_and_escapes_what_it_writes():
    drawn = dot(other_table())
    assert '  "<&>" [label="<&>", tooltip="<&>"];' in drawn
    odd = Transition(State.ISSUED, Event.REVIEW_FAILED, 'a "quoted\\" one', Basis.DOCUMENTED, "r")
    assert '"issued" -> "a \\"quoted\\\\\\" one" [' in dot(ORDER_LIFECYCLE.with_rows(odd))


# -- SVG ---------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [row for row in TRANSITIONS if row.changes]


class Picture:
    """An SVG, taken apart: it knows of rectangles and lines, and nothing of how they came about."""

    def __init__(self, text):
        self.root = ET.fromstring(text)
        groups = [(group, group.get("class", "").split()) for group in self.root.findall(f"{SVG}g")]
        self.states = {group.get("data-state"): group for group, classes in groups if "state" in classes}
        self.edges = {ends(group): group for group, classes in groups if "edge" in classes}
        self.feet = [group for group, classes in groups if "foot" in classes]
        self.labels = {ends(group): group for group, classes in groups if classes == ["label"]}

    def strands(self):
        """The strands of every edge."""
        return [strand for edge in self.edges.values() for strand in edge.findall(f"{SVG}g")]

    def lines(self, ends):
        """The lines of the label of an edge: its words, by the API name or event and the basis in its tooltip."""
        return [(text.find(f"{SVG}title").text, words(text)) for text in self.labels[ends].iter(f"{SVG}text")]

    def boxes(self):
        """The rectangle of every state."""
        for state, group in self.states.items():
            box = group.find(f"{SVG}rect[@class='box']")
            x, y, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
            yield state, (x, y, x + width, y + height)

    def estimated(self):
        """The rectangle of every line of every label, by `text_width`; the text stands on y."""
        for ends, group in self.labels.items():
            for text in group.iter(f"{SVG}text"):
                x, y = float(text.get("x")), float(text.get("y"))
                width = text_width(words(text), bold="operation" in text.get("class"))
                left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor")]
                yield ends, (left, y - 10, left + width, y + 3)

    def ways(self):
        """The corners of every strand, by the edge's ends."""
        for edge, group in self.edges.items():
            for strand in group.findall(f"{SVG}g"):
                path = strand.find(f"{SVG}path").get("d")
                yield edge, [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]

    def legs(self):
        """The straight pieces of every strand, as rectangles."""
        for _, points in self.ways():
            yield [(min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b), (c, d) in itertools.pairwise(points)]


def ends(group):
    """The states that an edge or a label is between."""
    return group.get("data-source"), group.get("data-target")


def words(text):
    """What a `<text>` says, less its tooltip."""
    return "".join(text.itertext()).removeprefix(text.findtext(f"{SVG}title") or "")


def meet(one, other):
    """Whether two rectangles have a point inside both."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def overlaps(boxes, labels):
    """Pairs of labels, and of a label and a box, that lie one upon the other; labels beyond the paper."""
    labels, boxes = list(labels), list(boxes)
    found = [(a, b) for (a, one), (b, other) in itertools.combinations(labels, 2) if meet(one, other)]
    found += [(a, b) for (a, one), (b, box) in itertools.product(labels, boxes) if meet(one, box)]
    return found + [a for a, (left, top, right, _) in labels if left < 0 or top < 0 or right > WIDTH]


PICTURE = Picture(svg())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.trigger}")
def test_every_row_is_a_line_of_its_edges_label_told_apart_without_colour(row):
    lines = PICTURE.lines((row.source or "", row.target))
    said = [line for title, line in lines if title == f"{row.trigger} ({row.basis}: {row.reference})"]
    line, *note = said
    assert note == ([f"new order: {row.creates.replace('_', ' ')}"] if row.creates else [])
    name = row.trigger.name.lower().replace("_", " ")
    actor = ORDER_LIFECYCLE.actor(row)
    assert line.startswith(name if actor is Actor.CLIENT else f"({actor}) {name}")
    assert line.endswith("?") is (row.basis is Basis.INFERRED)
    assert ("+1" in line, "\N{MINUS SIGN}1" in line) == (row.quota > 0, row.quota < 0)
    assert ("30 d" in line) is (row.quota_within is not None)


def test_rows_between_the_same_states_are_one_edge_with_several_lines():
    assert len(PICTURE.labels) == len({(row.source, row.target) for row in ROWS}) == 16
    assert len(PICTURE.lines(("", "pending_review"))) == 3


def test_strands_are_told_apart_by_head_and_tail():
    """Operations have a filled head, events an open one on a dashed line, inferred rules a ring at the tail."""
    kinds = {(row.source, row.target, isinstance(row.trigger, Event), row.basis) for row in ROWS}
    strands = PICTURE.strands()
    assert len(PICTURE.edges) == 16
    assert len(strands) == len(kinds)
    for strand in strands:
        event, inferred = "event" in strand.get("class"), "inferred" in strand.get("class")
        assert (strand.find(f"{SVG}polyline[@class='open']") is not None) is event
        assert (strand.find(f"{SVG}polygon[@class='filled']") is not None) is not event
        assert (strand.find(f"{SVG}circle") is not None) is inferred
    assert sum("inferred" in strand.get("class") for strand in strands) == 3
    assert re.search(r"\.event \.line \{ stroke-dasharray", svg())


def test_terminal_states_and_no_others_have_a_double_border():
    double = {state for state, group in PICTURE.states.items() if group.find(f"{SVG}rect[@class='inner']") is not None}
    assert double == {State.DELETED, State.EXPIRED, State.REVOKED}
    assert set(PICTURE.states) == {"", *State}


def test_it_speaks_to_those_who_do_not_see_it():
    root = PICTURE.root
    assert (root.get("role"), root.get("aria-label")) == ("img", "The life of a certificate order")
    assert root.findtext(f"{SVG}title") == "The life of a certificate order"
    assert "verify_fail".replace("_", " ") + " to deleted: DeleteCertificateRequest by client, documented." in (
        root.findtext(f"{SVG}desc")
    )
    lit = Picture(svg(current=State.ISSUED)).root
    assert lit.get("aria-label") == "The life of a certificate order, now issued"


def test_it_stands_alone_in_light_and_dark():
    """No other file, no script, no id that a second picture on the page could have as well."""
    drawn = svg()
    assert "prefers-color-scheme: dark" in drawn
    assert not re.search(r"href|url\(|<script|<image| id=|@import", drawn)
    assert PICTURE.root.get("viewBox").split()[2] == PICTURE.root.get("width") == "700"


def test_labels_overlap_neither_one_another_nor_boxes():
    assert overlaps(PICTURE.boxes(), PICTURE.estimated()) == []
    assert not PICTURE.feet


def test_lines_cross_neither_one_another_nor_labels_nor_boxes():
    edges = list(PICTURE.legs())
    for one, other in itertools.combinations(edges, 2):
        assert not [(a, b) for a in one for b in other if meet(a, wide(b, 1))]
    labels = [rect for _, rect in PICTURE.estimated()]
    boxes = [wide(rect, -1) for _, rect in PICTURE.boxes()]
    for leg in itertools.chain(*edges):
        assert not [rect for rect in labels + boxes if meet(leg, rect)]


def test_lines_turn_back_only_where_they_must():
    """A line that goes right and left, or up and down, is a loop or leads around something."""
    turning = {
        edge
        for edge, points in PICTURE.ways()
        for axis in (0, 1)
        if len({one[axis] < other[axis] for one, other in itertools.pairwise(points) if one[axis] != other[axis]}) == 2
    }
    assert turning == {("about_to_expire", "about_to_expire"), ("verify_fail", "deleted")}


def wide(rect, by):
    """A rectangle, larger on every side."""
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by


def strange(count, seed):
    """A table of `count` rows drawn at random: nothing that anybody would draw on purpose."""
    drawn = random.Random(seed)
    pairs = list(itertools.product([None, *State], [*Operation, *Event]))
    account = {Operation.LIST, Operation.DESCRIBE_PACKAGE}
    rows = drawn.sample([pair for pair in pairs if pair[1] not in account], count)
    return table(
        tuple(
            Transition(*pair, drawn.choice(list(State)), drawn.choice(list(Basis)), "r", quota=drawn.choice((-1, 0, 1)))
            for pair in rows
        )
    )


@pytest.mark.parametrize(("count", "seed"), [(8, 1), (15, 2)])
def test_in_any_table_labels_overlap_neither_one_another_nor_boxes(count, seed):
    table = strange(count, seed)
    picture = Picture(svg(table))
    assert overlaps(picture.boxes(), picture.estimated()) == []
    shown = sum(len(list(group.iter(f"{SVG}text"))) for group in picture.labels.values()) + len(picture.feet)
    assert shown == sum(row.changes for row in table.transitions)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_in_a_crowded_table_too(seed):
    picture = Picture(svg(strange(20 + 5 * seed, seed)))
    assert overlaps(picture.boxes(), picture.estimated()) == []


def rectangles(page, selector):
    """The rectangles of what `selector` finds, as the browser draws them, without tooltips."""
    script = "all => all.map(e => { const b = e.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; })"
    return list(enumerate(page.locator(selector).evaluate_all(script)))


def test_as_chromium_draws_it_labels_overlap_neither_one_another_nor_boxes():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_content(f'<!doctype html><body style="margin: 0">{svg()}')
        labels, boxes = rectangles(page, ".label text"), rectangles(page, ".box")
        assert len(labels) == len(ROWS) + 1  # a renewal says of its second order
        assert overlaps(boxes, labels) == []
        for name in rectangles(page, ".state .name"):
            assert any(box[0] + 6 < name[1][0] and name[1][2] < box[2] - 6 for _, box in boxes if meet(name[1], box))
        legend = rectangles(page, ".legend > g")
        assert all(right < (350 - 16 if at % 320 < 300 and at < 300 else 700) for at, (_, _, right, _) in legend)
        estimates = dict(enumerate(rect for _, rect in PICTURE.estimated()))
        assert all(right - left <= estimates[at][2] - estimates[at][0] + 1 for at, (left, _, right, _) in labels)


def lit(picture):
    """The words of the labels that are lit up."""
    return {words(text) for text in picture.root.iter(f"{SVG}text") if text.get("class", "").endswith(" lit")}


WAY = (
    ORDER_LIFECYCLE.transition(None, Operation.CREATE),
    ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Event.DOMAIN_VALIDATED),
    ORDER_LIFECYCLE.transition(State.BEING_REVIEWED, Event.REVIEW_PASSED),
    ORDER_LIFECYCLE.transition(State.ISSUED, Operation.CANCEL_FOR_PACKAGE),
)


def test_the_way_that_was_taken_is_lit_up_row_by_row():
    picture = Picture(svg(current=State.REVOKED, path=WAY))
    assert lit(picture) == {
        "create +1",
        "(owner) domain validated",
        "(ca) review passed",
        "cancel for package \N{MINUS SIGN}1 \N{LESS-THAN OR EQUAL TO} 30 d",
    }
    assert sum("lit" in strand.get("class").split() for strand in picture.strands()) == 4
    visited = {state for state, group in picture.states.items() if "visited" in group.get("class")}
    assert visited == {"", "pending_review", "being_reviewed", "issued", "revoked"}
    assert [state for state, group in picture.states.items() if "current" in group.get("class")] == ["revoked"]


def test_a_pair_of_states_lights_up_every_row_between_them():
    assert lit(Picture(svg(path=[("issued", State.REVOKED)]))) == {
        "cancel for package \N{MINUS SIGN}1 \N{LESS-THAN OR EQUAL TO} 30 d",
        "(ca) certificate revoked",
    }
    assert not lit(Picture(svg(path=[(State.ISSUED, State.DELETED)])))


def test_light_moves_nothing():
    dark, bright = PICTURE, Picture(svg(current="revoked", path=WAY))
    assert list(dark.boxes()) == list(bright.boxes())
    assert list(dark.estimated()) == list(bright.estimated())
    assert list(dark.legs()) == list(bright.legs())


def test_what_was_never_tried_is_pale_and_struck_through_and_each_box_has_a_bar():
    bright = Picture(svg(tried=[(State.VERIFY_FAIL, Operation.DELETE), (State.ISSUED, Operation.DELETE)]))
    rows = [text for text in bright.root.iter(f"{SVG}text") if text.get("data-trigger")]
    assert [words(text) for text in rows if not text.get("class").endswith(" untried")] == ["delete \N{MINUS SIGN}1"]
    shares = {state: group.find(f"{SVG}title").text.rpartition(", ")[2] for state, group in bright.states.items()}
    assert shares == dict.fromkeys(["", *State], "0 of 15 rules tried") | dict.fromkeys(
        ["verify_fail", "issued"], "1 of 15 rules tried"
    )
    bars = {state: len(group.findall(f"{SVG}rect[@class='meter']")) for state, group in bright.states.items()}
    assert set(bars.values()) == {1}
    assert list(PICTURE.legs()) == list(bright.legs())
    strange = Picture(svg(other_table(), tried=[])).states["<&>"]
    assert strange.find(f"{SVG}rect[@class='meter']") is None


def test_flow_says_how_often_each_row_was_taken():
    create, cancel = (
        ORDER_LIFECYCLE.transition(*each)
        for each in ((None, Operation.CREATE), (State.PENDING_REVIEW, Operation.CANCEL))
    )
    drawn = svg(flow={create: 1_234_567, cancel: 12_346})
    assert ">create +1: 1,234,567<" in drawn
    assert ">create for package +1<" in drawn
    assert re.findall("--orderfsm-breadth: ([0-9.]+)", drawn) == ["8.7", "2.4"]
    crowded = Picture(svg(flow=dict.fromkeys(ORDER_LIFECYCLE.transitions, 12_345_678)))
    assert overlaps(crowded.boxes(), crowded.estimated()) == []
    assert "breadth: " not in svg()


@pytest.mark.parametrize("given", [{"current": "nowhere"}, {"path": [("issued", "nowhere")]}])
def test_an_unknown_state_is_named(given):
    with pytest.raises(InvalidValue, match="state 'nowhere': expected"):
        svg(**given)


class Phase(StrEnum):
    ALPHA = "alpha"
    BETA = "beta"
    GAMMA = "gamma_delta"
    LOST = "lost"


Act = StrEnum("Act", {"GO": "go", "BACK": "back", "AND_ON_" * 20 + "AND_ON": "far"})


def other_table():
    """A table of states and triggers that nobody has given a place; one of them is not even a state."""
    states = [StateRule(None, "none", (), Basis.INFERRED, "r", found=False)]
    states += [StateRule(phase, phase, (), Basis.INFERRED, "r") for phase in Phase]
    triggers = [TriggerRule(act, Actor.CA if act == "back" else Actor.CLIENT, Basis.INFERRED, "r") for act in Act]
    rows = [(None, "go", Phase.ALPHA), (Phase.ALPHA, "go", Phase.BETA), (Phase.BETA, "back", Phase.ALPHA)]
    rows += [(Phase.BETA, "go", Phase.GAMMA), (Phase.GAMMA, "back", "<&>"), (Phase.GAMMA, "far", Phase.ALPHA)]
    return table(tuple(Transition(*row, Basis.DOCUMENTED, "r") for row in rows), tuple(states), tuple(triggers))


def test_a_table_of_other_states_is_drawn_in_layers():
    picture = Picture(svg(other_table()))
    places = dict(picture.boxes())
    assert places.keys() == {"", "<&>", *Phase}
    assert places[""][1] < places["alpha"][1] < places["lost"][1]
    assert overlaps(picture.boxes(), picture.estimated()) == []
    assert len(picture.labels) == 5


def test_a_label_for_which_there_is_no_place_stands_at_the_foot():
    (foot,) = Picture(svg(other_table())).feet
    assert words(foot.find(f"{SVG}text")).startswith("gamma delta \N{RIGHTWARDS ARROW} alpha: and on and on")


def test_text_is_about_as_wide_as_it_says():
    assert (
        text_width("iii")
        < text_width("nnn")
        < text_width("mmm")
        < text_width("mmm", bold=True)
        < text_width("证证证", 24)
    )


def test_the_legend_says_what_every_mark_means():
    drawn = ET.fromstring(svg(ORDER_LIFECYCLE))
    legend = next(each for each in drawn.iter(f"{SVG}g") if each.get("class") == "legend")
    texts = [text.text for text in legend.iter(f"{SVG}text")]
    assert texts == [
        "a client's call",
        "what others do, (who)",
        "?  inferred; the others are documented",
        "terminal: no way out",
        "+1 \N{MINUS SIGN}1",
        "takes, gives back a unit of quota",
        "\N{LESS-THAN OR EQUAL TO} 30 d",
        "only so many days after issuance",
    ]


def test_the_legend_of_another_table_has_its_own_limit():
    rows = [attrs.evolve(row, quota_within=28 * 86_400) if row.quota_within else row for row in TRANSITIONS]
    assert "\N{LESS-THAN OR EQUAL TO} 30 d" not in svg(table(rows))
    assert svg(table(rows)).count("\N{LESS-THAN OR EQUAL TO} 28 d") == 3


def test_counts_stand_at_the_corners_of_the_boxes_and_touch_nothing_that_is_written():
    counts = {state: 10**at for at, state in enumerate(State)}
    root = ET.fromstring(svg(counts=counts, current=State.ISSUED))
    name = "{http://www.w3.org/2000/svg}"
    found = {}
    for group in root.iter(f"{name}g"):
        if "state" in group.get("class", "").split():
            for count in group.findall(f"{name}g"):
                found[group.get("data-state")] = count.find(f"{name}text").text
                badge = {key: float(value) for key, value in count.find(f"{name}rect").attrib.items() if key != "class"}
                box = {key: float(group.find(f"{name}rect").get(key)) for key in ("x", "y", "width", "height")}
                assert badge["x"] + badge["width"] == pytest.approx(box["x"] + box["width"] + 5, abs=0.01)
                assert badge["y"] + 5 == pytest.approx(box["y"], abs=0.01)  # labels keep this distance from a box
                assert badge["y"] + badge["height"] < box["y"] + 14  # where the letters of its name begin
                assert text_width(found[group.get("data-state")], 13.5, bold=True) < badge["width"]
    assert found == {state: f"{number:,}" for state, number in counts.items()}
    titles = {group.get("data-state"): group.find(f"{name}title") for group in root.iter(f"{name}g")}
    first, second, *_ = State
    assert titles[first].text.endswith(", 1 order in it")
    assert titles[second].text.endswith(", 10 orders in it")
    assert "how many orders are in a state" in "".join(root.itertext())


def test_without_counts_or_where_nobody_is_nothing_is_drawn_of_them():
    assert svg(counts={}) == svg(counts=dict.fromkeys(State, 0)) == svg()
    assert svg(counts={State.ISSUED: 7}).count('class="count"') == 1 + 1  # and the legend's


def scattered(seed):
    """Boxes of states that stand anywhere on the paper."""
    drawn = random.Random(seed)
    states = [None, *State]
    return {
        state: Rect.around((drawn.uniform(60, 640), drawn.uniform(30, 700)), drawn.uniform(90, 150), 40)
        for state in states
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_line_is_free_if_and_only_if_it_runs_into_no_box_and_stays_on_the_paper(seed):
    boxes = scattered(seed)
    ways, broad = Ways(boxes), 1.0 + 5 * (seed % 2)
    for source, target in itertools.islice(itertools.product(boxes, repeat=2), seed, None, 11):
        lines = ways.lines(source, target, broad)
        assert [line.cost for line in lines.free] == sorted(line.cost for line in lines.free)
        assert [line.cost for line in lines.astray] == sorted(line.cost for line in lines.astray)
        for line, is_free in (*((line, True) for line in lines.free), *((line, False) for line in lines.astray)):
            hits = 0
            for number, leg in enumerate(line.legs):
                wide = leg.grown(broad)
                hits += wide.left < 4 or wide.right > WIDTH - 4 or wide.top < 4
                own = {source} if number == 0 else set()
                own |= {target} if number == len(line.legs) - 1 else set()
                hits += sum(wide.meets(box.grown(9)) for state, box in boxes.items() if state not in own)
            length = sum(leg.length for leg in line.legs) + 30 * len(line.legs)
            assert -1e-6 <= line.cost - hits * NEVER - length <= 2 * 88 + 1e-6
            assert (hits == 0) is is_free


def test_a_table_is_laid_out_once_also_for_two_threads_that_want_it_at_once(monkeypatch):
    moved = attrs.evolve(ORDER_LIFECYCLE, places={**ORDER_LIFECYCLE.places, None: (350, 37)})
    laid_out, calls, drawn = layout._laid_out, [], []
    second = threading.Thread(target=lambda: drawn.append(svg(moved)))

    def slowly(*asked):
        calls.append(asked)
        if len(calls) == 1:
            second.start()
        return laid_out(*asked)

    monkeypatch.setattr(layout, "_laid_out", slowly)
    drawn.append(svg(moved))
    second.join()
    assert drawn[0] == drawn[1] == svg(moved)
    assert len(calls) == 1


def test_a_layout_that_failed_is_tried_again_and_not_all_are_kept(monkeypatch):
    monkeypatch.setattr(layout, "_kept", kept := {})
    with monkeypatch.context() as failing:
        failing.setattr(layout, "_laid_out", lambda *_asked: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            svg()
    assert kept == {}
    assert svg().startswith("<svg")
    monkeypatch.setattr(layout, "_laid_out", lambda *asked: asked)
    for number in range(layout._KEPT + 5):
        layout.layout_of(ORDER_LIFECYCLE, frozenset({(None, (number, 0))}), frozenset())
    assert len(kept) == layout._KEPT
