import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from annotation.routing import TASK_SCHEMA, choose_samples, prompt_text, tasks_of
from annotation.settings import AnnotationSettings, RoutingSettings


def samples(count: int) -> pl.DataFrame:
    rows = [
        {
            "sample_id": f"s{number}",
            "messages": [{"role": "user", "content": f"Document function {number}"}],
            "slice": f"slice {number % 3}",
            "openness": "closed" if number % 5 == 0 else "open",
            "reference": "A line." if number % 3 == 0 else None,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides={"reference": pl.String})


def drafts(chosen: pl.DataFrame, model: str) -> pl.DataFrame:
    return chosen.select("sample_id", (pl.lit(f"{model} says ") + pl.col("sample_id")).alias("output"))


def preference_tasks(chosen, first, second, routing):
    """The tasks of one project of preferences between two models' drafts."""
    return tasks_of(chosen, written(old=first, new=second), AnnotationSettings(routing=routing))


def written(**by_model: pl.DataFrame) -> pl.DataFrame:
    rows = [
        table.select("sample_id", "output", model=pl.lit(name), error=pl.lit(None, pl.String))
        for name, table in by_model.items()
    ]
    return pl.concat(rows)


def waiting(count: int) -> pl.DataFrame:
    return samples(count).with_columns(openness=pl.lit("open"), reference=pl.lit(None, pl.String))


def test_only_open_samples_without_a_reference_are_asked():
    chosen = choose_samples(samples(300), RoutingSettings(budget=1000))
    assert chosen.height == samples(300).filter((pl.col("openness") == "open") & pl.col("reference").is_null()).height
    assert set(chosen["openness"]) == {"open"} and chosen["reference"].null_count() == chosen.height


def test_the_budget_and_the_spare_bound_what_is_drafted():
    assert choose_samples(samples(300), RoutingSettings(budget=7, spare=2)).height == 9
    assert choose_samples(samples(300), RoutingSettings(budget=0, spare=0)).is_empty()
    assert choose_samples(samples(300).clear(), RoutingSettings()).is_empty()


@given(st.integers(0, 1000), st.integers(0, 40), st.integers())
def test_the_same_samples_are_chosen_in_any_order_of_rows(shuffle, budget, seed):
    settings = RoutingSettings(budget=budget, spare=0, seed=seed)
    rows = samples(60)
    assert choose_samples(rows.sample(fraction=1, shuffle=True, seed=shuffle), settings).equals(
        choose_samples(rows, settings)
    )


@given(st.integers(1, 40))
def test_a_larger_budget_asks_the_same_and_more(budget):
    few = choose_samples(waiting(60), RoutingSettings(budget=budget, spare=0))["sample_id"].to_list()
    more = choose_samples(waiting(60), RoutingSettings(budget=budget + 5, spare=0))["sample_id"].to_list()
    assert more[: len(few)] == few


def test_another_seed_asks_others():
    first, second = (set(choose_samples(waiting(200), RoutingSettings(seed=seed))["sample_id"]) for seed in (0, 1))
    assert first != second


def test_each_draft_stands_beside_its_model_and_sides_are_even():
    chosen = waiting(400)
    outcome = preference_tasks(chosen, drafts(chosen, "old"), drafts(chosen, "new"), RoutingSettings(budget=400))
    assert outcome.table.schema == pl.Schema(TASK_SCHEMA)
    assert outcome.table["task_digest"].is_unique().all()
    for side in ("a", "b"):
        assert outcome.table.select(
            (pl.col(f"output_{side}") == pl.col(f"model_{side}") + " says " + pl.col("sample_id")).all()
        ).item()
    assert 160 < outcome.table.filter(pl.col("model_a") == "old").height < 240


def test_pairs_that_cannot_be_preferred_are_accounted_for():
    chosen = waiting(10)
    left = drafts(chosen, "old").filter(pl.col("sample_id") != "s9")
    is_same = pl.col("sample_id").is_in(["s1", "s2"])
    right = drafts(chosen, "new").join(left.rename({"output": "other"}), on="sample_id", how="left")
    right = right.select("sample_id", output=pl.when(is_same).then(pl.col("other") + "\n").otherwise("output"))
    right = right.with_columns(output=pl.when(pl.col("sample_id") == "s8").then(None).otherwise("output"))
    outcome = preference_tasks(chosen, left, right, RoutingSettings(budget=4))
    assert outcome.table.height == 4
    assert outcome.dropped == {"the drafts are the same": 2, "beyond the budget": 2}
    assert outcome.failed == {"a draft is missing": 2}


@given(st.integers(0, 1000))
def test_tasks_do_not_depend_on_the_order_of_rows(shuffle):
    chosen, settings = waiting(20), RoutingSettings(budget=12)
    mixed = chosen.sample(fraction=1, shuffle=True, seed=shuffle)
    first = preference_tasks(chosen, drafts(chosen, "old"), drafts(chosen, "new"), settings)
    second = preference_tasks(mixed, drafts(mixed, "old"), drafts(mixed, "new"), settings)
    assert first.table.equals(second.table)


def test_a_new_draft_is_a_new_task():
    chosen, settings = waiting(1), RoutingSettings()
    first, second = (
        preference_tasks(chosen, drafts(chosen, "old"), drafts(chosen, model), settings).table
        for model in ("new", "newer")
    )
    assert first["task_digest"][0] != second["task_digest"][0]


def test_no_samples_make_no_tasks():
    none = waiting(1).clear()
    outcome = preference_tasks(none, drafts(none, "old"), drafts(none, "new"), RoutingSettings())
    assert outcome.table.is_empty() and outcome.table.schema == pl.Schema(TASK_SCHEMA)


def test_a_chat_is_shown_with_its_speakers_and_a_question_alone():
    system, user, model = ({"role": role, "content": f"{role} speaks"} for role in ("system", "user", "assistant"))
    assert prompt_text([system, user]) == "user speaks"
    assert (
        prompt_text([user, model, user]) == "User:\nuser speaks\n\nAssistant:\nassistant speaks\n\nUser:\nuser speaks"
    )
    assert prompt_text([system]) == "system speaks"
