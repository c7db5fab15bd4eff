import pytest
import torch

from adcore.errors import UserError
from adcore.synthesis.draws import chance, check_within, log_uniform, uniform


def test_draws_stay_in_their_ranges_and_fill_them():
    generator = torch.Generator().manual_seed(0)
    even = torch.tensor([uniform(generator, (2, 6)) for _ in range(2000)])
    logarithmic = torch.tensor([log_uniform(generator, (0.01, 1)) for _ in range(2000)])
    assert 2 <= even.min() < 2.1 and 5.9 < even.max() <= 6 and abs(even.median() - 4) < 0.2
    assert logarithmic.min() >= 0.01 and logarithmic.max() <= 1 and 0.08 < logarithmic.median() < 0.125
    assert 0.2 < sum(chance(generator, 0.25) for _ in range(2000)) / 2000 < 0.3


@pytest.mark.parametrize("value", [(0.5, 0.2), (0.2, 1.5), [-0.1, 0.2], float("nan"), 2])
def test_settings_out_of_their_limits_are_refused(value):
    with pytest.raises(UserError, match=r"nsa: size is .*; write .* between 0 and 1"):
        check_within("nsa: size", value, (0, 1))


@pytest.mark.parametrize("value", [(0.2, 0.5), [0.0, 1.0], (0.3, 0.3), 1, 0.0])
def test_settings_within_their_limits_pass(value):
    check_within("nsa: size", value, (0, 1))
