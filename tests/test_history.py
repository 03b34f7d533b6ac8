"""Linearizability: concurrent histories against every order of their calls, and sentence by sentence."""

from __future__ import annotations

import random
from functools import cache
from itertools import combinations, combinations_with_replacement, permutations, product

import attrs
import oracle
import pytest

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, State
from orderfsm import trace as t
from orderfsm.testing import check_history, smallest_history
from orderfsm.testing.histories.intervals import by_end
from orderfsm.trace import Events, Finding, Line

CONFORMS, VIOLATES, UNDECIDED = Finding
TRIGGERS = {trigger.name.lower(): trigger for trigger in (*Operation, *Event)}
TIME = "2026-08-05T06:10:01Z"


@cache
def call(text, started=None, ended=None, client=None, order_id=7):
    """A line in short: `delete`, `delete?` (no answer), `delete!Code`, `describe=WORD`, `submitted`."""
    name, mark, rest = next((text.partition(mark) for mark in "?!=" if mark in text), (text, "", ""))
    return Line(
        time=TIME,
        order_id=order_id,
        trigger=TRIGGERS[name],
        outcome={"?": "unknown", "!": "refused"}.get(mark, "accepted"),
        code=(rest or None) if mark == "!" else None,
        state=rest if mark == "=" else None,
        client=client,
        started=started,
        ended=ended,
    )


def checked(*calls, events="complete", **options):
    return check_history([call(*each) for each in calls], events=events, **options)


# -- against every order of the calls ----------------------------------------------------------------------------------

NO_ORDER, GONE = "no order", {"no order", "deleted"}
WORDS = {"payed": {"pending_application"}, "CHECKING": {"pending_review", "being_reviewed"}}


@cache
def after(state, text):
    """Where an order may be after a call that found it in `state`; nowhere if that does not explain the answer."""
    name, mark, rest = next((text.partition(mark) for mark in "?!=" if mark in text), (text, "", ""))
    target = oracle.after(state, name)
    moved = {target} if target else set()
    match mark, rest:
        case ("?", _) | ("!", "Error"):
            return moved | {state}
        case "!", "OrderStateError":
            explained = target is None and state not in GONE
        case "!", "NotFoundOrder":
            explained = state in GONE
        case "!", "DeleteFail":
            explained = name == "delete" and target is not None
        case "!", _:
            explained = True
        case "=", word:
            return moved & WORDS[word]
        case _:
            return moved
    return {state} if explained else set()


@cache
def with_unseen_events(state, complete):
    found, todo = set(), [state]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            names = [] if complete else [event.name.lower() for event in Event]
            todo += filter(None, (oracle.after(here, name) for name in names))
    return found


@cache
def states_after(texts, complete, initial):
    """Where an order that was in one of `initial` can be after the calls, one after the other, before a next one."""
    if not texts:
        return frozenset().union(*(with_unseen_events(state, complete) for state in initial))
    before = states_after(texts[:-1], complete, initial)
    found = set().union(*(after(state, texts[-1]) for state in before))
    return frozenset().union(*(with_unseen_events(state, complete) for state in found))


def never_answered(text):
    return text.endswith(("?", "!Error"))


@cache
def orders(spans, lost):
    """Every order of calls with these spans in which each comes after those that ended before it began."""
    numbers = range(len(spans))
    before = [(a, b) for a, b in permutations(numbers, 2) if spans[a][1] < spans[b][0] and not lost[a]]
    return [order for order in permutations(numbers) if all(order.index(a) < order.index(b) for a, b in before)]


def states_by_trying(spans, texts, complete, initial):
    """Where an order can be after the calls, in any order of them."""
    tried = orders(tuple(spans), tuple(map(never_answered, texts)))
    return set().union(*(states_after(tuple(texts[at] for at in order), complete, initial) for order in tried))


def states_by_trying_some(spans, texts, count, latest, *how):
    """Where an order can be after the first `count` calls, and perhaps some that had begun by `latest`."""
    begun = [at for at in range(count, len(spans)) if spans[at][0] <= latest]
    for number in range(len(begun) + 1):
        for some in combinations(begun, number):
            taken = [*range(count), *some]
            yield from states_by_trying([spans[at] for at in taken], [texts[at] for at in taken], *how)


def shapes(number):
    """All ways in which `number` calls can overlap: one representative, by their ends, for each interval order."""
    found = {}
    spans = [(start, end) for start in range(number) for end in range(start, number)]
    for chosen in combinations_with_replacement(spans, number):
        neighbours = [
            (sum(other[1] < one[0] for other in chosen), sum(one[1] < other[0] for other in chosen)) for one in chosen
        ]
        found.setdefault(tuple(sorted(neighbours)), tuple(sorted(chosen, key=lambda span: span[::-1])))
    return list(found.values())


ANYWHERE = (NO_ORDER, *oracle.STATES)


def agree(spans, texts, events, initial=ANYWHERE):
    """Assert that `check_history` says of a history what trying every order says."""
    lines = [call(text, *span) for text, span in zip(texts, spans, strict=True)]
    found = check_history(lines, events=events, initial=None if initial is ANYWHERE else initial)
    conforms = bool(states_by_trying(spans, texts, events == "complete", initial))
    assert found.verdict is (CONFORMS if conforms else VIOLATES), (spans, texts)
    return found


def agree_wholly(spans, texts, events, initial=ANYWHERE):
    """The same of the call that no order explains, and of the states before it."""
    found = agree(spans, texts, events, initial)
    if found.verdict is VIOLATES:
        how = events == "complete", initial
        for index, (_, end) in enumerate(spans):
            if not set(states_by_trying_some(spans, texts, index + 1, end, *how)):
                break
        assert found.index == index, (spans, texts)
        possible = set(states_by_trying_some(spans, texts, index, end, *how))
        assert {state or NO_ORDER for state in found.possible} == possible, (spans, texts)


LETTERS = [
    *("cancel", "delete", "delete!NotFoundOrder", "cancel?", "submitted", "describe=payed"),
    *("delete!OrderStateError", "delete!Error", "describe=CHECKING", "review_failed"),
    *("create", "delete?", "delete!DeleteFail", "cancel!Throttling.User", "domain_validated"),
]


def test_there_are_as_many_ways_to_overlap_as_interval_orders():
    assert [len(shapes(number)) for number in range(1, 6)] == [1, 2, 5, 15, 53]


@pytest.mark.parametrize("events", Events)
@pytest.mark.parametrize(("number", "letters"), [(1, 15), (2, 15), (3, 8), (4, 4)])
def test_it_agrees_with_every_order_of_the_calls_on_all_small_histories(number, letters, events):
    for spans, texts in product(shapes(number), product(LETTERS[:letters], repeat=number)):
        agree_wholly(spans, texts, events)


@pytest.mark.parametrize("initial", [("pending_review",), ("pending_application", "pending_review", "verify_fail")])
def test_and_on_those_of_an_order_of_which_more_is_known(initial):
    letters = ["cancel", "delete", "submitted", "delete?", "delete!OrderStateError", "describe=payed"]
    for spans, texts in product(shapes(3), product(letters, repeat=3)):
        agree_wholly(spans, texts, "complete", initial)


@pytest.mark.parametrize(
    ("events", "letters"),
    [
        ("partial", LETTERS[:3]),
        ("complete", LETTERS[3:6]),
        pytest.param("partial", LETTERS[:6], marks=pytest.mark.long),
        pytest.param("complete", LETTERS[:6], marks=pytest.mark.long),
    ],
)
def test_and_on_all_histories_of_five_calls(events, letters):
    for spans, texts in product(shapes(5), product(letters, repeat=5)):
        agree(spans, texts, events)


@pytest.mark.parametrize("events", Events)
@pytest.mark.parametrize("apart", [False, True], ids=["without intervals", "one after the other"])
def test_of_calls_one_after_the_other_it_says_what_the_judge_says(apart, events):
    for texts in product([*LETTERS[:9], "delete!", "delete!Unheard.Of", "describe=Future_Word"], repeat=3):
        lines = [call(text, *((at, at + 0.5) if apart else ())) for at, text in enumerate(texts)]
        judged, found = t.judge(lines, events=events), check_history(lines, events=events)
        assert found.calls == tuple(lines)
        fields = ("verdict", "index", "possible", "legal")
        assert [getattr(found, name) for name in fields] == [getattr(judged, name) for name in fields], texts


# -- sentence by sentence ----------------------------------------------------------------------------------------------


def test_calls_that_overlap_may_have_happened_in_either_order():
    for cancel, delete in [((0, 2), (1, 3)), ((1, 3), (0, 2)), ((0, 9), (1, 2)), ((1, 2), (0, 9))]:
        assert checked(("cancel", *cancel), ("delete", *delete)).verdict is CONFORMS


@pytest.mark.parametrize("ended", [1, "2026-08-05T06:10:00Z"])
def test_a_call_that_ended_before_another_began_happened_before_it(ended):
    late = ended + 1 if ended == 1 else "2026-08-05T08:10:00.001+02:00"
    assert checked(("cancel", None, ended), ("delete", late, None)).verdict is CONFORMS
    assert checked(("delete", None, ended), ("cancel", late, None)).verdict is VIOLATES


def test_calls_that_touch_overlap():
    assert checked(("delete", 0, 1), ("cancel", 1, 2)).verdict is CONFORMS


def test_an_interval_without_a_start_or_an_end_is_open_there():
    assert checked(("delete", None, 1), ("cancel", 0.5, 2)).verdict is CONFORMS
    assert checked(("delete", 0, None), ("cancel", 5, 6)).verdict is CONFORMS
    assert checked(("delete", 0, 4), ("cancel", 5, None)).verdict is VIOLATES


def test_events_that_are_missing_may_happen_between_any_two_calls():
    calls = [("create", 0, 1), ("delete", 2, 3)]
    assert checked(*calls, events="partial").verdict is CONFORMS
    assert checked(*calls, events=None).verdict is CONFORMS
    found = checked(*calls)
    assert (found.verdict, found.index, found.possible) == (VIOLATES, 1, (State.PENDING_REVIEW,))
    assert found.legal == ORDER_LIFECYCLE_LEGAL
    assert checked(*calls, ("review_failed", 0.5, 2.5)).verdict is CONFORMS
    assert checked(*calls, ("review_failed", 2.9, 9)).verdict is CONFORMS
    assert checked(*calls, ("review_failed", 3.1, 9)).verdict is VIOLATES


ORDER_LIFECYCLE_LEGAL = (
    *(Operation.CANCEL, Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE),
    *(Event.DOMAIN_VALIDATED, Event.REVIEW_FAILED),
)


def test_the_headers_of_a_trace_say_whether_events_are_missing():
    lines = [call("create", 0, 1), call("delete", 2, 3)]
    complete, partial = t.Header("a", Events.COMPLETE), t.Header("b", Events.PARTIAL)
    assert check_history([complete, *lines]).verdict is VIOLATES
    assert check_history([complete, partial, *lines]).verdict is CONFORMS
    assert check_history([complete, *lines], events="partial").verdict is CONFORMS


@pytest.mark.parametrize("lost", ["delete?", "delete!Error"])
def test_a_lost_call_happens_at_any_time_after_its_start_or_never(lost):
    start, deleted, there = ("cancel", 0, 1), ("describe!NotFoundOrder", 8, 9), ("describe=payed", 6, 7)
    assert checked(start, (lost, 2, 3), deleted).verdict is CONFORMS
    assert checked(start, (lost, 2, 3), there).verdict is CONFORMS
    assert checked(start, (lost, 2, 3), there, deleted).verdict is CONFORMS, "later than it ended"
    assert checked(start, (lost, 8.5, None), there, deleted).verdict is CONFORMS
    assert checked(start, (lost, 9.1, None), there, deleted).verdict is VIOLATES, "not before it started"
    assert checked(start, (lost, 2, 3), deleted, ("describe=payed", 10, 11)).verdict is VIOLATES


def test_a_lost_call_happens_once():
    there, again = ("describe=payed", 4, 5), ("describe=payed", 8, 9)
    assert checked(("cancel?", 0, 1), there, ("submitted", 6, 7), again, initial=["pending_review"]).verdict is VIOLATES
    twice = [("cancel?", 0, 1, "a"), ("cancel?", 0, 1, "b")]
    assert checked(*twice, there, ("submitted", 6, 7), again, initial=["pending_review"]).verdict is CONFORMS


def test_a_deletion_that_two_clients_were_promised_is_a_violation():
    found = checked(("cancel", 0, 1, 1), ("delete", 2, 5, 1), ("delete", 3, 4, 2))
    assert found.verdict is VIOLATES
    assert found.culprit == call("delete", 2, 5, 1)
    assert found.possible == (State.DELETED,)


def test_a_lost_update_is_a_violation():
    """Owner and client act on an order at once, both are told that they did, and one of them is overwritten."""
    calls = [("create", 0, 1), ("domain_validated", 2, 5), ("cancel", 3, 4)]
    assert checked(*calls, ("describe=payed", 6, 7)).verdict is CONFORMS
    assert checked(*calls, ("describe=process", 6, 7)).index == 3


def test_a_vague_line_leaves_it_undecided():
    assert checked(("create", 0, 1), ("describe=Future_Word", 2, 3)).verdict is UNDECIDED
    assert checked(("create", 0, 1), ("cancel!", 2, 3), ("describe=payed", 4, 5)).verdict is UNDECIDED
    assert checked(("create", 0, 1), ("delete!", 2, 3)).verdict is CONFORMS
    assert checked(("create", 0, 1), ("describe=Future_Word", 2, 3), ("delete", 4, 5)).index == 2


def test_the_order_begins_where_it_is_said():
    cancel = [("cancel", 0, 1)]
    assert checked(*cancel).verdict is CONFORMS
    assert checked(*cancel, initial=[None, "issued"]).possible == (None, State.ISSUED)
    assert checked(*cancel, initial={State.BEING_REVIEWED}).verdict is CONFORMS
    for wrong in (["isued"], [], "isued"):
        with pytest.raises(InvalidValue, match="state"):
            checked(*cancel, initial=wrong)


def renewal(order_id, new_order_id, started, ended):
    line = call("renew", started, ended, order_id=order_id)
    return attrs.evolve(line, new_order_id=new_order_id)


def test_an_order_that_a_renewal_named_begins_there():
    lines = [renewal(1, 7, 0, 5), call("cancel_for_package", 3, 6)]
    assert check_history(lines, events="complete").verdict is CONFORMS
    assert check_history([*lines, call("delete", 2, 4)], events="complete").verdict is VIOLATES
    assert check_history([lines[0], call("delete", 6, 7), renewal(2, 7, 8, 9)]).index == 2
    assert check_history([renewal(7, 7, 0, 1)]).verdict is VIOLATES
    found = check_history([call("describe=payed", 0, 1), renewal(1, 7, 2, 3)])
    assert (found.index, found.possible) == (0, (None,))


def test_another_table_decides_otherwise():
    row = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL)
    assert checked(("create", 0, 1), ("cancel", 2, 3), lifecycle=ORDER_LIFECYCLE.without(row)).verdict is VIOLATES


def long_history(calls, clients=8, seed=7):
    """What clients that never rest are told by a server that does one thing after the other, and what it did."""
    draw = random.Random(seed)
    free, spans = [0.0] * clients, []
    for _ in range(calls):
        client = free.index(min(free))
        started = free[client] + draw.uniform(0, 0.2)
        free[client] = started + draw.uniform(0.1, 1)
        spans.append((draw.uniform(started, free[client]), started, free[client], client))
    state, told = "pending_review", []
    for _, *span in sorted(spans):
        event = draw.choice(["domain_validated", "submitted", "review_failed"])
        state = (oracle.after(state, event) if draw.random() < 0.3 else None) or state
        name = draw.choice(["cancel", "renew", "describe"])
        target = oracle.after(state, name)
        state = target or state
        word = {"pending_application": "payed", "pending_review": "domain_verify", "being_reviewed": "process"}
        answer = f"={word.get(state, state)}" if name == "describe" else "" if target else "!OrderStateError"
        told.append(call(name + answer, *span))
    return told


def test_a_long_history_of_eight_busy_clients_is_decided_to_the_very_call():
    lines = long_history(2_000)
    assert check_history(lines, initial=["pending_review"]).verdict is CONFORMS
    at = by_end(lines)[1_900].line
    wrong = [attrs.evolve(at, trigger=Operation.CREATE, state=None, code=None, outcome="accepted")]
    found = check_history([line for line in lines if line is not at] + wrong, initial=["pending_review"])
    assert (found.verdict, found.index) == (VIOLATES, 1_900)


def test_when_its_time_is_up_it_is_undecided():
    found = check_history(long_history(500), initial=["pending_review"], budget=1e-6)
    assert (found.verdict, found.out_of_time, found.index) == (UNDECIDED, True, None)
    assert str(found) == "order 7 is undecided: its 500 calls were too many for the time given"
    broken = checked(*[(f"describe={word}", 0, 9) for word in WORDS] * 20, ("create", 0, 9), budget=1e-6)
    assert (broken.verdict, broken.out_of_time) == (UNDECIDED, True), "a violation is one only if all was tried"


def test_what_the_mock_writes_down_is_a_history():
    pytest.importorskip("sqlalchemy", reason="the extra `mock` is not installed")
    import orders

    from orderfsm.mock import Service

    service = Service()
    order_id = orders.order_in(service, State.VERIFY_FAIL)
    orders.call(service, Operation.DELETE, OrderId=order_id)
    found = check_history(service.history(), events="complete")
    assert (found.verdict, found.order_id, len(found.calls)) == (CONFORMS, order_id, 3)


@pytest.mark.parametrize(
    ("calls", "options", "message"),
    [
        ([], {}, "history []: expected lines of one order"),
        ([call("list")], {}, "expected lines of one order"),
        ([call("cancel"), call("cancel", order_id=8)], {}, "order ids [7, 8]: expected those of one order"),
        ([call("cancel", 2, 1)], {}, "interval (2, 1): expected an end that is not before the start"),
        ([call("cancel", "yesterday", 1)], {}, "time 'yesterday': expected an RFC 3339 time"),
        ([call("cancel", float("-inf"), 1)], {}, "started -inf: expected seconds, an RFC 3339 time"),
        ([attrs.evolve(call("cancel"), ended=True)], {}, "ended True: expected seconds"),
        ([call("cancel")], {"budget": 0}, "budget 0: expected seconds, more than 0"),
        ([call("cancel")], {"budget": float("inf")}, "budget inf"),
        ([call("cancel")], {"events": "all"}, "events 'all': expected complete, partial"),
    ],
)
def test_bad_input_is_one_clear_error(calls, options, message):
    with pytest.raises(InvalidValue) as error:
        check_history(calls, **options)
    assert message in str(error.value)


# -- pictures ----------------------------------------------------------------------------------------------------------


BUSY = [
    ("create", 0, 1, "a"),
    ("cancel", 2, 3, "a"),
    ("describe=payed", 4, 9, "b"),
    ("delete?", 12, 13, "a"),
    ("delete", 14, 18, "a"),
    ("delete", 15, 17, "b"),
    ("describe!NotFoundOrder", None, 20, "c"),
    ("review_failed", 16, None),
]


def test_a_picture_shows_a_lane_for_each_client():
    found = checked(*BUSY)
    assert found.picture().splitlines() == PICTURE.splitlines()[1:]


PICTURE = """
order 7 violates the table: no order of the calls explains that client a got delete: accepted
state before these calls: no order
events                                                                                       |---review_failed---->
client a   |-create: accepted-||-cancel: accepted-|                   |-delete: no answer->|==delete: accepted==|
client b                                           |-describe: payed-|                      |-delete: accepted-|
client c  <---------------------------------------describe: NotFoundOrder----------------------------------------|
state just before the call drawn with `=`: deleted
allowed there: ListUserCertificateOrder, DescribePackageState
"""


def test_calls_of_one_client_that_overlap_have_lanes_of_their_own():
    lanes = checked(("describe?", 0, 3, "a"), ("describe?", 2, 5, "a"), ("describe?", 4, 6, "a")).picture()
    assert lanes.splitlines()[1:] == [
        "client a  |-describe: no answer->|-describe: no answer->",
        "client a   |-describe: no answer-->",
    ]


def test_the_smallest_history_has_only_what_is_needed():
    answered = [call for call in BUSY if call[0] != "delete?"]
    found = smallest_history(checked(*answered), events="complete")
    assert names_of(found) == ["CREATE", "CANCEL", "DELETE", "DELETE", "REVIEW_FAILED"]
    assert (found.verdict, found.culprit, found.initial) == (VIOLATES, call(*BUSY[4]), (None,))


def test_the_smallest_history_begins_at_a_pause_since_which_six_calls_are_enough():
    life = [("create", 0, 1), *((name, at, at + 1) for at in range(2, 40, 4) for name in ("cancel", "describe=payed"))]
    life += [("submitted", at + 2, at + 2.5) for at in range(2, 36, 4)]
    found = smallest_history(checked(*life, ("delete", 50, 52), ("delete", 51, 53)), events="complete")
    assert names_of(found) == ["SUBMITTED", "CANCEL", "SUBMITTED", "CANCEL", "DELETE", "DELETE"]
    assert (found.initial, found.index, found.possible) == ((State.PENDING_APPLICATION,), 5, (State.DELETED,))
    assert smallest_history(found, events="complete") == found


def test_a_long_history_becomes_a_small_one_in_no_time():
    lines = long_history(300, clients=1)
    wrong = call("create", 10**6, 10**6 + 1)
    found = smallest_history(check_history([*lines, wrong], initial=["pending_review"]), budget=5)
    assert (found.verdict, found.culprit) == (VIOLATES, wrong)
    assert len(found.calls) <= 6


def test_a_lost_call_from_before_the_pause_stays_in_the_smallest_history():
    found = smallest_history(checked(*BUSY), events="complete")
    assert names_of(found) == ["CREATE", "CANCEL", "DELETE", "DELETE", "DELETE", "REVIEW_FAILED"]
    assert found.calls[2].outcome is t.Outcome.UNKNOWN


def test_a_smallest_history_of_one_that_conforms_is_itself():
    found = checked(("create", 0, 1))
    assert smallest_history(found) is found


def names_of(found):
    return [line.trigger.name for line in found.calls]


def test_without_a_culprit_there_is_a_sentence_and_the_lanes():
    assert checked(("create", 0, 1)).picture() == "order 7 conforms: 1 calls\ncalls  |-create: accepted-|"
    vague = checked(("create", 0, 1), ("describe=Future_Word", 2, 3))
    assert str(vague) == "order 7 is undecided: a line of it can be read in two ways"
    assert str(checked(("create", 0, 1), ("renew", 2, 3))) == (
        "order 7 violates the table: no order of the calls explains renew: accepted"
    )
    assert "before these calls: any, or no order" in checked(("cancel", 0, 1), ("renew", 2, 3)).picture()
