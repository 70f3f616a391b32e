"""The figures of tools/accuracy.py against ones worked out by hand."""
import numpy as np
import pytest

import accuracy

# truth 0: 5 right, 1 called 1; truth 1: 2 right, 2 called 0; truth 2: none.
TRUTH = [0] * 6 + [1] * 4
LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 0, 0]


@pytest.fixture
def found():
    return accuracy.report(accuracy.confusion_matrix(TRUTH, LABELS, 3), ["a", "b", "c"])


def test_confusion_matrix_has_truth_in_rows(found):
    assert found["confusion_matrix"] == [[5, 1, 0], [2, 2, 0], [0, 0, 0]]


def test_overall_and_average_accuracy(found):
    assert found["overall_accuracy"] == pytest.approx(0.7)
    assert found["average_accuracy"] == pytest.approx((5 / 6 + 2 / 4) / 2)  # the class without truth has no say


def test_kappa_takes_chance_out(found):
    chance = (6 * 7 + 4 * 3) / 100
    assert found["kappa"] == pytest.approx((0.7 - chance) / (1 - chance))


def test_figures_per_class(found):
    a, b, c = found["classes"]
    assert (a["precision"], a["recall"], a["f1"]) == pytest.approx((5 / 7, 5 / 6, 10 / 13))
    assert (b["precision"], b["recall"], b["support"]) == pytest.approx((2 / 3, 0.5, 4))
    assert (c["precision"], c["recall"], c["f1"], c["support"]) == (None, None, None, 0)


def test_undefined_figures_are_none():
    nothing = accuracy.report(np.zeros((2, 2), int), ["a", "b"])
    assert (nothing["overall_accuracy"], nothing["average_accuracy"], nothing["kappa"]) == (None, None, None)
    assert accuracy.report(np.diag([4, 0]), ["a", "b"])["kappa"] is None  # chance alone is always right
    assert "-" in accuracy.table(nothing)
