"""Find and localise anomalies in industrial images: one model whose idea of normal is a swappable context."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "adcore.model",
    "Model": "adcore.model",
    "Prediction": "adcore.prediction",
    "Sample": "adcore.data.samples",
    "UserError": "adcore.errors",
    **dict.fromkeys(
        (
            "Backbone",
            "Clusterer",
            "Dataset",
            "Fit",
            "Fuser",
            "Head",
            "HeadOutput",
            "Observer",
            "ReferenceMatcher",
            "Synthesizer",
        ),
        "adcore.interfaces",
    ),
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from adcore.data.samples import Sample as Sample
    from adcore.errors import UserError as UserError
    from adcore.interfaces import Backbone as Backbone
    from adcore.interfaces import Clusterer as Clusterer
    from adcore.interfaces import Dataset as Dataset
    from adcore.interfaces import Fit as Fit
    from adcore.interfaces import Fuser as Fuser
    from adcore.interfaces import Head as Head
    from adcore.interfaces import HeadOutput as HeadOutput
    from adcore.interfaces import Observer as Observer
    from adcore.interfaces import ReferenceMatcher as ReferenceMatcher
    from adcore.interfaces import Synthesizer as Synthesizer
    from adcore.model import Model as Model
    from adcore.model import load as load
    from adcore.prediction import Prediction as Prediction


def __getattr__(attribute: str) -> Any:
    """Import a public name when it is first used, so that ``import adcore`` does not import torch."""
    if attribute in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[attribute]), attribute)
    raise AttributeError(f"module 'adcore' has no attribute {attribute!r}")
