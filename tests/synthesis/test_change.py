import pytest
import torch

from adcore.synthesis.change import first_visible, soft_mask

GREY = torch.full((3, 64, 64), 0.5)


def stepped(change, image=GREY):
    after = image.clone()
    after[:, 20:40, 20:40] += change
    return after


def test_label_is_a_half_where_the_change_is_the_visible_one_and_saturates():
    labels = [soft_mask(GREY, stepped(c), 0.04)[1][30, 30].item() for c in (0.01, 0.02, 0.04, 0.1, 0.3)]
    assert labels == sorted(labels)
    assert labels[0] < 0.1 and labels[2] == pytest.approx(0.5, abs=0.04) and labels[3] > 0.8 and labels[4] > 0.97


def test_mask_is_where_the_images_differ():
    after, mask = soft_mask(GREY, stepped(0.2), 0.04)
    assert torch.equal(mask > 0, (after != GREY).any(0))
    assert torch.equal(mask > 0.5, (stepped(0.2) != GREY).any(0))


def test_less_than_noticeable_is_taken_back():
    after, mask = soft_mask(GREY, stepped(0.5 / 255), 0.04)
    assert torch.equal(after, GREY) and not mask.any()


def test_a_line_where_the_change_passes_through_zero_stays_part_of_the_defect():
    after = GREY.clone()
    after[:, 20:40, 20:30] += 0.2
    after[:, 20:40, 30:40] -= 0.2
    after[:, 20:40, 30] = 0.501
    assert (soft_mask(GREY, after, 0.04)[1][20:40, 30] > 0.5).all()


def test_grain_for_grain_is_no_defect_but_smoothing_it_is():
    generator = torch.Generator().manual_seed(0)
    grain = 0.5 + 0.1 * torch.randn(1, 256, 256, generator=generator).expand(3, -1, -1)
    other = 0.5 + 0.1 * torch.randn(1, 256, 256, generator=generator).expand(3, -1, -1)
    exchanged, smoothed = grain.clone(), grain.clone()
    exchanged[:, 50:150, 50:150] = other[:, 50:150, 50:150]
    smoothed[:, 50:150, 50:150] = 0.5
    assert (soft_mask(grain, exchanged, 0.04)[1][60:140, 60:140] > 0.5).float().mean() < 0.1
    assert (soft_mask(grain, smoothed, 0.04)[1][60:140, 60:140] > 0.5).float().mean() > 0.9


def test_thin_lines_are_not_diluted_by_what_is_beside_them():
    after = GREY.clone()
    after[:, 32, 10:50] += 0.1
    assert soft_mask(GREY, after, 0.04)[1][32, 30] > 0.7


def test_tries_until_something_is_visible():
    proposals = iter([GREY, stepped(0.001), stepped(0.5), stepped(0.3)])
    after, _ = first_visible(GREY, lambda: next(proposals), 0.04)
    assert torch.equal(after, stepped(0.5))


def test_gives_up_with_an_empty_mask():
    after, mask = first_visible(GREY, lambda: GREY + 0.001, 0.04)
    assert torch.equal(after, GREY) and after is not GREY and not mask.any()
