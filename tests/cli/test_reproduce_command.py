"""What `regrow reproduce` prints."""

from dataclasses import replace

from regrow.cli.reproduce_command import describe
from regrow.lineage.reproducing import Reproduced

SAME = Reproduced("demo", 3, "sklearn.svm.SVC", 12_345, 678, 0, 0.0, ())


def test_it_says_whether_the_version_came_out_again() -> None:
    """Equal to the last bit, or on how many rows not, by how much, and what has changed since."""
    assert list(describe(SAME)) == [
        "demo version 3: sklearn.svm.SVC was fitted again on the same 12,345 rows",
        "it answers all 678 rows of the holdout equally, to the last bit",
    ]
    other = replace(SAME, different=5, distance=0.0123)
    assert list(describe(other))[1] == "it answers 5 of 678 rows of the holdout otherwise, by 0.0123 at most"
    assert "no seed fixes" in list(describe(other))[2]
    changed = replace(other, changed=("numpy 2.0.0 (here 2.1.0)",))
    assert list(describe(changed))[2] == "not as it was then: numpy 2.0.0 (here 2.1.0)"
