"""The ledger: what the paper prints, what was found, how it is known, and which tests would overturn it."""

from dataclasses import dataclass, fields
from functools import cache
from graphlib import CycleError, TopologicalSorter

import yaml

from ncpaper import extras

#: Where the ledger lies: in the installed package, or in the checkout.
LEDGER = extras.located("book/claims.yml")

#: The safe loader in C, where PyYAML has it: it is ten times faster.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Every verdict, with what it means.
VERDICTS = {
    "holds": "true exactly as printed",
    "holds with a hypothesis": "true once a hypothesis is added that the page does not state",
    "corrected": "false as printed; a corrected statement is true",
    "refuted": "false, with no correction that keeps its point",
    "vacuous": "true, but it says nothing as worded",
    "ambiguous": "cannot be judged until a reading is chosen; each reading is judged",
    "observed": "empirical: seen at the size and length it names",
    "not observed": "empirical: not seen at the size and length it names",
    "not tested": "not judged yet; the reason is given",
}

#: The verdicts that put a statement on the errata page.
ERRATA = ("holds with a hypothesis", "corrected", "refuted", "vacuous", "ambiguous", "not observed")

EVIDENCE = ("exact", "numerical", "empirical", "literature")
PROOFS = ("complete", "sketched", "cited", "none")


@dataclass(frozen=True)
class Tolerance:
    """How much room a test gives to a number, and why; ``test`` is its pytest id without parameters.

    What a claim compares exactly, or with a strict inequality, has no tolerance.
    """

    value: float
    why: str
    test: str


@dataclass(frozen=True)
class Reading:
    """One way to read an ambiguous statement, as MyST Markdown, with the verdict on it."""

    reading: str
    verdict: str

    def __post_init__(self):
        """Raise ``ValueError`` for a verdict that is none of :data:`VERDICTS`."""
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict: expected one of {', '.join(VERDICTS)}, got {self.verdict!r}")


#: What the types of a ledger are called in an error message.
WORDS = {str: "a text", float: "a number", list: "a list of texts"}

#: The fields of the ledger that are lists of mappings: what they become, and the type of each value.
MAPPINGS = {
    "tolerance": (Tolerance, {"value": float, "why": str, "test": str}),
    "readings": (Reading, {"reading": str, "verdict": str}),
}


def mappings(name, entries, kind, types):
    """The entries of a ledger as objects of a kind; raise ``ValueError`` naming ``name`` for anything else."""
    if not isinstance(entries, list):
        raise ValueError(f"{name}: expected a list of mappings with {', '.join(types)}, got {entries!r}")
    for entry in entries:
        good = isinstance(entry, dict) and set(entry) == set(types)
        if not (good and all(isinstance(entry[key], expected) for key, expected in types.items())):
            wanted = ", ".join(f"{key}: {WORDS[expected]}" for key, expected in types.items())
            raise ValueError(f"{name}: expected a mapping of {wanted}, got {entry!r}")
    return [kind(**entry) for entry in entries]


@dataclass(frozen=True)
class Claim:
    """One printed statement with its verdict; the text fields are MyST Markdown.

    ``true_short``, ``why`` and ``follows`` are what its card says at a glance: what is true, why, and what follows for the
    paper. ``statement``, ``consequence`` and ``basis`` say the same in full. An ambiguous statement has its ``readings``.
    ``uses`` names the claims that the statement rests on in the paper's own argument, the direct ones only.
    """

    id: str
    title: str
    where: str
    lines: str
    uses: list
    chapter: str
    printed: str
    verdict: str
    true_short: str
    why: str
    follows: str
    readings: list[Reading]
    statement: str
    consequence: str
    evidence: list
    basis: str
    proof: str
    tolerance: list[Tolerance]
    tests: list
    refutes: list

    def __post_init__(self):
        """Raise ``ValueError`` naming the claim and the field where a field has no allowed type or value."""
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in MAPPINGS:
                object.__setattr__(self, f.name, mappings(f"{self.id}: {f.name}", value, *MAPPINGS[f.name]))
            elif not isinstance(value, f.type) or (f.type is list and not all(isinstance(v, str) for v in value)):
                raise ValueError(f"{self.id}: {f.name}: expected {WORDS[f.type]}, got {value!r}")
        for name, allowed in (("verdict", VERDICTS), ("proof", PROOFS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{self.id}: {name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if unknown := set(self.evidence) - set(EVIDENCE):
            raise ValueError(f"{self.id}: evidence: expected {', '.join(EVIDENCE)}, got {', '.join(sorted(unknown))}")

    @property
    def anchor(self):
        """The label of the claim's box in its chapter."""
        return f"claim-{self.id}"


def read(path=LEDGER):
    """The claims of a ledger file by id, in the order of the file.

    Raises ``FileNotFoundError`` saying how to get what is missing. Raises ``ValueError`` naming the claim for a missing,
    unknown or ill-typed field, an id that comes twice, or a use of no other claim; naming the claims that use each other
    in a circle; and naming the file where it is no list of mappings.
    """
    claims, names = {}, {f.name for f in fields(Claim)}
    entries = yaml.load(extras.present(path).read_text(encoding="utf8"), Loader=LOADER)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: expected a list of mappings, one for each claim")
    for entry in entries:
        if set(entry) != names:
            raise ValueError(f"{entry.get('id')}: expected the fields {sorted(names)}, got {sorted(map(str, entry))}")
        claim = Claim(**{k: v.strip() if isinstance(v, str) else v for k, v in entry.items()})
        if claim.id in claims:
            raise ValueError(f"{claim.id}: the id comes twice")
        claims[claim.id] = claim
    check_uses(claims)
    return claims


def check_uses(claims):
    """Raise ``ValueError`` where a claim uses itself, an unknown claim, or, through others, itself."""
    for claim in claims.values():
        for used in claim.uses:
            if used == claim.id or used not in claims:
                raise ValueError(f"{claim.id}: uses: expected ids of other claims, got {used!r}")
    try:
        TopologicalSorter({c.id: c.uses for c in claims.values()}).prepare()
    except CycleError as error:
        raise ValueError(f"uses: expected no circle, got {' → '.join(error.args[1])}") from None


@cache
def ledger():
    """The claims of this checkout's ledger by id, read once; for what asks often and changes nothing, as the book does."""
    return read()


def count(claims):
    """How many claims have each verdict, as a mapping in the order of :data:`VERDICTS`, without the empty ones."""
    found = [c.verdict for c in claims.values()]
    return {v: found.count(v) for v in VERDICTS if v in found}


def readme_counts(claims):
    """The sentence of the README that says how many claims have each verdict."""
    counts = ", ".join(f"{number} *{verdict}*" for verdict, number in count(claims).items())
    return f"Of {len(claims)} statements: {counts}."
