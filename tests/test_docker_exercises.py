"""Exercises that need modules or a newer Redis than a machine may have prove themselves here."""

import pytest

from redis_lab.course.exercise import find, ids
from redis_lab.course.verify import verify
from redis_lab.lab.servers import OLDEST

pytestmark = pytest.mark.docker
NEEDY = [each for each in ids() if find(each).modules or find(each).min_version != OLDEST]


@pytest.mark.parametrize("name", NEEDY)
def test_an_exercise_proves_itself_in_containers(name, monkeypatch):
    """The stub fails, the solution passes, each wrong answer is refused for its own reason."""
    monkeypatch.setenv("REDIS_LAB_BACKEND", "docker")
    assert verify(find(name)) == []
