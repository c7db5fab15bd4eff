import torch
from adcore_plugins.mutual import Mutual
from tiny import recipe, run, write_set

from adcore.cli import main


def pool(generator, count=6):
    """Images of one texture; the last has a patch of its own."""
    base = torch.randn(1, 8, 6, 6, generator=generator)
    images = base + 0.05 * torch.randn(count, 8, 6, 6, generator=generator)
    images[-1, :, 2, 3] = 5 * torch.randn(8, generator=generator)
    return (images,)


def test_the_odd_patch_of_a_pool_stands_out_in_its_own_image(generator):
    matcher, images = Mutual(grid=6, neighbourhood=1), pool(generator)
    maps = matcher.match(images, matcher.fit(images).state)
    assert maps[-1].flatten().argmax() == 2 * 6 + 3
    assert maps[-1, 2, 3] > 5 * maps[:-1].max()


def test_an_image_is_left_out_of_its_own_verdict(generator):
    matcher, images = Mutual(grid=6, neighbourhood=1, share=1.0), pool(generator)
    fit = matcher.fit(images)
    assert torch.allclose(matcher.match(images, fit.state), fit.among, atol=1e-6)
    others = matcher.fit((images[0][:-1],))
    assert torch.allclose(matcher.match((images[0][-1:],), others.state), fit.among[-1:], atol=1e-2)


def test_only_so_many_images_are_kept(generator):
    fit = Mutual(grid=6, pool=3).fit(pool(generator))
    assert len(fit.state["level0"]) == 3 and fit.judged is not None and len(fit.among) == 3


def test_a_run_judges_test_images_by_each_other_and_says_so(tmp_path, capsys):
    root = write_set(tmp_path / "bolt")
    content = recipe(root, head=None, matcher={"name": "mutual", "grid": 8})
    metrics = run(tmp_path / "out", content)
    about = metrics["contexts"]["bolt"]
    assert len(about["references"]) == 6 and all("/test/" in path for path in about["references"])
    assert any("transductive" in warning for warning in about["warnings"])
    assert main(["check", "mutual", "--matcher", "mutual", "--head", "focal", "--clusterer", "kmeans"]) == 2
    assert "judges test images by each other" in capsys.readouterr().err
