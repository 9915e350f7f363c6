"""SQL by name: ``-- name: get_dispatch`` begins a query, the next such line or the end of the file ends it.

Other lines that are comments are for readers of the file and not sent.
"""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

_MARK = "-- name:"


def load(filename: str) -> Mapping[str, str]:
    """The queries of one file in ``sql/``, by name.

    Raises:
        ValueError: a name that comes twice, or SQL before the first name.
    """
    text = resources.files(__package__).joinpath("sql", filename).read_text("utf-8")
    before, *parts = text.split(_MARK)
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{filename}: SQL before the first name")
    queries: dict[str, str] = {}
    for part in parts:
        name, _, sql = part.partition("\n")
        if name.strip() in queries:
            raise ValueError(f"{filename}: two queries are named {name.strip()}")
        lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
        queries[name.strip()] = "\n".join(lines).strip().rstrip(";")
    return MappingProxyType(queries)
