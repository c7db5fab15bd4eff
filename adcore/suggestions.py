"""What the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The end of an error message: the option closest to a misspelt word, or nothing.

    Case, dashes and underscores do not count.

    >>> did_you_mean("res_net", ["resnet", "swin"])
    "; did you mean 'resnet'?"
    >>> did_you_mean("vit", ["resnet", "swin"])
    ''
    """
    from difflib import get_close_matches

    folded = {_fold(option): option for option in options}
    close = get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
