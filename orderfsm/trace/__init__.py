"""Recorded histories of orders: reading them, writing them, and judging them by the table.

The trace format
----------------
JSON Lines, also compressed: one line, one thing that happened. `null`, an empty text and NaN mean absent; other keys
are kept and ignored.

* `time`: RFC 3339, with any offset, also in hours alone (`+00`); or an integer of milliseconds since 1970.
* `order_id`: an integer, a string of digits, or a float that is exactly one integer below 2**53 (`7.0`, as pandas
  writes ids). Only account lines may lack it. Another table has its ids under its own key, and they may be texts:
  `instance_id`, `order_url`. A line has one of these keys, and is of the table whose key it is; without any, of the one
  that has its operation. A file may mix lines of several tables.
* `operation` or `event`, exactly one of them: an API action name, or an Event's value, of the table.
* `outcome` of an operation: `accepted`, `refused`, or `unknown` (no answer came); `code` of a refusal: the error code.
* `state`: what a read answered: a State's value, or a word of the table's vocabularies (a `Type` or a `Status`), in any
  case. It means every state that it means as one of these. Of an accepted call whose answer has the same word (ACME's
  newOrder and finalize) it is the state after the call; without it only the row's target is meant.
* `certificate_state`, of instances: the second word of the same answer, a `CertificateStatus`. `state` is then a
  State's value or a `Status`, and the two mean the states that both may mean. Null says nothing, as everywhere; an
  answer without a certificate is an empty text, or `absent`.
* `new_order_id` (`new_` and the table's key) of an accepted renewal: the second order, which begins here.
* `client`, `started`, `ended`: who called, and the call's interval, in a history of concurrent calls.

A file's first line may be a header, `{"trace": 1, "events": "complete"}`: all events of these orders are in the trace;
of several files, all must say so. Otherwise events may be missing, and may have happened between any two lines.
Operations are never missing. Lines are ordered by time; those of equal times by file as given, then by line.

*Account lines* are counted, not judged: reads of the account (DescribePackageState), unless an `order_id` and a `state`
make one that answers words for states, a list, a read of that order; creates that were refused or not answered. So are
the lines of other tables, if those of one table alone are to be judged. *Bad lines*, which are not as said above or are
of a table that nobody knows, are counted, reported and skipped.

What explains a line
--------------------
An order whose first line is an accepted create, or which a renewal named, begins as no order; any other may begin in
any state, or as no order. A *run* is a beginning and a path through the table that explains every line:

* accepted, or an event: the table allows it there, and the order moves. So a create of an order that exists is
  explained by nothing, nor is a renewal that names one.
* refused with a code that means that the state forbids it (`OrderStateError`): the table refuses it there, and there is
  an order that is not deleted. That there is none (`NotFoundOrder`): there is no order, or it is deleted. That it was
  not carried out (`DeleteFail`): the table allows it, and has such an error for it; nothing changes. That it perhaps
  was (`Error`, and what a gateway answers instead, `ServiceUnavailable`): as an unknown outcome. Any other code that
  the table's `codes` know: anywhere; nothing changes. Such a one says that the time of a row is over
  (`CouldNotRefund.OverTime`).
* unknown: it was accepted there, or nothing changed. In a history with `started` or `ended` it may also happen later.
* a read with a `state`: one of the states that the word may mean. A call that changed the order and has one: that, if
  the row leads there, or events do that may have happened at once; lines may tell of these events afterwards.
* a call that the table allows, but that the service may refuse as it likes, perhaps only after something else happened:
  refused as well, with any code; nothing changes. Where the table refuses and names no code, any code will do.
* an event that does not happen unseen (an ACME order's authorizations become valid): it stands in the trace; or it may
  have happened before a read that shows where it led, if nothing changed the order in between.
* where the table's sources are silent, anything: accepted, it may have led to any state; refused, nothing changes. That
  an event of which they are silent happened unseen is not counted in.

Three sorts of lines are *vague*: they can be read strictly, or in the order's favour.

* a refusal without a code: strictly `OrderStateError` or `NotFoundOrder`; in favour any refusal, `Error` included.
* a refusal with a code that nobody knows: strictly nothing explains it; in favour as any other known code.
* a read that answered a word that nobody knows: strictly nothing explains it; in favour it is any state, unless the
  table's vocabularies are all closed: then nothing explains it. Of two words, the one that is known still counts.

An order CONFORMS if some run explains every line read strictly. It VIOLATES the table if none does, not even with the
vague lines read in its favour; named is the first line after which no run is left. Else it is UNDECIDED.
"""

from __future__ import annotations

from .automata import Automaton, Possible, Run, automaton, covers, explain
from .files import batches, dumps, header, line_of, loads, read, texts, write
from .judging import judge, judge_end, judge_readings, only_order, only_table, replay
from .lines import BadLine, Entry, Events, Header, Instant, Line, Outcome, all_or_some, instant_of, unreadable
from .reading import Answer, Reading, readings
from .verdicts import SHOWN, Finding, Judged, Judgement, Report, Violation

__all__ = [
    "SHOWN",
    "Answer",
    "Automaton",
    "BadLine",
    "Entry",
    "Events",
    "Finding",
    "Header",
    "Instant",
    "Judged",
    "Judgement",
    "Line",
    "Outcome",
    "Possible",
    "Reading",
    "Report",
    "Run",
    "Violation",
    "all_or_some",
    "automaton",
    "batches",
    "covers",
    "dumps",
    "explain",
    "header",
    "instant_of",
    "judge",
    "judge_end",
    "judge_readings",
    "line_of",
    "loads",
    "only_order",
    "only_table",
    "read",
    "readings",
    "replay",
    "texts",
    "unreadable",
    "write",
]
