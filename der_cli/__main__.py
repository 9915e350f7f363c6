"""``python -m der_cli``, the same as ``der``."""

from der_cli.main import main

main()
