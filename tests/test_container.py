"""The image and its composition: what they say is looked at everywhere, built only where there is Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from conftest import ROOT

from bot import __version__, cli
from bot.config import Config

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def instructions(name: str) -> list[str]:
    lines = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE).replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in lines.splitlines() if line.partition(" ")[0] == name]


def is_pinned(image: str) -> bool:
    """Names a version of three numbers, or of two where there are no more, and not a moving tag."""
    tag = image.partition(":")[2]
    return bool(re.match(r"\d+\.\d+", tag)) and "latest" not in tag


def has_docker() -> bool:
    return (
        shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    )


def test_images_are_pinned() -> None:
    images = [line.split()[0] for line in instructions("FROM")]
    images += [service["image"] for service in SERVICES.values()]
    assert len(images) >= 3
    for image in images:
        assert is_pinned(image), image
    assert SERVICES["app"]["image"] == f"plainquote:{__version__}"


def test_what_is_installed_is_what_was_tested() -> None:
    installs = re.findall(r"pip install ([^\n&]*)", DOCKERFILE.replace("\\\n", " "))
    assert installs
    for install in installs:
        assert "requirements.lock" in install or "requirements-dev.lock" in install or install.endswith("."), install
    assert "--extra-index-url" not in DOCKERFILE, "a second index could replace a package of the first"
    assert re.search(r"(?m)^torch==[\d.]+$", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    for package in ("psycopg", "psycopg-binary"):
        assert re.search(rf"(?m)^{package}==", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")), package


def test_nobody_is_root() -> None:
    assert instructions("USER")[-1] == "10001:10001"
    for name, service in SERVICES.items():
        assert service["user"].split(":")[0] in ("10001", "postgres"), name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
        assert not service.get("cap_add"), name


def test_the_root_file_system_is_read_only() -> None:
    made = re.findall(r"/data/?[\w./]*", re.search(r"install --directory[^&]*", " ".join(instructions("RUN")))[0])  # type: ignore[index]
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert any(mount.startswith("/tmp") for mount in service["tmpfs"]), name
        for volume in service["volumes"]:
            source, target, *mode = volume.split(":")
            if source in COMPOSE["volumes"] and target.startswith("/data"):
                assert target in made, f"{target} would belong to root"
            if source.endswith(".toml"):
                assert mode == ["ro"]
            assert "docker.sock" not in source
    written = {volume.split(":")[1] for volume in SERVICES["app"]["volumes"]}
    defaults = {cli.DEFAULT_CORPUS, cli.DEFAULT_INDEX, Path(SERVICES["app"]["environment"]["PLAINQUOTE_STAFF_TESTS"])}
    assert {f"/data/{path}" for path in (*defaults, ".cache")} <= written, "all that the app writes to"
    assert instructions("WORKDIR")[-1] == "/data"


def test_everything_is_looked_after() -> None:
    [check] = instructions("HEALTHCHECK")
    assert "/health" in check
    assert SERVICES["db"]["healthcheck"]["test"][1] == "pg_isready"
    waits = SERVICES["app"]["depends_on"]
    assert waits["db"]["condition"] == "service_healthy"
    assert waits["index"]["condition"] == "service_completed_successfully"
    assert not SERVICES["app"].get("healthcheck"), "the image has one"


def test_the_health_check_knows_sick_from_well(site: str) -> None:
    [check] = instructions("HEALTHCHECK")
    _, flag, code = json.loads(check.partition("CMD ")[2])
    port = str(urlsplit(site).port)

    def status(port: str) -> int:
        command = [sys.executable, flag, code.replace("7860", port)]
        return subprocess.run(command, capture_output=True).returncode

    assert status(port) == 0
    assert status("9") != 0


def test_only_the_proxy_on_the_machine_reaches_the_app_and_only_the_app_the_database() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["app"]["ports"])
    assert "ports" not in SERVICES["db"]
    assert SERVICES["db"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert SERVICES["index"]["network_mode"] == "none", "indexing needs nobody"


def test_no_secret_is_in_a_file_of_the_repository() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"(?m)^([A-Z_]+)=(.*)$", example)
    assert names
    assert all(value == "" for _, value in names)
    wanted = set(re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert wanted == {name for name, _ in names}
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "://" in value:
                assert "${" in value, f"{name} is written out"
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    kept = re.findall(r"(?m)^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"))
    copied = {source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert set(kept) == copied, "an image holds what it needs, and no settings or documents"


def test_the_settings_of_the_composition_are_settings(tmp_path: Path) -> None:
    environment = {
        name: value.replace("${POSTGRES_PASSWORD:?Copy .env.example to .env and set it there}", "secret")
        for name, value in SERVICES["app"]["environment"].items()
    }
    config = Config.load(ROOT / "bot.toml", environment)
    assert config.web.proxies == 1
    assert config.store.url == "postgresql://plainquote:secret@db/plainquote"
    assert config.staff.tests == "tests"


def test_the_command_of_the_image_is_one() -> None:
    [command], [entry] = instructions("CMD"), instructions("ENTRYPOINT")
    assert json.loads(entry) == ["bot"]
    options = cli._parser().parse_args(json.loads(command))
    assert (options.host, options.port, options.log_format) == ("0.0.0.0", 7860, "json")
    cli._parser().parse_args(SERVICES["index"]["command"])


def test_the_package_holds_every_file_of_the_source(tmp_path: Path) -> None:
    """The image has the installed package alone: a template that is left out would be missed only there."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "bot", source / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    made = subprocess.run([*command, tmp_path / "made", source], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    [wheel] = (tmp_path / "made").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    missing = {
        path.relative_to(source).as_posix() for path in (source / "bot").rglob("*") if path.is_file()
    }.difference(held)
    assert not missing, "name them in pyproject.toml"


@pytest.mark.skipif(
    not (os.environ.get("TEST_DOCKER") and has_docker()),
    reason="it downloads gigabytes: set TEST_DOCKER=1 where Docker runs",
)
def test_the_image_is_built_and_answers_the_command() -> None:
    subprocess.run(["docker", "build", "--tag", "plainquote:test", "."], cwd=ROOT, check=True)
    hardened = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    told = subprocess.run(
        ["docker", "run", *hardened, "plainquote:test", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == f"plainquote {__version__}"
    who = subprocess.run(
        ["docker", "run", *hardened, "--entrypoint", "id", "plainquote:test", "-u"], capture_output=True, text=True
    )
    assert who.stdout.strip() == "10001"
