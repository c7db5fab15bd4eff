"""A matcher that keeps its contract."""

import torch
from torch import Tensor

from adcore import Fit, ReferenceMatcher


class Good(ReferenceMatcher):
    """Distance to the nearest patch of any reference, on the finest level."""

    relations = 1

    def fit(self, features: tuple[Tensor, ...], views: int = 1) -> Fit:
        return self._fitted(features[0].permute(0, 2, 3, 1), views)

    def extend(self, state: dict[str, Tensor], features: tuple[Tensor, ...], views: int = 1) -> Fit:
        return self._fitted(torch.cat([state["bank"], features[0].permute(0, 2, 3, 1)]), views)

    def _fitted(self, bank: Tensor, views: int) -> Fit:
        count, among = len(bank) // views, []
        for j in range(count):
            others = [i for i in range(len(bank)) if i // views != j]
            if not others:
                heat = torch.cdist(bank[0].flatten(0, 1), bank[0].flatten(0, 1)).fill_diagonal_(torch.inf).amin(1)
                among.append(heat.view(bank.shape[1:3]))
                continue
            among.append(self._distance(bank[j * views], bank[others]))
        among = torch.stack(among)
        state = {"bank": bank, "mean": among.mean(), "std": among.std()}
        return Fit(state, among, self._standard(among, state))

    def match(self, features: tuple[Tensor, ...], state: dict[str, Tensor]) -> Tensor:
        heat = torch.stack([self._distance(image, state["bank"]) for image in features[0].permute(0, 2, 3, 1)])
        return heat

    def relate(self, features: tuple[Tensor, ...], state: dict[str, Tensor]) -> Tensor:
        return self._standard(self.match(features, state), state)

    def _standard(self, heat: Tensor, state: dict[str, Tensor]) -> Tensor:
        return ((heat - state["mean"]) / state["std"])[:, None]

    def _distance(self, image: Tensor, bank: Tensor) -> Tensor:
        nearest = torch.cdist(image.flatten(0, 1), bank.flatten(0, 2)).amin(1)
        return nearest.view(image.shape[:2])
