import colorsys

import torch

from adcore.synthesis.colour import is_grey, jitter, random_colour

COLOURED = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
GREY = COLOURED[:1].expand(3, 8, 8)


def test_jitter_of_no_strength_changes_nothing():
    torch.testing.assert_close(jitter(COLOURED, 0.0, torch.Generator()), COLOURED)


def test_grey_stays_grey():
    generator = torch.Generator().manual_seed(0)
    assert is_grey(GREY) and not is_grey(COLOURED)
    for _ in range(20):
        torch.testing.assert_close(jitter(GREY, 0.8, generator).std(0), torch.zeros(8, 8), atol=1e-6, rtol=0)
        assert (
            random_colour(GREY, generator).unique().numel() == 1 < random_colour(COLOURED, generator).unique().numel()
        )


def test_jitter_turns_the_hue():
    red = torch.tensor([0.8, 0.2, 0.2])[:, None, None].expand(3, 4, 4)
    generator = torch.Generator().manual_seed(0)
    hues = {round(colorsys.rgb_to_hsv(*jitter(red, 0.5, generator)[:, 0, 0].tolist())[0], 1) % 1 for _ in range(40)}
    assert len(hues) >= 4 and max(min(h, 1 - h) for h in hues) <= 0.4
