"""The package's floors: imports go strictly downward, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

import pytest

from tools.imports import PACKAGE, files, imports, parse

# Bottom up; on one floor a module may import those to its left.
FLOORS = (
    ("paper", "cache", "nearness", "temporary", "plugins"),
    ("sound",),
    ("effects",),
    ("encoders",),
    ("store",),
    ("analysis",),
    ("figures",),
    ("widgets",),
    ("pages",),
    ("serving",),
    ("report",),
)
ORDER = [module for floor in FLOORS for module in floor]
# library -> the only folders and modules that may import it
HOMES = {
    "torch": {
        "encoders",
        "analysis.fast",
        "analysis.probes",
        "analysis.training",
        "analysis.distances",
        "serving.preload",  # sets its threads before anything forks
    },
    "numba": {"analysis.fast"},
    "ai_edge_litert": {"encoders"},
    "safetensors": {"encoders", "analysis"},
    "transformers": {"encoders"},
    "diffusers": {"encoders"},
    "huggingface_hub": {"encoders"},
    "pooch": {"encoders"},
    "plotly": {"figures", "widgets", "pages", "serving"},
    "ipykernel": {"pages", "serving"},
    "ipywidgets": {"widgets", "pages", "serving"},
    "anywidget": {"widgets"},
    "traitlets": {"widgets", "pages"},
    "pedalboard": {"effects", "sound.audio"},
    "pyloudnorm": {"sound.audio"},
    "av": {"sound"},
    "soundfile": {"sound", "widgets", "pages"},
    "umap": {"analysis.umap"},
    "zarr": {"store"},
    "distributed": {"store.cluster"},
    "fsspec": {"store.folders"},
    "pyarrow": {"store.exports"},
    "h5netcdf": {"store.exports"},
    "mirdata": {"sound.datasets"},
    "jupyter_client": {"serving"},
    "voila": {"serving"},
}


FILES = files()
IMPORTS = {name: sorted(set(imports(parse(path), name, path.stem == "__init__"))) for name, path in FILES.items()}


def own_modules(name):
    """Return the top-level modules of the package that the file `name` imports, its own package apart."""
    found = set()
    for imported in IMPORTS[name]:
        if imported == "latentfx_nb" or imported.startswith("latentfx_nb."):
            found.add(imported.split(".")[1] if "." in imported else "__init__")
    return found - {name.split(".")[0], "__version__"}


@pytest.mark.parametrize("name", FILES)
def test_every_module_has_a_floor(name):
    top = name.split(".")[0]
    assert top in ORDER, f"{name} stands on no floor: give it its place in DESIGN.md and in FLOORS"


@pytest.mark.parametrize("name", FILES)
def test_imports_go_strictly_downward(name):
    top = name.split(".")[0]
    below = set(ORDER[: ORDER.index(top)])
    upward = own_modules(name) - below
    assert not upward, f"{name} imports {', '.join(sorted(upward))}, which {top} does not stand above"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_in_their_modules(library):
    for name, imported in IMPORTS.items():
        if any(one.split(".")[0] == library for one in imported):
            at_home = any(name == home or name.startswith(f"{home}.") for home in HOMES[library])
            assert at_home, f"{name} imports {library}"


def test_encoder_families_stand_on_base_and_weights_alone():
    encoders = {name: imported for name, imported in IMPORTS.items() if name.startswith("encoders.")}
    assert {"encoders.base", "encoders.devices", "encoders.sources.weights"} <= set(encoders)
    for name, imported in encoders.items():
        siblings = {".".join(one.split(".")[1:3]) for one in imported if one.startswith("latentfx_nb.encoders")}
        assert not siblings & {"encoders", "encoders.registry"}, f"{name} imports the list, which imports it"
        if name in ("encoders.base", "encoders.devices", "encoders.variants", "encoders.sources.weights"):
            assert siblings <= {"encoders.devices", "encoders.variants"} - {name}, f"{name} imports {siblings}"


def test_no_file_imports_itself_through_others():
    graph = {}
    for name, imported in IMPORTS.items():
        own = {one.removeprefix("latentfx_nb.") for one in imported if one.startswith("latentfx_nb.")}
        graph[name] = {other for other in FILES if any(one == other or one.startswith(f"{other}.") for one in own)}
        graph[name] -= {name, *(name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1))}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the cycle


def test_the_package_itself_imports_lazily_only():
    allowed = {"importlib", "typing", "__future__"}
    top_level = [node for node in parse(PACKAGE / "__init__.py").body if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in top_level:
        names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        assert {name.split(".")[0] for name in names} <= allowed, ast.unparse(node)


def test_no_file_prints_or_hides_errors_or_asserts():
    """House rule 9, for whoever runs the tests without the linter."""
    for name, path in FILES.items():
        for node in ast.walk(parse(path)):
            assert not isinstance(node, ast.Assert), f"{name}:{node.lineno} asserts"
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            assert not bare, f"{name}:{node.lineno} catches everything"
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not called, f"{name}:{node.lineno} prints"


def test_the_walk_sees_every_way_to_import():
    source = """
import torch.nn, latentfx_nb.effects
from latentfx_nb import figures, __version__
from . import weights
from ..audio import read
def late():
    import umap
    import_module("zarr.codecs")
"""
    found = set(imports(ast.parse(source), "encoders.base"))
    assert found == {"torch.nn", "latentfx_nb.effects", "latentfx_nb.figures", "latentfx_nb.__version__", "umap",
                     "latentfx_nb.encoders.weights", "latentfx_nb.audio.read", "zarr.codecs"}  # fmt: skip
    assert set(imports(ast.parse("from .base import x"), "encoders", True)) == {"latentfx_nb.encoders.base.x"}
