"""The ids of orders: what they are called, which values they may have, and how a new one is made."""

from typing import Any, NamedTuple, TypeAlias

from .invalid import InvalidValue

Id: TypeAlias = "int | str"
"""The id of an order: an int or a text, as its table says."""

MAX_ID = 2**63 - 1
"""The largest id that is a number: the API's type is `long`."""

LONGEST = 128
"""How many characters an id that is a text has at most, unless its table says otherwise."""

_EXACT = 2**53
"""Below it a float is the integer that was meant; from there on it may have been rounded."""
_DIGITS = len(str(MAX_ID))


class Identity(NamedTuple):
    """How a table identifies its orders: by ids that traces and reports have under `key`.

    An id is an int in 1 .. 2**63-1; with `form` it is a text instead: 1 to `longest` printable ASCII characters without
    spaces, and `form` says how one is made of a number (`book-{}`). `parameter` is the API's name for it. `others` are
    how the ids begin of what the API's lists have besides, and what lives by another table. `opaque`: an id is an
    address that the server gave, so that no other can be asked for.

    >>> from orderfsm.identity import Identity
    >>> Identity("order_id").read("0007"), Identity("shelf_mark", form="qa-{}").new(7)
    (7, 'qa-7')
    >>> Identity("shelf_mark", form="qa-{}").number("qa-7")
    7
    """

    key: str = "order_id"
    parameter: str = "OrderId"
    form: str = ""
    longest: int = LONGEST
    others: tuple[str, ...] = ()
    opaque: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its ids are texts, not numbers."""
        return bool(self.form)

    @property
    def words(self) -> str:
        """What an id is called in a sentence: `order id`."""
        return self.key.replace("_", " ")

    @property
    def accepted(self) -> str:
        """What an id is, in words."""
        if self.is_text:
            return f"1 to {self.longest} printable ASCII characters without spaces"
        return f"an int in 1 .. {MAX_ID}"

    def check(self, value: object) -> Id:
        """`value` if it is an id; else `InvalidValue`."""
        if self.form:
            is_visible = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
            if is_visible and 0 < len(value) <= self.longest:  # type: ignore[arg-type]  # it is a text
                return value  # type: ignore[return-value]
        elif type(value) is int and 0 < value <= MAX_ID:
            return value
        raise InvalidValue(self.words, value, [self.accepted])

    def read(self, value: Any) -> Id:
        """The id that `value` is as logs and data frames write it: a number also as digits, or as a float (`7.0`)."""
        if type(value) is int or self.form:
            return self.check(value)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            digits = value.lstrip("0")
            return self.check(int(digits) if 0 < len(digits) <= _DIGITS else value)
        from decimal import Decimal

        if isinstance(value, float | Decimal) and value == value // 1:
            if isinstance(value, float) and abs(value) >= _EXACT:
                raise InvalidValue(self.words, value, ["an int: a float of this size may have been rounded"])
            return self.check(int(value))
        return self.check(value)

    def new(self, number: int) -> Id:
        """The id made of `number`, a positive one."""
        return self.check(self.form.format(number) if self.is_text else number)

    def number(self, value: Id) -> int | None:
        """The number of which that id was made; None if it was made of none, or of one that its form hides."""
        if not isinstance(value, str):
            return value
        before, after = self.form.partition("{")[0], self.form.rpartition("}")[2]
        digits = value[len(before) : len(value) - len(after)]
        for base in (10, 16):
            try:
                number = int(digits, base)
            except ValueError:
                continue
            if number > 0 and self.form.format(number) == value:
                return number
        return None

    def sort_key(self, value: Id) -> tuple[int, Id]:
        """What ids sort by, also those of two kinds: numbers before texts."""
        return isinstance(value, str), value
