import torch

from adcore.folds import MOST_FOLDS, MOST_JUDGED, content, evenly_chosen, fold


def test_few_references_are_each_their_own_fold():
    assert [fold(place, 0.5, MOST_FOLDS) for place in range(MOST_FOLDS)] == list(range(MOST_FOLDS))


def test_many_references_fall_into_folds_by_what_they_show(generator):
    references = [(torch.randn(1, 4, 5, 5, generator=generator), torch.randn(1, 6, 3, 3)) for _ in range(200)]
    contents = [content(reference) for reference in references]
    folds = [fold(place, each, 200) for place, each in enumerate(contents)]
    sizes = torch.tensor(folds).bincount(minlength=MOST_FOLDS)
    assert len(sizes) == MOST_FOLDS and sizes.min() > 8
    assert folds == [fold(199 - place, each, 200) for place, each in enumerate(contents)]


def test_the_choice_is_even_and_the_same_in_any_order(generator):
    contents = (torch.arange(MOST_JUDGED * 5) % 300).double()  # every image several times
    order = torch.randperm(len(contents), generator=generator)
    one, two = (torch.tensor(evenly_chosen(values.tolist())) for values in (contents, contents[order]))
    assert len(one) == MOST_JUDGED and one.tolist() == sorted(one.tolist())
    assert contents[one].sort().values.equal(contents[order][two].sort().values)
    assert contents[one].unique().numel() > 0.8 * MOST_JUDGED
