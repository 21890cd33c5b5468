"""How each verdict looks, and what it means: the same in figures, pages and the terminal."""

from typing import NamedTuple


class VerdictLook(NamedTuple):
    """A colour on white, matplotlib's marker, whether it is filled, the same shape as a character,
    the tone of a page, a colour of the terminal, and what the word means."""

    colour: str
    marker: str
    filled: bool
    sign: str
    tone: str
    terminal: str
    meaning: str


LOOKS = {
    "reproduced": VerdictLook(
        "#00694b",
        "o",
        True,
        "●",
        "good",
        "green",
        "same sign, and the size is compatible with the claim",
    ),
    "smaller": VerdictLook(
        "#0757a8", "v", True, "▼", "part", "blue", "same sign, and the size is below the claim"
    ),
    "larger": VerdictLook(
        "#0757a8", "^", True, "▲", "part", "blue", "same sign, and the size is above the claim"
    ),
    "negligible": VerdictLook(
        "#7a4b94",
        "s",
        False,
        "□",
        "none",
        "magenta",
        "the effect is within half the claim around none",
    ),
    "excluded": VerdictLook(
        "#7a4b94",
        "X",
        True,
        "✖",
        "none",
        "magenta",
        "no sign is certain, and the claimed size is not compatible",
    ),
    "opposite": VerdictLook("#a33b00", "D", True, "◆", "bad", "red", "the other sign"),
    "inconclusive": VerdictLook(
        "#5a5f66",
        "o",
        False,
        "○",
        "open",
        "yellow",
        "no sign is certain, and the claimed size is compatible",
    ),
}
