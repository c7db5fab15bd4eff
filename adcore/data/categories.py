"""Choosing among the categories of a data set."""

from __future__ import annotations

from collections.abc import Sequence

from adcore.errors import UserError
from adcore.suggestions import did_you_mean


def choose(categories: Sequence[str] | None, known: Sequence[str], source: str) -> list[str]:
    """The categories asked for, in the order of the data set; all of them for None.

    Args:
        categories: what the user asked for.
        known: what there is.
        source: where it comes from, for the error message.

    Raises:
        UserError: an unknown category, with the nearest known one, or none at all.
    """
    if categories is None:
        return list(known)
    for category in categories:
        if category not in known:
            hint = did_you_mean(category, known)
            raise UserError(f"{source} has no category {category!r}{hint}; it has {', '.join(known)}")
    if not categories:
        raise UserError(f"no category of {source} chosen: leave categories out, or name some of {', '.join(known)}")
    return [category for category in known if category in categories]
