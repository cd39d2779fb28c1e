"""Test support modules of this folder are imported by name, which pytest's importlib mode does not arrange."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
