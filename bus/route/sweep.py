"""Sweeps: with each new day, week or month of an agreement, the copies held under it are looked at again. Pure.

A record grows too old, or may be brought up to date, without any change at its source. Only copies that a recipient
holds can be concerned, so nothing else is judged: what a retention erased is not delivered again.
"""

from collections.abc import Iterator
from dataclasses import replace

from bus.route.rules import Rule, Standings
from bus.route.state import Cursor, Draft

SWEEP = "sweep"
"""A sweep has a cursor of its own, beside that of the agreement; no agreement's name holds a `/`."""

LOOKS = 20
"""To pass over a record that is not held costs little: so many are looked at for one that may be judged."""


def swept(draft: Draft, standings: Standings, limit: int) -> Iterator[tuple[Rule, list[bytes]]]:
    """Whose copies are to be judged now, at most `limit` keys; how far each sweep has come is put into the draft.

    To be asked once all that exists is judged under the texts in force.
    """
    for rule, text in standings.sweeps:
        cursor = _open(draft, rule, text)
        if cursor is not None and limit > 0:
            keys, draft.cursors[_name(rule)] = _held_after(draft, rule, cursor, limit)
            limit -= len(keys)
            yield rule, keys


def sweep_waits(draft: Draft, standings: Standings) -> bool:
    """Whether there are copies that have not been looked at since the last midnight."""
    return any(_open(draft, rule, text) is not None for rule, text in standings.sweeps)


def _name(rule: Rule) -> str:
    return f"{rule.route.agreement}/{SWEEP}"


def _open(draft: Draft, rule: Rule, text: str) -> Cursor | None:
    """Where a sweep begins, or goes on; None where it is done."""
    cursor = draft.cursor(_name(rule))
    if cursor is None or cursor.standing != text:
        return Cursor(text)
    return None if cursor.done else cursor


def _held_after(draft: Draft, rule: Rule, cursor: Cursor, limit: int) -> tuple[list[bytes], Cursor]:
    """The next keys under which a copy is held, and where to go on."""
    agreement, dataset, held = rule.route.agreement, rule.route.dataset, []
    keys = draft.state.keys_after(dataset, cursor.after, limit * LOOKS)
    for key in keys:
        if agreement in draft.held(dataset, key):
            held.append(key)
            if len(held) == limit:
                return held, replace(cursor, after=key)
    if len(keys) < limit * LOOKS:
        return held, Cursor(cursor.standing, done=True)
    return held, replace(cursor, after=keys[-1])
