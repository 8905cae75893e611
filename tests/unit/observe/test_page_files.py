"""The page as it is served: small, whole, and nothing from elsewhere."""

import re
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from roost.observe.web.answers import page
from roost.observe.web.hub import Hub
from roost.runtime.http import Response

STATIC = files("roost.observe.web") / "static"
HUB = Hub(dict, {})


def served(path: str) -> Response:
    found = page(HUB, path)
    assert isinstance(found, Response), path
    return found


def test_every_file_is_served_and_all_are_small_together() -> None:
    names = [each.name for each in STATIC.iterdir()]
    assert sum(len(served("/" if name == "index.html" else f"/{name}").body) for name in names) <= 150_000
    assert served("/").body == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path", ["/../hub.py", "/static/page.js", "/page.js/", "/.page.js", "//page.js", "/v1"]
)
def test_nothing_else_is_served(path: str) -> None:
    assert page(HUB, path) is None


def test_the_policy_lets_in_nothing_inline_and_nothing_from_elsewhere() -> None:
    for name in ("/", "/page.css", "/page.js", "/icon.svg"):
        policy = served(name).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
    html = served("/").body.decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*src=)", html)
    asked = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert asked
    assert all(page(HUB, f"/{each}") for each in asked), "and relative: it works behind a proxy"


def test_texts_from_outside_can_only_become_text() -> None:
    for each in STATIC.iterdir():
        if each.name.endswith(".js"):
            code = each.read_text()
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code
            )
            assert not re.search(r"https?://", code), each.name


def test_each_module_that_is_imported_is_there_and_preloaded() -> None:
    html = served("/").body.decode()
    for each in STATIC.iterdir():
        if each.name.endswith(".js"):
            for name in re.findall(r'from "\./([^"]+)"', each.read_text()):
                assert served(f"/{name}").content_type.startswith("text/javascript")
                assert f'href="{name}"' in html, "else it is found out one after the other"


def test_the_wheel_ships_the_page(tmp_path: Path) -> None:
    build = "import sys; from flit_core.buildapi import build_wheel; print(build_wheel(sys.argv[1]))"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    names = zipfile.ZipFile(tmp_path / done.stdout.strip()).namelist()
    assert {f"roost/observe/web/static/{each.name}" for each in STATIC.iterdir()} <= set(names)
