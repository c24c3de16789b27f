"""``python -m exemplar_svm``, the same as the command ``exemplar-svm``."""

from __future__ import annotations

import sys

from exemplar_svm._cli import main

if __name__ == "__main__":
    sys.exit(main())
