from __future__ import annotations

import pytest

from tests.fixtures import image


@pytest.fixture
def api(tmp_path):
    made = image.ImageApi(tmp_path)
    yield made
    made.close()
