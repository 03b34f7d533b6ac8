"""What the account's list must show: every order that is there once, oldest first, with a word for its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.explanation import with_article
from orderfsm.rows import ABSENT

from .failure import Contradiction, Kind
from .steps import ReadList

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.identity import Id
    from orderfsm.rows import Operation, State, Vocabulary
    from orderfsm.testing.drivers.driver import Entry, Page

    from .account import Account


class Listing:
    """The list of an account, whose words for states are those of some vocabularies.

    It `is_whole` if nothing is in the account but the program's orders. If it `moves`, others may move orders between
    two of its pages.
    """

    def __init__(
        self,
        account: Account,
        vocabularies: tuple[Vocabulary, ...],
        *,
        is_whole: bool,
        moves: bool,
        oldest_first: bool = True,
    ) -> None:
        self._account = account
        self._vocabulary, *self._others = vocabularies
        self._noun, self._identity = account.lifecycle.noun, account.lifecycle.identity
        self._is_whole, self._moves, self._oldest_first = is_whole, moves, oldest_first
        rules = account.lifecycle.state_rules
        every = list(enumerate(account.lifecycle.vocabularies))
        self._words = {
            each.field: {state: rule.readings(at) for state, rule in rules.items()}
            for at, each in every
            if each in vocabularies
        }
        """The words by which each field of the list may call a state; none if it does not show it."""
        self._domains: dict[int, str] = {}
        self._pages: dict[tuple[object, ...], list[Id]] = {}
        self._matched: dict[tuple[str, str | None, frozenset[State | None]], set[bool]] = {}

    def domain(self, order: int) -> str | None:
        """The domain of an order, if a list has told it."""
        return self._domains.get(order)

    def begin_again(self) -> None:
        """Something was called or happened: pages that follow are of another list."""
        self._pages.clear()

    def learn(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        """Learn a page of the list. Pages of one list that follow one another must make up that list."""
        yield from self._sized(asked, page)
        names = {id_: order for order, id_ in self._account.ids.items()}
        for entry in page.entries:
            order = names.get(entry.order_id)
            if order is None and self._is_whole:
                yield Contradiction(
                    f"only {self._noun}s that exist", f"{self._identity.words} {entry.order_id}", fatal=False
                )
            if order is not None:
                yield from self._listed(order, entry)
                if entry.domain or order not in self._domains:
                    self._domains[order] = entry.domain
            word = entry.status if asked.field is None else entry.words.get(asked.field)
            if asked.status is not None and word != asked.status:
                expected = f"only {self._noun}s with {asked.field or 'status'} {asked.status}"
                yield Contradiction(expected, f"one with {word}", Kind.SHAPES)
            if asked.like is not None and self._domains[asked.like] not in entry.domain:
                expected = f"only domains that contain {self._domains[asked.like]}"
                yield Contradiction(expected, entry.domain, Kind.SHAPES)
        yield from self._follow(asked, page)
        if not self._oldest_first:
            return
        shown = [entry.order_id for entry in page.entries]
        begun = [order_id for order_id in self._account.ids.values() if order_id in shown]
        if begun != [order_id for order_id in shown if order_id in names]:
            got = f"{self._identity.words}s {', '.join(map(str, shown))}"
            yield Contradiction(f"{self._noun}s oldest first", got, Kind.SHAPES)

    def _listed(self, order: int, entry: Entry) -> Iterator[Contradiction]:
        """An order in the list is there, with its status."""
        if self._account.states(order) <= self._account.lifecycle.gone:
            expected = f"no {self._noun} {order} in the list, which is deleted"
            yield Contradiction(expected, f"status {entry.status}", fatal=False)
            return
        yield from self._says(order, "status", entry.status, self._vocabulary)
        for other in self._others:
            yield from self._says(order, other.field, entry.words.get(other.field, ABSENT), other)

    def _says(self, order: int, called: str, word: str, vocabulary: Vocabulary) -> Iterator[Contradiction]:
        words = self._words[vocabulary.field]
        possible = {each or "absent" for state in self._account.states(order) for each in words[state] or (ABSENT,)}
        for wrong in self._account.read(order, word, vocabulary):
            expected = f"{called} {' or '.join(sorted(possible))} of {self._noun} {order}"
            yield Contradiction(expected, word or "absent", wrong.kind, fatal=False)

    def _sized(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        left = min(asked.size, max(0, page.total - (asked.page - 1) * asked.size))
        if len(page.entries) != left:
            expected = f"{left} {self._noun}s on page {asked.page} of {page.total} {self._noun}s"
            yield Contradiction(expected, f"{len(page.entries)}", Kind.SHAPES)
        ids = [entry.order_id for entry in page.entries]
        if len(set(ids)) != len(ids):
            yield Contradiction(f"each {self._noun} once", f"{with_article(self._noun)} twice on a page", Kind.SHAPES)
        certain, possible = self._matching(asked)
        if self._is_whole and not len(certain) <= page.total <= len(possible):
            expected = f"{span(len(certain), len(possible))} {self._noun}s in all"
            yield Contradiction(expected, f"{page.total}", Kind.SHAPES)

    def _follow(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        """Hold a page against those of the same list before it, and the whole against what must be in it."""
        if self._moves and asked.status is not None:
            return  # orders may have moved between the pages
        key = (asked.status, asked.field, asked.like, asked.size)
        before = [] if asked.page == 1 else self._pages.get(key)
        if before is None or len(before) != (asked.page - 1) * asked.size:
            return
        ids = [entry.order_id for entry in page.entries]
        if set(before) & set(ids):
            expected = f"on page {asked.page} {self._noun}s that were not on the pages before"
            yield Contradiction(expected, "one of them again", Kind.SHAPES)
        self._pages[key] = whole = before + ids
        missing = [order for order in self._matching(asked)[0] if self._account.ids[order] not in whole]
        if missing and len(whole) >= page.total:
            yield Contradiction(f"{self._noun} {missing[0]} in the list", "a list without it", Kind.SHAPES)

    def _matching(self, asked: ReadList) -> tuple[list[int], list[int]]:
        """The orders that are in a list for certain, and those that may be."""
        certain, possible = [], []
        for order in self._account.ids:
            if asked.like is not None and self._domains[asked.like] not in self._domains.get(order, ""):
                continue
            matches = self._matches(asked.field or self._vocabulary.field, asked.status, self._account.states(order))
            certain += [order] if matches == {True} else []
            possible += [order] if True in matches else []
        return certain, possible

    def _matches(self, field: str, status: str | None, states: frozenset[State | None]) -> set[bool]:
        """Whether a list has an order that is in one of some states: both if it may be shown by several words."""
        key = field, status, states
        if key not in self._matched:
            words = self._words[field]
            each = [{status in {None, word} for word in words[state]} or {False} for state in states]
            self._matched[key] = set().union(*each)
        return self._matched[key]

    def counted(self, operation: Operation, body: Mapping[str, Any]) -> Iterator[Contradiction]:
        """Learn an answer that counts the orders with each word, and all of them (`InactiveCount`, `TotalCount`)."""
        words = {each for words in self._words[self._vocabulary.field].values() for each in words}
        counts: dict[str, str | None] = {f"{word[:1].upper()}{word[1:]}Count": word for word in sorted(words)}
        if not self._is_whole or not counts.keys() & body.keys():
            return
        for name, word in ({"TotalCount": None} | counts).items():
            certain, possible = map(len, self._matching(ReadList(operation, word)))
            got = body.get(name)
            if type(got) is int and not certain <= got <= possible:
                yield Contradiction(f"{name} {span(certain, possible)}", f"{got}", Kind.SHAPES, itself=True)


def span(least: int, most: int) -> str:
    """How many: from the least to the most."""
    return f"{least}" if least == most else f"{least} to {most}"
