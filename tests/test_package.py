"""The package as a whole: what importing it costs, what it offers, what it ships beside its code."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import latentfx_nb

ROOT = Path(__file__).resolve().parents[1]

# "encode the bundled clips, fit, draw, measure": the names that notebooks and other people's code rely on.
PROMISED = ["EFFECTS", "load_clips", "ClipSet", "render", "list_encoders", "load_encoder", "register_encoder",
            "encode_effects", "encode_sweep", "fit_pca", "fit_umap", "straightness"]  # fmt: skip
HEAVY = ["torch", "umap", "plotly", "numba", "pedalboard", "numpy", "xarray", "zarr", "ipywidgets", "anywidget"]


def in_a_new_process(code):
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    loaded = in_a_new_process("import latentfx_nb; dir(latentfx_nb); latentfx_nb.__version__")
    assert "latentfx_nb" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert not [name for name in loaded if name.startswith("latentfx_nb.")]


def test_a_name_loads_only_what_stands_behind_it():
    loaded = in_a_new_process("import latentfx_nb as lfx; lfx.EFFECTS, lfx.load_clips")
    assert "pedalboard" in loaded
    assert loaded.isdisjoint({"torch", "umap", "plotly", "numba", "zarr", "ipywidgets", "anywidget"})


def test_a_page_loads_its_own_panel():
    loaded = in_a_new_process("import latentfx_nb as lfx; lfx.pages.KnobPaths")
    assert "latentfx_nb.pages.knob_paths" in loaded
    assert loaded.isdisjoint({"latentfx_nb.pages.latent_algebra", "scipy.signal", "sklearn", "umap"})


def test_promised_names_are_public():
    assert set(PROMISED) <= set(latentfx_nb.__all__)


@pytest.mark.parametrize("name", dir(latentfx_nb))
def test_every_public_name_resolves(name):
    assert getattr(latentfx_nb, name) is not None


def test_every_public_function_explains_itself():
    offered = {name: getattr(latentfx_nb, name) for name in latentfx_nb.__all__}
    silent = [name for name, value in offered.items() if callable(value) and not (value.__doc__ or "").strip()]
    assert not silent


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="latentfx_nb has no 'lod_clips'"):
        _ = latentfx_nb.lod_clips
    with pytest.raises(ImportError):
        exec("from latentfx_nb import lod_clips")


def test_types_are_announced():
    assert resources.files("latentfx_nb").joinpath("py.typed").is_file()


def test_the_version_is_that_of_the_project_file():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{latentfx_nb.__version__}"' in text
