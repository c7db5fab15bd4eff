"""A data set's images as tensors at the model's size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from adcore.data.resizing import resize_mask, to_tensor, to_uint8
from adcore.data.samples import Sample
from adcore.interfaces import Dataset
from adcore.lazy_sequence import LazySequence

CACHE_BYTES = 512 * 2**20
"""Most memory that training images are kept in between epochs."""


class Images:
    """Reads and resizes; for training it keeps what it read, as 8-bit images, within `CACHE_BYTES`."""

    def __init__(self, data: Dataset, size: tuple[int, int]):
        self.data = data
        self.size = size
        self._kept: OrderedDict[Sample, Tensor] = OrderedDict()
        self._lock = Lock()

    def image(self, sample: Sample) -> Tensor:
        """Float [3, H, W] in [0, 1]."""
        return to_tensor(self.data.image(sample), self.size)

    def lazily(self, samples: Sequence[Sample]) -> Sequence[Tensor]:
        """Float [3, H, W] of each sample, read when asked for."""
        return LazySequence(self.image, samples)

    def stack(self, samples: Sequence[Sample]) -> Tensor:
        """Float [n, 3, H, W]."""
        return torch.stack([self.image(sample) for sample in samples])

    def training_image(self, sample: Sample) -> Tensor:
        """Float [3, H, W] in [0, 1] in steps of 1/255, from memory where possible; for several threads at once."""
        with self._lock:
            image = self._kept.get(sample)
        if image is None:
            image = torch.from_numpy(to_uint8(self.image(sample))).permute(2, 0, 1).contiguous()
            with self._lock:
                self._kept[sample] = image
                while len(self._kept) > 1 and len(self._kept) * image.numel() > CACHE_BYTES:
                    self._kept.popitem(last=False)
        return image.float() / 255

    def mask(self, sample: Sample) -> np.ndarray | None:
        """Ground truth bool [H, W] at the model's size, or None where unknown."""
        mask = self.data.mask(sample)
        return None if mask is None else resize_mask(mask, self.size)
