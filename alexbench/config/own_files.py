"""Own files of an ablation that a record carries, so that its tables can be made without them.

A record has them as name -> text; the names are those of alexbench's own tree.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from alexbench.errors import BadInput


def ablation(stem: str) -> str:
    """The name of an ablation's file."""
    return f"ablations/{stem}.yaml"


def profile(stem: str) -> str:
    """The name of a profile's file."""
    return f"ablations/profiles/{stem}.yaml"


def part(file: str) -> str:
    """The name of an own part's file."""
    return f"ablations/{file}"


def to_yaml(content: Mapping[str, Any]) -> str:
    """What an ablation's file would hold; raises BadInput for what YAML cannot say."""
    try:
        return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise BadInput(f"ablation: cannot be written as YAML: {error}") from None
