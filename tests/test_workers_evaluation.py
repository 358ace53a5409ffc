"""The rules are judged fairly: what counts as right, what they may see, and that they beat simpler ones."""

import csv
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.processes import ROOT
from workers.evaluation import judging, read_fitech, troubles
from workers.evaluation.judging import Judgement, best_idle, best_runs, chance, count, judge
from workers.evaluation.reading import UnreadableData
from workers.evaluation.simulated import read_simulated
from workers.evaluation.watching import Flag, History, flags_of

REPLAY = ROOT.parent / "shared" / "replay" / "fitech_a81_MainTable.csv"
OWN = Path(__file__).parent / "vectors" / "help_marks_MainTable.csv"
SECOND = 1000
COMMAND = "evaluate-help-rules"


@pytest.mark.parametrize(
    ("flags", "marks", "right", "delays"),
    [
        ([100], [100], 1, (0,)),
        ([85], [100], 1, (-15,)),
        ([84], [100], 0, ()),
        ([130], [100], 1, (30,)),
        ([131], [100], 0, ()),
        ([100, 101], [100], 1, (0,)),
        ([100], [100, 101], 1, (0,)),
        ([95, 120], [100, 105], 2, (-5, 15)),
        ([], [100], 0, ()),
        ([100], [], 0, ()),
    ],
)
def test_one_flag_is_right_for_one_mark_within_reach(flags, marks, right, delays):
    flags, marks = ([moment * SECOND for moment in moments] for moments in (flags, marks))

    found = judge({"a": flags}, {"a": marks})

    assert (found.right, found.flags, found.marks) == (right, len(flags), len(marks))
    assert found.delays_ms == tuple(delay * SECOND for delay in delays)


def test_a_mark_of_another_learner_makes_no_flag_right():
    assert judge({"a": [100]}, {"b": [100]}) == Judgement(0, 1, 1)


def most_pairs(flags, marks):
    """By trying every pairing."""
    before_ms, after_ms = judging.WINDOW_MS
    longer = [*marks, *[None] * len(flags)]
    return max(
        sum(
            mark is not None and -before_ms <= flag - mark <= after_ms for flag, mark in zip(flags, order, strict=False)
        )
        for order in permutations(longer, len(flags))
    )


MOMENTS = st.lists(st.integers(0, 150).map(lambda second: second * SECOND), max_size=4)


@given(MOMENTS, MOMENTS)
def test_no_other_pairing_would_find_more(flags, marks):
    assert judge({"a": flags}, {"a": marks}).right == most_pairs(flags, marks)


def test_a_table_is_read_as_its_readme_says():
    histories = {history.name: history for history in read_fitech(OWN)}

    assert list(histories) == ["S1 T1", "S2 T1", "S3 T1"]
    assert histories["S1 T1"].marks == [(195 * SECOND, "Y", False), (700 * SECOND, "Y", False)]
    assert histories["S2 T1"].marks == [(40 * SECOND, "D", False)]
    assert [step.size for step in histories["S2 T1"].steps[:3]] == [100, 110, 30]
    assert histories["S3 T1"].tries == [10 * SECOND, 20 * SECOND, 30 * SECOND]
    assert read_fitech(OWN.parent) == list(histories.values())


def test_the_rules_flag_what_we_expect_of_our_own_table():
    flags = [flag for history in read_fitech(OWN) for flag in flags_of(history)]

    assert flags == [
        Flag("S1 T1", 200 * SECOND, 195 * SECOND, "the run after 3 minutes of work did not solve it"),
        Flag("S1 T1", 700 * SECOND, 700 * SECOND, "asked for help in the editor"),
        Flag("S2 T1", 45 * SECOND, 40 * SECOND, "half of the program thrown away within a minute"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "has no column SubjectID"),
        ("SubjectID,EventType,X-ElapsedTime,X-Intervene\nS1,File.Run,soon,\n", "'soon' is no number of seconds"),
        ("SubjectID,EventType,X-ElapsedTime,X-Intervene\n", "holds no MainTable with students"),
    ],
)
def test_other_data_are_refused_in_a_sentence(tmp_path, text, words):
    file = tmp_path / "MainTable.csv"
    file.write_text(text)

    with pytest.raises(UnreadableData, match=words):
        read_fitech(file)


def real():
    """The replay where it lies beside the repository, else our own table."""
    return REPLAY if REPLAY.exists() else OWN


def test_the_marks_are_never_an_input(tmp_path):
    with real().open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    unmarked = tmp_path / "MainTable.csv"
    with unmarked.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"X-Intervene": "", "X-Why": "", "X-How": ""} for row in rows)

    with_marks, without = ([flags_of(history) for history in read_fitech(path)] for path in (real(), unmarked))

    assert any(with_marks)
    assert with_marks == without


@pytest.mark.parametrize("labels", ["Y", "YD"])
def test_on_real_work_the_rules_beat_both_baselines_and_chance(labels):
    histories = read_fitech(real())
    marks = {history.name: [at_ms for at_ms, label, _ in history.marks if label in labels] for history in histories}
    flags = {history.name: [flag.at_ms for flag in flags_of(history)] for history in histories}

    ours = judge(flags, marks)
    others = [best(histories, count(flags), marks) for best in (best_idle, best_runs)]

    for other in others:
        assert other.flags == ours.flags or not REPLAY.exists()
        assert ours.precision > other.precision
        assert ours.recall > other.recall
    if REPLAY.exists():
        least = {"Y": 1.8, "YD": 1.25}[labels]
        assert all(ours.right >= least * other.right for other in others)
        assert ours.precision >= 2 * chance(histories, flags, marks)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_the_simulated_class_the_rules_beat_both_baselines(seed):
    histories = read_simulated(students=20, minutes=40, seed=seed)
    flags = {history.name: [flag.at_ms for flag in flags_of(history)] for history in histories}

    ours = troubles.judge(flags, histories)

    assert ours.marks > 5
    for best in (troubles.best_idle, troubles.best_runs):
        other = best(histories, count(flags))
        assert ours.precision > other.precision
        assert ours.recall > other.recall


def test_the_simulated_class_is_the_same_for_the_same_seed():
    assert read_simulated(students=3, minutes=10, seed=7) == read_simulated(students=3, minutes=10, seed=7)


def test_a_trouble_is_found_once_and_short_ones_need_not_be():
    histories = [History("a", troubles=[(0, 5 * 60_000), (400_000, 410_000)])]

    found = troubles.judge({"a": [60_000, 120_000, 405_000, 900_000]}, histories)

    assert (found.right, found.flags, found.marks, found.delays_ms) == (3, 4, 1, (60_000,))
    assert (found.precision, found.recall) == (0.75, 1.0)


@pytest.fixture
def run(app):
    """`run("--data", path)`: what a person sees who types that."""
    return lambda *arguments: app.test_cli_runner().invoke(args=[COMMAND, *map(str, arguments)])


def test_the_command_prints_ours_beside_both_baselines(run):
    result = run("--data", OWN)

    assert result.exit_code == 0
    assert "Rules version 2: 3 flags for 3 learners" in result.output
    for words in (
        "marks Y: 2",
        "marks Y and D: 3",
        "marks Y without praise: 2",
        "our rules",
        "longest idle, as many",
        "most runs, as many",
    ):
        assert words in result.output


def test_the_command_judges_on_the_simulated_class(run):
    result = run("--simulated", "--students", 7, "--minutes", 20)

    assert result.exit_code == 0
    assert "7 students in 20 minutes (seed 1)" in result.output


@pytest.mark.parametrize("arguments", [[], ["--simulated", "--data", OWN]])
def test_the_command_wants_one_kind_of_data(run, arguments):
    result = run(*arguments)

    assert result.exit_code == 2
    assert "Name --data or --simulated." in result.output


def test_the_command_says_what_is_wrong_with_data(run, tmp_path):
    result = run("--data", tmp_path)

    assert result.exit_code == 1
    assert "holds no MainTable with students" in result.output
