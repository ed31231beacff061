"""A small code base, made the same each time: packages of functions with and without docstrings, copies, and poison."""

import random
from pathlib import Path

PACKAGES = 12
MODULES = 5
LICENCE = (
    "Permission is granted to use, copy and change these files for any purpose, with or without a fee. "
    "They come as they are, and nobody answers for what they do.\n"
)
VERBS = ("read", "write", "count", "merge", "split", "parse", "check", "sort", "find", "clean", "pack", "draw")
THINGS = ("rows", "lines", "names", "paths", "dates", "colours", "prices", "orders", "words", "pages", "keys", "maps")
ADJECTIVES = ("new", "old", "empty", "known", "open", "local", "first", "last", "shared", "spare", "plain", "hidden")
TYPES = ("int", "str", "bool", "list", "dict")
POISON = b"def f():\n    return 1\n" + bytes(range(256)) * 8


def write_code_base(folder: Path) -> Path:
    """62 modules, a licence and a README per package, an exact and a near copy of a module, and a poison file."""
    for package in range(PACKAGES):
        home = folder / f"package_{package:02}"
        home.mkdir(parents=True)
        (home / "LICENSE.txt").write_text(LICENCE)
        (home / "README.md").write_text(readme(package))
        for module in range(MODULES):
            (home / f"module_{module}.py").write_text(module_text(package, module))
    copied = (folder / "package_00" / "module_0.py").read_text()
    (folder / "package_01" / "copy.py").write_text(copied)
    (folder / "package_02" / "near_copy.py").write_text(copied + "\n# This one was copied.\n")
    (folder / "package_03" / "poison.py").write_bytes(POISON)
    return folder


def readme(package: int) -> str:
    draw = random.Random(f"readme {package}")
    lines = [
        f"It can {draw.choice(VERBS)} {draw.choice(ADJECTIVES)} {draw.choice(THINGS)} and {draw.choice(VERBS)} "
        f"{draw.choice(THINGS)} that are {draw.choice(ADJECTIVES)}."
        for _ in range(8)
    ]
    return f"# Package {package}\n\n" + "\n".join(lines) + "\n"


def module_text(package: int, module: int) -> str:
    draw = random.Random(f"module {package} {module}")
    return f'"""Module {module} of package {package}."""\n' + "".join(function(draw, number) for number in range(6))


def function(draw: random.Random, number: int) -> str:
    """A function; every other one has a docstring, and all but the third annotate what they return."""
    verb, thing, adjective = draw.choice(VERBS), draw.choice(THINGS), draw.choice(ADJECTIVES)
    kind = draw.choice(TYPES)
    name = f"{verb}_{adjective}_{thing}_{draw.randrange(1000)}"
    arrow = "" if number == 2 else f" -> {kind}"
    summary = f"{verb.capitalize()} the {adjective} {thing} of a {draw.choice(THINGS)[:-1]}."
    docstring = f'    """{summary}"""\n' if number % 2 == 0 else ""
    steps = "".join(
        f"    {draw.choice(THINGS)}_{draw.randrange(100)} = {draw.choice(THINGS)}_{verb}({thing}, {draw.randrange(999)})\n"
        for _ in range(draw.randrange(1, 4))
    )
    return (
        f"\n\ndef {name}({thing}, limit={draw.randrange(99)}){arrow}:\n{docstring}{steps}    return {kind}({thing})\n"
    )
