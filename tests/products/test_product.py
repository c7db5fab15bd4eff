import numpy as np
import pytest

from adcore.products import DEFECTS, KINDS, Product
from adcore.products.draws import stream
from adcore.products.plane import Window
from adcore.products.product import VISIBLE

SIZE = 64


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_product_is_made_at_any_size(kind):
    for seed in range(3):
        product = Product(seed, [kind])
        assert product.design.kind == kind
        for size in (48, 75):
            image = product.normal(0, size)
            assert image.shape == (3, size, size) and image.dtype == np.float32
            assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.001


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_is_visible_and_marked(defect):
    kinds = {"broken": ["regular"], "misplaced": ["object"], "faded": ["printed"]}.get(defect, ["assembly"])
    shown = 0
    for seed in range(4):
        image, mask, kind = Product(seed, kinds, [defect]).defective(0, SIZE)
        assert kind == defect and image.shape == (3, SIZE, SIZE) and mask.shape == (SIZE, SIZE)
        assert mask.dtype == np.float32 and mask.min() >= 0 and mask.max() <= 1
        shown += (mask > 0.5).sum() >= 3
    assert shown >= 2


def test_an_image_depends_on_its_seed_and_index_alone():
    one, two = Product((3, 5)), Product((3, 5))
    for index in reversed(range(3)):
        two.normal(index, SIZE)
    for a, b in zip(one.defective(1, SIZE), two.defective(1, SIZE), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.normal(2, SIZE), two.normal(2, SIZE))
    assert (one.normal(2, SIZE) != Product((3, 6)).normal(2, SIZE)).any()


def test_the_mask_is_the_difference_to_the_same_item_without_the_defect():
    """Made without noise, so that both can be compared: unchanged outside the mask, changed where it says so."""
    seen = 0
    for seed in range(40):
        product = Product(seed)
        camera = product.design.camera
        if camera.noise or camera.quality:
            continue
        item = product.design.item(stream(seed, 2, 0, 0))
        clean = product._picture(product._seen(product._painted(item, SIZE), 2, 0), 2, 0)
        image, mask, _ = product.defective(0, SIZE)
        change = np.abs(image - clean).max(0)
        assert change[mask == 0].max() < 1 / 255
        assert change[mask > 0.5].mean() > VISIBLE / 2
        seen += 1
    assert seen >= 2


def test_products_are_exposed_so_that_something_is_seen():
    images = np.stack([Product(seed).normal(0, SIZE) for seed in range(40)])
    means = images.mean((1, 2, 3))
    assert means.min() > 0.02 and means.max() < 0.97
    assert ((images == 1).mean((1, 2, 3)) > 0.5).sum() <= 2


def test_what_varies_differs_from_product_to_product():
    """Some products hardly vary between images, some vary a lot: what is normal has to be learnt from references."""
    spread = []
    for seed in range(24):
        product = Product(seed, ["object", "closeup", "assembly"])
        spread.append(np.stack([product.normal(i, 32) for i in range(4)]).std(0).mean())
    assert max(spread) > 8 * min(spread)


def test_all_is_computed_in_single_precision():
    for seed in range(30):
        product = Product(seed)
        canvas = product._painted(product.design.item(stream(seed)), 32)
        layers = (canvas.albedo, canvas.height, canvas.gloss, canvas.cover, product._seen(canvas, 1, 0))
        assert {layer.dtype for layer in layers} == {np.dtype(np.float32)}, seed
        for placed in product.design.item(stream(seed)).parts:
            frame = placed.frame.local(Window.whole(16))
            assert {x.dtype for x in (*frame, placed.part.shape.depth(*frame))} == {np.dtype(np.float32)}, placed
            if placed.part.texture:
                painted = placed.part.texture.paint(*frame, 1, 1 / 16)
                assert {x.dtype for x in painted} == {np.dtype(np.float32)}, placed.part.texture
