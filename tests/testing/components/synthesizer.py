"""A synthesizer that keeps its contract."""

import torch
from torch import Tensor

from adcore import Synthesizer


class Good(Synthesizer):
    """Inverts a square at a random place."""

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        result, mask = image.clone(), torch.zeros_like(image[0])
        y, x = (int(torch.randint(side - 8, (), generator=generator)) for side in mask.shape)
        result[:, y : y + 8, x : x + 8] = 1 - image[:, y : y + 8, x : x + 8]
        mask[y : y + 8, x : x + 8] = 1
        return result, mask
