"""Which assets a workspace has, and what each depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from assets import STAGES
from curation.inventory import Source
from pipelines.graph import GraphError, Node, build_graph
from pipelines.settings import BaseEntry, Config, ModelSettings
from pipelines.stages import Observation, Output, Release, Run, Stage, observable, parameters, stage
from pipelines.workspace import Workspace
from records import Outcome, Progress
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import ToyConfig

SOURCES = (Source("docs", "data"), Source("more", "other"))
TASK: dict[str, Any] = {"recipe": "chat"}
MODELS = (
    ModelSettings("small", "org/one"),
    ModelSettings("large", "org/two"),
    ModelSettings("slow", "org/one"),
)


def config(**parts: Any) -> Config:
    return Config.model_validate({"sources": SOURCES, **parts})


def names(**parts: Any) -> set[str]:
    return set(build_graph(STAGES, config(**parts)).nodes)


CORPUS = {
    "source_docs",
    "source_more",
    "source_order",
    "documents",
    "tombstones",
    "record_columns",
    "signatures",
    "quality",
    "duplicates",
    "verdicts",
    "corpus",
    "funnel",
}


def test_sources_alone_give_a_corpus_and_nothing_more() -> None:
    assert names() == CORPUS


def test_scores_are_parted_by_language_where_a_rule_set_measures_it() -> None:
    def dependencies(**parts: Any) -> set[str]:
        graph = build_graph(STAGES, config(task=TASK, models=MODELS, **parts))
        assert "sample_facts" in set(graph.nodes["scores"].dependencies())
        return set(graph.nodes["sample_facts"].dependencies())

    assert "language" not in dependencies()
    assert "language" in dependencies(rules=({"language": {"min_confidence": 0}},))


def test_what_is_declared_is_there_and_what_is_not_is_absent() -> None:
    with_task = names(task=TASK)
    assert with_task > CORPUS and {"samples", "instructions"} <= with_task
    assert not {name for name in with_task if "model" in name or "annotation" in name}
    whole = names(task=TASK, models=MODELS, prompts=("p.yaml",), proposals={}, annotation={})
    per_entry = {"model_small", "model_large", "model_slow", "answers_small", "base_model_one", "base_model_two"}
    assert per_entry | {"models", "scores", "proposals", "best_prompt_one", "annotations", "preferences"} <= whole
    without_prompts = names(task=TASK, models=MODELS)
    assert "scores" in without_prompts and not {name for name in without_prompts if "prompt" in name}


def test_what_people_wrote_comes_to_the_samples_by_the_name_of_a_release_and_makes_no_circle() -> None:
    parts: dict[str, Any] = {"task": TASK, "models": MODELS, "annotation": {}}
    plain = build_graph(STAGES, config(**parts))
    assert "named_demonstrations" not in plain.nodes and "demonstrations" in plain.nodes
    named = build_graph(STAGES, config(**parts, demonstrations="good"))
    assert "named_demonstrations" in named.nodes["samples"].dependencies()
    assert "samples" in {node.name for node in named.upstream(["demonstrations"])}


def test_the_survivor_policy_looks_at_the_evidence_that_it_names_and_at_no_other() -> None:
    exam = ({"name": "exam", "path": "exam"},)
    plain = build_graph(STAGES, config(rules=("gopher",), evaluation_sets=exam))
    assert "rule_failures" not in plain.nodes
    assert "contamination" not in plain.nodes["duplicates"].dependencies()
    policy = {"policy": ["quality", "contamination"]}
    asking = build_graph(STAGES, config(rules=("gopher",), evaluation_sets=exam, deduplication=policy))
    assert {"rule_failures", "contamination"} <= set(asking.nodes["duplicates"].dependencies())
    assert {"quality", "contamination"} <= set(asking.nodes["rule_failures"].dependencies())


def test_every_table_that_others_rely_on_has_a_maker() -> None:
    graph = build_graph(STAGES, config(task=TASK, models=MODELS, prompts=("p.yaml",), proposals={}, annotation={}))
    promised = "documents failures duplicates quality verdicts corpus samples annotations models scores"
    assert set(promised.split()) <= set(graph.makers)
    order = list(graph.nodes)
    for node in graph:
        for name in node.dependencies():
            if name in graph.makers:
                assert order.index(graph.makers[name].name) < order.index(node.name)


def test_every_stage_says_what_it_is() -> None:
    for each in STAGES:
        assert each.description and each.group
        assert each.kind == "observable" or each.code_version
        assert all(output.primary_key for output in each.outputs)


def given(node: Node, parameter: str) -> tuple[str, dict[str, str]]:
    found = next(each for each in node.inputs if each.parameter == parameter)
    return found.role, dict(found.names)


def test_entries_are_joined_with_their_own_base() -> None:
    graph = build_graph(STAGES, config(task=TASK, models=MODELS, prompts=("p.yaml",)))
    assert given(graph.nodes["model_slow"], "base_model") == ("table", {"": "base_model_one"})
    assert given(graph.nodes["answers_large"], "base_model") == ("table", {"": "base_model_two"})
    assert given(graph.nodes["answers_large"], "model") == ("table", {"": "model_large"})
    assert given(graph.nodes["model_small"], "entry") == ("entry", {"": "models_small"})
    assert given(graph.nodes["model_small"], "instructions") == ("release", {"": "instructions"})
    several = {"small": "model_small", "large": "model_large", "slow": "model_slow"}
    assert given(graph.nodes["models"], "model") == ("tables", several)
    assert given(graph.nodes["documents"], "added") == ("observeds", {"docs": "source_docs", "more": "source_more"})
    assert graph.nodes["model_small"].entry == MODELS[0]


def test_upstream_is_all_that_a_name_needs_in_order() -> None:
    graph = build_graph(STAGES, config(task=TASK))
    assert [node.name for node in graph.upstream(["duplicates"])] == [
        name
        for name in graph.nodes
        if name
        in {
            "source_docs",
            "source_more",
            "source_order",
            "tombstones",
            "record_columns",
            "documents",
            "signatures",
            "duplicates",
        }
    ]
    assert graph.node_of("failures") is graph.nodes["documents"], "a table that a stage makes beside its own"
    with pytest.raises(GraphError, match=r"no asset 'corpsu' in this workspace; there are: .*corpus"):
        graph.upstream(["corpsu"])


@observable(group="sources")
def raw(workspace: Workspace) -> Observation:
    """What is there."""
    return Observation("1", None)


@stage(group="curation", code_version="1", primary_key="id")
def first(raw: pl.DataFrame) -> pl.DataFrame:
    """A stage."""
    return raw


@stage(group="curation", code_version="1", primary_key="id")
def second(
    first: pl.LazyFrame,
    absent: pl.DataFrame | None,
    settings: toy_stages.LeastSettings,
    sources: tuple[Source, ...],
    run: Run,
    progress: Progress,
) -> Outcome:
    """A stage that asks for all there is."""
    raise AssertionError


@stage(group="curation", code_version="1", primary_key="id", needs=("task",))
def absent(first: pl.DataFrame) -> pl.DataFrame:
    """A stage that needs a task."""
    return first


@stage(group="curation", code_version="1", primary_key="id")
def below(absent: pl.DataFrame) -> pl.DataFrame:
    """A stage below it."""
    return absent


TOY = ToyConfig(sources=SOURCES)


def test_a_parameter_is_found_by_its_name_or_its_type() -> None:
    graph = build_graph([second, below, absent, first, raw], TOY)
    assert list(graph.nodes) == ["raw", "first", "second"]
    node = graph.nodes["second"]
    assert given(node, "first") == ("table", {"": "first"})
    assert given(node, "absent") == ("absent", {})
    assert given(node, "settings") == ("settings", {"": "deciding"})
    assert given(node, "sources") == ("settings", {"": "sources"})
    assert [given(node, name)[0] for name in ("run", "progress")] == ["run", "progress"]
    assert next(each.lazy for each in node.inputs if each.parameter == "first")
    assert node.dependencies() == ["first", "settings_deciding", "settings_sources"]
    assert given(graph.nodes["first"], "raw") == ("observed", {"": "raw"})
    assert set(graph.sections) == {"deciding", "sources"}


def test_an_optional_input_does_not_hide_a_stage_and_a_needed_one_does() -> None:
    with_task = ToyConfig.model_validate({"sources": SOURCES, "task": TASK})
    graph = build_graph([raw, first, second, absent, below], with_task)
    assert set(graph.nodes) == {"raw", "first", "second", "absent", "below"}
    assert given(graph.nodes["second"], "absent") == ("table", {"": "absent"})


def test_an_input_that_the_settings_do_not_ask_for_changes_nothing() -> None:
    """What is dear is then not even measured."""
    with_task = ToyConfig.model_validate({"sources": SOURCES, "task": TASK})
    asking = replace(second, asks=lambda config: {"absent"} if config.task else set())
    dear = replace(absent, needs=(), on_demand=True)
    assert set(build_graph([raw, first, asking, dear], with_task).nodes) == {"raw", "first", "second", "absent"}
    without = build_graph([raw, first, asking, dear], TOY)
    assert set(without.nodes) == {"raw", "first", "second"}
    cheap = build_graph([raw, first, asking, replace(dear, on_demand=False)], TOY)
    assert given(cheap.nodes["second"], "absent") == ("absent", {}) and "absent" in cheap.nodes
    assert "absent" in build_graph([raw, first, asking, dear, below], TOY).nodes, "another stage cannot do without it"


def test_what_nothing_provides_is_named_with_the_stage_and_the_mend() -> None:
    def wrong(first: pl.DataFrame, threshold: float) -> pl.DataFrame:
        return first

    asking = Stage("wrong", wrong, "stage", "curation", "1", (Output("wrong", ("id",)),))
    with pytest.raises(GraphError, match=r"stage wrong: nothing provides its parameter 'threshold'.*headwater\.yaml"):
        build_graph([raw, first, asking], TOY)


def test_a_circle_is_named() -> None:
    one = replace(first, function=lambda second: second)
    other = replace(below, name="second", function=lambda first: first, outputs=(Output("second", ("id",)),))
    with pytest.raises(GraphError, match=r"wait for each other: .*first → second|second → first"):
        build_graph([one, other], TOY)


def test_parameters_tell_optional_ones() -> None:
    def function(one: pl.DataFrame, two: dict[str, pl.DataFrame] | None, three: Release) -> None:
        """Its annotations are strings here, and are read."""

    found = [(each.name, each.annotation, each.optional) for each in parameters(function)]
    assert found == [("one", pl.DataFrame, False), ("two", dict[str, pl.DataFrame], True), ("three", Release, False)]


def test_a_stage_can_be_called_as_the_plain_function_it_is() -> None:
    assert first(pl.DataFrame({"id": [1]})).height == 1
    assert BaseEntry("one", "org/one") == config(task=TASK, models=MODELS).bases[0]
