"""README and docs/: what they list is current, what they name is there, and their code runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import latentfx_nb as lfx
from latentfx_nb.__main__ import _parser
from latentfx_nb.encoders import list_encoders, load_encoder, registry
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio
from tests import a_hear_module
from tools import draw_architecture, make_tables, take_pictures

HANDED_DOWN = "LATENTFX_PLOTLY_JS"  # the server sets it for its own kernels

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
MOST_WORDS = 900
MOST_PICTURE_BYTES = 3_000_000

GUIDE = TEXTS["encoders.md"]
RECIPES = dict(re.findall(r"### (\w+)\n.*?```python\n(.*?)```", GUIDE, re.DOTALL))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", {})


# ----------------------------------------------------------------------------------------------------- README and links


def test_the_readme_is_short():
    assert len(README.split()) <= MOST_WORDS


def test_the_readme_shows_a_knob_being_turned():
    (picture,) = re.findall(r"!\[[^\]]+\]\((docs/[^)]+)\)", README)
    assert (ROOT / picture).stat().st_size <= MOST_PICTURE_BYTES
    with Image.open(ROOT / picture) as moving:
        assert moving.n_frames > 10


def test_the_readme_has_two_commands_and_ten_lines_that_run(monkeypatch):
    assert re.findall(r"^    make (\w+)  ", README, re.MULTILINE) == ["run", "test"]
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 10
    few = lfx.load_clips("bundled")[:6]
    monkeypatch.setattr(lfx, "load_clips", lambda source: few, raising=False)
    exec(code.replace("n=32", "n=3"), {})


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files(name):
    folder = ROOT if (ROOT / name).exists() else ROOT / "docs"
    for target in re.findall(r"\]\((?![a-z]+:|#)([^()\s#]+)", TEXTS[name]):
        assert (folder / target).exists(), target


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"dependencies.md", "CHANGELOG.md"}))
def test_what_code_names_of_the_package_is_there(name):
    for dotted in re.findall(r"\blfx((?:\.[a-zA-Z_]\w*)+)", TEXTS[name]):
        found = lfx
        for part in dotted[1:].split("."):
            found = getattr(found, part)


def test_commands_of_the_shell_are_taken():
    text = "\n".join(TEXTS.values())
    commands = re.findall(r"^(?:    )?latentfx(?: (.*?))?(?: +#.*)?$", text, re.MULTILINE)
    assert len(commands) > 10
    for command in commands:
        _parser().parse_args(command.replace("$SLURM_ARRAY_TASK_ID", "3").split())


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "architecture.md"])
def test_files_that_are_named_exist(name):
    paths = re.findall(r"`((?:latentfx_nb|tests|tools|notebooks|docs|benchmarks)/[\w./]+)`", TEXTS[name])
    assert len(paths) >= 3
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_every_setting_of_the_package_is_listed():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "latentfx_nb").rglob("*.py"))
    listed = set(re.findall(r"^\| `(LATENTFX_\w+)`", TEXTS["settings.md"], re.MULTILINE))
    used = set(re.findall(r"""["'](LATENTFX_\w+)["']""", sources))
    assert used - {HANDED_DOWN} == listed


# ------------------------------------------------------------------------------------------------- what is generated


@pytest.mark.parametrize("name", make_tables.TABLES)
def test_tables_are_current(name):
    path, text = make_tables.written(name)
    assert path.read_text(encoding="utf-8") == text, "run python -m tools.make_tables"


def test_a_table_without_its_place_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.md").write_text("no place")
    monkeypatch.setitem(make_tables.TABLES, "x", (tmp_path / "x.md", str))
    with pytest.raises(ValueError, match="should have one place for its table: <!-- x: "):
        make_tables.written("x")


def test_the_drawing_of_the_architecture_is_current():
    assert draw_architecture.TARGET.read_text(encoding="utf-8") == draw_architecture.drawing(), (
        "run python -m tools.draw_architecture"
    )


def test_the_drawing_shows_all_imports_and_no_other():
    graph = draw_architecture.folders()
    arrows = draw_architecture.arrows(graph)

    def reached(name):
        below = {imported for importer, imported in arrows if importer == name}
        return below.union(*map(reached, below))

    def imported(name):
        return graph[name].union(*map(imported, graph[name]))

    assert {name: reached(name) for name in graph} == {name: imported(name) for name in graph}
    heights = {name: y for name, (_, y) in draw_architecture.places(graph).items()}
    assert all(heights[importer] < heights[one] for importer, one in arrows)


def test_an_animated_picture_goes_there_and_back_and_is_small(tmp_path, monkeypatch):
    frames = [Image.new("RGB", (8, 8), (20 * one, 0, 0)) for one in range(5)]
    take_pictures.write_moving(frames, tmp_path / "x.webp")
    with Image.open(tmp_path / "x.webp") as moving:
        assert moving.n_frames == 8
    monkeypatch.setattr(take_pictures, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="bytes, more than 10"):
        take_pictures.write_moving(frames, tmp_path / "x.webp")


def test_a_card_is_the_middle_of_a_picture_and_small(tmp_path, monkeypatch):
    picture = Image.new("RGB", (1600, 500), "#ff0000")
    picture.paste("#00ff00", (400, 0, 1200, 500))  # the middle of a card's shape
    take_pictures.write_card(picture, tmp_path / "x.webp")
    with Image.open(tmp_path / "x.webp") as card:
        assert card.size == take_pictures.CARD
        red, green, _ = card.convert("RGB").resize((1, 1)).getpixel((0, 0))
        assert green > 240 and red < 20
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 960, 3), np.uint8))
    take_pictures.write_card(noise.resize((96, 60)), tmp_path / "y.webp")
    assert (tmp_path / "y.webp").stat().st_size <= take_pictures.CARD_BYTES
    monkeypatch.setattr(take_pictures, "CARD_BYTES", 10)
    with pytest.raises(ValueError, match="more than 10"):
        take_pictures.write_card(picture, tmp_path / "z.webp")


def test_a_sheet_has_a_row_a_page_and_all_pictures_as_high():
    row = [Image.new("RGB", (1440, 900), "#ff0000"), Image.new("RGB", (390, 844), "#0000ff")]
    sheet = take_pictures.joined([("00_start_here", row), ("04_knob_paths", row)])
    height = take_pictures.SHEET_HEIGHT
    assert sheet.height == 2 * (height + 3 * take_pictures.SHEET_GAP)
    assert sheet.width >= height * 1440 // 900 + height * 390 // 844
    for top in (0, sheet.height // 2):
        assert sheet.getpixel((100, top + height // 2)) == (255, 0, 0)
        assert sheet.getpixel((height * 1440 // 900 + 50, top + height // 2)) == (0, 0, 255)


# -------------------------------------------------------------------------------------------- the guide to the encoders


def rows():
    """Encoder name -> its row of the guide's table."""
    found = {}
    for line in GUIDE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`([\w-]+)`", cells[0]), cells)
    return found


def test_the_table_has_every_encoder_and_no_other():
    assert sorted(rows()) == sorted(list_encoders().index)


@pytest.mark.parametrize("name", list_encoders().index)
def test_sizes_and_decoders_are_as_the_encoders_declare(name):
    model = registry.BUILT_IN[name].model
    samples = audio.samples_at(CLIP_SAMPLES, 48_000, model.sample_rate)
    frames = object.__new__(model).frames(samples)  # loaded or not, it declares as many
    cells = rows()[name]
    assert f"{model.dim} x {frames}" in cells[1]
    assert ("stereo" in cells[2]) == (model.channels == 2) and f"{model.sample_rate / 1000:g} kHz" in cells[2]
    assert cells[3].startswith("yes") == hasattr(model, "decode")


def test_the_recipe_for_a_hear_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "my_hear_model", a_hear_module)
    monkeypatch.setattr(a_hear_module, "__name__", "my_hear_model")
    exec(RECIPES["HEAR"], {"lfx": lfx})
    assert load_encoder("my_hear_model").frames(16_000) == 41
    assert load_encoder("my_hear_model-scene").frame_rate is None


def test_the_code_of_variants_runs(lyra_weights):
    (code,) = re.findall(r"## Variants:.*?```python\n(.*?)```", GUIDE, re.DOTALL)
    first, second = (eval(line, {"lfx": lfx}) for line in code.strip().splitlines())
    assert first is second and first.name == "lyra-v2@quantizers=8"


def test_the_recipe_for_mimi(tmp_path, monkeypatch):
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    MimiModel(
        MimiConfig(hidden_size=512, num_filters=2, num_hidden_layers=1, intermediate_size=8, num_attention_heads=2,
                   num_key_value_heads=2, head_dim=16, codebook_size=8, codebook_dim=8, num_quantizers=2,
                   vector_quantization_hidden_dimension=8)
    ).save_pretrained(tmp_path)  # fmt: skip
    real, asked = MimiModel.from_pretrained, []

    def from_pretrained(repo, **options):
        asked.append((repo, options.pop("revision")))
        return real(tmp_path, **options)

    monkeypatch.setattr(MimiModel, "from_pretrained", from_pretrained)
    exec(RECIPES["Mimi"], {"lfx": lfx})
    mimi = load_encoder("mimi")
    assert mimi.frames(131_072) == 69
    x = 0.1 * torch.randn(1, 1, 131_072)
    with torch.no_grad():
        codes = mimi.model.encode(x).audio_codes
        ours = mimi.model.quantizer.encode(mimi.encode(x)).transpose(0, 1)
    assert torch.equal(codes, ours)  # these are the latents that it quantises
    ((repo, revision),) = asked
    assert repo == "kyutai/mimi" and re.fullmatch("[0-9a-f]{40}", revision)


def test_the_recipe_for_music2latent(monkeypatch):
    """Against a stand-in of its package's signature: [channel sample] in, [channel 64 frame] out, and back."""

    class EncoderDecoder:
        def encode(self, sound):
            assert sound.ndim == 2
            frames = (sound.shape[-1] - 3 * 512) // 4096
            blocks = sound[:, : 4096 * frames].unflatten(-1, (frames, 64, 64))
            return blocks.std(-1).transpose(1, 2)

        def decode(self, latents):
            return np.repeat(latents.mean(1).numpy(), 4096, axis=-1) * torch.rand(1).item()

    module = ModuleType("music2latent")
    module.EncoderDecoder = EncoderDecoder
    monkeypatch.setitem(sys.modules, "music2latent", module)
    exec(RECIPES["Music2Latent"], {"lfx": lfx})
    model = load_encoder("music2latent")
    assert model.frames(240_845) == 58
    assert model.decode(torch.ones(2, 64, 3), seed=1).shape == (2, 1, 12_288)
