"""How the tests find the named points of the code, on which the simulator and the kill matrix rest."""

from __future__ import annotations

import pytest

from tests.fixtures import points

FORMS = {
    "the module": 'from iaas.common import points\npoints.point("a.b")',
    "the module among others": 'from iaas.common import log, points, runtime\npoints.point("a.b")',
    "the module by another name": 'from iaas.common import points as seams\nseams.point("a.b")',
    "the module by its path": 'import iaas.common.points\niaas.common.points.point("a.b")',
    "the path by another name": 'import iaas.common.points as p\np.point("a.b")',
    "the function": 'from iaas.common.points import point\npoint("a.b")',
    "the function by another name": "from iaas.common.points import point as passing\npassing('a.b')",
    "within a function, over lines": 'def f():\n  from iaas.common.points import point\n  point(\n    name="a.b"\n  )',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_point_is_found_however_it_is_imported(form):
    assert list(points.of(FORMS[form])) == ["a.b"]


def test_of_a_name_that_is_made_its_pattern_is_known():
    (found,) = points.of('from iaas.common import points\npoints.point(f"jobs.{kind}.{step}.done")')
    assert not isinstance(found, str)
    assert found.fullmatch("jobs.build.start.done")
    assert not found.fullmatch("jobs.build.start.claimed")


@pytest.mark.parametrize("text", ["point(name)", "point('a' + name)", "call(point)", "passing = point"])
def test_a_point_nobody_could_name_is_refused(text):
    with pytest.raises(AssertionError):
        list(points.of(f"from iaas.common.points import point\n{text}"))


def test_what_is_called_alike_but_is_no_point_is_left_alone():
    assert list(points.of('import other as points\npoints.point("a")\npoint("b")\nself.point("c")')) == []


def test_a_file_that_imports_the_function_alone_is_found_in_the_code(tmp_path, monkeypatch):
    (tmp_path / "iaas").mkdir()
    (tmp_path / "iaas" / "new.py").write_text(FORMS["the function"])
    monkeypatch.setattr(points, "ROOT", tmp_path)
    assert points.in_the_code() == ({"a.b"}, set())
