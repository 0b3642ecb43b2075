"""A client with images: it makes them, uploads their data, reads it again and deletes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.world_asking import Asker
from tests.simulation.world_daemons import Answer, Body
from tests.simulation.world_images import fingerprint

if TYPE_CHECKING:
    from tests.simulation.world import World

TRIES = 12
LIFE = 60.0  # seconds after which it does nothing more, so that its worlds last no longer than others
BUSY, LATER = 409, (400, 507)  # of an upload: somebody is at it, or nothing came of it


class Uploader(Asker):
    """A tenant with images."""

    service = "image"

    def __init__(self, world: World, number: int, operations: int) -> None:
        super().__init__(world, number, operations)
        self.empty: list[str] = []
        self.full: list[str] = []
        self.tried: dict[str, list[bytes]] = {}  # image → all that was ever sent: an answer may be lost, too
        if world.faults.target.startswith(("image.", "driver.image.")):
            self.left += 4

    def _again(self, answer: Answer) -> bool:
        return super()._again(answer) and self._young()

    def _young(self) -> bool:
        """Whether there is time for another try; who has none does nothing more."""
        if self.world.backend.monotonic() <= LIFE:
            return True
        self.left = 0
        return False

    def _next(self) -> Callable[[], None]:
        choices: dict[str, float] = {"make": 2.0}
        if self.empty:
            choices |= {"load": 5.0, "drop": 0.5}
        if self.full:
            choices |= {"fetch": 1.5, "drop": 1.5}
        return getattr(self, self.chance.choices(list(choices), list(choices.values()))[0])

    # -- verbs ---------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Record an image and upload its data."""
        body = {"name": f"i{self.number}-{self.left}", "disk_format": "raw", "container_format": "bare"}
        for _ in range(TRIES):
            answer = self._ask("image", "POST", "/images", body)
            if answer.status == 201:
                self.empty.append(answer.body["id"])
                self.world.library.made.add(answer.body["id"])
                self.load()
                return
            if not self._again(answer):
                return

    def load(self) -> None:
        """Upload the data of an image, other bytes with each try, until some are taken."""
        image_id = self.chance.choice(self.empty)
        tried = self.tried.setdefault(image_id, [])
        for number in range(TRIES):
            tried.append(f"{image_id} {number} ".encode() * self.chance.randint(1, 40))
            status = self._ask("image", "PUT", f"/images/{image_id}/file", self._body(tried[-1])).status
            if status == 204:
                self._filled(image_id, tried[-1])
                return
            if status == 404:
                self._missing(image_id)
                return
            if status not in (0, 503, BUSY, *LATER) or (status in (0, BUSY) and self._is_full(image_id, tried)):
                return
            self.world.backend.sleep(self.chance.uniform(0.5, 6))
            if not self._young():
                return

    def fetch(self) -> None:
        """Read the data of an image again."""
        image_id = self.chance.choice(self.full)
        for _ in range(TRIES):
            answer = self._ask("image", "GET", f"/images/{image_id}/file")
            if answer.status == 200:
                if answer.body != self.world.library.data[image_id]:
                    self.world.complain(f"image {image_id} was read, and other bytes came than were uploaded")
                return
            if answer.status == 204:
                self.world.complain(f"image {image_id} was uploaded and has no bytes")
            if answer.status == 404:
                self._missing(image_id)
            if not self._again(answer):
                return

    def drop(self) -> None:
        image_id = self.chance.choice(self.empty + self.full)
        self.world.library.unwanted.add(image_id)
        for _ in range(TRIES):
            answer = self._ask("image", "DELETE", f"/images/{image_id}")
            if answer.status in (204, 404):
                self.world.library.gone.add(image_id)
                self._forget(image_id)
                return
            if not self._again(answer):
                return

    # -- what came of it -----------------------------------------------------------------------------------

    def _body(self, data: bytes) -> Body:
        """Return the bytes as they come: at once, slowly, or not to their end."""
        seconds = self.chance.choice([0.0, 0.0, 3.0, 20.0])
        broken = self.world.faults.happens("upload broken")
        return Body(self.world.backend, data[: len(data) // 2] if broken else data, len(data), seconds)

    def _filled(self, image_id: str, data: bytes) -> None:
        self.world.library.data[image_id] = data
        self.empty.remove(image_id)
        self.full.append(image_id)

    def _is_full(self, image_id: str, tried: list[bytes]) -> bool:
        """See whether an upload without an answer was done after all; what is there is one of those we tried."""
        answer = self._ask("image", "GET", f"/images/{image_id}")
        if answer.status != 200 or answer.body["status"] != "active":
            return False
        found = [data for data in tried if fingerprint(data) == answer.body["os_hash_value"]]
        if found:
            self._filled(image_id, found[0])
        else:
            self.world.complain(f"image {image_id} is active with bytes nobody uploaded")
        return True

    def _missing(self, image_id: str) -> None:
        """An image is not there, for its owner."""
        if image_id not in self.world.library.unwanted:
            self._lost(image_id)
        self._forget(image_id)

    def _lost(self, image_id: str) -> None:
        """Be told so by somebody who can know: an upload that was overtaken is answered 404, too."""
        answer: Any = Answer(0)
        for _ in range(TRIES):
            answer = self._ask("image", "GET", f"/images/{image_id}")
            if not self._again(answer):
                break
        if answer.status == 404:
            self.world.complain(f"image {image_id} is gone and nobody deleted it")

    def _forget(self, image_id: str) -> None:
        for mine in (self.empty, self.full):
            if image_id in mine:
                mine.remove(image_id)
