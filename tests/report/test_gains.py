"""What `train` prints in the end."""

from syneg_data.report.gains import print_gains
from tests.publishing.model_golden import FACTS


def test_each_split_is_told_in_words_in_both_readings(capsys):
    print_gains(FACTS, "retriever")
    said = " ".join(capsys.readouterr().out.split())
    assert "dev (chose the weights, which flatters it): training helped (nDCG@10 +0.0500, 95 % interval " in said
    assert "test: training helped (nDCG@10 +0.0222, 95 % interval +0.0101 to +0.0343) test: worse than BM25" in said
    assert (
        "test, no positive trained on: no effect was found "
        "(nDCG@10 -0.0010, 95 % interval -0.0120 to +0.0100, over 212 queries)"
    ) in said
    assert "dev, no positive trained on" not in said
