"""The code that is read: files as modules, and which file an import means.

One rule: nothing is imported or run.  An import is looked up as a file beside the code that is read; what is not there, the standard
library and installed packages, is known by its name only.
"""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path

from attrs import define, field

#: The packages whose functions are effects, wherever their files are.
_OURS = ("refold", "refold_adapters")


@define(eq=False)
class Module:
    """One parsed file."""

    path: Path
    #: As it is shown to people.
    name: str
    tree: ast.Module = field(repr=False)
    lines: list[str] = field(repr=False)


@define(eq=False)
class Program:
    """The modules that are known, and the folders in which imports are looked up."""

    #: Looked through after the folder that the package of the importing file is in.
    folders: list[Path]
    #: Files that could not be parsed, with what is wrong and where.
    broken: dict[Path, tuple[str, int, int]] = field(factory=dict[Path, tuple[str, int, int]])
    _modules: dict[Path, Module | None] = field(factory=dict[Path, Module | None])

    def load(self, path: Path) -> Module | None:
        """The module in a file; None where it cannot be parsed."""
        path = path.absolute()
        if path not in self._modules:
            self._modules[path] = self._parsed(path)
        return self._modules[path]

    def _parsed(self, path: Path) -> Module | None:
        try:
            with tokenize.open(path) as file:  # knows of the encodings that a source may declare
                text = file.read()
            return Module(path, self.shown(path), ast.parse(text, str(path)), text.splitlines())
        except SyntaxError as error:
            self.broken[path] = (error.msg, error.lineno or 1, error.offset or 1)
        except (UnicodeDecodeError, ValueError) as error:
            self.broken[path] = (str(error), 1, 1)
        return None

    def imported(self, name: str, level: int, importer: Module) -> Module | None:
        """The module that an import in ``importer`` means, if its file is among the code that is read."""
        parts = [part for part in name.split(".") if part]
        if level:
            folder = importer.path.parent
            for _ in range(level - 1):
                folder = folder.parent
            return self._below(folder, parts)
        if not parts or parts[0] in _OURS:
            return None
        for folder in (_root_of(importer.path), *self.folders):
            found = self._below(folder, parts)
            if found is not None:
                return found
        return None

    def shown(self, path: Path) -> str:
        """A path as it is told to people: from the current folder, if it is in it."""
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    def below(self, package: Module, name: str) -> Module | None:
        """A module of a package."""
        is_package = package.path.stem == "__init__"
        return self._below(package.path.parent, [name]) if is_package else None

    def named(self, name: str) -> Path | None:
        """The file or the folder of a module that is given by its name."""
        for folder in self.folders:
            place = folder.joinpath(*name.split("."))
            if place.with_suffix(".py").is_file():
                return place.with_suffix(".py")
            if (place / "__init__.py").is_file():
                return place
        return None

    def _below(self, folder: Path, parts: list[str]) -> Module | None:
        place = folder.joinpath(*parts)
        for path in ((place / "__init__.py"), *([place.with_suffix(".py")] if parts else [])):
            if path.is_file():
                return self.load(path)
        return None


def _root_of(path: Path) -> Path:
    """The folder that the outermost package of a file is in."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder
