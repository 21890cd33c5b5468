"""The two ways in which alexbench says no: bad input (status 2) and a failed run (status 1)."""

LONGEST_LINE = 6000  # characters of an error
LONGEST_VALUE = 80  # characters of a value in an error


class BadInput(Exception):
    """What the user gave cannot be used: one line that says what, where, and what is allowed."""

    exit_status = 2

    def __str__(self) -> str:
        """The message as one printable line."""
        return one_line(super().__str__())


class RunFailed(Exception):
    """Something went wrong while running: one line that says what, and what is left."""

    exit_status = 1

    def __str__(self) -> str:
        """The message as one printable line."""
        return one_line(super().__str__())


class ProcessLost(Exception):
    """A run ended because one of its processes did; it can go on from its checkpoint."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class where it says nothing, or cannot."""
    try:
        lines = str(error).splitlines()
    except Exception:  # an own class
        lines = []
    return lines[0] if lines and lines[0] else type(error).__name__


def printable(text: str) -> str:
    r"""The text with every control character written as an escape such as ``\n`` or ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and end where it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def one_line(text: str) -> str:
    """A message as one printable line of bounded length."""
    return shortened(printable(shortened(text, LONGEST_LINE)), LONGEST_LINE)


def shown(value: object) -> str:
    """A value as an error shows it: printable and short."""
    if isinstance(value, int) and abs(value) > 10**LONGEST_VALUE:
        return f"a whole number of {value.bit_length()} bits"
    text = value if isinstance(value, str) else repr(_outline(value))
    return shortened(printable(shortened(text, LONGEST_VALUE)), LONGEST_VALUE)


def _outline(value: object, depth: int = 3) -> object:
    """A value whose lists and mappings are cut, so that its text is cheap to make."""
    if isinstance(value, dict):
        pairs = list(value.items())[: LONGEST_VALUE // 8] if depth else []
        return {shown(key): _outline(item, depth - 1) for key, item in pairs}
    if isinstance(value, list | tuple | set):
        items = [
            _outline(item, depth - 1) for item in list(value)[: LONGEST_VALUE // 4] * (depth > 0)
        ]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**LONGEST_VALUE:
        return shown(value)
    return value[: 2 * LONGEST_VALUE] if isinstance(value, str | bytes) else value
