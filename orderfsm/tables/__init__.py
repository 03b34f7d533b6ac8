"""The tables: each says what may happen in the life of one kind of order, and everything else is derived from it."""
