"""A fuser that keeps its contract."""

from collections.abc import Mapping

from torch import Tensor

from adcore import Fuser
from adcore.fusing import stacked


class Good(Fuser):
    """Mean of the maps, each in units of its own spread on normal images."""

    scaled = True

    def fit(self, normals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {branch: values.std() for branch, values in normals.items()}

    def fuse(self, maps: Mapping[str, Tensor], state: dict[str, Tensor]) -> Tensor:
        stacked(maps)
        return stacked({branch: values / state[branch] for branch, values in maps.items()}).mean(0)
