"""Time for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds as text.

    >>> [duration(value) for value in (0.84, 41.2, 200, 7500)]
    ['0.8 s', '41 s', '3 min 20 s', '2 h 5 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
