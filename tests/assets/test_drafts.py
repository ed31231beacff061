"""Which candidates there are, and what a judge's doubt is worth."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from annotation.routing import draft_pairs, tasks_of
from annotation.settings import AnnotationSettings, RoutingSettings
from assets import STAGES
from assets.drafts import margins_of, samplings
from evaluation.inference import GenerationSettings
from evaluation.judging import JUDGEMENTS
from pipelines.graph import build_graph
from pipelines.settings_file import load_config

MODEL = {"name": "finetune", "base": "./base"}
JUDGE = {"name": "strict", "instructions": "judge.yaml", "base": "./base"}


def test_one_draft_is_as_evaluation_has_it_and_several_differ_in_their_seed() -> None:
    usual = GenerationSettings(temperature=0.0, seed=5)
    assert samplings(RoutingSettings(), usual) == [usual]
    several = samplings(RoutingSettings(candidates=3, temperature=0.6), usual)
    assert [each.seed for each in several] == [5, 6, 7] and {each.temperature for each in several} == {0.6}


def judgement(sample: str, shown: str, verdict: str | None) -> dict[str, object]:
    about = {"sample_id": sample, "pair": "drafts", "shown": shown, "verdict": verdict, "prompt": "1"}
    return about | {
        "purpose": f"drafts {shown}",
        "model_a": "base",
        "model_b": "finetune",
        "length_a": 3,
        "length_b": 4,
    }


def test_a_judge_is_sure_only_of_what_wins_in_both_orders() -> None:
    said = {"sure": ("a", "a"), "turned": ("a", "b"), "tied": ("tie", "tie"), "silent": ("a", None)}
    rows = [
        judgement(sample, order, verdict)
        for sample, pair in said.items()
        for order, verdict in zip(("ab", "ba"), pair, strict=True)
    ]
    assert margins_of(pl.DataFrame(rows, schema=JUDGEMENTS)) == {"sure": 1.0, "turned": 0.0, "tied": 0.0}


def test_a_judge_is_shown_the_pair_that_people_would_be() -> None:
    names = [f"s{number}" for number in range(12)]
    rows = [
        {"sample_id": name, "model": model, "output": f"{model} {draft} on {name}", "error": None}
        for name in names
        for model in ("base", "big", "finetune")
        for draft in range(2)
    ]
    drafts = pl.DataFrame(rows, schema_overrides={"error": pl.String})
    samples = pl.DataFrame(
        {
            "sample_id": names,
            "slice": "s",
            "messages": [[{"role": "user", "content": f"About {name}?"}] for name in names],
        }
    )
    settings = AnnotationSettings(routing=RoutingSettings(budget=12))
    shown = tasks_of(samples, drafts, settings).table.select("sample_id", "model_a", "output_a", "model_b", "output_b")
    assert draft_pairs(drafts, 0).sort("sample_id").equals(shown.sort("sample_id"))
    assert (shown["model_a"] != shown["model_b"]).all()


@pytest.mark.parametrize(
    ("policy", "judges", "present"),
    [("uncertainty", [JUDGE], True), ("uncertainty", [], False), ("disagreement", [JUDGE], False)],
)
def test_a_judge_is_asked_about_drafts_only_where_its_doubt_decides(
    tmp_path: Path, policy: str, judges: list[dict[str, str]], present: bool
) -> None:
    content = {
        "sources": [{"name": "data", "path": "data"}],
        "task": {"recipe": "qa"},
        "models": [MODEL],
        "annotation": {"routing": {"policy": policy}},
        "judges": judges,
    }
    (tmp_path / "headwater.yaml").write_text(yaml.safe_dump(content))
    graph = build_graph(STAGES, load_config(tmp_path / "headwater.yaml"))
    assert ("draft_judgements" in graph.nodes) is present
    assert ("draft_judgements" in graph.node_of("annotation_tasks").dependencies()) is present
    assert "feedback" not in graph.node_of("drafts").dependencies()
