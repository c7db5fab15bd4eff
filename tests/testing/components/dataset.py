"""A data set that keeps its contract."""

import numpy as np

from adcore import Dataset, Sample


class Good(Dataset):
    """Grey images; a dent is a white square."""

    image_size = 32

    def samples(self) -> list[Sample]:
        listed = [Sample(f"train/{index}", "plate", "train") for index in range(3)]
        listed += [Sample("test/0", "plate", "test"), Sample("dent/0", "plate", "test", "dent")]
        return listed

    def image(self, sample: Sample) -> np.ndarray:
        image = np.full((20, 30, 3), 99, dtype=np.uint8)
        image[self.mask(sample)] = 255
        return image

    def mask(self, sample: Sample) -> np.ndarray:
        mask = np.zeros((20, 30), dtype=bool)
        mask[4:9, 4:9] = sample.defect == "dent"
        return mask
