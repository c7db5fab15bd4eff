import pytest
import torch
from adcore_plugins.cutpaste import CutPaste

from adcore.errors import UserError


def coordinates(size=128):
    """An image whose red and green tell the column and the row, so that a pasted pixel says where it comes from."""
    at = torch.arange(size) / (size - 1)
    return torch.stack([at.expand(size, size), at[:, None].expand(size, size), torch.full((size, size), 0.5)])


def pasted(synthesizer, count=20, source=None):
    image, generator = coordinates(), torch.Generator().manual_seed(0)
    for _ in range(count):
        result, mask = synthesizer.synthesize(image, coordinates() if source is None else source, generator)
        assert mask.max() > 0.5
        yield result, mask


def test_a_piece_is_moved_within_the_image():
    for result, mask in pasted(CutPaste(variant="rectangle", rotation=0, jitter=0, size=(0.1, 0.15))):
        outside = torch.nn.functional.pad((mask == 0).float()[None], (2, 2, 2, 2), value=1.0)
        inner = torch.nn.functional.max_pool2d(outside, 5, 1)[0] == 0  # without the soft edge
        shift = (result - coordinates())[:2, inner] * 127  # [2, n]
        top_left = shift.median(1, keepdim=True).values
        assert torch.allclose(shift, top_left.round(), atol=0.01)


def test_source_decides_only_where_asked():
    other = 1 - coordinates()
    own = [result for result, _ in pasted(CutPaste(), 3)]
    assert all(torch.equal(a, b) for a, (b, _) in zip(own, pasted(CutPaste(), 3, other), strict=True))
    assert not torch.equal(own[0], next(pasted(CutPaste(texture="source"), 1, other))[0])


def principal(mask):
    """Length and width of a region, by its second moments."""
    at = mask.nonzero().float()
    return (12 * torch.linalg.eigvalsh(at.T.cov()).flip(0)).sqrt().tolist()


def test_scars_are_thin_and_rectangles_are_not():
    settings = {"jitter": 0.5, "rotation": 45.0}
    scars = [principal(m > 0) for _, m in pasted(CutPaste(variant="scar", scar_width=(0.02, 0.03), **settings))]
    blocks = [principal(m > 0) for _, m in pasted(CutPaste(variant="rectangle", aspect=1.0, **settings))]
    assert sorted(width for _, width in scars)[10] < 5 and sorted(a / b for a, b in scars)[10] > 3
    assert sorted(a / b for a, b in blocks)[10] < 1.2


def test_pieces_are_turned():
    upright, turned = (
        [
            float((m > 0).float().mean() / ((m > 0).any(0).sum() * (m > 0).any(1).sum() / m.numel()))
            for _, m in pasted(CutPaste(variant="rectangle", rotation=angle, size=(0.1, 0.15)))
        ]
        for angle in (0.0, 45.0)
    )
    assert sorted(upright)[10] > 0.95 > 0.9 > sorted(turned)[10]  # share of its bounding box that a piece fills


def test_jitter_recolours():
    plain = torch.tensor([0.6, 0.5, 0.4])[:, None, None].repeat(1, 64, 64)
    generator = torch.Generator().manual_seed(0)
    assert not CutPaste(jitter=0.0).synthesize(plain, plain, generator)[1].any()
    results = [CutPaste(jitter=0.5).synthesize(plain, plain, generator) for _ in range(10)]
    colours = torch.stack([result[:, mask > 0.5].mean(1) for result, mask in results])
    assert (colours.std(0) > 0.03).all()


def test_wrong_settings_are_refused_in_one_line():
    with pytest.raises(UserError, match=r"cutpaste: jitter is 1\.5; write a number between 0 and 1"):
        CutPaste(jitter=1.5)
    with pytest.raises(UserError, match=r"cutpaste: aspect is 0\.5"):
        CutPaste(aspect=0.5)
