"""Generate ``der_wire/_gen`` from ``der_wire/agent_link.proto``.

``python tools/gen_proto.py`` writes the files; with ``--check`` nothing is written and the exit code is 1 if what is
there differs from what would be written. The import path ``-Ider_wire/_gen=der_wire`` makes protoc see the proto file
as ``der_wire/_gen/agent_link.proto``, so the generated modules import each other by their full names.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = Path("der_wire/agent_link.proto")
GENERATED = Path("der_wire/_gen")
INIT = '"""Generated from the proto files beside this package by ``make proto``; not to be edited."""\n'


def generate(*, root: Path, into: Path) -> None:
    """Write the package of generated code below ``into``, as it would lie below the repository's root.

    Raises:
        subprocess.CalledProcessError: If protoc refuses the proto file; it has said why on standard error.
    """
    (into / GENERATED).mkdir(parents=True, exist_ok=True)
    (into / GENERATED / "__init__.py").write_text(INIT, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{GENERATED}={PROTO.parent}",
        f"--python_out={into}",
        f"--pyi_out={into}",
        f"--grpc_python_out={into}",
        str(GENERATED / PROTO.name),
    ]
    subprocess.run(command, cwd=root, check=True)


def differences(*, expected: Path, actual: Path) -> list[str]:
    """Say, one line per file, how the folder ``actual`` differs from the folder ``expected``."""
    wanted, found = _contents(expected), _contents(actual)
    lines = []
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            lines.append(f"{GENERATED / name} is missing")
        elif name not in wanted:
            lines.append(f"{GENERATED / name} is no longer generated")
        elif wanted[name] != found[name]:
            lines.append(f"{GENERATED / name} is out of date")
    return lines


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py*") if path.is_file()}


def main(argv: list[str] | None = None) -> int:
    """Generate, or check; return the exit code."""
    parser = argparse.ArgumentParser(description="Generate der_wire/_gen from der_wire/agent_link.proto.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail if the files are out of date"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to work on (default: this one)")
    options = parser.parse_args(argv)
    root: Path = options.root.resolve()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        try:
            generate(root=root, into=fresh)
        except subprocess.CalledProcessError:
            print(f"Error: {PROTO} could not be compiled.", file=sys.stderr)
            return 1
        stale = differences(expected=fresh / GENERATED, actual=root / GENERATED)
        if options.check:
            for line in stale:
                print(line, file=sys.stderr)
            if stale:
                print(f"Error: {GENERATED} does not match {PROTO}. Run `make proto`.", file=sys.stderr)
            return 1 if stale else 0
        _replace(root / GENERATED, _contents(fresh / GENERATED))
    return 0


def _replace(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _contents(folder).keys() - contents.keys():
        (folder / name).unlink()
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
