"""An unmodified OpenStack SDK against Block Storage v3 on a real socket; who asks is told to the API directly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openstack
import pytest
from openstack import exceptions

from iaas.common import runtime
from tests.fixtures import compute
from tests.fixtures.compute import clients
from tests.fixtures.volume import VolumeApi

__all__ = ["clients"]


@pytest.fixture
def sdk(clients: Any) -> Iterator[Any]:
    """The SDK's block storage client of an administrator."""
    api = VolumeApi(clients)
    api.service()

    def as_admin(environ: dict[str, Any], start_response: Any) -> Any:
        environ["iaas.context"] = api.admin
        return api.wsgi(environ, start_response)

    sock = runtime.listen("127.0.0.1", 0)
    server = runtime.serve(sock, as_admin)
    clients.settings.api.volume_port = server.port  # links of lists lead here
    url = f"http://127.0.0.1:{server.port}/v3/{compute.PROJECT}"
    connection = openstack.connect(load_yaml_config=False, load_envvars=False, auth_type="none", endpoint=url,
                                   block_storage_endpoint_override=url, block_storage_api_version="3")  # fmt: skip
    yield connection.block_storage
    connection.close()
    server.stop()


def test_volumes_are_made_found_changed_and_deleted(sdk):
    made = sdk.create_volume(size=1, name="v", description="d", metadata={"a": "b"})
    assert (made.status, made.size, made.volume_type) == ("creating", 1, "__DEFAULT__")
    found = sdk.find_volume("v", ignore_missing=False)
    assert (found.id, found.project_id, found.is_bootable) == (made.id, compute.PROJECT, False)
    assert sdk.update_volume(made, name="w").name == "w"
    sdk.set_volume_metadata(made, c="d")
    assert sdk.get_volume(made.id).metadata == {"a": "b", "c": "d"}
    sdk.delete_volume_metadata(sdk.get_volume(made.id), ["a"])
    assert sdk.get_volume(made.id).metadata == {"c": "d"}
    sdk.delete_volume(made)
    assert sdk.get_volume(made.id).status == "deleting"
    assert sdk.find_volume("nowhere") is None


def test_lists_go_on_over_pages(sdk):
    names = [sdk.create_volume(size=1, name=f"v{number}").name for number in range(5)]
    assert [volume.name for volume in sdk.volumes(limit=2)] == names[::-1]
    assert [volume.name for volume in sdk.volumes(details=False, name="v3")] == ["v3"]


def test_types_limits_quotas_services_and_zones_are_read(sdk):
    sdk.create_volume(size=4)
    assert [kind.name for kind in sdk.types()] == ["__DEFAULT__"]
    made = sdk.create_type(name="fast")
    sdk.update_type_extra_specs(made, x="y")
    assert sdk.get_type(made).extra_specs == {"x": "y"}
    sdk.delete_type(made)
    assert sdk.get_limits().absolute.total_gigabytes_used == 4
    assert sdk.get_quota_set(compute.PROJECT, usage=True).usage["volumes"] == 1
    assert sdk.update_quota_set(compute.PROJECT, volumes=1).volumes == 1
    assert [service.binary for service in sdk.services()] == ["cinder-volume"]
    assert [zone.name for zone in sdk.availability_zones()] == ["nova"]
    with pytest.raises(exceptions.HttpException, match="Quota exceeded for volumes") as caught:
        sdk.create_volume(size=1)
    assert caught.value.status_code == 413


def test_what_is_not_there_is_an_error_the_sdk_can_show(sdk):
    with pytest.raises(exceptions.NotFoundException):
        list(sdk.snapshots())
    with pytest.raises(exceptions.HttpException, match="not implemented"):
        sdk.create_volume(size=1, snapshot_id=runtime.uuid())
