import numpy as np

from adcore.report.contact_sheet import CAPTION, GAP, MOST, SIDE, contact_sheet


def plain(value, size=(20, 30)):
    return np.full((*size, 3), value, np.uint8)


def test_each_kind_has_a_row_of_its_pictures_in_order():
    sheet = np.asarray(contact_sheet({"one": [plain(10), plain(60, (200, 100))], "two": [plain(200)]}))
    assert sheet.shape == (2 * (CAPTION + SIDE + GAP) + GAP, GAP + 2 * (SIDE + GAP), 3)

    def middle(row, column):
        y = GAP + row * (CAPTION + SIDE + GAP) + CAPTION + SIDE // 2
        return sheet[y, GAP + column * (SIDE + GAP) + SIDE // 2].tolist()

    assert middle(0, 0) == [10] * 3 and middle(0, 1) == [60] * 3
    assert middle(1, 0) == [200] * 3 and middle(1, 1) == [255] * 3


def test_of_many_pictures_a_row_shows_an_even_choice_and_a_long_caption_fits():
    sheet = contact_sheet({"many": [plain(value) for value in range(100)]})
    assert sheet.width == GAP + MOST * (SIDE + GAP)
    last = np.asarray(sheet)[GAP + CAPTION + SIDE // 2, -GAP - SIDE // 2]
    assert last.tolist() == [99] * 3
    assert contact_sheet({"a caption " * 10: [plain(0)]}).width > 400
