"""Reads a model with its variants, and writes each as a model of its own.

A model is a file that Verifpal reads as it is. Comments say how its variants differ:

  // variant NAME[, sessions N]: ABOUT     other assumptions: what the attacker has, whom one talks to
  // broken NAME[, sessions N]: ABOUT      a protocol that lacks something: an attack has to be found
  //+ NAME...: LINE                        these variants have one more line here
  //~ NAME...: LINE                        these have this instead of the line before
  //- NAME...                              these do not have the line before
  //= NAME..., PRINCIPAL: WORD is WORD     these use another name in the blocks of a principal
  // expect: RESULT; NAME: RESULT; ...     before each query: `holds` or `fails`, for the model as it is and for the
                                           variants that ask it; `-` if the model itself does not
"""

import dataclasses
import re

NAME = r"[a-z0-9-]+"
DECLARED = re.compile(rf"// (variant|broken) ({NAME})(?:, sessions (\d+))?: (.+)")
MARK = re.compile(rf"(\s*)//([+~=-]) ({NAME}(?: {NAME})*)(?:(, [A-Z][a-z]+)?: (.+))?")
EXPECT = re.compile(r"\s*// expect: (.+)")
RENAME = re.compile(r"(\w+) is (\w+)")
BASE = "as-it-is"


class Malformed(Exception):
    """A model whose comments make no sense."""


@dataclasses.dataclass
class Variant:
    """One model, as Verifpal reads it."""

    model: str
    name: str
    about: str
    broken: bool
    sessions: int
    text: str = ""
    # Each query, and whether it must hold.
    queries: list = dataclasses.field(default_factory=list)

    @property
    def title(self):
        return f"{self.model}/{self.name}"


def models(place):
    """All variants of all models below `place`, each model as it is before its variants."""
    return [variant for path in sorted(place.glob("*.vp")) for variant in read(path)]


def read(path):
    """The model in a file as it is, and its variants."""
    lines = path.read_text(encoding="utf-8").splitlines()
    variants = {BASE: Variant(path.stem, BASE, "the protocol as it is", False, 2)}
    for line in lines:
        if declared := DECLARED.fullmatch(line):
            kind, name, sessions, about = declared.groups()
            if name in variants:
                raise Malformed(f"{path}: {name} is there twice")
            variants[name] = Variant(path.stem, name, about, kind == "broken", int(sessions or 2))
    used = {BASE}
    for variant in variants.values():
        used |= write(path, lines, variant, variants)
        if not variant.queries or variant.broken and all(holds for _, holds in variant.queries):
            raise Malformed(f"{path}: {variant.name} asks nothing, or is broken and nothing fails")
    if unused := set(variants) - used:
        raise Malformed(f"{path}: nothing differs in {', '.join(sorted(unused))}")
    return list(variants.values())


def write(path, lines, variant, known):
    """Fills in the text and the queries of a variant; which variants the lines name."""
    text, renamed, named, before, expected = [], {}, set(), None, None
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if mark := MARK.fullmatch(line):
            indent, sign, names, principal, rest = mark.groups()
            if unknown := set(names.split()) - set(known):
                raise Malformed(f"{where}: no variant is called {', '.join(sorted(unknown))}")
            named |= set(names.split())
            if variant.name in names.split():
                if sign == "=":
                    renamed.setdefault((principal or "")[2:], []).append(RENAME.fullmatch(rest).groups())
                elif sign == "+":
                    text.append(indent + rest)
                elif before is None:
                    raise Malformed(f"{where}: there is no line before it")
                else:
                    text[before] = indent + rest if sign == "~" else ""
        elif expect := EXPECT.fullmatch(line):
            expected = results(where, expect[1], known)
        elif "?" in line and not line.lstrip().startswith("//") and line.split("?")[0].strip().isalpha():
            if expected is None:
                raise Malformed(f"{where}: nothing says what is expected")
            if variant.name in expected:
                text.append(line)
                variant.queries.append((line.strip(), expected[variant.name]))
            expected = None
        elif not line.lstrip().startswith("//"):
            before = len(text)
            text.append(line)
    variant.text = "\n".join(rename(text, renamed)) + "\n"
    return named


def results(where, text, known):
    """Which variants ask, and whether it must hold there."""
    found = {}
    first, *others = text.split("; ")
    for part in [f"{BASE}: {first}", *others]:
        names, _, result = part.partition(": ")
        for name in names.split():
            if name not in known or name in found or result not in ("holds", "fails", "-"):
                raise Malformed(f"{where}: `{part}`")
            if result != "-":
                found[name] = result == "holds"
    return found


def rename(text, renamed):
    """The lines, with other names in the blocks of some principals."""
    within = None
    for line in text:
        if opened := re.match(r"principal (\w+)\[", line):
            within = opened[1]
        if within in renamed:
            for old, new in renamed[within]:
                line = re.sub(rf"\b{old}\b", new, line)
        if line.startswith("]"):
            within = None
        yield line
