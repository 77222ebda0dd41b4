import numpy as np
import pytest

from sim.streams import stream


def test_the_same_seed_and_purpose_give_the_same_numbers() -> None:
    """A day must be repeatable on another machine: these are the first numbers on any of them."""
    drawn = stream(7, "arrivals").integers(1000, size=4)
    np.testing.assert_array_equal(drawn, stream(7, "arrivals").integers(1000, size=4))
    assert drawn.tolist() == [795, 501, 220, 861]


@pytest.mark.parametrize(
    ("seed", "purpose"),
    [
        (7, ("patience",)),
        (8, ("arrivals",)),
        (7, ("arrivals", "call")),
        (7, ("call", "arrivals")),
        (7, ()),
    ],
)
def test_another_seed_or_purpose_gives_independent_numbers(
    seed: int, purpose: tuple[str, ...]
) -> None:
    """Patience must not follow service; 10,000 pairs correlate within 3.29 / sqrt(10,000)."""
    first = stream(7, "arrivals").standard_normal(10_000)
    second = stream(seed, *purpose).standard_normal(10_000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.0329


def test_drawing_from_one_stream_leaves_the_others_alone() -> None:
    """A policy that draws more must not change who comes."""
    untouched = stream(3, "arrivals").random(5)
    stream(3, "policy").random(1000)
    np.testing.assert_array_equal(stream(3, "arrivals").random(5), untouched)
