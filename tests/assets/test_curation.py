"""What the report looks at is what the verdicts look at: no evidence decides unseen."""

from assets.curation import funnel, rule_failures, verdicts
from pipelines.stages import parameters


def test_the_report_shows_all_evidence_that_verdicts_are_made_from() -> None:
    decides = {parameter.name for parameter in parameters(verdicts.function)}
    assert decides <= {parameter.name for parameter in parameters(funnel.function)}


def test_the_survivor_policy_counts_the_rules_that_verdicts_are_made_from() -> None:
    decides = {parameter.name for parameter in parameters(verdicts.function)} - {"documents", "duplicates"}
    assert decides <= {parameter.name for parameter in parameters(rule_failures.function)}
