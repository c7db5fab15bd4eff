"""A backbone that keeps its contract."""

from torch import Tensor, nn
from torch.nn import functional as F

from adcore import Backbone


class Good(Backbone):
    """Two strided convolutions."""

    def __init__(self, width: int = 4):
        """Build the network.

        Args:
            width: channels of the fine level.
        """
        super().__init__()
        self.channels = (width, 2 * width)
        self.strides = (4, 8)
        self.pretrained = False
        self.fine = nn.Conv2d(3, width, 4, 4)
        self.coarse = nn.Conv2d(width, 2 * width, 2, 2)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        height, width = images.shape[-2:]
        x = images - 0.5
        x = F.pad(x, (0, -width % 8, 0, -height % 8), mode="replicate")
        fine = self.fine(x)
        return fine, self.coarse(fine)
