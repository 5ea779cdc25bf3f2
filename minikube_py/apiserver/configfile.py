"""What the readers of configuration files share: YAML in, and errors that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read(path: str | Path) -> Any:
    """The file's one YAML document. Raises ValueError that quotes nothing of the file, which may hold keys; OSError."""
    try:
        return yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError("no YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
    except UnicodeDecodeError:
        raise ValueError("no text") from None


def known(said: Any, where: str, names: set[str]) -> None:
    """Raises ValueError unless `said`, found at `where`, is a mapping with no other members than these."""
    if not isinstance(said, dict):
        raise ValueError(f"{where or 'the file'}: a mapping is needed")
    unknown = sorted(str(name) for name in said if name not in names)
    if unknown:
        raise ValueError(f"{where + '.' if where else ''}{unknown[0]}: unknown field")
