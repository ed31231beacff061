"""Small samples and outputs, for the tests that need no model."""

import polars as pl

from evaluation.inference import OUTPUTS
from records import MESSAGES

SAMPLES = {
    "sample_id": pl.String(),
    "source": pl.String(),
    "locator": pl.String(),
    "group": pl.String(),
    "reference": pl.String(),
    "openness": pl.String(),
    "checker": pl.String(),
    "line": pl.Int64(),
    "name": pl.String(),
    "slice": pl.String(),
    "messages": MESSAGES,
}


def samples(*rows):
    """Open samples with a reference, unless a row says otherwise."""
    filled = []
    for place, row in enumerate(rows):
        usual = {
            "source": "code",
            "locator": f"pkg/m{place}.py#{place}",
            "group": f"g{place % 3}",
            "reference": "Return it.",
        }
        usual |= {"openness": "open", "line": place + 1, "name": f"f{place}", "slice": "all"}
        usual["messages"] = [{"role": "user", "content": f"What is {place}?"}]
        filled.append(usual | row)
    return pl.DataFrame(filled, schema=SAMPLES)


def outputs(*rows, model="base", version="v1", purpose="test", prompt="plain"):
    """A contestant's rows, as `pipelines` hands them over."""
    usual = {"purpose": purpose, "prompt": prompt}
    table = pl.DataFrame([usual | row for row in rows], schema=OUTPUTS)
    return table.with_columns(model=pl.lit(model), model_version=pl.lit(version))
