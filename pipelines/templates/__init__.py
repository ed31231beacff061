"""`headwater init`: a workspace from a template, with a commented file that runs as it stands."""

from __future__ import annotations

import sysconfig
import typing
from importlib import resources
from pathlib import Path
from typing import Literal

from pipelines.settings import FILE
from pipelines.templates.examples import MAKERS, write_data
from pipelines.workspace import Workspace

Template = Literal["corpus", "completion", "chat", "qa", "docstrings", "finetune-pays", "prompt-is-enough"]
TEMPLATES: tuple[Template, ...] = typing.get_args(Template)

FINETUNE = {
    "docstrings": "steps: 30, batch: 8, learning_rate: 0.001, max_length: 320",
    "": "steps: 30, batch: 8, learning_rate: 0.001, max_length: 512",
}
GENERATION = {"docstrings": "max_new_tokens: 32, stop_at_line: true", "": "max_new_tokens: 64"}
SPLIT_SEED = {"docstrings": "4"}
"""Groups (packages) differ much in size; this seed leaves the large ones of a common environment in training."""
ANSWERED = {"docstrings": ("100", "400"), "": ("40", "200")}

CODE = '  - name: code\n    path: {path}\n    exclude: ["**/.git/**", "**/.venv/**", "**/node_modules/**"]'
INSTALLED = """\
  - name: library        # the standard library: sources
    path: {library}
    include: ["**/*.py", "**/*.txt", "**/*.rst"]
    exclude: ["site-packages/**", "test/**", "**/tests/**", "idlelib/**", "lib2to3/**"]
  - name: packages       # the installed packages: sources, READMEs, licences and metadata
    path: {packages}
    include: ["**/*.py", "**/METADATA", "**/LICENSE*", "**/COPYING*", "**/NOTICE*", "**/*.md", "**/*.rst", "**/*.txt"]
    exclude: ["torch/**", "transformers/models/**", "sympy/**", "label_studio_sdk/**", "**/tests/**", "**/test/**", "**/RECORD"]"""


class TemplateError(ValueError):
    """A workspace cannot be made there, or not so."""


def init(folder: Path, template: Template = "corpus", code: Path | None = None) -> Path:
    """Make a workspace in `folder`: headwater.yaml, prompt files, and a folder for data. Returns headwater.yaml.

    `code` is a code base whose missing docstrings are to be written (template `docstrings`).
    Raises TemplateError when a workspace is there already, or the template is unknown, WorkspaceError where none can be.
    """
    if template not in TEMPLATES:
        raise TemplateError(f"there is no template {template!r}; there are {', '.join(TEMPLATES)}")
    if code is not None and not code.expanduser().is_dir():
        raise TemplateError(f"--code {code}: there is no such folder")
    folder = Workspace(folder.expanduser().resolve()).root
    target = folder / FILE
    if target.exists():
        raise TemplateError(f"{target} exists already; edit it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    prompts = _write_prompts(folder, template)
    target.write_text(_text(folder, template, code, prompts), encoding="utf-8")
    return target


def _text(folder: Path, template: Template, code: Path | None, prompts: list[str]) -> str:
    text = _read(f"{template}.yaml")
    if template == "docstrings":
        text = text.replace("{{sources}}", _code_sources(code))
        if code is not None:
            text = text.replace(
                "recipe: docstrings",
                "group_depth: 99        # each file is a group: a code base of one's own is one package\n  recipe: docstrings",
            )
    else:
        (folder / "data").mkdir(exist_ok=True)
        text = text.replace("{{data}}", "data    # a folder or a file; a relative path starts at the workspace")
    if template in MAKERS:
        write_data(template, folder / "data")
        return text.replace("{{prompts}}", _listed(prompts))
    if template == "corpus":
        return text
    answered, weighed = ANSWERED.get(template, ANSWERED[""])
    model = _read("_model.yaml").replace("{{prompts}}", _listed(prompts))
    model = model.replace("{{{finetune}}}", "{" + FINETUNE.get(template, FINETUNE[""]) + "}")
    model = model.replace("{{{generation}}}", "{" + GENERATION.get(template, GENERATION[""]) + "}")
    model = model.replace("{{seed}}", SPLIT_SEED.get(template, "0"))
    model = model.replace("{{answered}}", answered).replace("{{weighed}}", weighed)
    return text + model + _read("_docstrings_tail.yaml" if template == "docstrings" else "_tail.yaml")


def _listed(prompts: list[str]) -> str:
    return "\n".join(f"  - {prompt}" for prompt in prompts)


def _code_sources(code: Path | None) -> str:
    if code is not None:
        return CODE.format(path=code.expanduser().resolve())
    return INSTALLED.format(library=sysconfig.get_path("stdlib"), packages=sysconfig.get_path("purelib"))


def _write_prompts(folder: Path, template: Template) -> list[str]:
    source = resources.files("pipelines.templates") / "prompts" / template
    if not source.is_dir():
        return []
    (folder / "prompts").mkdir(exist_ok=True)
    written = []
    for file in sorted(source.iterdir(), key=lambda each: each.name):
        (folder / "prompts" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        written.append(f"prompts/{file.name}")
    return written


def _read(name: str) -> str:
    return (resources.files("pipelines.templates") / name).read_text(encoding="utf-8")
