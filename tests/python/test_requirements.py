"""requirements.lock installs what requirements.txt asks for, and nothing without a checksum."""

import re

from conftest import ROOT
from packaging.requirements import Requirement


def lines(name):
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_every_requirement_is_locked_in_a_version_that_it_allows():
    locked = {}
    for line in lines("requirements.lock"):
        requirement = Requirement(re.split(r"\s--hash", line)[0])
        (version,) = requirement.specifier
        assert version.operator == "==", line
        locked.setdefault(requirement.name, []).append(version.version)
    for line in lines("requirements.txt"):
        requirement = Requirement(line)
        assert requirement.name in locked, line
        assert all(requirement.specifier.contains(version) for version in locked[requirement.name]), line


def test_every_package_has_a_checksum():
    for line in lines("requirements.lock"):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
