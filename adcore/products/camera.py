"""The camera: exposure, white balance, contrast, vignette, focus, sensor noise, compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from adcore.products.draws import Random, chance, log_uniform, strength
from adcore.products.plane import Array, Window


@dataclass(frozen=True)
class Camera:
    """One product's camera and how far it varies between images.

    Attributes:
        grey: a monochrome camera.
        gain: factor on all values.
        gamma: exponent of the tone curve.
        vignette: darkness of the corners.
        blur: of the lens, in units.
        noise: standard deviation of a sensor pixel.
        quality: of JPEG compression; 0 for none.
        exposure: standard deviation of the logarithm of the gain between images.
        offset: of the black level between images.
        contrast: of the logarithm of the tone curve's exponent between images.
        balance: of the logarithm of each colour's gain between images.
        focus: mean of the extra blur between images, in units.
    """

    grey: bool
    gain: float
    gamma: float
    vignette: float
    blur: float
    noise: float
    quality: int
    exposure: float
    offset: float
    contrast: float
    balance: float
    focus: float

    @classmethod
    def draw(cls, rng: Random, grey: bool, control: float) -> Camera:
        """The camera of one product; the more it is controlled the less it varies."""
        return cls(
            grey,
            log_uniform(rng, 0.75, 1.25),
            log_uniform(rng, 0.7, 1.4),
            strength(rng, 0.6),
            0.0 if chance(rng, 0.3) else log_uniform(rng, 0.001, 0.006),
            0.0 if chance(rng, 0.15) else log_uniform(rng, 0.002, 0.045),
            0 if chance(rng, 0.5) else int(rng.integers(35, 96)),
            control * strength(rng, 0.2),
            control * strength(rng, 0.06),
            control * strength(rng, 0.25),
            0.0 if grey else control * strength(rng, 0.06),
            control * strength(rng, 0.006),
        )

    def develop(self, scene: Array, rng: Random) -> Array:
        """What the camera makes of the light of a scene, before its noise.

        Args:
            scene: float32 [3, S, S] or [1, S, S] >= 0.
            rng: decides what differs between images; the same state develops two scenes alike.

        Returns:
            float32 of the same shape, in [0, 1].
        """
        n = [float(value) for value in np.clip(rng.standard_normal(7), -2, 2)]
        gains = np.float32(self.gain * np.exp(self.exposure * n[0] + self.balance * np.array(n[1:4])))
        image = scene * gains[: len(scene), None, None]
        size = scene.shape[-1]
        if self.vignette:
            window = Window.whole(size)
            image *= 1 - np.float32(2 * self.vignette) * (window.x**2 + window.y**2)
        sigma = (self.blur + abs(self.focus * n[4])) * size
        if sigma > 0.25:
            for plane in image:
                gaussian_filter(plane, sigma, output=plane, truncate=3)
        image += np.float32(self.offset * n[5])
        np.clip(image, 0, 1, out=image)
        exponent = self.gamma * np.exp(self.contrast * n[6])
        if abs(exponent - 1) > 0.02:
            np.power(image, np.float32(exponent), out=image)
        result: Array = image
        return result

    def expose(self, image: Array, rng: Random) -> Array:
        """Sensor noise and compression: float32 [3, S, S] in [0, 1] of 256 levels.

        Args:
            image: float32 [3, S, S] or [1, S, S] in [0, 1]; changed.
            rng: decides the noise.
        """
        if self.noise:
            image += np.float32(self.noise) * rng.standard_normal(image.shape, np.float32)
        image *= 255
        image += np.float32(0.5)
        values = np.clip(image, 0, 255, out=image).astype(np.uint8)
        pixels = values[0] if len(values) == 1 else np.ascontiguousarray(values.transpose(1, 2, 0))
        if self.quality:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=self.quality)
            pixels = np.asarray(Image.open(file))
        result: Array = np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)
        if result.ndim == 2:
            result = np.broadcast_to(result[None], (3, *result.shape)).copy()
            return result
        return np.ascontiguousarray(result.transpose(2, 0, 1))
