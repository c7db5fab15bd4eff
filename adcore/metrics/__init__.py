"""Metrics: numpy in, floats out, each checked against an independent computation. None of it needs torch.

A metric that its data cannot define (no defects, no normals, no shared images) is nan, which reports show as "n/a".
"""

from adcore.metrics.clustering import iou, macro_f1, pixel_f1, segmentation_metrics
from adcore.metrics.curves import roc
from adcore.metrics.decision import decision_metrics
from adcore.metrics.flip import Verdict, flip_accuracy, flip_metrics
from adcore.metrics.image import auroc, average_precision, f1max
from adcore.metrics.pixel import PixelMetrics
from adcore.metrics.summary import category_metrics, jsonable, summarise

__all__ = [
    "PixelMetrics",
    "Verdict",
    "auroc",
    "average_precision",
    "category_metrics",
    "decision_metrics",
    "f1max",
    "flip_accuracy",
    "flip_metrics",
    "iou",
    "jsonable",
    "macro_f1",
    "pixel_f1",
    "roc",
    "segmentation_metrics",
    "summarise",
]
