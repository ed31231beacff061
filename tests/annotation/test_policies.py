"""The budget is spent as the policy says, and its random share is a fair lot of all that wait."""

import dataclasses

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.routing import TASK_SCHEMA, choose_samples, feedback_table, gold_questions, tasks_of
from annotation.routing.policies import Evidence, in_order
from annotation.routing.tasks import interleaved
from annotation.settings import AnnotationSettings, ProjectSettings, RoutingSettings

POLICIES = ("random", "disagreement", "uncertainty", "diversity", "coverage", "feedback")
SUBJECTS = ("tax on imported tea", "the moons of Saturn", "a bicycle that squeaks", "songs for a wedding")


def samples(count: int) -> pl.DataFrame:
    rows = [
        {
            "sample_id": f"s{number:03}",
            "messages": [{"role": "user", "content": f"Tell me about {SUBJECTS[number % 4]}, please, number {number}"}],
            "slice": "rare" if number % 10 == 0 else "usual",
            "openness": "open",
            "reference": None,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides={"reference": pl.String})


def drafts(rows: pl.DataFrame, words: int = 6) -> pl.DataFrame:
    """Two models' drafts that differ in more words the higher the sample's number."""
    found = []
    for name in rows["sample_id"]:
        differing = int(name[1:]) % words
        texts = {"base": "one two three four five six", "finetune": " ".join(["six", *"abcdef"[: differing + 1]])}
        found += [{"sample_id": name, "model": model, "output": text, "error": None} for model, text in texts.items()]
    return pl.DataFrame(found, schema_overrides={"error": pl.String})


def routed(policy: str, **more: object) -> AnnotationSettings:
    feedback = "thumbs.jsonl" if policy == "feedback" else None
    return AnnotationSettings(routing=RoutingSettings(policy=policy, feedback=feedback, **more))


THUMBS = pl.DataFrame({"question": ["s003", "s005", "s007"], "down": [1, 4, 4], "up": [0, 4, 0]})


@pytest.mark.parametrize("policy", POLICIES)
@given(shuffle=st.integers(0, 99), share=st.sampled_from([0.0, 0.25, 1.0]), budget=st.integers(0, 25))
@settings(max_examples=15)
def test_a_policy_depends_on_no_order_and_every_sample_is_accounted_for(policy, shuffle, share, budget):
    chosen = routed(policy, budget=budget, spare=8, random_share=share)
    rows = samples(60)
    mixed = rows.sample(fraction=1, shuffle=True, seed=shuffle)
    pools = [choose_samples(each, chosen.routing, THUMBS) for each in (rows, mixed)]
    assert pools[0].equals(pools[1])
    outcomes = [
        tasks_of(pool, drafts(pool).sample(fraction=1, shuffle=True, seed=shuffle), chosen, feedback=THUMBS)
        for pool in (pools[0], pools[0].reverse())
    ]
    assert outcomes[0].table.equals(outcomes[1].table)
    outcome = outcomes[0]
    assert outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == pools[0].height
    assert outcome.table["rank"].to_list() == list(range(1, outcome.table.height + 1))
    assert outcome.table.height <= budget and outcome.table["reason"].str.len_chars().min() != 0


def test_the_random_share_is_drawn_from_all_that_wait_whatever_the_policy():
    """Over many seeds every sample is drawn at random about as often as any other, though the policy likes few of them."""
    rows, counts = samples(40), dict.fromkeys(samples(40)["sample_id"], 0)
    for seed in range(300):
        chosen = routed("coverage", budget=12, spare=4, random_share=0.5, seed=seed)
        pool = choose_samples(rows, chosen.routing)
        table = tasks_of(pool, drafts(pool), chosen).table
        for name in table.filter("random")["sample_id"]:
            counts[name] += 1
    drawn = sum(counts.values())
    assert drawn == 300 * 6
    assert all(20 <= count <= 75 for count in counts.values()), "each is expected 45 times; 4 standard deviations"
    assert set(table.filter("random")["policy"]) == {"random"}
    assert set(table.filter(~pl.col("random"))["policy"]) == {"coverage"}


def test_any_beginning_of_the_ranks_holds_its_share_at_random():
    pool = samples(100)
    table = tasks_of(pool, drafts(pool), routed("disagreement", budget=80, spare=20, random_share=0.25)).table
    for head in (8, 20, 40, 80):
        assert table.sort("rank").head(head)["random"].sum() == pytest.approx(head / 4, abs=1)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_interleaving_keeps_both_orders_and_loses_nothing(first, second):
    mixed = interleaved([(0, each) for each in first], [(1, each) for each in second])
    assert [each for part, each in mixed if part == 0] == first
    assert [each for part, each in mixed if part == 1] == second


def test_disagreement_asks_first_where_drafts_differ_most():
    order = in_order(
        "disagreement",
        samples(3),
        0,
        Evidence({"s000": ["a b", "a b"], "s001": ["a b", "c d"], "s002": ["a b", "a c"]}),
    )
    assert [name for name, _ in order] == ["s001", "s002", "s000"]
    assert order[0][1] == "its drafts differ in 100% of their words"


def test_uncertainty_is_the_judges_doubt_or_the_entropy_of_the_drafts():
    drafted = {
        "s000": ["a", "a", "a", "a"],
        "s001": ["a", "A!", "b", "b"],
        "s002": ["a", "b", "c", "d"],
        "s003": ["a", "b"],
    }
    order = in_order("uncertainty", samples(4), 0, Evidence(drafted, margins={"s003": -0.9}))
    assert [name for name, _ in order] == ["s002", "s001", "s003", "s000"]
    assert dict(order)["s001"] == "the entropy of its drafts is 1.00 of 2.00 bits"
    assert dict(order)["s003"] == "a judge's margin between its drafts is 0.90"


def test_diversity_takes_one_of_each_sort_first_and_no_near_copy():
    rows = samples(40)
    order = in_order("diversity", rows, 0, Evidence())
    subjects = {name: int(name[1:]) % 4 for name, _ in order}
    assert {subjects[name] for name, _ in order[:4]} == {0, 1, 2, 3}
    copies = pl.concat([rows, rows.with_columns(sample_id=pl.col("sample_id") + " copy")])
    assert len(in_order("diversity", copies, 0, Evidence())) == len(order)
    chosen = rows.filter(pl.col("sample_id").is_in(["s000", "s004"]))
    assert not {"s000", "s004"} & {name for name, _ in in_order("diversity", rows, 0, Evidence(), chosen)}


def test_coverage_asks_in_every_slice_before_it_asks_twice():
    order = in_order("coverage", samples(40), 0, Evidence())
    slices = dict(samples(40).select("sample_id", "slice").iter_rows())
    assert [slices[name] for name, _ in order[:8]] == ["rare", "usual"] * 4
    assert order[0][1] == "number 1 of the 4 that wait in the slice rare"


def test_thumbs_down_come_first_by_id_or_by_text(tmp_path):
    path = tmp_path / "thumbs.jsonl"
    text = samples(9)["messages"][5][0]["content"]
    lines = ['{"sample_id": "s007", "thumbs": "down"}'] * 2 + ['{"sample_id": "s001", "thumbs": "up"}']
    path.write_text(
        "\n".join([*lines, f'{{"prompt": "{text} ", "thumbs": "down"}}', '{"sample_id": "gone", "thumbs": -1}'])
    )
    order = in_order("feedback", samples(9), 0, Evidence(feedback=feedback_table(path)))
    assert order[:2] == [("s007", "2 thumbs down, 0 up"), ("s005", "1 thumbs down, 0 up")]
    assert {reason for _, reason in order[2:]} == {"nobody has said what they think of it", "0 thumbs down, 1 up"}
    chosen = choose_samples(
        samples(60), routed("feedback", budget=2, spare=0, random_share=0).routing, feedback_table(path)
    )
    assert chosen["sample_id"].to_list() == ["s007", "s005"], "they are drafted, however many wait"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "needs a column thumbs"),
        ('{"sample_id": "a", "thumbs": "sideways"}', "1 rows whose thumbs"),
        ("[1", "neither"),
    ],
)
def test_thumbs_that_cannot_be_read_are_an_error_that_names_the_file(tmp_path, text, said):
    (tmp_path / "thumbs.jsonl").write_text(text)
    with pytest.raises(ValueError, match=f"(?s)annotation.routing.feedback.*{said}"):
        feedback_table(tmp_path / "thumbs.jsonl")


def test_each_kind_shows_what_it_asks_about_and_a_demonstration_may_begin_from_nothing():
    pool = samples(4)
    kinds = ("preference", "rating", "demonstration")
    projects = tuple(ProjectSettings(name=f"my_{kind}", kind=kind) for kind in kinds)
    written = drafts(pool).filter(pl.col("sample_id") != "s003")
    outcome = tasks_of(pool, written, AnnotationSettings(projects=projects, routing=RoutingSettings(budget=4)))
    table = outcome.table
    assert dict(table.schema) == TASK_SCHEMA
    assert dict(table.group_by("kind").len().iter_rows()) == {"preference": 3, "rating": 3, "demonstration": 4}
    assert outcome.failed == {"a draft is missing": 2}
    assert table.filter(kind="preference").select(pl.col("output_b", "model_b").null_count()).row(0) == (0, 0)
    assert table.filter(pl.col("kind") != "preference")["output_b"].null_count() == 7
    assert table["task_digest"].is_unique().all()
    blank = table.filter(kind="demonstration", sample_id="s003").row(0, named=True)
    assert (blank["output_a"], blank["model_a"]) == (None, None)


def test_a_task_keeps_its_name_when_its_rank_and_reason_change():
    pool = samples(30)
    first = tasks_of(pool, drafts(pool), routed("disagreement", budget=30)).table
    second = tasks_of(pool, drafts(pool), routed("coverage", budget=30)).table
    names = [dict(table.select("sample_id", "task_digest").iter_rows()) for table in (first, second)]
    assert names[0] == names[1] and first["rank"].to_list() == second["rank"].to_list()


def test_a_project_has_a_budget_of_its_own_within_that_of_all():
    pool = samples(20)
    projects = (ProjectSettings(budget=3), ProjectSettings(name="rating", kind="rating"))
    table = tasks_of(pool, drafts(pool), AnnotationSettings(projects=projects, routing=RoutingSettings(budget=8))).table
    assert dict(table.group_by("project").len().iter_rows()) == {"preference": 3, "rating": 8}
    with pytest.raises(ValueError, match=r"cannot exceed routing\.budget"):
        AnnotationSettings(projects=(ProjectSettings(budget=30),))


GOLD = """
- {question: "Two and two?", a: "4", b: "5", answer: a}
- {question: "Two and three?", a: "4", b: "5", answer: [b, both_bad]}
"""


def test_known_questions_are_mixed_in_and_look_like_any_other(tmp_path):
    (tmp_path / "gold.yaml").write_text(GOLD)
    project = ProjectSettings(gold="gold.yaml")
    pool = samples(30)
    chosen = AnnotationSettings(projects=(project,), routing=RoutingSettings(budget=30))
    table = tasks_of(pool, drafts(pool), chosen, gold_questions([project], tmp_path)).table
    known = table.filter(pl.col("gold").is_not_null())
    assert known.height == 2 and table.height == 32
    assert known["rank"].min() > 1 and known["rank"].max() < 32, "neither at the head nor at the end"
    for row in known.to_dicts():
        right = {"Two and two?": "4", "Two and three?": "5"}[row["prompt_text"]]
        side = "a" if row["output_a"] == right else "b"
        assert f'"{side}"' in row["gold"], "the known answer turns with the sides"
    assert known["sample_id"].str.len_chars().unique().to_list() == [32]
    assert known.select(pl.col("model_a", "model_b").null_count()).row(0) == (2, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {question: q, a: x, answer: a}", "should have a, answer, b, question"),
        ("- {question: q, a: x, b: y, answer: c}", "one or several of a, b, tie, both_bad, not 'c'"),
        ("question: q", "should be a list"),
        ("- [", "cannot be read as YAML"),
    ],
)
def test_a_known_question_that_cannot_be_is_an_error_that_names_file_and_entry(tmp_path, text, said):
    (tmp_path / "gold.yaml").write_text(text)
    with pytest.raises(ValueError, match=f"(?s)gold.yaml.*{said}"):
        gold_questions([ProjectSettings(gold="gold.yaml")], tmp_path)


def test_a_known_rating_names_levels_of_the_rubric(tmp_path):
    (tmp_path / "gold.yaml").write_text("- {question: q, a: x, answer: {correct: [4, 5]}}")
    project = ProjectSettings(name="rating", kind="rating", gold="gold.yaml")
    assert gold_questions([project], tmp_path)["gold"].to_list() == ['{"correct": ["4", "5"]}']
    with pytest.raises(ValueError, match="names a level of correct, helpful"):
        (tmp_path / "gold.yaml").write_text("- {question: q, a: x, answer: {kind: 4}}")
        gold_questions([project], tmp_path)
    with pytest.raises(ValueError, match="written answer cannot be held against a known one"):
        dataclasses.replace(project, kind="demonstration")
