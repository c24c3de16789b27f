"""Ranking quality: judgements are read, rankers rank, measures and intervals are right."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm
from exemplar_svm._evaluation import rankers
from exemplar_svm._evaluation.qrels import read_qrels
from exemplar_svm._evaluation.rankers import Setting
from exemplar_svm._evaluation.tasks import Query, Task, by_example, by_vector, sample

NEAR_KNN = "C=10/n, centred, prior 2"

# -- judgements ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "0 0 4 1\n0 0 2 3\n\n1 Q0 0 1\n1 0 3 0\n",
        "query-id\tcorpus-id\tscore\n0\t4\t1\n0\t2\t3\n1\t0\t1\n1\t3\t-1\n",
    ],
    ids=["trec", "tsv"],
)
def test_judgements_are_read_in_both_formats(tmp_path, text):
    (tmp_path / "qrels").write_text(text)
    judged = read_qrels(tmp_path / "qrels", n_queries=3, n_rows=5)
    assert judged == [{4: 1, 2: 3}, {0: 1}, {}]


def test_two_columns_mean_relevant(tmp_path):
    (tmp_path / "qrels").write_text("0 4\n2 0\n")
    assert read_qrels(tmp_path / "qrels", n_queries=3, n_rows=5) == [{4: 1}, {}, {0: 1}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 0", "line 2: the query is 3, but there are 3"),
        ("0 -1", "line 2: the row is -1, but there are 5"),
        ("0 5 1", "line 2: the row is 5, but there are 5"),
        ("1 2 1", "line 2: row 2 is judged for query 1 again"),
        ("0 doc4 1", "line 2 holds 'doc4', but must hold whole numbers"),
        ("0 4 0.5", "line 2 holds '0.5', but must hold whole numbers"),
        ("0", "line 2 has 1 fields, but must have query, row and relevance"),
    ],
)
def test_bad_judgements_are_refused_with_their_line(tmp_path, line, message):
    (tmp_path / "qrels").write_text(f"1 2 1\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_qrels(tmp_path / "qrels", n_queries=3, n_rows=5)


def test_queries_are_made_of_vectors_or_of_relevant_rows():
    vectors = np.eye(3)
    judged = [{4: 1, 2: 3}, {}, {0: 2, 1: 1, 3: 1}]
    asked = by_vector(vectors, judged)
    assert [query.relevant for query in asked] == [judged[0], judged[2]]
    np.testing.assert_array_equal(asked[1].positives, vectors[2:])

    (query,) = by_example(judged, 2, np.random.default_rng(0))  # others have no row to be found
    assert len(query.positives) == 2
    assert {*query.positives, *query.relevant} == {0, 1, 3}
    assert all(judged[2][row] == gain for row, gain in query.relevant.items())


def test_a_sample_keeps_the_order():
    queries = [Query([row], {row + 1: 1}) for row in range(50)]
    chosen = sample(queries, 20, np.random.default_rng(0))
    assert len({query.positives[0] for query in chosen}) == 20
    assert chosen == sorted(chosen, key=lambda query: query.positives)
    assert sample(queries, 60, np.random.default_rng(0)) == queries


# -- rankers ---------------------------------------------------------------------------------------


def test_knn_is_brute_force(dtype):
    rows = clustered(300, 12, dtype=dtype)
    vectors = rows[:2] + dtype(0.1)
    ranking = rankers.NearestNeighbours(rows).rank(vectors, 20)
    np.testing.assert_array_equal(ranking, np.argsort(-(rows @ vectors.mean(axis=0)))[:20])


def test_centred_knn_is_the_cosine_of_centred_rows():
    rows = clustered(300, 12)
    centred = rows - rows.mean(axis=0)
    cosine = centred @ centred[[7, 8]].mean(axis=0) / np.linalg.norm(centred, axis=1)
    cosine[[7, 8]] = -np.inf  # examples by number are no results
    ranking = rankers.NearestNeighbours(rows, center=True).rank([7, 8], 1000)
    np.testing.assert_array_equal(ranking, np.argsort(-cosine)[:298])


def test_half_centred_knn_is_the_sum_of_standardized_scores():
    rows = clustered(300, 12)
    knn, centred, half = rankers.baselines(rows)
    parts = [part.scores(rows[:2]) for part in (knn, centred)]
    expected = sum((part - part.mean()) / part.std() for part in parts)
    np.testing.assert_array_equal(half.rank(rows[:2], 300), np.argsort(-expected))
    same = np.ones((3, 2))  # without any deviation
    assert rankers.baselines(same)[2].rank(same[:1], 3).tolist() == [0, 1, 2]


def test_centred_knn_of_a_row_that_is_the_mean_is_finite():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    assert rankers.NearestNeighbours(rows, center=True).rank([0], 3).tolist() == [2, 1]


def test_a_setting_is_a_search_with_that_setting():
    rows = clustered(300, 12)
    settings = {"one": Setting(), "other": Setting(C=0.01, center=True, prior=2.0)}
    recipe, other = rankers.exemplar_svms(rankers.indices(rows, n_threads=1), settings)
    np.testing.assert_array_equal(
        recipe.rank(rows[:1], 20), esvm.ExemplarIndex(rows).search(rows[0], k=20).indices
    )
    index = esvm.ExemplarIndex(rows, C=0.01, center=True, prior=2.0)
    np.testing.assert_array_equal(
        other.rank([3, 4], 1000), index.search_shared([3, 4], k=298).indices
    )
    assert (recipe.name, other.name) == ("one", "other")


def test_the_grid_is_every_combination_but_the_recipe():
    settings = rankers.grid()
    assert len(settings) == len(set(settings.values())) == 4 * 2 * 5 - 1
    assert Setting(C=0.1, center=False, prior=0.0) not in settings.values()
    assert settings["C=0.01, centred, prior 2"] == Setting(C=0.01, center=True, prior=2.0)
    assert len(rankers.grid(costs=[3.0], priors=[0.0])) == 2


def test_the_starting_points_are_the_recipe_and_a_setting_for_the_number_of_rows():
    recipe, near_knn = rankers.starting_points(500).values()
    assert recipe == Setting(C=0.1, center=False, prior=0.0)
    assert near_knn == Setting(C=0.02, center=True, prior=2.0)
    assert rankers.starting_points(0)[NEAR_KNN].C == 0.1


def test_costs_of_one_sum_do_not_depend_on_the_number_of_rows():
    rows = clustered(500, 12)
    twice = np.repeat(rows, 2, axis=0)  # the same distribution, twice as many

    def change(name):
        once, again = (
            esvm.ExemplarIndex(some, **vars(rankers.starting_points(len(some))[name]))
            for some in (rows, twice)
        )
        scores = once.decision_function(rows[:3] + 0.05)
        difference = again.decision_function(rows[:3] + 0.05)[:, ::2] - scores
        return np.abs(difference).max() / np.ptp(scores)

    assert change(NEAR_KNN) < 0.01
    assert change("the recipe") > 5 * change(NEAR_KNN)


# -- measures --------------------------------------------------------------------------------------


def slow_measures(ranking, relevant):
    """NDCG@10, average precision, recall@100, as textbooks write them."""
    gains = [relevant.get(row, 0) for row in ranking]
    ideal = sorted(relevant.values(), reverse=True)
    dcg, best = (
        sum(gain / np.log2(place + 2) for place, gain in enumerate(of[:10]))
        for of in (gains, ideal)
    )
    found = [place for place, gain in enumerate(gains) if gain]
    precisions = [(i + 1) / (place + 1) for i, place in enumerate(found)]
    return (
        dcg / best,
        sum(precisions) / len(relevant),
        sum(place < 100 for place in found) / len(relevant),
    )


class Shuffled:
    """A ranker without sense."""

    name = "shuffled"

    def __init__(self, n, seed):
        self.n, self.seed = n, seed
        self.rankings = []

    def rank(self, positives, k):
        rng = np.random.default_rng([self.seed, *positives])
        self.rankings.append(rng.permutation(self.n)[:k])
        return self.rankings[-1]


def test_measures_are_those_of_the_textbooks():
    measures = pytest.importorskip("exemplar_svm._evaluation.measures", exc_type=ImportError)
    rng = np.random.default_rng(0)
    queries = []
    for i, size in enumerate(rng.integers(1, 60, size=25)):
        rows, gains = rng.permutation(400)[:size].tolist(), rng.integers(1, 4, size).tolist()
        queries.append(Query([i], dict(zip(rows, gains, strict=True))))
    ranker = Shuffled(400, seed=1)
    task = Task("", np.zeros((400, 2)), queries)
    evaluation = measures.evaluate(task, [ranker], depth=200)
    expected = [
        slow_measures(ranking.tolist(), query.relevant)
        for ranking, query in zip(ranker.rankings, queries, strict=True)
    ]
    np.testing.assert_allclose(evaluation.values[0].T, expected)
    assert evaluation.n_queries == 25
    np.testing.assert_allclose(
        [evaluation.mean("shuffled", m) for m in measures.MEASURES], np.mean(expected, axis=0)
    )


def test_equal_scores_keep_the_order_of_the_ranker():
    measures = pytest.importorskip("exemplar_svm._evaluation.measures", exc_type=ImportError)
    rows = np.ones((30, 2))  # all tied: row 0 is first, though "9" is the largest name
    task = Task("", rows, [Query(rows[:1], {0: 1}), Query(rows[:1], {29: 1})])
    evaluation = measures.evaluate(task, [rankers.NearestNeighbours(rows)])
    np.testing.assert_allclose(evaluation.values[0, 1], [1.0, 1 / 30])


def test_the_interval_is_the_bootstraps():
    measures = pytest.importorskip("exemplar_svm._evaluation.measures", exc_type=ImportError)
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(0).exponential(size=40) - 0.7
    ours = measures.paired_bootstrap(differences)
    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="percentile", rng=1
    ).confidence_interval
    assert ours.mean == pytest.approx(differences.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.02)
    assert ours.sign == (1 if theirs.low > 0 else 0)
    assert measures.paired_bootstrap(-1 - differences**2).sign == -1
    assert measures.paired_bootstrap(np.zeros(5)) == (0.0, 0.0, 0.0)


def test_a_planted_difference_is_found():
    # Queries share a direction that says nothing; rows differ in it, so kNN goes by it.
    measures = pytest.importorskip("exemplar_svm._evaluation.measures", exc_type=ImportError)
    rng = np.random.default_rng(0)
    topics = np.repeat(np.arange(20), 15)
    rows = np.eye(21)[topics] + 0.1 * rng.standard_normal((300, 21))
    rows[:, 20] = rng.uniform(2, 6, size=300)
    judged = [dict.fromkeys(np.flatnonzero(topics == topic).tolist(), 1) for topic in range(20)]
    task = Task("planted", rows, by_example(judged, 3, rng))
    svms = rankers.exemplar_svms(rankers.indices(rows), {"C=1": Setting(C=1.0)})
    compared = [*rankers.baselines(rows), *svms]
    evaluation = measures.evaluate(task, compared)
    for ranker in evaluation.rankers[1:]:
        for measure in measures.MEASURES:
            assert evaluation.change(ranker, measure).sign == 1
    assert evaluation.change("kNN", "MAP", against="centred kNN").sign == -1


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    rows = clustered(400, 12, dtype=np.float32, clusters=20)
    queries = rows[:12] + np.float32(0.05)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "queries.npy", queries)
    with (folder / "qrels.tsv").open("w") as out:
        for i, query in enumerate(queries[:10]):  # the last two have no judgements
            for row in np.argsort(-(rows @ query))[1:40:5]:
                out.write(f"{i}\t{row}\t1\n")
    return folder


def run(*arguments, status=0, before=""):
    code = f"import sys; {before}\nfrom exemplar_svm._cli import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def inputs(files):
    return files / "rows.npy", files / "queries.npy", files / "qrels.tsv"


def test_the_command_compares_all_settings(files):
    pytest.importorskip("exemplar_svm._evaluation.report", exc_type=ImportError)
    shown = run("evaluate", *inputs(files)).stdout
    assert "10 queries" in shown
    assert len([line for line in shown.splitlines() if "C=" in line]) == 40
    for name in (
        "kNN",
        "centred kNN",
        "half centred kNN",
        "the recipe",
        NEAR_KNN,
        "nDCG@10",
        "MAP",
        "recall@100",
    ):
        assert name in shown


def test_the_command_prints_json_that_can_be_checked(files):
    pytest.importorskip("exemplar_svm._evaluation.report", exc_type=ImportError)
    arguments = ("evaluate", *inputs(files), "-C", 0.01, "--prior", 0, 2, "--json")
    answer = json.loads(run(*arguments).stdout)
    assert answer == json.loads(run(*arguments, "--n-threads", 1).stdout)
    names = [ranker["name"] for ranker in answer["rankers"]]
    assert names[:5] == ["kNN", "centred kNN", "half centred kNN", "the recipe", NEAR_KNN]
    assert len(names) == 5 + 4
    rows, queries = np.load(files / "rows.npy"), np.load(files / "queries.npy")
    judged = read_qrels(files / "qrels.tsv", len(queries), len(rows))
    found = esvm.ExemplarIndex(rows, C=0.01, center=True, prior=2.0).search(queries[:10], k=400)
    expected = [
        slow_measures(ranking, relevant)
        for ranking, relevant in zip(found.indices.tolist(), judged, strict=False)
    ]
    ranker = answer["rankers"][names.index("C=0.01, centred, prior 2")]
    for place, measure in enumerate(("nDCG@10", "MAP", "recall@100")):
        values = [of_query[place] for of_query in expected]
        np.testing.assert_allclose(ranker["measures"][measure]["values"], values, atol=1e-6)
        change = ranker["measures"][measure]["change"]
        assert change["low"] <= change["mean"] <= change["high"]


def test_the_command_searches_by_examples_that_it_draws(files):
    pytest.importorskip("exemplar_svm._evaluation.report", exc_type=ImportError)
    arguments = ("evaluate", *inputs(files), "-C", 0.1, "--prior", 0, "--json", "--examples", 3)
    first = json.loads(run(*arguments, "--max-queries", 5).stdout)
    assert (first["queries"], first["task"]) == (5, "by 3 relevant rows for the others")
    assert first != json.loads(run(*arguments, "--max-queries", 5, "--seed", 1).stdout)


def test_the_command_draws_a_picture(files, tmp_path):
    pytest.importorskip("exemplar_svm._evaluation.plot", exc_type=ImportError)
    path = tmp_path / "changes.png"
    run("evaluate", *inputs(files), "-C", 0.1, "--prior", 0, "--plot", path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_example_of_the_document_runs(tmp_path, monkeypatch):
    pytest.importorskip("exemplar_svm._evaluation.report", exc_type=ImportError)
    text = (Path(__file__).resolve().parents[2] / "docs/quality.md").read_text(encoding="utf-8")
    embeddings = clustered(300, 12, dtype=np.float32)
    names = {"np": np, "embeddings": embeddings, "queries": embeddings[:4] + np.float32(0.1)}
    monkeypatch.chdir(tmp_path)
    exec(
        re.search(r"```python\n(.*?)```", text, re.DOTALL)[1],
        names | {"relevant": [(0, 7), (3, 9)]},
    )
    command = re.search(r"^exemplar-svm (evaluate .*)$", text, re.MULTILINE)[1]
    assert "2 queries" in run(*shlex.split(command)).stdout


@pytest.mark.parametrize("module", ["ir_measures", "rich.console"])
def test_a_missing_extra_is_named(files, module):
    error = run("evaluate", *inputs(files), before=f"sys.modules['{module}'] = None", status=2)
    assert "pip install 'exemplar-svm[evaluate]'" in error.stderr
    assert "Traceback" not in error.stderr


def test_bad_input_is_one_sentence(files, tmp_path):
    pytest.importorskip("exemplar_svm._evaluation.report", exc_type=ImportError)
    rows, queries, qrels = inputs(files)
    np.save(tmp_path / "narrow.npy", np.ones((2, 3)))
    (tmp_path / "empty").write_text("0 3 0\n")
    for arguments, message in {
        (rows, tmp_path / "narrow.npy", qrels): "QUERIES has 3 features, but ROWS holds rows of 12",
        (rows, queries, tmp_path / "empty"): "has no query with 1 or more relevant rows",
        (rows, queries, qrels, "--examples", 9): "has no query with 10 or more relevant rows",
        (rows, queries, qrels, "--examples", 0): "--examples is 0",
        (rows, queries, qrels, "--depth", -1): "--depth is -1",
        (rows, queries, qrels, "-C", 0): "C is 0.0, but must be positive",
        (rows, queries, tmp_path / "none"): "No such file",
    }.items():
        error = run("evaluate", *arguments, status=2).stderr
        assert message in error
        assert "Traceback" not in error
