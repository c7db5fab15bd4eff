from adcore.lazy_sequence import LazySequence


def test_items_are_made_when_asked_for():
    made = []
    squares = LazySequence(lambda number: made.append(number) or number**2, range(100))
    assert len(squares) == 100 and len(squares[5:]) == 95 and not made
    assert squares[7] == 49 and list(squares[1:3]) == [1, 4] and squares[-1] == 99**2
    assert made == [7, 1, 2, 99]
