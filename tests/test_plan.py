"""What a build would cost at most, worked out by hand."""

import pytest

from syneg_data.generation import Critique
from syneg_data.generation.strategies import Graded
from syneg_data.plan import most_tokens
from tests.generation.world import section


@pytest.mark.parametrize(
    ("options", "reflection", "expected"),
    [
        ({"max_tokens": 100, "attempts": 1}, None, 10 * 100),
        ({"max_tokens": 100, "attempts": 3}, None, 10 * (100 + 150 + 200)),
        ({"max_tokens": 100, "attempts": 2}, Critique(kind="critique", rounds=0), 10 * 250 + 40 * 48 + 24 * 5 * 48),
        (
            {"max_tokens": 100, "attempts": 2},
            Critique(kind="critique", rounds=2),
            3 * (10 * 250 + 40 * 48) + 24 * 5 * 48,
        ),
    ],
)
def test_the_most_that_can_be_written(options, reflection, expected):
    """Ten requests for four passages each."""
    assert most_tokens(section(Graded(kind="graded"), reflection=reflection, **options), 10, 40) == expected
