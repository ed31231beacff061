"""Questions whose answers can be checked get their checker by themselves, each with its reason."""

import json
from pathlib import Path

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build

SETTINGS = """
sources: [{name: notes, path: notes}]
rules: []
task: {recipe: qa, checker: auto}
"""


def test_each_sample_is_open_or_closed_by_its_reference_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    rows = [{"question": f"How many legs have {n} spiders?", "answer": str(8 * n)} for n in range(30)]
    rows += [
        {"question": f"Why do spiders of sort {n} spin?", "answer": f"They spin {n} webs to catch what flies."}
        for n in range(30)
    ]
    rows.append({"question": "How many legs have 77 beetles?"})
    (tmp_path / "notes" / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "headwater.yaml").write_text(SETTINGS)
    build(tmp_path, "openness")
    store = Workspace(tmp_path).store
    told = store.scan("openness").collect()
    samples = store.scan("samples").collect()
    assert told["sample_id"].to_list() == samples["sample_id"].to_list()
    both = samples.select("sample_id", "openness", "checker").join(told, on=["sample_id", "openness"], how="inner")
    assert both.height == samples.height and (both["checker"].eq_missing(both["checker_right"])).all()
    assert told.filter(openness="closed", decided_by="rule")["checker"].to_list() == ["numeric"] * 30
    assert set(told.filter(decided_by="rule", openness="closed")["reason"]) == {"the reference is a number"}
    assert told.filter(decided_by="rule", openness="open").height == 30
    left = told.join(samples.filter(samples["reference"].is_null()), on="sample_id", how="semi")
    assert left.select("openness", "checker", "decided_by").rows() in ([("closed", "numeric", "model")], [])
