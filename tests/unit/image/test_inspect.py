"""The image inspector against the whole set of hostile and of sound images (T01 to T06)."""

from __future__ import annotations

import contextlib

import pytest

from iaas.common import errors, runtime
from iaas.image import inspect
from tests.fixtures import bad_images


def inspected(declared: str, data: bytes, chunk_size: int = 1 << 20) -> inspect.Verdict:
    inspector = inspect.Inspector(declared)
    for at in range(0, len(data), chunk_size):
        inspector.feed(data[at : at + chunk_size])
    return inspector.finish(len(data))


def named(images):
    return pytest.mark.parametrize("image", images, ids=lambda image: image.name)


def test_the_set_is_large_and_its_names_are_unique():
    names = [image.name for image in bad_images.BAD + bad_images.GOOD]
    assert len(names) == len(set(names))
    assert len(bad_images.BAD) >= 40


@named(bad_images.BAD)
def test_a_bad_image_is_refused_with_its_reason(image):
    with pytest.raises(inspect.ImageRejected) as refused:
        inspected(image.declared, image.data)
    assert image.reason in refused.value.message
    assert refused.value.message.startswith("Image rejected: ")
    assert refused.value.kind is errors.Kind.INVALID


@named(bad_images.GOOD)
def test_a_good_image_is_accepted_with_its_virtual_size(image):
    assert inspected(image.declared, image.data) == inspect.Verdict(image.declared, image.virtual_size)


@pytest.mark.parametrize("chunk_size", [1, 7, 511, 4096])
def test_the_verdict_does_not_depend_on_the_size_of_chunks(chunk_size):
    for image in bad_images.BAD + bad_images.GOOD:
        if len(image.data) > 1 << 20:
            continue  # millions of calls, and the same code
        if image.reason:
            with pytest.raises(inspect.ImageRejected, match=image.reason):
                inspected(image.declared, image.data, chunk_size)
        else:
            assert inspected(image.declared, image.data, chunk_size).virtual_size == image.virtual_size


@named([image for image in bad_images.BAD if image.declared in inspect.ACCEPTED])
def test_a_refusal_stands_whatever_follows(image):
    inspector = inspect.Inspector(image.declared)
    with contextlib.suppress(inspect.ImageRejected):
        inspector.feed(image.data)
    for _ in range(2):
        with pytest.raises(inspect.ImageRejected, match=image.reason):
            inspector.finish(len(image.data))


def test_a_bad_header_is_refused_at_the_first_sector():
    inspector = inspect.Inspector("qcow2")
    with pytest.raises(inspect.ImageRejected, match="backing file"):
        inspector.feed(bad_images.backed(b"/etc/passwd")[:512])


def test_a_polyglot_is_refused_before_the_second_chunk():
    inspector = inspect.Inspector("raw")
    with pytest.raises(inspect.ImageRejected, match="iso"):
        inspector.feed(bad_images.raw({0x8000: bad_images.ISO}))


def test_a_stream_of_another_length_than_announced_is_refused():
    inspector = inspect.Inspector("raw")
    inspector.feed(b"x" * 1000)
    with pytest.raises(inspect.ImageRejected, match="1000 bytes came, but 1001 were announced"):
        inspector.finish(1001)


def test_chunks_may_be_memory_views():
    inspector = inspect.Inspector("qcow2")
    data = bad_images.qcow2()
    for at in range(0, len(data), 100):
        inspector.feed(memoryview(data)[at : at + 100])
    assert inspector.finish(len(data)).virtual_size == 1 << 20


def test_no_image_takes_more_than_50_ms():
    slowest = 0.0
    for image in bad_images.BAD + bad_images.GOOD:
        best = min(_seconds(image) for _ in range(3))
        slowest = max(slowest, best)
    assert slowest < 0.05


def _seconds(image: bad_images.Image) -> float:
    start = runtime.monotonic()
    with contextlib.suppress(inspect.ImageRejected):
        inspected(image.declared, image.data)
    return runtime.monotonic() - start
